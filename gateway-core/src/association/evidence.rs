//! What shows that a change was made, where nobody tells what the peer answered.
//!
//! Linux takes ADD, SET PRIMARY and REMOVE by calls that return at once, sends them one after the other, and keeps the
//! answers to itself. What can be seen of them:
//!
//! ```text
//!                 the own kernel's list            what the peer says it sees     neither, after `answer`
//!                 (SCTP_GET_LOCAL_ADDRS)           (Report, over the stream)
//!   ADD           there from the call on           it lists the address           assumed: it is used when it is confirmed
//!   SET PRIMARY   nothing                          it sends there, also later     assumed, unless it says otherwise
//!   REMOVE        gone with the acknowledgement    it does not list it            not answered
//!   ADD … REMOVE  `from` is gone                   it sends to `to`               not answered
//! ```
//!
//! An ADD that the peer refused looks like one that it has not answered yet, to the own kernel too: the address stays on its
//! list for good, and what tells the difference is the peer's report alone. So an address that was assumed to be added is
//! worth nothing before it is confirmed: by the peer where it says what it sees, by a path over its card otherwise.

use core::net::IpAddr;

use super::command::{Cause, Change, ChangeId, Outcome};
use super::event::Why;
use super::path::PathState;
use super::report::Report;
use super::{AddressManager, Outstanding};
use crate::time::Instant;

/// A change that the own kernel has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) at: Instant,
    /// The peer's last word about it was no.
    pub(super) denied: bool,
    /// The peer says that it reaches what was added.
    pub(super) reached: bool,
}

impl AddressManager {
    /// The own kernel has taken a change and does not tell the answer: [`Self::handle_members`] and [`Self::handle_report`]
    /// show what became of it, or the time that an answer would have come in. What needs no message is done.
    pub fn handle_taken(&mut self, id: ChangeId, now: Instant) {
        if self.setting.as_ref().is_some_and(|setting| setting.id == id) {
            return self.handle_result(id, Outcome::Acknowledged, now);
        }
        if let Some(asconf) = self.asconf.as_mut().filter(|asconf| asconf.id == id) {
            asconf.taken = Some(Taken { at: now, denied: false, reached: false });
        }
        self.settle(now);
    }

    /// Our addresses that the own kernel has in the association now: `SCTP_GET_LOCAL_ADDRS` of the association, not of the
    /// socket. From then on this list says what is a member.
    pub fn handle_members(&mut self, members: &[IpAddr], now: Instant) {
        let Some(standing) = &mut self.standing else { return };
        standing.listed = true;
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
                let told = self.standing.as_ref().map_or(0, |standing| standing.reports.told);
                self.locals.entry(address).and_modify(|local| local.after = told);
            }
        }
    }

    /// What the peer says it sees of us, over the stream.
    pub fn handle_report(&mut self, report: &Report, now: Instant) {
        let Some(standing) = &mut self.standing else { return };
        if !standing.reports.take(report) {
            return;
        }
        let listed = standing.listed;
        for (address, state) in &report.paths {
            let local = self.locals.get_mut(address).filter(|local| local.member && report.heard > local.after);
            if let Some(local) = local {
                local.confirmed |= *state == PathState::Active;
            }
        }
        let sees = |address| report.paths.iter().find(|(path, _)| *path == address).map(|(_, state)| *state);
        let fresh = self.asconf.as_mut().filter(|asconf| report.heard > asconf.after);
        let verdict = fresh.and_then(|asconf| {
            let taken = asconf.taken.as_mut()?;
            let done = match asconf.change {
                Change::Add(address) => sees(address).is_some(),
                Change::SetPrimary(to) | Change::Move { to, .. } => report.primary == Some(to),
                Change::Remove(address) => !listed && sees(address).is_none(),
                Change::SetOwnPrimary(_) => true,
            };
            taken.denied = !done;
            taken.reached = sees(asconf.change.address()) == Some(PathState::Active);
            done.then_some(Outcome::Acknowledged)
        });
        let asks = |asconf: &Outstanding| matches!(asconf.change, Change::SetPrimary(_) | Change::Move { .. });
        let primary = report.primary.filter(|_| !self.asconf.as_ref().is_some_and(asks));
        if let Some(primary) = primary.filter(|primary| self.locals.get(primary).is_some_and(|local| local.member)) {
            self.reach.found(primary);
        }
        self.conclude(verdict, now);
        self.settle(now);
    }

    pub(super) fn conclude(&mut self, verdict: Option<Outcome>, now: Instant) {
        if let (Some(outcome), Some(id)) = (verdict, self.asconf.as_ref().map(|asconf| asconf.id)) {
            self.handle_result(id, outcome, now);
        }
    }

    /// When no more evidence of the change under way is waited for.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        let taken = self.asconf.as_ref()?.taken?;
        Some(taken.at + self.config.answer)
    }

    /// What it counts as then.
    pub(super) fn without_answer(&self, now: Instant) -> Option<Outcome> {
        let asconf = self.asconf.as_ref().filter(|_| self.answer_due().is_some_and(|due| due <= now))?;
        let denied = asconf.taken.is_some_and(|taken| taken.denied);
        Some(match asconf.change {
            Change::Add(_) | Change::SetPrimary(_) | Change::SetOwnPrimary(_) if !denied => Outcome::Assumed,
            _ => Outcome::TimedOut,
        })
    }
}
