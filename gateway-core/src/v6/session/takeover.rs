//! From whom a login takes leases although it comes from elsewhere: with another MAC, or on another line.

use super::lease::Session;
use super::table::Sessions;
use crate::line::Line;
use crate::seen::Held;
use crate::v6::Login;
use crate::wire::dhcp6::{Duid, Prefix};

impl Sessions {
    /// The live leases of the sessions that this login puts an end to, in part or as a whole, as the same client's
    /// elsewhere. A DUID is anybody's to invent: whoever asks the data plane about these knows whether their holder has left.
    pub(crate) fn taken_over(&self, login: &Login) -> Vec<Held> {
        let granted = login.granted.iter().map(|grant| grant.prefix);
        let moved = self.elsewhere(login.line, login.client.as_duid(), granted);
        let own = self.of_another_mac(login.line, login.client.as_duid(), login.mac).filter(|_| !login.relayed);
        moved.chain(own).flat_map(|session| self.held(session)).collect()
    }

    /// The same of leases that a client says are its own. A server may believe that, and remember it even if the relay does not
    /// believe the server.
    pub(crate) fn claimed(&self, line: Line, client: Duid<'_>, leases: &[Prefix]) -> Vec<Held> {
        self.elsewhere(line, client, leases.iter().copied()).flat_map(|session| self.held(session)).collect()
    }

    /// A client's sessions on other lines that have any of these leases.
    fn elsewhere<'a>(
        &'a self,
        line: Line,
        client: Duid<'a>,
        leases: impl Iterator<Item = Prefix> + 'a,
    ) -> impl Iterator<Item = &'a Session> + 'a {
        let held = leases.filter_map(|prefix| self.slot(prefix));
        let sessions = held.map(|slot| &self.sessions[self.leases[slot].session]);
        sessions.filter(move |session| session.client.as_duid() == client && session.line != line)
    }

    /// A client's session on a line, if it has another MAC than this. That of a relay below may change while its clients
    /// stay.
    fn of_another_mac(&self, line: Line, client: Duid<'_>, mac: [u8; 6]) -> Option<&Session> {
        self.by_client(line, client).filter(|session| session.own_mac().is_some_and(|own| own != mac))
    }

    /// The live leases of a session.
    pub(crate) fn held<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = Held> + 'a {
        self.leases(session).map(|(slot, lease)| (slot, lease.at))
    }
}
