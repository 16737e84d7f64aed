//! A server that does the single logout, and the pieces of its replies for tests that bend them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::{SERVER, device, key};
use crate::line::HardwareAddress;
use crate::scope::{Epoch, Scope, ScopeKind};
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::bulk_release::{BulkRelease, Capability, CodePoints, Operation, ScopeResult, Transaction};
use crate::wire::dhcp4::{Builder, Message, REPLY, code, kind};
use crate::wire::relay_auth::{self, Key};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Binding {
    pub(super) hardware: HardwareAddress,
    pub(super) kind: Option<ScopeKind>,
    pub(super) epoch: Epoch,
    pub(super) last: Instant,
    pub(super) active: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct BulkServer {
    pub(super) leases: BTreeMap<Ipv4Addr, Binding>,
    pub(super) replay: u64,
    /// Of each scope this many could not be freed.
    pub(super) fails: u32,
    pub(super) epoch: u32,
}

/// A reply in the making: what a correct server says, to be changed before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) xid: u32,
    pub(super) identifier: Ipv4Addr,
    pub(super) kind: u8,
    pub(super) status: Option<u8>,
    pub(super) relay_id: Vec<u8>,
    pub(super) release: BulkRelease,
    pub(super) points: CodePoints,
    pub(super) key: Option<Key>,
    pub(super) replay: u64,
}

impl Draft {
    /// The reply to `asked` in which every scope has `released` released and nothing failed.
    pub(super) fn to(asked: &[u8], replay: u64, released: u32) -> Self {
        Self::to_points(asked, replay, released, CodePoints::default())
    }

    pub(super) fn to_points(asked: &[u8], replay: u64, released: u32, points: CodePoints) -> Self {
        let message = Message::parse(asked).unwrap();
        let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
        let request = BulkRelease::decode(&agent, &points).unwrap().unwrap();
        let transaction = request.transaction.unwrap();
        let result = |index| ScopeResult { index, status: 0, released, skipped: 0, failed: 0, highest_epoch: 7 };
        let flags = Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE | Capability::WILL_REPLY;
        let release = BulkRelease {
            capability: Some(Capability { version: 1, flags, max_scopes: 8 }),
            transaction: Some(Transaction { operation: Operation::Result, final_: true, ..transaction }),
            results: (0..).take(request.scopes.len()).map(result).collect(),
            scopes: request.scopes,
        };
        Self {
            xid: message.xid(),
            identifier: message.address_option(code::SERVER_ID).unwrap(),
            kind: kind::BULK_RELEASE_REPLY,
            status: None,
            relay_id: device().octets().to_vec(),
            release,
            points,
            key: Some(key()),
            replay,
        }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let agent = AgentBuilder::new().sub(sub::RELAY_ID, &self.relay_id);
        let elements = self.release.encode(&self.points);
        let agent = elements.iter().fold(agent, |agent, (code, value)| agent.sub(*code, value)).finish().unwrap();
        let mut builder = Builder::new(REPLY).xid(self.xid).kind(self.kind).address(code::SERVER_ID, self.identifier);
        if let Some(status) = self.status {
            builder = builder.option(code::STATUS_CODE, &[status]);
        }
        let unsigned = builder.option(code::AGENT_INFORMATION, &agent).finish();
        match &self.key {
            Some(key) => relay_auth::append_and_sign(&unsigned, key, self.replay).unwrap(),
            None => unsigned,
        }
    }
}

impl BulkServer {
    /// Has the logins of the table that are at [`SERVER`].
    pub(super) fn with(table: &super::Table) -> Self {
        let mut server = Self::default();
        for (address, (login, cohort)) in &table.logins {
            if login.server == SERVER {
                server.bind(*address, login.hardware, table.scope(*cohort), login.epoch, login.last_transaction);
            }
        }
        server
    }

    pub(super) fn bind(
        &mut self,
        address: Ipv4Addr,
        hardware: HardwareAddress,
        kind: Option<ScopeKind>,
        epoch: Epoch,
        last: Instant,
    ) {
        self.leases.insert(address, Binding { hardware, kind, epoch, last, active: true });
    }

    pub(super) fn active(&self) -> usize {
        self.leases.values().filter(|lease| lease.active).count()
    }

    /// Applies a bulk release by the match rule of a single logout and answers it; individual RELEASEs and leasequeries too.
    pub(super) fn handle(&mut self, payload: &[u8], now: Instant) -> Option<Vec<u8>> {
        let message = Message::parse(payload).ok()?;
        if message.kind() == Some(kind::LEASEQUERY) {
            return Some(self.lease_answer(&message, now));
        }
        if !message.ciaddr().is_unspecified() {
            if let Some(lease) = self.leases.get_mut(&message.ciaddr()) {
                lease.active &= lease.hardware != message.hardware();
            }
            return None;
        }
        relay_auth::verify(payload, &[key()]).ok()?;
        let agent = AgentInformation::parse(message.agent_information()?).ok()?;
        let request = BulkRelease::decode(&agent, &CodePoints::default()).ok()??;
        let apply = request.transaction?.operation == Operation::Release;
        let before = now - Duration::from_secs(u64::from(message.secs()));
        self.replay += 1;
        let mut draft = Draft::to(payload, self.replay, 0);
        for (scope, result) in request.scopes.iter().zip(&mut draft.release.results) {
            self.release(scope, before, apply, result);
        }
        Some(draft.octets())
    }

    fn release(&mut self, scope: &Scope, before: Instant, apply: bool, result: &mut ScopeResult) {
        let mut spared = self.fails;
        result.highest_epoch = self.epoch.max(scope.epoch.0);
        for lease in self.leases.values_mut().filter(|l| l.active && l.kind.as_ref() == Some(&scope.kind)) {
            if lease.epoch > scope.epoch || lease.last > before + Duration::from_secs(1) {
                result.skipped += 1;
            } else if spared > 0 {
                spared -= 1;
                result.failed += 1;
            } else {
                result.released += 1;
                lease.active &= !apply;
            }
        }
    }

    fn lease_answer(&self, query: &Message<'_>, now: Instant) -> Vec<u8> {
        let builder = |kind| Builder::new(REPLY).xid(query.xid()).ciaddr(query.ciaddr()).kind(kind);
        match self.leases.get(&query.ciaddr()) {
            None => builder(kind::LEASEUNKNOWN).finish(),
            Some(lease) if !lease.active => builder(kind::LEASEUNASSIGNED).finish(),
            Some(lease) => {
                let ago = u32::try_from(now.since(lease.last).as_secs()).unwrap();
                let builder = builder(kind::LEASEACTIVE).hardware(lease.hardware).number(code::LEASE_TIME, 600);
                builder.number(code::LAST_TRANSACTION, ago).finish()
            }
        }
    }
}
