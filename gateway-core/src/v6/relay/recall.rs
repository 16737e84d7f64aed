//! A login from what its server remembers of it: the inverse of [`super::interface`].

use core::net::Ipv6Addr;

use super::answer::is_fit;
use super::client::link_address;
use super::interface::{Origin, render};
use super::{Relay, Stamp};
use crate::line::{Line, PortId};
use crate::recover::Found6;
use crate::relay::{Unreadable, last_heard, places};
use crate::time::{Duration, Instant};
use crate::v6::{Grant, Login};
use crate::wire::dhcp6::kind;
use crate::wire::dhcp6::leasequery::RelayData;

/// Seconds by which a server's word of when it heard a client may be too late.
const TOLERANCE: u64 = 10;

impl Relay {
    /// The login that a server tells of. `asked`: when it was asked, from which the rest of each lease is counted; `unix`: the
    /// same in seconds of Unix time.
    ///
    /// Who tells is a configured server, but whoever can reach that may have written what it tells: so the Interface-Id's
    /// check must be right. Only what was stored before our secret was made is believed without, by our Relay-Id beside
    /// it, because an earlier secret was lost. Its text is the one that the port has now. The leases are untagged until
    /// their client renews, since what a server has stored does not show whether it is capable.
    ///
    /// # Errors
    ///
    /// When it can't be known where the client is, or whether it is one of ours.
    pub fn recall(&self, server: Ipv6Addr, found: &Found6, asked: Instant, unix: u64) -> Result<Login, Unreadable> {
        if found.path.is_empty() {
            return Err(Unreadable::Nothing);
        }
        let relays = RelayData { peer: server, message: &found.path }.relays().map_err(|_| Unreadable::Line)?;
        let own = self.config.duid.as_duid();
        // There may be other relays between us and the server.
        let ours = relays.iter().rposition(|relay| relay.relay_id() == Ok(Some(own))).ok_or(Unreadable::Foreign)?;
        let relay = &relays[ours];
        let value = relay.interface_id().ok().flatten().ok_or(Unreadable::Line)?;
        let (text, Origin { line, epoch, mac }) = Stamp::claim(value).ok_or(Unreadable::Line)?;
        let heard = found.since.map(|since| unix.saturating_sub(since.into()));
        let has_lost_secret = heard.is_some_and(|heard| heard <= self.config.secret_made.saturating_add(TOLERANCE));
        if !(self.config.secret_made > 0 && has_lost_secret) && self.stamp.read(value).is_none() {
            return Err(Unreadable::Check);
        }
        let is_so = |port: &PortId| {
            let mut rendered = Vec::new();
            let origin = Origin { line: Line { port: *port, ..line }, epoch, mac };
            render(&mut rendered, &self.config, &origin, &self.config.interface_id);
            self.config.port(*port).is_some() && rendered == text
        };
        let port = places(line.port, self.config.ports.len()).find(is_so).ok_or(Unreadable::Line)?;
        let line = Line { port, ..line };
        let (fpc, card) = self.card(line).ok_or(Unreadable::Line)?;
        let (peer, relayed) = (relay.peer_address(), ours + 1 < relays.len() || relay.hop_count() > 0);
        if relay.kind() != kind::RELAY_FORW || relay.link_address() != link_address(&card, peer, relayed) {
            return Err(Unreadable::Line);
        }
        let own = |prefix: &crate::wire::dhcp6::Prefix| self.links.iter().any(|link| prefix.contains(*link));
        if found.leases.iter().any(|lease| !is_fit(lease.prefix) || own(&lease.prefix)) {
            return Err(Unreadable::Unfit);
        }
        let grant = |lease: &crate::recover::Leased| Grant {
            prefix: lease.prefix,
            kind: lease.kind,
            iaid: lease.iaid,
            expires: match lease.valid {
                u32::MAX => Instant::NEVER,
                seconds => asked + Duration::from_secs(seconds.into()),
            },
        };
        Ok(Login {
            client: found.client.clone(),
            line,
            mac,
            relayed,
            peer,
            fpc,
            epoch,
            server,
            server_id: found.server_id.clone(),
            tagged: false,
            granted: found.leases.iter().map(grant).collect(),
            at: last_heard(found.since, asked),
        })
    }
}
