//! What became of a change.

use core::net::IpAddr;

use super::command::{Cause, Change, ChangeId, Outcome, Reason};
use super::event::{Event, Why};
use super::local::Presence;
use super::view::LastChange;
use super::{AddressManager, Outstanding};
use crate::time::Instant;

/// A hold grows with each time that an address fades, up to so many times the shortest.
const PENALTY_MOST: u32 = 6;

impl Change {
    /// What it is about; of a move, where it goes.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Add(address) | Self::SetPrimary(address) | Self::Remove(address) | Self::SetOwnPrimary(address) => {
                *address
            }
            Self::Move { to, .. } => *to,
        }
    }
}

impl AddressManager {
    /// The kernel's call has returned, or the peer has answered. Results of other changes than those under way are of a
    /// former association, and nothing.
    pub fn handle_result(&mut self, id: ChangeId, outcome: Outcome, now: Instant) {
        let is_it = |outstanding: &mut Outstanding| outstanding.id == id;
        let Some(done) = self.asconf.take_if(is_it).or_else(|| self.setting.take_if(is_it)) else { return };
        let Outstanding { change, why, .. } = done;
        self.last = Some(LastChange { change, why, outcome, at: now });
        match outcome {
            Outcome::Acknowledged | Outcome::Assumed => {
                if let Some(standing) = &mut self.standing
                    && outcome == Outcome::Acknowledged
                    && !matches!(change, Change::SetOwnPrimary(_))
                {
                    // An answer came, whatever the paths look like.
                    standing.cut = None;
                }
                self.tell(Event::Changed { change, why });
                self.succeeded(change, why, now);
            }
            failed => {
                self.tell(Event::Failed { change, outcome: failed });
                self.failed(change, failed, now);
            }
        }
        self.settle(now);
    }

    fn succeeded(&mut self, change: Change, why: Why, now: Instant) {
        match change {
            Change::Add(address) => self.join(address, false, now),
            Change::SetPrimary(address) => self.reach.set(address),
            Change::SetOwnPrimary(address) => {
                self.own.set(address);
                self.primary = Some(address);
            }
            Change::Remove(address) => self.part(address, why, now),
            Change::Move { to, from } => {
                // The answer came to the new address, unless another has come back meanwhile: the peer reaches it.
                let alone = !self.members().any(|(_, local)| local.is_up());
                self.join(to, alone, now);
                self.part(from, Why::Gone, now);
                self.reach.set(to);
            }
        }
    }

    pub(super) fn join(&mut self, address: IpAddr, confirmed: bool, now: Instant) {
        if let Some(local) = self.locals.get_mut(&address) {
            (local.member, local.confirmed, local.fading, local.joined) = (true, confirmed, None, now);
            local.measured = false;
        }
    }

    /// It has left; it comes back after the hold-down, later each time that it fades.
    pub(super) fn part(&mut self, address: IpAddr, why: Why, now: Instant) {
        let Some(local) = self.locals.get_mut(&address) else { return };
        let shortest = self.config.hysteresis.hold_down;
        if why == Why::Faded {
            local.penalty = (local.penalty * 2).clamp(shortest, shortest * PENALTY_MOST);
        }
        (local.member, local.confirmed, local.measured, local.fading) = (false, false, false, None);
        local.held = now + local.penalty.max(shortest);
    }

    fn failed(&mut self, change: Change, outcome: Outcome, now: Instant) {
        let hysteresis = self.config.hysteresis;
        let later = now + if outcome == Outcome::TimedOut { hysteresis.hold_down } else { self.config.retry };
        match change {
            Change::Add(address) => {
                let barred = matches!(outcome, Outcome::Refused(cause) if cause.is_final());
                if let Some(local) = self.locals.get_mut(&address) {
                    local.barred = barred && local.presence != Presence::Gone;
                    local.asked = later;
                }
            }
            Change::Remove(address) => {
                let soon = matches!(outcome, Outcome::Refused(Cause::LastAddress | Cause::SourceAddress));
                if let Some(local) = self.locals.get_mut(&address) {
                    local.asked = if soon { now + hysteresis.hold_down } else { later };
                }
            }
            Change::SetPrimary(address) => self.reach.block(address, later),
            Change::SetOwnPrimary(address) => {
                self.own.block(address, later);
                self.echoes.pop_back();
            }
            Change::Move { .. } => {
                if let Some(reason) = Reason::of_move(outcome) {
                    self.reconnect(reason);
                }
            }
        }
    }
}
