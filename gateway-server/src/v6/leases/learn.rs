//! Leases that other servers have granted or ended, as the v4 table does it ([`crate::leases`]): what is said here overrides what
//! was thought.

use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::Binding;

use super::{Ended, Leases, State, bounds};
use crate::leases::list::NONE;
use crate::leases::standing;
use crate::record::{Cutoff, Moment, Now};
use crate::v6::config::Config;
use crate::v6::record::LeaseRecord;

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

    /// What is true of an address or prefix. Of one that no pool here has, nothing that overlaps it is given out while it is
    /// somebody's.
    pub(crate) fn learn(&mut self, config: &Config, binding: Binding, record: LeaseRecord<'_>, now: &Now) {
        self.advance(record.sequence);
        let cut = record.scope.as_ref().and_then(|scope| self.generations.cut_until(scope, record.sequence));
        let standing = standing(record.state, record.expires, cut, now);
        let Some(pool) = self.pools.iter().position(|pool| pool.has(&binding)) else {
            let (first, last) = bounds(&binding);
            match standing.0 {
                State::Free => self.unblock(first, last),
                _ => self.block(first, last, standing.2),
            }
            return;
        };
        let slot = match self.bindings.get(&binding).copied() {
            Some(slot) => slot,
            // Past ones are not worth a place in a full table.
            None if !self.has_room(config) && standing.0 == State::Free => return,
            None => self.add(binding, pool),
        };
        let (sequence, scope) = (record.sequence, record.scope.clone());
        self.put(slot, record, standing);
        if let (State::Active, Some(scope)) = (standing.0, scope) {
            self.learnt.push((slot, scope, sequence));
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

    /// There is no record of it: what was thought of it here did not come to be.
    pub(crate) fn unlearn(&mut self, binding: &Binding) {
        let Some(slot) = self.bindings.get(binding).copied() else { return };
        self.detach(slot);
        let lease = &mut self.slots[slot as usize];
        (lease.ended, lease.sequence, lease.last) = (Ended::Available, 0, Moment::default());
        self.rename(slot, None);
        self.set(slot, State::Free, Instant::NEVER);
    }

    /// A single logout that another server has carried out.
    pub(crate) fn learn_cutoff(&mut self, scope: &Scope, cutoff: Cutoff, now: &Now) {
        self.settle_news();
        self.advance(cutoff.sequence);
        self.generations.cut(scope, cutoff);
        let free_from = cutoff.free_from.max(now.at);
        let outcome = self.generations.end_up_to(&mut self.slots, scope, cutoff.sequence, free_from);
        self.active -= u64::from(outcome.released);
    }

    /// What was blocked, and by nothing else, is so no longer.
    fn unblock(&mut self, first: u128, last: u128) {
        if self.former.get(&first).is_some_and(|(end, _)| *end == last) {
            self.former.remove(&first);
        }
    }
}
