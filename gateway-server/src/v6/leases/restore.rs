//! The lease table from what is on disk.

use std::sync::Arc;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, Duid};

use super::{Ended, Holder, Leases, Origin, Slot, State, bounds};
use crate::leases::standing;
use crate::record::{Cutoff, Durable, Now};
use crate::v6::config::Config;
use crate::v6::record::LeaseRecord;

/// A table being filled. A lease may come before the single logout that ended it, as their keys sort.
#[derive(Debug)]
pub(crate) struct Restore {
    leases: Leases,
    /// Tagged leases in force. They enter their generations in the order of their transactions, at the end.
    tagged: Vec<(u64, Slot, Scope)>,
}

impl Restore {
    pub(crate) fn new(config: &Config) -> Self {
        Self { leases: Leases::new(config), tagged: Vec::new() }
    }

    pub(crate) fn cutoff(&mut self, scope: &Scope, cutoff: Cutoff) {
        self.leases.generations.cut(scope, cutoff);
        self.leases.sequence = self.leases.sequence.max(cutoff.sequence);
    }

    /// Takes a record in. One that no pool has any more stays on disk as it is, and nothing that overlaps it is given
    /// out before its time ends.
    pub(crate) fn lease(&mut self, binding: Binding, record: LeaseRecord<'_>, now: &Now) {
        let leases = &mut self.leases;
        leases.sequence = leases.sequence.max(record.sequence);
        let in_time = record.expires > now.at;
        let Some(pool) = leases.pools.iter().position(|pool| pool.has(&binding)) else {
            if in_time && record.state != Durable::Released {
                let (first, last) = bounds(&binding);
                leases.block(first, last, record.expires);
            }
            return;
        };
        let standing = standing(record.state, record.expires, None, now);
        let slot = leases.add(binding, pool);
        let (sequence, scope) = (record.sequence, record.scope.clone());
        leases.put(slot, record, standing);
        if let (State::Active, Some(scope)) = (standing.0, scope) {
            self.tagged.push((sequence, slot, scope));
        }
    }

    /// The table.
    pub(crate) fn finish(mut self, now: &Now) -> Leases {
        let leases = &mut self.leases;
        self.tagged.sort_unstable_by_key(|(sequence, ..)| *sequence);
        for (sequence, slot, scope) in self.tagged {
            if let Some(free_from) = leases.generations.cut_until(&scope, sequence) {
                leases.detach(slot);
                leases.slots[slot as usize].ended = Ended::Reset;
                match free_from > now.at {
                    true => leases.set(slot, State::Held, free_from),
                    false => leases.set(slot, State::Free, Instant::NEVER),
                }
                continue;
            }
            let generation = leases.generations.enter(&scope);
            leases.generations.list(generation).push_back(&mut leases.slots, slot);
            leases.slots[slot as usize].generation = generation;
        }
        self.leases
    }
}

impl Leases {
    /// Makes of a slot what a record says, `standing` as this is to be understood now.
    pub(super) fn put(&mut self, slot: Slot, record: LeaseRecord<'_>, (state, ended, until): (State, Ended, Instant)) {
        self.detach(slot);
        let kind = self.get(slot).kind();
        let holder = Duid::new(record.client).map(|client| Holder { client, kind, iaid: record.iaid });
        let origin = self.shared_origin(record.client, record.origin);
        let lease = &mut self.slots[slot as usize];
        (lease.origin, lease.last, lease.preferred, lease.ended) = (origin, record.last, record.preferred, ended);
        lease.sequence = record.sequence;
        self.set(slot, state, until);
        self.rename(slot, holder.as_ref());
    }

    /// The same way, kept once for all leases of a client that came by it.
    fn shared_origin(&self, client: &[u8], origin: Origin) -> Arc<Origin> {
        let others = self.clients.get(client).into_iter().flatten();
        let same = others.map(|slot| &self.get(*slot).origin).find(|other| ***other == origin);
        same.cloned().unwrap_or_else(|| Arc::new(origin))
    }

    /// Enters what nothing may overlap, together with what it overlaps itself.
    pub(super) fn block(&mut self, mut first: u128, mut last: u128, mut until: Instant) {
        while let Some((&other, &(end, over))) = self.former.range(..=last).next_back() {
            if end < first {
                break;
            }
            (first, last, until) = (first.min(other), last.max(end), until.max(over));
            self.former.remove(&other);
        }
        self.former.insert(first, (last, until));
    }
}
