//! From a client to the servers.

use core::net::Ipv6Addr;

use super::interface::{Origin, render};
use super::{Card, Command, GivenUp, Reason, Relay, ToServer};
use crate::line::Line;
use crate::time::Instant;
use crate::v6::release::scope;
use crate::wire::bulk_release::{BulkRelease, Capability};
use crate::wire::dhcp6::{
    ClientLinkLayer, Duid, HOP_COUNT_LIMIT, IaKind, Message, Nest, NotRelayed, Prefix, RelayMessage, SERVER_PORT, code,
    kind, relay_forward,
};
use crate::wire::frame6::Datagram6;

/// Who speaks in a message that came from below, however many relays it passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Speaker<'a> {
    /// Message type.
    pub kind: u8,
    /// Option 1; `None` when there is none, or none that can be read.
    pub client: Option<Duid<'a>>,
    /// It came in a RELAY-FORW.
    pub relayed: bool,
    /// What the client itself said.
    message: &'a [u8],
}

impl Speaker<'_> {
    /// Whether it asks for leases, or for more time.
    pub fn logs_in(&self) -> bool {
        matches!(self.kind, kind::SOLICIT | kind::REQUEST | kind::RENEW | kind::REBIND)
    }

    /// The leases that it says are its own in a message which may bind it to them: a SOLICIT does with rapid commit only.
    pub fn claims(&self) -> Vec<Prefix> {
        let Some(message) = Message::parse(self.message).ok().filter(|_| self.logs_in()) else { return Vec::new() };
        if self.kind == kind::SOLICIT && message.options().find(code::RAPID_COMMIT).is_none() {
            return Vec::new();
        }
        let ias = message.ias().unwrap_or_default();
        ias.iter().flat_map(|ia| ia.leases().map(|lease| lease.binding.prefix())).collect()
    }

    /// Whether it gives leases up. Anybody can say so, and the server would believe it: unless the sender is known to be
    /// the client, call [`Relay::handle_not_theirs`] instead of [`Relay::handle_client`].
    pub fn gives_up(&self) -> bool {
        matches!(self.kind, kind::RELEASE | kind::DECLINE)
    }
}

/// Who speaks; `None` when it is no message at all.
pub fn speaker(received: &[u8]) -> Option<Speaker<'_>> {
    let relayed = received.first() == Some(&kind::RELAY_FORW);
    let message = if relayed { Nest::walk(received).ok()?.message() } else { received };
    let client = Message::parse(message).ok().and_then(|message| message.client_id().ok()?);
    Some(Speaker { kind: *message.first()?, client, relayed, message })
}

/// Whether a message can be read to its last octet and says whose it is.
fn names_its_client(message: &[u8]) -> bool {
    Message::parse(message).is_ok_and(|message| matches!(message.client_id(), Ok(Some(_))))
}

impl Relay {
    /// Drops a message that speaks for a client who is not its sender.
    pub fn handle_not_theirs(&mut self) {
        self.count(Err(Reason::NotTheirs));
    }

    /// A message that a client or a relay below sent to the relay, by multicast or to one of our addresses.
    pub fn handle_client(&mut self, line: Line, datagram: &Datagram6<'_>, now: Instant) {
        let result = self.client(line, datagram, now);
        self.count(result);
    }

    fn client(&mut self, line: Line, datagram: &Datagram6<'_>, now: Instant) -> Result<(), Reason> {
        let (_, card) = self.card(line).ok_or(Reason::UnknownPort)?;
        let (source, received) = (*datagram.source.ip(), datagram.payload);
        if source.is_unspecified() || source.is_multicast() || source.is_loopback() {
            return Err(Reason::Source);
        }
        if self.links.contains(&source) {
            return Err(Reason::SpoofedRelay);
        }
        let message = self.admissible(received, card.trusted)?;
        let kind = *message.first().ok_or(Reason::Malformed)?;
        if card.frozen && matches!(kind, kind::SOLICIT | kind::REQUEST | kind::RENEW | kind::REBIND) {
            return Err(Reason::Frozen);
        }
        self.forward(line, card, datagram)?;
        if matches!(kind, kind::RELEASE | kind::DECLINE) {
            self.remember(line, message, now);
        } else if kind == self.config.release_types.request() {
            self.remember_request(source, message, now);
        }
        Ok(())
    }

    /// What the client itself sent, if it is something that may come from there. Types that are not known may (RFC 8415
    /// section 19: they are relayed).
    fn admissible<'a>(&self, received: &'a [u8], trusted: bool) -> Result<&'a [u8], Reason> {
        let message = match *received {
            [kind::RELAY_FORW, hops, ..] => {
                if !trusted {
                    return Err(Reason::UntrustedRelay);
                }
                if hops >= HOP_COUNT_LIMIT {
                    return Err(Reason::Hops);
                }
                let nest = Nest::walk(received).map_err(|_| Reason::Malformed)?;
                let own = |relay: Duid<'_>| relay == self.config.duid.as_duid();
                if nest.relays().any(|relay| relay.relay_id().ok().flatten().is_some_and(own)) {
                    return Err(Reason::SpoofedRelay);
                }
                nest.message()
            }
            _ => received,
        };
        let types = self.config.release_types;
        match *message.first().ok_or(Reason::Malformed)? {
            kind if kind::only_from_servers(kind) || kind == types.reply() => Err(Reason::WrongDirection),
            kind if kind == types.request() && !(trusted && self.config.forward_release_requests) => {
                Err(Reason::ForgedRelease)
            }
            kind::LEASEQUERY | kind::RECONFIGURE_REQUEST if !trusted => Err(Reason::NotClients),
            // A server may read more into it than we do, and whether its sender may speak for the client was judged by what
            // we read.
            kind if kind::names_its_client(kind) && !names_its_client(message) => Err(Reason::Malformed),
            _ => Ok(message),
        }
    }

    /// The scope of the leases that are asked for on a line, and that we can release them all by it.
    fn tag(&self, line: Line, epoch: crate::scope::Epoch) -> Option<Vec<u8>> {
        let pen = self.config.single_logout?;
        let fpc = self.config.fpc(self.config.port(line.port)?.fpc)?;
        let scopes = vec![scope(self.config.duid.as_duid(), &fpc.name, epoch)?];
        let elements = BulkRelease { capability: Some(Capability::RELAY), scopes, ..BulkRelease::default() };
        Some(elements.encode_option_17(pen))
    }

    /// Whether a RELAY-REPL says that its server has stored the scope of the request, and can release by it (H-BR-2).
    pub(super) fn is_tagged(&self, relay: &RelayMessage<'_>, line: Line, epoch: crate::scope::Epoch) -> bool {
        let Some(pen) = self.config.single_logout else { return false };
        let fpc = self.config.port(line.port).and_then(|port| self.config.fpc(port.fpc));
        let ours = fpc.and_then(|fpc| scope(self.config.duid.as_duid(), &fpc.name, epoch));
        let options = relay.options().all(code::VENDOR_OPTS);
        let mut elements = options.filter_map(|option| BulkRelease::decode_option_17(option.value, pen).ok()?);
        elements.any(|said| {
            let capable = said.capability.is_some_and(|can| can.flags & Capability::SERVER_CAPABLE != 0);
            capable && ours.is_some() && said.scopes.first() == ours.as_ref()
        })
    }

    /// Sends a copy to every server.
    fn forward(&mut self, line: Line, card: Card, datagram: &Datagram6<'_>) -> Result<(), Reason> {
        let (peer, received) = (*datagram.source.ip(), datagram.payload);
        let relayed = received.first() == Some(&kind::RELAY_FORW);
        let link = link_address(&card, peer, relayed);
        let origin = Origin { line, epoch: card.epoch, mac: datagram.source_mac };
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.clear();
        self.stamp.write(&mut scratch, &self.config, &origin);
        let remote_id = scratch.len();
        if let Some(remote) = &self.config.remote_id {
            scratch.extend(remote.enterprise.to_be_bytes());
            render(&mut scratch, &self.config, &origin, &remote.id);
        }
        let tag = self.tag(line, card.epoch);
        let (hardware, port) = (ClientLinkLayer::ethernet(datagram.source_mac), datagram.source.port().to_be_bytes());
        let mut options: Vec<(u16, &[u8])> = Vec::with_capacity(5);
        options.push((code::INTERFACE_ID, &scratch[..remote_id]));
        options.push((code::RELAY_ID, self.config.duid.as_duid().octets()));
        if self.config.remote_id.is_some() {
            options.push((code::REMOTE_ID, &scratch[remote_id..]));
        }
        if let Some(tag) = &tag {
            options.push((code::VENDOR_OPTS, tag));
        }
        if !relayed {
            // The relay nearest the client knows it (RFC 6939 section 5).
            options.push((code::CLIENT_LINKLAYER_ADDR, &hardware));
        } else if datagram.source.port() != SERVER_PORT {
            options.push((code::RELAY_PORT, &port)); // RFC 8357 section 5.2
        }
        let payload = relay_forward(received, link, peer, &options).map_err(|error| match error {
            NotRelayed::Malformed(_) => Reason::Malformed,
            NotRelayed::HopCount(_) => Reason::Hops,
            NotRelayed::Downward => Reason::WrongDirection,
            NotRelayed::TooLong(_) => Reason::TooLong,
        });
        self.scratch = scratch;
        let payload = payload?;
        for server in self.config.servers.iter().copied() {
            let payload = payload.clone();
            self.commands.push_back(Command::ToServer(ToServer { source: card.link_address, server, payload }));
        }
        Ok(())
    }

    /// Remembers what a RELEASE or DECLINE is about: its REPLY need not say (RFC 8415 section 18.3.7).
    fn remember(&mut self, line: Line, message: &[u8], at: Instant) {
        let Ok(message) = Message::parse(message) else { return };
        let (Ok(Some(client)), Ok(ias)) = (message.client_id(), message.ias()) else { return };
        let declined = message.kind() == kind::DECLINE;
        // What is declined is an address that somebody else uses; of a delegated prefix nobody can say so (RFC 8415
        // section 18.2.8).
        let ias = ias.iter().filter(|ia| !declined || ia.kind != IaKind::Pd);
        let leases = ias.flat_map(|ia| ia.leases().map(|lease| (ia.kind, ia.iaid, lease.binding.prefix())));
        let given_up = GivenUp { line, declined, leases: leases.collect() };
        self.given_up.remember((message.xid(), client.to_owned()), given_up, at);
    }
}

/// The link-address of a RELAY-FORW around what came from `peer`: none where that is a relay with an address of global
/// scope, which has told the link itself (RFC 8415 section 19.1.2).
pub(super) fn link_address(card: &Card, peer: Ipv6Addr, relayed: bool) -> Ipv6Addr {
    if relayed && !peer.is_unicast_link_local() { Ipv6Addr::UNSPECIFIED } else { card.link_address }
}
