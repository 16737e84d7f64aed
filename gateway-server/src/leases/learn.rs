//! Leases that other servers have granted or ended, where several share them: the table is a cache then, and what is
//! said here overrides it.

use core::net::Ipv4Addr;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;

use super::list::NONE;
use super::restore::{NOBODY, standing};
use super::{Client, Ended, Leases, Slot, State};
use crate::record::{Cutoff, LeaseRecord, Now};

impl Leases {
    /// This is the `number`th of `of` servers that share these leases.
    pub(crate) fn share(&mut self, number: u32, of: u32) {
        self.spread = Some((number, of.max(1)));
        self.pools.iter_mut().for_each(|pool| pool.start_at(number, of));
    }

    /// Transactions from here on are numbered above `sequence`, so that those of all servers are in one order.
    pub(crate) fn advance(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// What is true of an address, whatever was thought of it here. Nothing when no pool here holds it.
    pub(crate) fn learn(&mut self, address: Ipv4Addr, record: &LeaseRecord<'_>, now: &Now) {
        self.advance(record.sequence);
        let Some(slot) = self.subnet_of(address).and_then(|subnet| self.slot_for(address, subnet)) else { return };
        let cut = record.scope.as_ref().and_then(|scope| self.generations.cut_until(scope, record.sequence));
        let (state, ended, until) = standing(record.state, record.expires, cut, now);
        let id = (!record.client_id.is_empty()).then_some(record.client_id);
        let client = Client { id, hardware: record.hardware };
        let is_its = self.is_its(slot, client, (state == State::Active, record.sequence), now);
        self.detach(slot);
        match is_its {
            true => self.rename(slot, client, record.agent_information),
            false => self.rename(slot, Client { id: None, hardware: NOBODY }, &[]),
        }
        let lease = &mut self.slots[slot as usize];
        (lease.sequence, lease.last, lease.relay, lease.ended) = (record.sequence, record.last, record.relay, ended);
        self.set(slot, state, until);
        if let (State::Active, Some(scope)) = (state, &record.scope) {
            self.learnt.push((slot, scope.clone(), record.sequence));
        }
    }

    /// Puts what was learnt into its generations. To be called before anything else is done with the table.
    pub(crate) fn settle_news(&mut self) {
        let mut news = core::mem::take(&mut self.learnt);
        news.retain(|(slot, _, sequence)| {
            let lease = self.get(*slot);
            (lease.state, lease.generation, lease.sequence) == (State::Active, NONE, *sequence)
        });
        self.generations.insert(&mut self.slots, news.into_iter().map(|(slot, scope, _)| (slot, scope)).collect());
    }

    /// Nobody ever had this address: what was thought of it here did not come to be.
    pub(crate) fn unlearn(&mut self, address: Ipv4Addr) {
        let Some(slot) = self.slot_of(address) else { return };
        self.detach(slot);
        self.rename(slot, Client { id: None, hardware: NOBODY }, &[]);
        self.slots[slot as usize].ended = Ended::Available;
        self.set(slot, State::Free, Instant::NEVER);
    }

    /// A single logout that another server has carried out.
    pub(crate) fn learn_cutoff(&mut self, scope: &Scope, cutoff: Cutoff, free_from: Instant) {
        self.settle_news();
        self.advance(cutoff.sequence);
        self.generations.cut(scope, cutoff);
        let outcome = self.generations.end_up_to(&mut self.slots, scope, cutoff.sequence, free_from);
        self.active -= u64::from(outcome.released);
    }

    fn slot_for(&mut self, address: Ipv4Addr, subnet: u16) -> Option<Slot> {
        let pool = &mut self.pools[usize::from(subnet)];
        let offset = pool.offset(address)?;
        pool.slot(offset).or_else(|| pool.add(&mut self.slots, &mut self.spare, offset, subnet))
    }

    /// A client has one slot in a subnet. Whether that is `slot` now: another one, which was only offered, is older or
    /// is not in force while this one is, is nobody's then.
    fn is_its(&mut self, slot: Slot, client: Client<'_>, standing: (bool, u64), now: &Now) -> bool {
        let subnet = self.get(slot).subnet;
        let Some(other) = self.by_client(subnet, client, now).filter(|other| *other != slot) else { return true };
        let lease = self.get(other);
        if lease.state != State::Offered && standing <= (lease.state == State::Active, lease.sequence) {
            return false;
        }
        self.withdraw(other);
        self.unindex(other);
        if self.get(other).state != State::Active {
            self.slots[other as usize].describe(Client { id: None, hardware: NOBODY }, &[]);
        }
        true
    }
}
