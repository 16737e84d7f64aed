//! The single logout: one message ends all leases of a relay's line card, as that of DHCPv4 does.
//!
//! It is a RELEASE-REQUEST without clients, with the elements of a bulk release in option 17. Whatever the number of leases
//! it is one look at each generation of the scope, one durable record of the cut-off and one of the answer. The answer
//! leaves after they are on disk.

use gateway_common::bucket::Rate;
use gateway_core::scope::{DeviceId, Scope};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, Operation, ScopeResult, Transaction};
use gateway_core::wire::dhcp6::release::Verdict;
use gateway_core::wire::dhcp6::{Builder, Message, code, status};

use super::request::Request;
use super::tag::{MAX_SCOPES, is_of};
use super::{Command, Dropped, Server};
use crate::leases::Outcome;
use crate::record::{Moment, Now, ResultRecord};
use crate::server::transactions::KEEP_RESULTS;
use crate::v6::config::Refuse;
use crate::v6::event::{Event, Refusal};
use crate::v6::record;

/// Elements with their transaction.
pub(super) type Asked = (BulkRelease, Transaction);

/// A scope, and what became of it: released, skipped, failed, highest epoch.
type Counts = (Scope, [u32; 4]);

const SUCCESS: Verdict<'static> = Verdict { code: status::SUCCESS, text: "" };
const UNKNOWN: (Refusal, Verdict<'static>) =
    (Refusal::RelayId, Verdict { code: status::NOT_ALLOWED, text: "no relay-id is registered" });
const SCOPES: (Refusal, Verdict<'static>) =
    (Refusal::Scope, Verdict { code: status::NOT_ALLOWED, text: "not a scope of this relay" });

impl Server {
    /// The elements of a single logout, if the message is one: a RELEASE-REQUEST that names no client.
    pub(super) fn single_logout(&self, message: &Message<'_>) -> Option<Asked> {
        if message.options().find(code::CLIENT_DATA).is_some() {
            return None;
        }
        let elements = self.elements(message.options())?;
        let transaction = elements.transaction.filter(|it| it.operation != Operation::Result)?;
        Some((elements, transaction))
    }

    pub(super) fn handle_single_logout(
        &mut self,
        request: &Request<'_>,
        (elements, transaction): Asked,
        now: &Now,
    ) -> Result<(), Dropped> {
        self.counters.single_logout += 1;
        let message = &request.message;
        let ours = message.server_id()? == Some(self.config.server_id.as_duid());
        let relay_id = message.options().duid(code::RELAY_ID)?.filter(|_| ours);
        let Some(relay_id) = relay_id else {
            self.counters.single_logout_refused += 1;
            self.refused(request, Refusal::Malformed);
            return Ok(());
        };
        let scopes = &elements.scopes[..];
        let own = (1..=MAX_SCOPES).contains(&scopes.len()) && scopes.iter().all(|scope| is_of(scope, relay_id));
        let off = Verdict { code: status::NOT_CONFIGURED, text: "single logouts are switched off" };
        let permitted = self.permits(request, relay_id).and_then(|known| match own {
            _ if !self.config.release.single_logout.enabled => Err((Refusal::Off, off)),
            // Anybody can say any relay-id, and nothing here names a client that could be looked at.
            _ if known.relay_id.is_none() => Err(UNKNOWN),
            true => Ok(()),
            false => Err(SCOPES),
        });
        if let Err((reason, why)) = permitted {
            self.counters.single_logout_refused += 1;
            self.refused(request, reason);
            return match self.config.release.refuse {
                Refuse::Silently => Ok(()),
                Refuse::WithStatus => self.answer_single(request, transaction, &[], why),
            };
        }
        let at = Self::decided(message.elapsed()?, now);
        if transaction.operation == Operation::Probe {
            let results: Vec<Counts> =
                scopes.iter().map(|scope| (scope.clone(), counts(&self.leases.probe(scope, at)))).collect();
            return self.answer_single(request, transaction, &results, SUCCESS);
        }
        let (device, txid) = (scopes[0].device.clone(), transaction.txid);
        if let Some(record) = self.transactions.find(device.octets(), txid).cloned() {
            return self.answer_single(request, transaction, &record.scopes, SUCCESS);
        }
        let policy = self.config.release.single_logout;
        if !self.transactions.admits(&device, Rate::new(policy.rate, policy.burst), now.at) {
            self.counters.single_logout_refused += 1;
            self.refused(request, Refusal::Rate);
            return Ok(());
        }
        let results = self.reset(request, scopes, txid, at, now);
        self.keep(&device, txid, ResultRecord { until: now.at + KEEP_RESULTS, scopes: results.clone() }, now);
        self.answer_single(request, transaction, &results, SUCCESS)
    }

    /// Ends the scopes, each with its durable record.
    fn reset(&mut self, request: &Request<'_>, scopes: &[Scope], txid: u64, at: Moment, now: &Now) -> Vec<Counts> {
        let free_from = now.at + self.config.release.quarantine;
        let mut results = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let (outcome, cutoff, superfluous) = self.leases.bulk_release(scope, at, free_from);
            let value = cutoff.encode(now);
            self.commands.push_back(Command::Persist { key: record::cutoff_key(scope), value });
            for old in superfluous.iter().filter(|old| old.epoch != scope.epoch) {
                let key = record::cutoff_key(&Scope { epoch: old.epoch, ..scope.clone() });
                self.commands.push_back(Command::Forget { key });
            }
            let Outcome { released, skipped, .. } = outcome;
            self.counters.single_logout_released += u64::from(released);
            self.tell(Event::Reset { peer: request.sender(), scope: scope.clone(), txid, released, skipped });
            results.push((scope.clone(), counts(&outcome)));
        }
        results
    }

    /// Remembers the results durably, for when they are asked for again.
    fn keep(&mut self, device: &DeviceId, txid: u64, results: ResultRecord, now: &Now) {
        let key = record::result_key(device.octets(), txid);
        self.commands.push_back(Command::Persist { key, value: results.encode(now) });
        if let Some((device, txid)) = self.transactions.keep(device.octets(), txid, results) {
            self.commands.push_back(Command::Forget { key: record::result_key(&device, txid) });
        }
    }

    pub(super) fn forget_results(&mut self, now: &Now) {
        for (device, txid) in self.transactions.expire(now.at) {
            self.commands.push_back(Command::Forget { key: record::result_key(&device, txid) });
        }
    }

    fn answer_single(
        &mut self,
        request: &Request<'_>,
        asked: Transaction,
        results: &[Counts],
        verdict: Verdict<'_>,
    ) -> Result<(), Dropped> {
        let policy = self.config.release.single_logout;
        let said =
            if verdict.code == status::SUCCESS { Capability::SERVER_CAPABLE } else { Capability::SERVER_REFUSED };
        let flags = Capability::RELAY_CAPABLE | Capability::WILL_REPLY | said;
        let total = results.iter().fold(0u32, |sum, (_, counts)| sum.saturating_add(counts[0]));
        let elements = BulkRelease {
            capability: Some(Capability { version: Capability::VERSION, flags, max_scopes: MAX_SCOPES as u16 }),
            transaction: Some(Transaction {
                operation: Operation::Result,
                final_: true,
                txid: asked.txid,
                count: total,
            }),
            scopes: results.iter().map(|(scope, _)| scope.clone()).collect(),
            results: (0..).zip(results).map(|(index, (_, counts))| result(index, counts)).collect(),
        };
        let mut out = Builder::message(self.config.release.types.reply(), request.message.xid());
        out.duid(code::SERVER_ID, self.config.server_id.as_duid()).status(verdict.code, verdict.text);
        out.option(code::VENDOR_OPTS, &elements.encode_option_17(policy.enterprise));
        Ok(self.send(request, &out.finish()?)?)
    }
}

/// Released, skipped, failed (nothing can: it is one record or none), highest epoch.
fn counts(outcome: &Outcome) -> [u32; 4] {
    [outcome.released, outcome.skipped, 0, outcome.highest.0]
}

fn result(index: u8, &[released, skipped, failed, highest_epoch]: &[u32; 4]) -> ScopeResult {
    ScopeResult { index, status: 0, released, skipped, failed, highest_epoch }
}
