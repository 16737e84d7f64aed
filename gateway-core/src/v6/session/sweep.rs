//! Giving all leases to another member, and taking them (H-CL-23, H-CL-25).

use super::table::Sessions;
use crate::line::FpcId;
use crate::replication::{Change, LeaseState, Positions, Record, Stamp};
use crate::scope::Epoch;
use crate::session::sweep::Fate;
use crate::time::Instant;

impl Sessions {
    /// All that is known of cohorts that have ended.
    pub fn cutoffs(&self) -> impl Iterator<Item = Record> + '_ {
        let ends = self.cohorts.iter().filter_map(|(id, _)| self.cutoff(id));
        ends.map(|change| Record { stamp: Stamp::NONE, change })
    }

    /// Up to `most` leases from slot `from` on, for a snapshot, and the slot to go on from.
    pub fn snapshot(&self, from: u32, most: usize) -> (Vec<Record>, Option<u32>) {
        let mut records = Vec::with_capacity(most);
        for (slot, lease, _) in self.iter_from(from) {
            if records.len() == most {
                return (records, Some(slot));
            }
            if self.is_portable(lease) {
                let change = Change::Lease6(Box::new(self.state(slot)));
                records.push(Record { stamp: lease.stamp, change });
            }
        }
        (records, None)
    }

    /// A snapshot follows.
    pub fn begin_replace(&mut self, theirs: Positions, ours: Positions, yielding: bool) {
        if let Some(share) = &mut self.share {
            share.begin_sweep(theirs, ours, yielding);
        }
    }

    /// A lease of the snapshot; which of two counts is the same question as with DHCPv4.
    pub fn handle_snapshot(&mut self, stamp: Stamp, state: LeaseState, now: Instant) {
        let prefix = state.essential.prefix;
        let (resident, slot) = (self.by_prefix.get(prefix), self.slot(prefix));
        let outlived = slot.is_some_and(|slot| self.is_outlived(slot, state.initial.fpc, state.essential.epoch));
        let held = slot.map(|slot| self.leases[slot].stamp);
        let Some(share) = &mut self.share else { return };
        share.clock.observe(stamp);
        let Some(wins) = share.wins(prefix, held, stamp) else { return };
        let wins = (wins || outlived) && !share.has_buried(prefix, stamp);
        let told = wins || held == Some(stamp) || share.told(held);
        // What is kept although the sender has something else is said again at the end, if no member will tell it.
        if let Some(slot) = slot.filter(|_| told) {
            self.mention(slot);
        }
        // Whatever its number is; if it is over with its card, unless it is news.
        let news = |slot: u32| self.share.as_ref().is_some_and(|share| share.is_news(self.leases[slot].stamp));
        if let Some(slot) = resident.filter(|resident| wins && (slot.is_some() || !news(*resident))) {
            self.leases[slot].stamp = Stamp::NONE;
        }
        // What is the same may still be marked as orphaned.
        if wins || held == Some(stamp) {
            self.put(stamp, state, now);
        }
    }

    /// Whether what is at this place is outlived by what came in this epoch of a card, whatever their numbers are; as with
    /// DHCPv4.
    pub(super) fn is_outlived(&self, slot: u32, fpc: FpcId, epoch: Epoch) -> bool {
        let lease = &self.leases[slot];
        let of = self.cohorts.get(lease.cohort).map(|cohort| cohort.fpc);
        self.share.as_ref().is_some_and(|share| share.is_unheard(lease.stamp))
            && (!self.is_live(slot) || (of == Some(fpc) && lease.epoch < epoch))
    }

    pub(super) fn mention(&mut self, slot: u32) {
        if let Some(sweep) = self.share.as_mut().and_then(|share| share.sweep.as_mut()) {
            sweep.mention(slot);
        }
    }

    /// Nothing will come of the snapshot.
    pub fn abort_replace(&mut self) {
        if let Some(share) = &mut self.share {
            share.sweep = None;
        }
    }

    /// The snapshot is complete: ends what its sender knew and did not mention, and says again what it does not know and no
    /// member will tell it, because it was said in an earlier life. If that is over, it is as if it had never been.
    pub fn end_replace(&mut self) {
        let Some(share) = &mut self.share else { return };
        let Some(sweep) = share.sweep.take() else { return };
        let born = share.born;
        let (mut over, mut unknown, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, lease) in self.leases.iter_from(0) {
            match sweep.fate(slot, lease.stamp, born, self.cohorts.has_ended(lease)) {
                Some(Fate::Forgotten) => forgotten.push(slot),
                Some(Fate::Over) if self.is_portable(lease) => over.push(slot),
                Some(Fate::Unknown) if self.is_portable(lease) => unknown.push(slot),
                _ => {}
            }
        }
        forgotten.into_iter().for_each(|slot| self.leases[slot].stamp = Stamp::NONE);
        for slot in over {
            let (prefix, stamp) = (self.leases[slot].prefix, self.leases[slot].stamp);
            self.end_replica(prefix, stamp);
        }
        for slot in unknown {
            self.say_lease(slot, false);
            self.persist(slot);
        }
    }
}
