//! What a server does in addition where several share their leases in a database.
//!
//! The table is a cache of what the database holds. Before the messages of a batch are handled, the table learns what
//! the others have written; a message whose records the database then refuses, because another server was faster, is
//! handled once more after the table has learnt what is true.

use core::net::SocketAddrV4;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::relay_auth::Claim;

use super::request::Request;
use super::{Server, StartError};
use crate::leases::Client;
use crate::record::{self, Now, Record};

impl Server {
    /// This is the `number`th of `of` servers that share their leases. It looks for addresses to offer where the others do
    /// not, and numbers its transactions by the time, which they all have from the database.
    pub fn share(&mut self, number: u32, of: u32) {
        self.is_shared = true;
        self.leases.share(number, of);
    }

    /// A record that another server has written, or that was refused here and is in truth as follows: nonces after the leases
    /// that they are of. [`Self::settle_news`] comes after the last one.
    pub(crate) fn learn(&mut self, key: &[u8], value: &[u8], now: &Now) -> Result<(), StartError> {
        match Record::decode(key, value, now) {
            Some(Record::Lease(address, lease)) => {
                let former = self.leases.by_address(address, now);
                let id = (!lease.client_id.is_empty()).then_some(lease.client_id);
                let holder = Client { id, hardware: lease.hardware };
                if former.is_some_and(|slot| self.leases.get(slot).client().key() != holder.key()) {
                    self.nonces.forget(address);
                }
                self.leases.learn(address, &lease, now);
            }
            Some(Record::Nonce(address, told)) => self.nonces.restore(address, told),
            Some(Record::Cutoff(scope, cutoff)) => {
                self.leases.learn_cutoff(&scope, cutoff, now.at + self.config.bulk_release.quarantine);
            }
            Some(Record::Result { device, txid, record }) if self.transactions.find(device, txid).is_none() => {
                self.transactions.restore(device, txid, record);
            }
            Some(_) => {} // this server's own, which nobody else writes
            None => return Err(StartError::Record(record::name(key))),
        }
        Ok(())
    }

    pub(crate) fn settle_news(&mut self) {
        self.leases.settle_news();
    }

    /// There is no record with this key: what was thought here was refused.
    pub(crate) fn unlearn(&mut self, key: &[u8]) {
        if let Some(address) = record::leased(key) {
            self.leases.unlearn(address);
        }
        if let Some(address) = record::of_nonce(key) {
            self.nonces.forget(address);
        }
    }

    /// Handles a message once more, after what it wanted to write was refused. Its counter was noted the first time and is
    /// not looked at again, so it must not be one that [`Self::was_replayed`].
    pub fn handle_again(&mut self, source: SocketAddrV4, payload: &[u8], now: Instant, unix: Duration) {
        self.again = true;
        self.handle_message(source, payload, now, unix);
        self.again = false;
    }

    /// Whether the message that was handled last was dropped as a replay (H-BR-16).
    pub fn was_replayed(&self) -> bool {
        self.was_replayed
    }

    /// Whether a message may be handled only while no other server writes: a single logout, because what it ends depends
    /// on all leases, and can't be taken back. One that is refused in any case is none: anybody can send those.
    pub fn is_exclusive(&self, source: SocketAddrV4, payload: &[u8]) -> bool {
        let policy = &self.config.bulk_release;
        let Some(request) = Request::read(source, payload, &policy.code_points) else { return false };
        let giaddr = request.message.giaddr();
        request.is_bulk_release(&policy.code_points)
            && policy.enabled
            && *source.ip() == giaddr
            && (policy.relays.is_empty() || policy.relays.contains(&giaddr))
            && (policy.allow_unauthenticated || self.is_signed(&request))
    }

    /// Whether its signature is one of a key's, whatever its counter.
    fn is_signed(&self, request: &Request<'_>) -> bool {
        let octets = request.message.octets();
        let Ok(claim) = Claim::find(octets) else { return false };
        let key = self.config.bulk_release.key(claim.key_id);
        key.is_some_and(|key| claim.verify(octets, core::slice::from_ref(key)).is_ok())
    }

    /// Goes on from `former`, whose table was lost with its database: counters count on, connections end.
    pub fn succeed(&mut self, former: Self) {
        self.counters = former.counters;
        self.commands.extend(former.connections.numbers().map(|connection| super::Command::Close { connection }));
    }
}

/// Whether a record is one of all servers that share their leases, or of this server alone: the counters of who speaks
/// with it, for example.
pub fn is_common(key: &[u8]) -> bool {
    record::is_common(key)
}
