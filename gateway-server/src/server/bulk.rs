//! The single logout: who may send it, what it ends, and the answer.
//!
//! Whatever the number of leases it is one look at each generation of the scope, one durable record of the cut-off
//! and one of the answer. The answer leaves after they are on disk.

use core::net::Ipv4Addr;

use gateway_common::bucket::Rate;
use gateway_core::scope::{DeviceId, Scope, ScopeKind};
use gateway_core::time::Duration;
use gateway_core::wire::agent::{AgentBuilder, sub};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, CodePoints, Operation, ScopeResult, Transaction};
use gateway_core::wire::dhcp4::{Builder, code};
use gateway_core::wire::relay_auth;

use super::auth::NotAuthentic;
use super::request::Request;
use super::{Command, Server};
use crate::event::{Event, Refusal};
use crate::leases::Outcome;
use crate::record::{self, Moment, Now, ResultRecord};
use crate::server::transactions::KEEP_RESULTS;

/// Grace for clocks and rounding: `secs` is in whole seconds.
const TOLERANCE: Duration = Duration::from_secs(1);
/// Option 151 (RFC 6926).
const SUCCESS: u8 = 0;
const MALFORMED_QUERY: u8 = 3;
const NOT_ALLOWED: u8 = 4;

/// A refusal, and whether the sender is told.
enum Refused {
    Silently(Refusal),
    Aloud(Refusal, u8),
}

impl Server {
    pub(super) fn handle_bulk_release(&mut self, mut request: Request<'_>, now: &Now) {
        self.counters.bulk_release += 1;
        if !request.is_relayed() {
            return self.refuse(&request, None, None, Refused::Silently(Refusal::Source));
        }
        let Some((release, transaction)) = request
            .release
            .as_ref()
            .ok()
            .and_then(|release| release.clone())
            .and_then(|release| release.transaction.map(|transaction| (release, transaction)))
        else {
            return self.refuse(&request, None, None, Refused::Silently(Refusal::Malformed));
        };
        let device = match self.check(&mut request, &release) {
            Ok(device) => device,
            Err(why) => {
                let device = release.scopes.first().map(|scope| scope.device.clone());
                return self.refuse(&request, device, Some((&release, transaction)), why);
            }
        };
        if transaction.operation == Operation::Probe {
            let decided = decided(&request, now);
            let outcomes: Vec<Outcome> = release.scopes.iter().map(|scope| self.leases.probe(scope, decided)).collect();
            let results = release.scopes.iter().cloned().zip(outcomes.iter().map(counts)).collect::<Vec<_>>();
            return self.answer(&request, transaction, &results, SUCCESS);
        }
        let repeated = self.transactions.find(device.octets(), transaction.txid).cloned();
        if let Some(record) = repeated {
            self.persist_counter(&request);
            return self.answer(&request, transaction, &record.scopes, SUCCESS);
        }
        let policy = &self.config.bulk_release;
        if !self.transactions.admits(&device, Rate::new(policy.rate, policy.burst), now.at) {
            let why = Refused::Silently(Refusal::Rate);
            return self.refuse(&request, Some(device), None, why);
        }
        let results = self.release_scopes(&request, &release.scopes, transaction.txid, now);
        let record = ResultRecord { until: now.at + KEEP_RESULTS, scopes: results };
        let key = record::result_key(device.octets(), transaction.txid);
        self.commands.push_back(Command::Persist { key, value: record.encode(now) });
        self.persist_counter(&request);
        self.answer(&request, transaction, &record.scopes, SUCCESS);
        if let Some((device, txid)) = self.transactions.keep(device.octets(), transaction.txid, record) {
            self.commands.push_back(Command::Forget { key: record::result_key(&device, txid) });
        }
    }

    /// Ends the scopes, each with its durable record.
    fn release_scopes(
        &mut self,
        request: &Request<'_>,
        scopes: &[Scope],
        txid: u64,
        now: &Now,
    ) -> Vec<(Scope, [u32; 4])> {
        let decided = decided(request, now);
        let free_from = now.at + self.config.bulk_release.quarantine;
        let mut results = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let (outcome, cutoff, superfluous) = self.leases.bulk_release(scope, decided, free_from);
            let value = cutoff.encode(now);
            self.commands.push_back(Command::Persist { key: record::cutoff_key(scope), value });
            for old in superfluous.iter().filter(|old| old.epoch != scope.epoch) {
                let key = record::cutoff_key(&Scope { epoch: old.epoch, ..scope.clone() });
                self.commands.push_back(Command::Forget { key });
            }
            self.counters.bulk_released += u64::from(outcome.released);
            self.tell(Event::BulkReleased {
                relay: request.message.giaddr(),
                key_id: request.verified.map(|verified| verified.key_id),
                scope: scope.clone(),
                txid,
                released: outcome.released,
                skipped: outcome.skipped,
            });
            results.push((scope.clone(), counts(&outcome)));
        }
        results
    }

    /// H-BR-13, in the order in which the answers cost an attacker least information.
    fn check(&mut self, request: &mut Request<'_>, release: &BulkRelease) -> Result<DeviceId, Refused> {
        let policy = &self.config.bulk_release;
        let giaddr = request.message.giaddr();
        if *request.source.ip() != giaddr {
            return Err(Refused::Silently(Refusal::Source));
        }
        if !policy.relays.is_empty() && !policy.relays.contains(&giaddr) {
            return Err(Refused::Silently(Refusal::Relay));
        }
        if !policy.enabled {
            return Err(Refused::Aloud(Refusal::Disabled, NOT_ALLOWED));
        }
        if !policy.keys.is_empty() {
            match self.verify(request) {
                Ok(verified) => request.verified = Some(verified),
                Err(NotAuthentic::Missing) if self.config.bulk_release.allow_unauthenticated => {}
                Err(NotAuthentic::Replayed) => {
                    self.counters.replayed += 1;
                    return Err(Refused::Silently(Refusal::Replayed));
                }
                Err(NotAuthentic::Device) => return Err(Refused::Silently(Refusal::Device)),
                Err(NotAuthentic::Missing | NotAuthentic::Wrong) => {
                    self.counters.authentication += 1;
                    return Err(Refused::Silently(Refusal::Unauthenticated));
                }
            }
        } else if !policy.allow_unauthenticated {
            return Err(Refused::Aloud(Refusal::NoKey, NOT_ALLOWED));
        }
        let policy = &self.config.bulk_release;
        let Some(device) = release.scopes.first().map(|scope| scope.device.clone()) else {
            return Err(Refused::Aloud(Refusal::Scopes, MALFORMED_QUERY));
        };
        if release.scopes.len() > usize::from(policy.max_scopes()) {
            return Err(Refused::Aloud(Refusal::Scopes, NOT_ALLOWED));
        }
        let one_device = release.scopes.iter().all(|scope| scope.device == device);
        if !one_device || request.sub(sub::RELAY_ID).is_some_and(|id| id != device.octets()) {
            return Err(Refused::Aloud(Refusal::Device, NOT_ALLOWED));
        }
        let may_name = |address: Ipv4Addr| {
            address == giaddr || policy.registered.iter().any(|(id, theirs)| *id == device && *theirs == address)
        };
        let addresses = release.scopes.iter().filter_map(|scope| match scope.kind {
            ScopeKind::Address(address) => Some(address),
            ScopeKind::Group(_) | ScopeKind::Device => None,
        });
        for address in addresses {
            if !may_name(address) {
                return Err(Refused::Aloud(Refusal::Address, NOT_ALLOWED));
            }
        }
        Ok(device)
    }

    fn refuse(
        &mut self,
        request: &Request<'_>,
        device: Option<DeviceId>,
        asked: Option<(&BulkRelease, Transaction)>,
        why: Refused,
    ) {
        self.counters.bulk_release_refused += 1;
        let (Refused::Silently(reason) | Refused::Aloud(reason, _)) = why;
        self.tell(Event::BulkRefused { relay: request.message.giaddr(), device, reason });
        if let (Refused::Aloud(_, status), Some((release, transaction))) = (why, asked) {
            let none = release.scopes.iter().map(|scope| (scope.clone(), [0; 4])).collect::<Vec<_>>();
            self.answer(request, transaction, &none, status);
        }
    }

    fn answer(&mut self, request: &Request<'_>, asked: Transaction, results: &[(Scope, [u32; 4])], status: u8) {
        let policy = &self.config.bulk_release;
        let flags = match status {
            SUCCESS => Capability::SERVER_CAPABLE | Capability::WILL_REPLY,
            _ => Capability::SERVER_REFUSED | Capability::WILL_REPLY,
        };
        let capability = Capability {
            version: Capability::VERSION,
            flags: flags | Capability::RELAY_CAPABLE,
            max_scopes: policy.max_scopes(),
        };
        let total = results.iter().fold(0u32, |sum, (_, counts)| sum.saturating_add(counts[0]));
        let transaction = Transaction { operation: Operation::Result, final_: true, txid: asked.txid, count: total };
        let mut reply = BulkRelease {
            capability: Some(capability),
            transaction: Some(transaction),
            scopes: results.iter().map(|(scope, _)| scope.clone()).collect(),
            results: (0..).zip(results).map(|(index, (_, counts))| result(index, status, counts)).collect(),
        };
        let key = request.verified.and_then(|verified| policy.key(verified.key_id)).cloned();
        let authentication = key.as_ref().map(|key| {
            let (number, reserve) = self.counter.next();
            self.commands.extend(reserve);
            relay_auth::placeholder(key, number)
        });
        let id = request.sub(sub::RELAY_ID).or(results.first().map(|(scope, _)| scope.device.octets()));
        let points = &self.config.bulk_release.code_points;
        let mut agent = option82(id, &reply, points, authentication.as_deref());
        if agent.is_none() {
            reply.scopes.clear(); // the results still say which, by index
            agent = option82(id, &reply, points, authentication.as_deref());
        }
        let mut builder = Builder::reply(&request.message)
            .flags(0)
            .kind(points.reply_type)
            .address(code::SERVER_ID, self.config.listen);
        if status != SUCCESS {
            builder = builder.option(code::STATUS_CODE, &[status]);
        }
        if let Some(agent) = agent {
            builder = builder.option(code::AGENT_INFORMATION, &agent);
        }
        let mut payload = builder.finish();
        if let Some(key) = &key {
            // It fails only where option 82 did not fit, and then the relay refuses the reply for want of it.
            let _ = relay_auth::sign(&mut payload, key);
        }
        if let Some(to) = self.destination(request) {
            self.commands.push_back(Command::Send { to, payload, waits: true });
        }
    }
}

fn option82(
    id: Option<&[u8]>,
    reply: &BulkRelease,
    points: &CodePoints,
    authentication: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let mut agent = AgentBuilder::new();
    if let Some(id) = id {
        agent.push(sub::RELAY_ID, id);
    }
    for (code, value) in reply.encode(points) {
        agent.push(code, &value);
    }
    if let Some(value) = authentication {
        agent.push(sub::AUTHENTICATION, value);
    }
    agent.finish()
}

/// When the relay decided on the restart, tolerance allowed. A lease whose client spoke later is a newer login
/// (H-BR-7).
fn decided(request: &Request<'_>, now: &Now) -> Moment {
    let age = Duration::from_secs(request.message.secs().into());
    now.before(age.saturating_sub(TOLERANCE))
}

/// Released, skipped, failed (nothing can: it is one record or none), highest epoch.
fn counts(outcome: &Outcome) -> [u32; 4] {
    [outcome.released, outcome.skipped, 0, outcome.highest.0]
}

fn result(index: u8, status: u8, &[released, skipped, failed, highest_epoch]: &[u32; 4]) -> ScopeResult {
    ScopeResult { index, status, released, skipped, failed, highest_epoch }
}
