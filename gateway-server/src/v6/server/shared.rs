//! What a server does in addition where several share their leases in a database, as the half for DHCPv4 does it.

use core::net::SocketAddrV6;

use gateway_core::wire::dhcp6::code;

use super::request::Request;
use super::{Command, Server, StartError};
use crate::record::Now;
use crate::v6::record::{self, Record};

impl Server {
    /// This is the `number`th of `of` servers that share their leases. It looks for what to offer where the others do not, and
    /// numbers its transactions by the time, which they all have from the database.
    pub fn share(&mut self, number: u32, of: u32) {
        self.is_shared = true;
        self.leases.share(number, of);
    }

    /// A record that another server has written, or that was refused here and is in truth as follows. [`Self::settle_news`] comes
    /// after the last one.
    pub(crate) fn learn(&mut self, key: &[u8], value: &[u8], now: &Now) -> Result<(), StartError> {
        match Record::decode(key, value, now) {
            Some(Record::Lease(binding, lease)) => {
                self.leases.learn(&self.config, binding, lease, now);
                self.forget_given_back();
            }
            Some(Record::Cutoff(scope, cutoff)) => self.leases.learn_cutoff(&scope, cutoff, now),
            Some(Record::Result { device, txid, record }) if self.transactions.find(device, txid).is_none() => {
                self.transactions.restore(device, txid, record);
            }
            Some(Record::Result { .. }) => {}
            None => return Err(StartError::Record(record::name(key))),
        }
        Ok(())
    }

    pub(crate) fn settle_news(&mut self) {
        self.leases.settle_news();
    }

    /// There is no record with this key: what was thought here was refused.
    pub(crate) fn unlearn(&mut self, key: &[u8]) {
        if let Some(binding) = record::binding(key) {
            self.leases.unlearn(&binding);
        }
    }

    /// Whether a message may be handled only while no other server writes: a single logout that will not be refused.
    pub(crate) fn is_exclusive(&self, source: SocketAddrV6, payload: &[u8]) -> bool {
        let policy = &self.config.release;
        let Ok(request) = Request::read(source, payload) else { return false };
        if request.message.kind() != policy.types.request() || self.single_logout(&request.message).is_none() {
            return false;
        }
        let relay_id = request.message.options().duid(code::RELAY_ID).ok().flatten();
        let known = relay_id.and_then(|relay_id| self.permits(&request, relay_id).ok());
        policy.single_logout.enabled && known.is_some_and(|known| known.relay_id.is_some())
    }

    /// Goes on from `former`, whose table was lost with its database: counters count on, connections end.
    pub(crate) fn succeed(&mut self, former: Self) {
        self.counters = former.counters;
        self.commands.extend(former.connections.numbers().map(|connection| Command::Close { connection }));
    }
}
