//! Building replies: to whom, with which options, option 82 last.

use core::net::{Ipv4Addr, SocketAddrV4};

use gateway_core::wire::agent::{AgentBuilder, AgentInformation, sub};
use gateway_core::wire::bulk_release::{Capability, Encoding, rewrite_capability};
use gateway_core::wire::dhcp4::{BROADCAST, Builder, code, kind};
use gateway_core::wire::relay_auth;

use super::request::Request;
use super::{Command, Server};
use crate::config::{BulkReleasePolicy, Subnet};
use crate::record::Now;

impl Server {
    /// Where the reply to this request goes: to the relay, or to the address a client without one already has.
    pub(super) fn destination(&self, request: &Request<'_>) -> Option<SocketAddrV4> {
        let ports = self.config.ports;
        if request.is_relayed() {
            // RFC 8357: a relay that says so is answered on the port it sent from.
            let port = if request.sub(sub::SOURCE_PORT).is_some() { request.source.port() } else { ports.relay };
            return Some(SocketAddrV4::new(request.message.giaddr(), port));
        }
        let ciaddr = request.message.ciaddr();
        (!ciaddr.is_unspecified()).then(|| SocketAddrV4::new(ciaddr, ports.client))
    }

    /// OFFER or ACK of an address. RFC 2131 table 3.
    pub(super) fn lease_reply(
        &self,
        request: &Request<'_>,
        kind: u8,
        address: Ipv4Addr,
        subnet: &Subnet,
        now: &Now,
    ) -> Builder {
        let ciaddr = if kind == kind::ACK { request.message.ciaddr() } else { Ipv4Addr::UNSPECIFIED };
        let lease = self.term(request, subnet, address, now);
        let seconds = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
        let mut builder = self.start(request, kind).ciaddr(ciaddr).yiaddr(address).number(code::LEASE_TIME, seconds);
        if seconds != u32::MAX {
            let part = |percent: u8| (u64::from(seconds) * u64::from(percent) / 100) as u32; // percent is at most 100
            let (renew, rebind) = self.percents(request, subnet);
            builder = builder.number(code::T1, part(renew)).number(code::T2, part(rebind));
        }
        self.configure(builder, request, subnet)
    }

    /// Options 53, 54 and the fields every reply copies.
    pub(super) fn start(&self, request: &Request<'_>, kind: u8) -> Builder {
        let identifier = request.override_id().unwrap_or(self.config.listen);
        Builder::reply(&request.message).kind(kind).address(code::SERVER_ID, identifier)
    }

    pub(super) fn nak(&mut self, request: &Request<'_>, message: &str) {
        self.counters.nak += 1;
        let mut builder = self.start(request, kind::NAK).option(code::MESSAGE, message.as_bytes());
        if request.is_relayed() {
            // RFC 2131 4.3.2: the client may have no valid address, so the relay must broadcast.
            builder = builder.flags(request.message.flags() | BROADCAST);
        }
        self.send(request, builder);
    }

    /// Sends what the client may rely on once it has it.
    pub(super) fn send(&mut self, request: &Request<'_>, builder: Builder) {
        self.say(request, builder, true);
    }

    /// Pads to what clients take at least (RFC 1542 section 2.1), adds client identifier (RFC 6842), the subnet that the client selected (RFC 3011) and option 82 (RFC 3046 2.2: the whole
    /// of it, last), signs, sends.
    pub(super) fn say(&mut self, request: &Request<'_>, mut builder: Builder, waits: bool) {
        let Some(to) = self.destination(request) else {
            self.counters.unexpected += 1;
            return;
        };
        if let Some(id) = request.client().id {
            builder = builder.option(code::CLIENT_ID, id);
        }
        if let Some(selected) = request.selection() {
            builder = builder.address(code::SUBNET_SELECTION, selected);
        }
        let builder = builder.padded();
        let payload = match request.agent_information.as_ref().or(request.unread.as_ref()) {
            None => builder.finish(),
            Some(received) => self.finish_with_agent(request, builder, received),
        };
        // Numbers of signed messages are reserved on the disk first (H-BR-14), and must arrive in order: a relay takes an ACK that
        // a later OFFER has overtaken for a replay.
        let waits = waits || request.verified.is_some();
        self.commands.push_back(Command::Send { to, payload, waits });
    }

    fn finish_with_agent(&mut self, request: &Request<'_>, builder: Builder, received: &[u8]) -> Vec<u8> {
        let without = builder.clone();
        let mut value = received.to_vec();
        if let Some(capability) = self.config.bulk_release.answer(request) {
            let points = &self.config.bulk_release.code_points;
            rewrite_capability(&mut value, points, capability.flags, capability.max_scopes);
        }
        // Sub-option 8 is never echoed: ours takes its place, at the end, or nothing does (RFC 4030 section 8).
        let signed = AgentInformation::parse(&value).ok().filter(|agent| agent.get(sub::AUTHENTICATION).is_some());
        let mut key = None;
        if let Some(agent) = signed {
            let kept = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
            let mut rebuilt = kept.fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(code, value));
            key = request.verified.and_then(|verified| self.config.bulk_release.key(verified.key_id)).cloned();
            if let Some(key) = &key {
                let (number, reserve) = self.counter.next();
                self.commands.extend(reserve);
                rebuilt.push(sub::AUTHENTICATION, &relay_auth::placeholder(key, number));
            }
            value = rebuilt.finish().unwrap_or_default(); // what was received is no shorter, and fitted
        }
        let mut payload = builder.option(code::AGENT_INFORMATION, &value).finish();
        if payload.len() > self.config.max_message {
            self.counters.option82_too_long += 1;
            return without.finish();
        }
        if let Some(key) = &key {
            // The placeholder was put in above.
            let _ = relay_auth::sign(&mut payload, key);
        }
        payload
    }
}

impl BulkReleasePolicy {
    /// What the server says to a relay that says it is capable; a policy of refusing is said too.
    fn answer(&self, request: &Request<'_>) -> Option<Capability> {
        let theirs = request.release.as_ref().ok()?.as_ref()?.capability?;
        let relay = theirs.flags & Capability::RELAY_CAPABLE;
        let accepted = self.enabled && (self.allow_unauthenticated || request.verified.is_some());
        let flags = match (relay, accepted) {
            (0, _) => 0,
            (_, true) => relay | Capability::SERVER_CAPABLE | Capability::WILL_REPLY,
            (_, false) => relay | Capability::SERVER_REFUSED,
        };
        Some(Capability { version: theirs.version, flags, max_scopes: if accepted { self.max_scopes() } else { 0 } })
    }

    /// Scopes accepted in one message.
    pub(super) fn max_scopes(&self) -> u16 {
        match self.code_points.encoding {
            Encoding::Raw { .. } => 1,
            Encoding::Vsi { .. } => self.max_scopes,
        }
    }
}
