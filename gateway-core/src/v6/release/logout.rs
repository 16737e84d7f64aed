//! The single logout for DHCPv6: one message releases every lease of a card at a server that stored its scope with them
//! (BR-24, BR-26). Our own extension: a RELEASE-REQUEST without clients and with the elements of a bulk release in option 17,
//! which a server that knows nothing of it discards (RR-35). So a mistaken belief frees nothing.

use core::net::Ipv6Addr;

use super::command::Command;
use super::engine::Desk;
use super::message;
use crate::release::{Decision, patience};
use crate::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::bulk_release::{BulkRelease, Capability, Operation, Transaction};
use crate::wire::dhcp6::{Builder, Duid, DuidBuf, Message, code, status};

/// After an interim reply the next one is waited for this long.
const INTERIM_PATIENCE: Duration = Duration::from_secs(5);
/// One in so many leases may be gone from the server on its own.
const TOLERATED: u64 = 8;

/// The scope of a card's leases: our DUID and the card's name. `None` when either is too long to be one.
pub(crate) fn scope(duid: Duid<'_>, fpc: &str, epoch: Epoch) -> Option<Scope> {
    let device = DeviceId::new(DeviceIdType::Duid, duid.octets())?;
    Some(Scope { device, kind: ScopeKind::Group(GroupId::new(fpc.as_bytes())?), epoch })
}

/// One single logout under way.
#[derive(Debug)]
pub(super) struct Logout {
    pub(super) server: Ipv6Addr,
    pub(super) server_id: DuidBuf,
    pub(super) cohort: CohortId,
    /// Leases that we know in it.
    pub(super) count: u64,
    pub(super) xid: u32,
    txid: u64,
    scope: Scope,
    link: Ipv6Addr,
    /// Transmissions so far.
    pub(super) sent: u8,
    next: Instant,
    interval: Option<Duration>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// No reply to this one, or none that can be believed.
    None,
    /// The server is at it.
    Interim,
    /// It has released them all.
    Done { released: u64 },
    /// It refuses, has failed in part, or knows far fewer: the leases are released in batches.
    Failed,
}

impl Logout {
    #[expect(clippy::too_many_arguments, reason = "all that a message says")]
    pub(super) fn new(
        server: Ipv6Addr,
        server_id: DuidBuf,
        cohort: CohortId,
        count: u64,
        txid: u64,
        scope: Scope,
        link: Ipv6Addr,
        desk: &mut Desk<'_, '_>,
    ) -> Self {
        let xid = ((desk.context.random)() >> 40) as u32;
        Self { server, server_id, cohort, count, xid, txid, scope, link, sent: 0, next: desk.now, interval: None }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// Sends it when it is due; false when it was sent often enough.
    pub(super) fn run(&mut self, decision: Decision, pen: u32, desk: &mut Desk<'_, '_>) -> bool {
        if self.next > desk.now {
            return true;
        }
        if self.sent >= desk.config.transmissions.max(1) {
            return false;
        }
        let elements = BulkRelease {
            capability: Some(Capability::RELAY),
            transaction: Some(Transaction {
                operation: Operation::Release,
                final_: false,
                txid: self.txid,
                count: u32::try_from(self.count).unwrap_or(u32::MAX),
            }),
            scopes: vec![self.scope.clone()],
            results: Vec::new(),
        };
        let mut out = Builder::message(desk.identity.types.request(), self.xid);
        out.duid(code::SERVER_ID, self.server_id.as_duid()).duid(code::RELAY_ID, desk.identity.duid.as_duid());
        out.u16(code::ELAPSED_TIME, message::hundredths(decision.age(desk.now)));
        out.option(code::VENDOR_OPTS, &elements.encode_option_17(pen));
        let message = out.finish().unwrap_or_default(); // nothing in it is as long as a length field can tell
        let payload = message::wrapped(&message, self.link, desk.config, desk.identity);
        desk.commands.push_back(Command::SendToServer { source: self.link, server: self.server, payload });
        let interval = patience(self.interval, (desk.context.random)());
        (self.interval, self.next, self.sent) = (Some(interval), desk.now + interval, self.sent + 1);
        true
    }

    /// What a reply means for it. One that names another transaction, server or scope means nothing.
    pub(super) fn read(&mut self, message: &Message<'_>, pen: u32, now: Instant) -> Reply {
        let server_id = message.server_id().ok().flatten();
        if message.xid() != self.xid || server_id != Some(self.server_id.as_duid()) {
            return Reply::None;
        }
        let Ok(Some(overall)) = message.status() else { return Reply::None };
        if overall.code != status::SUCCESS {
            return Reply::Failed;
        }
        let elements = message
            .options()
            .all(code::VENDOR_OPTS)
            .find_map(|option| BulkRelease::decode_option_17(option.value, pen).ok()?);
        let Some(elements) = elements else { return Reply::None };
        let Some(transaction) = elements.transaction.filter(|it| {
            it.operation == Operation::Result && it.txid == self.txid && elements.scopes == [self.scope.clone()]
        }) else {
            return Reply::None;
        };
        if !transaction.final_ {
            self.next = now + INTERIM_PATIENCE;
            return Reply::Interim;
        }
        let [result] = elements.results[..] else { return Reply::Failed };
        let released = u64::from(result.released);
        let known = released + u64::from(result.skipped) + u64::from(result.failed);
        let missing = self.count.saturating_sub(known);
        if result.status != 0 || result.failed > 0 || missing > self.count / TOLERATED {
            return Reply::Failed;
        }
        Reply::Done { released }
    }
}
