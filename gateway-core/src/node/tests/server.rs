//! A DHCP server as small as can be: leases what is asked for, to whoever asks first.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::line::HardwareAddress;
use crate::scope::Scope;
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::bulk_release::{
    BulkRelease, Capability, CodePoints, Operation, ScopeResult, Transaction, rewrite_capability,
};
use crate::wire::dhcp4::{Builder, Message, REPLY, code, kind, relay_down, relay_up};
use crate::wire::relay_auth::{self, Key};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    pub(super) hardware: HardwareAddress,
    pub(super) scope: Option<Scope>,
    pub(super) last: Instant,
    pub(super) active: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: Ipv4Addr,
    pub(super) capable: bool,
    pub(super) leasequery: bool,
    /// Answers nothing.
    pub(super) dead: bool,
    pub(super) leases: BTreeMap<Ipv4Addr, Lease>,
    pub(super) bulk_releases: usize,
    pub(super) releases: usize,
    pub(super) queries: usize,
    /// Obeys only what is signed with it, by counters that only grow, and signs its own.
    pub(super) key: Option<Key>,
    pub(super) last_counter: u64,
    pub(super) counter: u64,
}

const CAPABLE: u8 = Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE | Capability::WILL_REPLY;

impl Server {
    pub(super) fn new(address: Ipv4Addr, capable: bool) -> Self {
        let leases = BTreeMap::new();
        let (bulk_releases, releases, queries) = (0, 0, 0);
        let (key, last_counter, counter) = (None, 0, 0);
        let (leasequery, dead) = (true, false);
        Self {
            address,
            capable,
            leasequery,
            dead,
            leases,
            bulk_releases,
            releases,
            queries,
            key,
            last_counter,
            counter,
        }
    }

    pub(super) fn active(&self) -> Vec<Ipv4Addr> {
        self.leases.iter().filter(|(_, lease)| lease.active).map(|(address, _)| *address).collect()
    }

    pub(super) fn handle(&mut self, payload: &[u8], now: Instant) -> Option<Vec<u8>> {
        if self.dead {
            return None;
        }
        if let Some(key) = &self.key {
            let verified = relay_auth::verify(payload, core::slice::from_ref(key)).expect("signed");
            assert!(verified.replay > self.last_counter, "a counter was used twice");
            self.last_counter = verified.replay;
        }
        let answer = self.answer(payload, now)?;
        let Some(key) = self.key.as_ref().filter(|_| Message::parse(&answer).is_ok_and(|m| m.agent_count() > 0)) else {
            return Some(answer);
        };
        self.counter += 1;
        Some(relay_auth::append_and_sign(&unsigned(&answer), key, self.counter).expect("signable"))
    }

    fn answer(&mut self, payload: &[u8], now: Instant) -> Option<Vec<u8>> {
        let message = Message::parse(payload).expect("the node sends DHCP");
        match message.kind().expect("with a type") {
            kind::DISCOVER => {
                Some(self.lease_reply(&message, kind::OFFER, message.address_option(code::REQUESTED_IP)?))
            }
            kind::REQUEST => self.request(&message, now),
            kind::RELEASE if message.ciaddr().is_unspecified() => self.bulk(&message, now),
            kind::RELEASE => {
                self.releases += 1;
                if let Some(lease) = self.leases.get_mut(&message.ciaddr()) {
                    lease.active &= lease.hardware != message.hardware().trimmed();
                }
                None
            }
            kind::LEASEQUERY => self.query(&message, now),
            _ => None,
        }
    }

    fn request(&mut self, message: &Message<'_>, now: Instant) -> Option<Vec<u8>> {
        if message.address_option(code::SERVER_ID).is_some_and(|server| server != self.address) {
            return None;
        }
        let ciaddr = Some(message.ciaddr()).filter(|address| !address.is_unspecified());
        let address = ciaddr.or_else(|| message.address_option(code::REQUESTED_IP))?;
        let hardware = message.hardware().trimmed();
        if self.leases.get(&address).is_some_and(|lease| lease.active && lease.hardware != hardware) {
            let nak = Builder::reply(message).kind(kind::NAK).address(code::SERVER_ID, self.address);
            return Some(match message.agent_information() {
                Some(agent) => nak.option(code::AGENT_INFORMATION, agent).finish(),
                None => nak.finish(),
            });
        }
        let agent = message.agent_information().and_then(|agent| AgentInformation::parse(agent).ok());
        let decoded = agent.and_then(|agent| BulkRelease::decode(&agent, &CodePoints::default()).ok().flatten());
        let tagged = decoded.and_then(|decoded| decoded.scopes.into_iter().next());
        // A renewal by unicast carries no option 82 and leaves the scope as it was (H-BR-7).
        let kept = self.leases.get(&address).and_then(|lease| lease.scope.clone());
        let scope = tagged.or(kept.filter(|_| message.giaddr().is_unspecified()));
        self.leases.insert(address, Lease { hardware, scope, last: now, active: true });
        Some(self.lease_reply(message, kind::ACK, address))
    }

    fn lease_reply(&self, message: &Message<'_>, kind: u8, address: Ipv4Addr) -> Vec<u8> {
        let reply = Builder::reply(message).kind(kind).address(code::SERVER_ID, self.address).yiaddr(address);
        let reply = reply.number(code::LEASE_TIME, 3600);
        let Some(agent) = message.agent_information() else { return reply.finish() };
        let mut agent = agent.to_vec();
        if self.capable {
            rewrite_capability(&mut agent, &CodePoints::default(), CAPABLE, 8);
        }
        reply.option(code::AGENT_INFORMATION, &agent).finish()
    }

    /// The match rule of a single logout; a server that is not capable knows no lease of 0.0.0.0 and says nothing.
    fn bulk(&mut self, message: &Message<'_>, now: Instant) -> Option<Vec<u8>> {
        self.bulk_releases += 1;
        if !self.capable {
            return None;
        }
        let agent = AgentInformation::parse(message.agent_information()?).ok()?;
        let request = BulkRelease::decode(&agent, &CodePoints::default()).ok()??;
        let transaction = request.transaction?;
        let decided = now - Duration::from_secs(u64::from(message.secs()));
        let mut results = Vec::new();
        for (index, scope) in (0..).zip(&request.scopes) {
            let mut result =
                ScopeResult { index, status: 0, released: 0, skipped: 0, failed: 0, highest_epoch: scope.epoch.0 };
            for lease in self.leases.values_mut().filter(|lease| lease.active) {
                let Some(tag) =
                    lease.scope.as_ref().filter(|tag| (&tag.device, &tag.kind) == (&scope.device, &scope.kind))
                else {
                    continue;
                };
                result.highest_epoch = result.highest_epoch.max(tag.epoch.0);
                if tag.epoch <= scope.epoch && lease.last <= decided + Duration::from_secs(1) {
                    result.released += 1;
                    lease.active = transaction.operation != Operation::Release;
                } else {
                    result.skipped += 1;
                }
            }
            results.push(result);
        }
        let reply = BulkRelease {
            capability: Some(Capability { version: 1, flags: CAPABLE, max_scopes: 8 }),
            transaction: Some(Transaction { operation: Operation::Result, final_: true, ..transaction }),
            scopes: request.scopes,
            results,
        };
        let start = AgentBuilder::new().sub(sub::RELAY_ID, agent.get(sub::RELAY_ID)?);
        let elements = reply.encode(&CodePoints::default());
        let agent = elements.iter().fold(start, |agent, (code, value)| agent.sub(*code, value)).finish()?;
        let identifier = message.address_option(code::SERVER_ID)?;
        let builder = Builder::new(REPLY).xid(message.xid()).giaddr(message.giaddr()).kind(kind::BULK_RELEASE_REPLY);
        Some(builder.address(code::SERVER_ID, identifier).option(code::AGENT_INFORMATION, &agent).finish())
    }

    fn query(&mut self, query: &Message<'_>, now: Instant) -> Option<Vec<u8>> {
        self.queries += 1;
        if !self.leasequery {
            return None;
        }
        let builder =
            |kind| Builder::new(REPLY).xid(query.xid()).giaddr(query.giaddr()).ciaddr(query.ciaddr()).kind(kind);
        Some(match self.leases.get(&query.ciaddr()) {
            None => builder(kind::LEASEUNKNOWN).finish(),
            Some(lease) if !lease.active => builder(kind::LEASEUNASSIGNED).finish(),
            Some(lease) => {
                let ago = u32::try_from(now.since(lease.last).as_secs()).unwrap_or(u32::MAX);
                let remaining = 3600u32.saturating_sub(ago);
                let builder = builder(kind::LEASEACTIVE).hardware(lease.hardware).number(code::LEASE_TIME, remaining);
                builder.number(code::LAST_TRANSACTION, ago).finish()
            }
        })
    }
}

/// Without the relay's signature, which a server does not echo (RFC 4030 section 5).
fn unsigned(answer: &[u8]) -> Vec<u8> {
    let message = Message::parse(answer).expect("ours");
    let agent = AgentInformation::parse(message.agent_information().expect("there")).expect("ours");
    let kept = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
    let agent = kept.fold(AgentBuilder::new(), |agent, (code, value)| agent.sub(code, value)).finish();
    let stripped = relay_down(&message);
    let message = Message::parse(&stripped).expect("ours");
    relay_up(&message, message.giaddr(), message.hops(), agent.as_deref())
}
