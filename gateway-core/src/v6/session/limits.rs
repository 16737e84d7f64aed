//! How much one client, and one MAC, may have.

use super::lease::Session;
use super::table::Sessions;
use crate::line::Line;
use crate::session::Refusal;
use crate::v6::{Login, Over};

/// What keeps one subscriber from filling the table: DUIDs and IAIDs are its own to invent. `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Leases of a client on a line.
    pub leases: Option<u32>,
    /// Clients of a MAC on a line. Those behind a relay below all come with its MAC and don't count.
    pub clients: Option<u32>,
}

impl Sessions {
    /// Sets the limits. What there is already stays, and is extended.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a MAC on a line has all the clients that it may have.
    pub(super) fn mac_is_full(&self, line: Line, mac: [u8; 6]) -> bool {
        let is_full = |limit: u32| self.live_at(line, mac).take(limit as usize).count() >= limit as usize;
        self.limits.clients.is_some_and(is_full)
    }

    /// Whether there is no room for a client that is not logged in: on its port, and for its MAC.
    pub(super) fn room_for(&self, login: &Login) -> Result<(), Refusal> {
        let on_port = |session: &Session| session.line.port == login.line.port;
        if self.port_is_full(login.line.port) && !self.gives_way(login, on_port) {
            return Err(Refusal::PortFull);
        }
        let own = |session: &Session| (session.line, session.own_mac()) == (login.line, Some(login.mac));
        if !login.relayed && self.mac_is_full(login.line, login.mac) && !self.gives_way(login, own) {
            return Err(Refusal::MacFull);
        }
        Ok(())
    }

    /// Whether a login takes the last lease of one of these sessions.
    fn gives_way(&self, login: &Login, which: impl Fn(&Session) -> bool) -> bool {
        let granted = |slot: u32| login.granted.iter().any(|grant| grant.prefix == self.leases[slot].prefix);
        let held = login.granted.iter().filter_map(|grant| self.slot(grant.prefix));
        let mut sessions = held.map(|slot| &self.sessions[self.leases[slot].session]);
        sessions.any(|session| which(session) && self.leases(session).all(|(slot, _)| granted(slot)))
    }

    /// Whether a login would give its client more leases than it may have, without those that it ends. What it has is
    /// extended whatever the limit, unless the same REPLY gives it more: that is refused as a whole.
    pub(super) fn is_greedy(&self, login: &Login, over: &Over) -> bool {
        let Some(limit) = self.limits.leases else { return false };
        let own = self.number(login.line, login.client.as_duid());
        let has = |slot: Option<u32>| slot.is_some_and(|slot| Some(self.leases[slot].session) == own);
        let more = login.granted.iter().filter(|grant| !has(self.slot(grant.prefix))).count();
        let had = own.map_or(0, |number| {
            let leases = self.leases(&self.sessions[number]);
            leases.filter(|(slot, _)| !self.is_over(*slot, login, over)).count()
        });
        more > 0 && had + more > limit as usize
    }

    fn is_over(&self, slot: u32, login: &Login, over: &Over) -> bool {
        let lease = &self.leases[slot];
        let said = over.leases.contains(&lease.prefix) || lease.is_in(&over.ias);
        said && self.is_theirs(slot, login.client.as_duid(), login.line, login.server)
    }
}
