//! One bulk release, or PROBE, and its reply.

use core::net::Ipv4Addr;

use super::config::ReleaseConfig;
use super::desk::{Desk, patience};
use super::logins::CohortSummary;
use crate::scope::{DeviceId, Epoch, Scope, ScopeKind};
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, sub};
use crate::wire::bulk_release::{BulkRelease, Capability, Encoding, Operation, ScopeResult};
use crate::wire::bulk_release::{CodePoints, Transaction as Header};
use crate::wire::dhcp4::{Builder, REQUEST, code};
use crate::wire::relay_auth::{self, Key};

/// Transmissions in all.
const MRC: u8 = 4;
/// After an interim reply the next one, or the final one, is waited for this long; a server that works sends one
/// every 500 ms (H-BR-21).
const INTERIM_PATIENCE: Duration = Duration::from_secs(5);
/// However many interim replies arrive, the transaction ends after this: servers keep results no longer.
const LONGEST: Duration = Duration::from_secs(600);

/// One scope of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) kind: ScopeKind,
    /// The cohort that ends with it; `None` when its logins were gone already, or for a PROBE of the device.
    pub(super) cohort: Option<CohortId>,
    /// Logins in it.
    pub(super) count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Retransmitted at `next` until a reply comes. An interim reply moves `next`.
    Waiting { began: Instant, next: Instant, interval: Duration },
    /// No reply to any transmission, or an unusable one; its logins are released individually. A late reply still counts.
    Abandoned,
    /// Answered for good.
    Done,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Transaction {
    pub(super) server: Ipv4Addr,
    /// Option 54.
    pub(super) identifier: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
    pub(super) operation: Operation,
    pub(super) txid: u64,
    pub(super) xid: u32,
    pub(super) targets: Vec<Target>,
    pub(super) state: State,
    /// Transmissions so far.
    pub(super) sent: u8,
}

/// What a transaction's time brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Nothing,
    Transmit,
    GiveUp,
}

impl Transaction {
    /// Logins the gateway believes in its scopes.
    pub(super) fn count(&self) -> u64 {
        self.targets.iter().map(|target| target.count).sum()
    }

    pub(super) fn waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { next, .. } => Some(next),
            _ => None,
        }
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        match self.state {
            State::Waiting { next, .. } if now < next => Due::Nothing,
            State::Waiting { began, .. } if self.sent >= MRC || now.since(began) >= LONGEST => Due::GiveUp,
            State::Waiting { .. } => Due::Transmit,
            _ => Due::Nothing,
        }
    }

    /// The message without its signature; `None` when option 82 would not fit.
    fn message(&self, config: &ReleaseConfig, cutoff: Epoch, secs: u16) -> Option<Vec<u8>> {
        let agent = option_82(config, &self.request(&config.device, cutoff), &config.code_points)?.finish()?;
        let builder = Builder::new(REQUEST)
            .xid(self.xid)
            .secs(secs)
            .giaddr(self.giaddr)
            .kind(config.code_points.request_type)
            .address(code::SERVER_ID, self.identifier)
            .option(code::AGENT_INFORMATION, &agent);
        Some(builder.finish())
    }

    pub(super) fn request(&self, device: &DeviceId, epoch: Epoch) -> BulkRelease {
        let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
        let scope = |target: &Target| Scope { device: device.clone(), kind: target.kind.clone(), epoch };
        BulkRelease {
            capability: Some(Capability::RELAY),
            transaction: Some(Header { operation: self.operation, final_: false, txid: self.txid, count }),
            scopes: self.targets.iter().map(scope).collect(),
            results: Vec::new(),
        }
    }

    /// Sends it once more (or first) with the age of the decision and a fresh signature, and sets the next deadline.
    /// Returns whether it could be built.
    pub(super) fn transmit(&mut self, cutoff: Epoch, secs: u16, desk: &mut Desk<'_, '_>) -> bool {
        let Some(message) = self.message(desk.config, cutoff, secs) else { return false };
        desk.send(self.giaddr, self.server, message, true);
        let random = desk.random();
        let (began, interval) = match self.state {
            State::Waiting { began, interval, .. } if self.sent > 0 => (began, patience(Some(interval), random)),
            _ => (desk.now, patience(None, random)),
        };
        self.sent += 1;
        self.state = State::Waiting { began, next: desk.now + interval, interval };
        true
    }

    /// The server works on it: no retransmission meanwhile.
    pub(super) fn interim(&mut self, now: Instant) {
        if let State::Waiting { began, interval, .. } = self.state {
            let next = (now + INTERIM_PATIENCE).min(began + LONGEST);
            self.state = State::Waiting { began, next, interval };
        }
    }
}

/// Option 82 of a release but for the signature; `None` when it and the signature do not fit into 255 octets.
fn option_82(config: &ReleaseConfig, release: &BulkRelease, points: &CodePoints) -> Option<AgentBuilder> {
    let builder = AgentBuilder::new().sub(sub::RELAY_ID, config.device.octets());
    let builder = release.encode(points).iter().fold(builder, |builder, (code, value)| builder.sub(*code, value));
    let room = |key: &Key| builder.clone().sub(sub::AUTHENTICATION, &relay_auth::placeholder(key, 0));
    let whole = config.key.as_ref().map_or_else(|| builder.clone(), room);
    whole.finish().map(|_| builder)
}

/// Shares tagged cohorts out among transactions: one per server identifier and giaddr at least (H-BR-18), as many
/// scopes in each as the server takes (one in raw encoding), option 82 within 255 octets with the signature, the
/// reply's with its results too (H-BR-22). What does not even fit alone is returned.
pub(super) fn group(
    cohorts: Vec<CohortSummary>,
    cutoff: Epoch,
    operation: Operation,
    desk: &mut Desk<'_, '_>,
) -> (Vec<Transaction>, Vec<CohortSummary>) {
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut misfits = Vec::new();
    for cohort in cohorts {
        let Some(kind) = cohort.scope.clone() else {
            misfits.push(cohort);
            continue;
        };
        // A server that is strict about H-BR-13 takes an ADDR scope from its own giaddr only.
        let giaddr = if let ScopeKind::Address(address) = kind { address } else { cohort.giaddr };
        // With RFC 5107 the clients' option 54 is the relay itself; the server knows itself by its own address.
        let foreign = cohort.server_identifier.is_unspecified() || cohort.server_identifier == cohort.giaddr;
        let identifier = if foreign { cohort.server } else { cohort.server_identifier };
        let target = Target { kind, cohort: Some(cohort.cohort), count: cohort.count };
        let most = match desk.config.code_points.encoding {
            Encoding::Raw { .. } => 1,
            Encoding::Vsi { .. } => {
                usize::from(desk.context.capabilities.max_scopes(cohort.server, desk.now).clamp(1, 255))
            }
        };
        let same = |t: &&mut Transaction| (t.server, t.identifier, t.giaddr) == (cohort.server, identifier, giaddr);
        let open = transactions.iter_mut().rfind(same).filter(|t| t.targets.len() < most);
        let open = open.and_then(|transaction| {
            transaction.targets.push(target.clone());
            if transaction.reply_fits(desk.config, cutoff) {
                return Some(());
            }
            transaction.targets.pop();
            None
        });
        if open.is_some() {
            continue;
        }
        let (txid, xid) = (desk.random(), desk.xid());
        let state = State::Waiting { began: desk.now, next: desk.now, interval: Duration::ZERO };
        let targets = vec![target];
        let server = cohort.server;
        let alone = Transaction { server, identifier, giaddr, operation, txid, xid, targets, state, sent: 0 };
        if alone.message(desk.config, cutoff, 0).is_some() {
            transactions.push(alone);
        } else {
            misfits.push(cohort);
        }
    }
    (transactions, misfits)
}

impl Transaction {
    /// Whether the reply fits as well, which is the longer one. Asked of the second scope and on: a lone scope that is too
    /// large is left out of its reply.
    pub(super) fn reply_fits(&self, config: &ReleaseConfig, cutoff: Epoch) -> bool {
        let mut reply = self.request(&config.device, cutoff);
        let result = ScopeResult { index: 0, status: 0, released: 0, skipped: 0, failed: 0, highest_epoch: 0 };
        reply.results = vec![result; self.targets.len()];
        option_82(config, &reply, &config.code_points).is_some()
    }
}
