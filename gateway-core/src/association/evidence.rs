//! What shows that a change was made, where nobody tells what the peer answered.
//!
//! Linux takes ADD, SET PRIMARY and REMOVE by calls that return at once, sends them one after the other, and keeps the
//! answers to itself. What can be seen of them:
//!
//! ```text
//!                 the own kernel's list            nothing seen after `answer`
//!                 (SCTP_GET_LOCAL_ADDRS)
//!   ADD           there from the call on           assumed: it is used when it is confirmed
//!   SET PRIMARY   nothing                          assumed
//!   REMOVE        gone with the acknowledgement    not answered
//!   ADD … REMOVE  `from` is gone                   not answered
//! ```
//!
//! Assumed is what the kernel goes on sending until it is answered or the association ends. An ADD that the peer refused
//! looks the same: the address stays on the own kernel's list for good. So an address that was assumed to be added is worth
//! nothing before something came back over its card, and again when the peer has no address there any more.
//!
//! The ends do not tell each other what they see. That would arrive over the association that is in doubt, so after the own
//! kernel has measured as much itself: a path is a round trip between the same two cards, seen from either end.

use core::net::IpAddr;

use super::AddressManager;
use super::command::{Cause, Change, ChangeId, Outcome};
use super::event::Why;
use crate::time::Instant;

impl AddressManager {
    /// The own kernel has taken a change and does not tell the answer: [`Self::handle_members`] shows what became of it, or
    /// the time that an answer would have come in. What needs no message is done.
    pub fn handle_taken(&mut self, id: ChangeId, now: Instant) {
        if self.setting.as_ref().is_some_and(|setting| setting.id == id) {
            return self.handle_result(id, Outcome::Acknowledged, now);
        }
        if let Some(asconf) = self.asconf.as_mut().filter(|asconf| asconf.id == id) {
            asconf.taken = Some(now);
        }
        self.settle(now);
    }

    /// Our addresses that the own kernel has in the association now: `SCTP_GET_LOCAL_ADDRS` of the association, not of the
    /// socket. They say who is a member, but for what is under way.
    pub fn handle_members(&mut self, members: &[IpAddr], now: Instant) {
        if self.standing.is_none() {
            return;
        }
        let taken = self.asconf.as_ref().filter(|asconf| asconf.taken.is_some());
        let verdict = taken.and_then(|asconf| match asconf.change {
            Change::Remove(from) | Change::Move { from, .. } if !members.contains(&from) => Some(Outcome::Acknowledged),
            // It was not sent: the kernel takes the call for what the peer can't do, too.
            Change::Add(address) if !members.contains(&address) => Some(Outcome::Refused(Cause::Other(0))),
            _ => None,
        });
        self.agree(members, now);
        self.conclude(verdict, now);
        self.settle(now);
    }

    /// Who is a member, but for what is under way.
    fn agree(&mut self, members: &[IpAddr], now: Instant) {
        let open = |address: &IpAddr| match self.asconf.as_ref().map(|asconf| asconf.change) {
            Some(Change::Add(open) | Change::Remove(open)) => open == *address,
            Some(Change::Move { to, from }) => to == *address || from == *address,
            _ => false,
        };
        let differs = self.locals.iter().filter(|(address, local)| local.member != members.contains(address));
        let differs: Vec<_> =
            differs.filter(|(address, _)| !open(address)).map(|(address, local)| (*address, local.member)).collect();
        for (address, member) in differs {
            if member {
                self.part(address, Why::Gone, now);
            } else {
                self.join(address, false, now);
            }
        }
    }

    pub(super) fn conclude(&mut self, verdict: Option<Outcome>, now: Instant) {
        if let (Some(outcome), Some(id)) = (verdict, self.asconf.as_ref().map(|asconf| asconf.id)) {
            self.handle_result(id, outcome, now);
        }
    }

    /// When no more evidence of the change under way is waited for.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        Some(self.asconf.as_ref()?.taken? + self.config.answer)
    }

    /// What it counts as then.
    pub(super) fn without_answer(&self, now: Instant) -> Option<Outcome> {
        let asconf = self.asconf.as_ref().filter(|_| self.answer_due().is_some_and(|due| due <= now))?;
        Some(match asconf.change {
            Change::Add(_) | Change::SetPrimary(_) | Change::SetOwnPrimary(_) => Outcome::Assumed,
            Change::Remove(_) | Change::Move { .. } => Outcome::TimedOut,
        })
    }
}
