//! Giving a whole table to another member, and taking one (H-CL-23, H-CL-25).

use super::share::Decider;
use super::table::Sessions;
use crate::replication::{Change, Positions, Record, SessionState, Stamp};
use crate::time::Instant;

/// A snapshot that is being taken in.
#[derive(Debug)]
pub(super) struct Sweep {
    /// What its sender had seen when it began.
    theirs: Positions,
    /// What this member had.
    ours: Positions,
    /// This member was fenced: where both have seen what the other has, and differ, the sender is right.
    yielding: bool,
    /// One bit a slot: it is in the snapshot.
    mentioned: Vec<u64>,
}

impl Sessions {
    /// All that is known of cohorts that have ended.
    pub fn cutoffs(&self) -> impl Iterator<Item = Record> + '_ {
        let ends = self.cohorts.iter().filter_map(|(id, _)| self.cutoff(id));
        ends.map(|change| Record { stamp: Stamp::NONE, change })
    }

    /// Up to `most` sessions from slot `from` on, for a snapshot, and the slot to go on from. Those that come and go
    /// meanwhile are told as changes.
    pub fn snapshot(&self, from: u32, most: usize) -> (Vec<Record>, Option<u32>) {
        let mut records = Vec::with_capacity(most);
        for (slot, session) in self.iter_from(from) {
            if records.len() == most {
                return (records, Some(slot));
            }
            if self.is_portable(session) {
                let change = Change::Session(Box::new(self.state(session)));
                records.push(Record { stamp: session.stamp, change });
            }
        }
        (records, None)
    }

    /// A snapshot follows.
    pub fn begin_replace(&mut self, theirs: Positions, ours: Positions, yielding: bool) {
        let Some(share) = &mut self.share else { return };
        let seen: Vec<Stamp> = theirs.iter().map(|(origin, seq)| Stamp::new(origin, seq)).collect();
        share.sweep = Some(Sweep { theirs, ours, yielding, mentioned: Vec::new() });
        // What this member said in an earlier life, too: a number that the others have already would be no news to them,
        // although this life's clock may be behind.
        seen.into_iter().for_each(|stamp| self.observe(stamp));
    }

    /// A session of the snapshot.
    ///
    /// Where both members have one at the address, the one counts that the other member has not seen; if neither has,
    /// the newer. Where only the sender has one, it counts unless this member has seen it, and so seen it end.
    pub fn handle_snapshot(&mut self, stamp: Stamp, state: SessionState, now: Instant) {
        self.observe(stamp);
        let Some(share) = &mut self.share else { return };
        // Out of the way while the table is looked at.
        let Some(sweep) = share.sweep.take() else { return };
        let address = state.essential.address;
        let revived = share.exhume(address, &sweep.theirs);
        let slot = self.slot(address);
        let wins = match slot.map(|slot| &self.slab[slot]) {
            None => revived || stamp == Stamp::NONE || !sweep.ours.covers(stamp),
            Some(session) if session.is_static || session.stamp == stamp => false,
            Some(session) => match (sweep.theirs.covers(session.stamp), sweep.ours.covers(stamp)) {
                (true, false) => true,
                (true, true) => sweep.yielding || stamp > session.stamp,
                (false, true) => false,
                (false, false) => stamp > session.stamp,
            },
        };
        if let Some(share) = &mut self.share {
            share.sweep = Some(sweep);
        }
        if let Some(slot) = slot {
            self.mention(slot);
            if wins {
                // Whatever its number is.
                self.slab[slot].stamp = Stamp::NONE;
            }
        }
        // What is the same may still be marked as orphaned.
        if wins || slot.is_some_and(|slot| self.slab[slot].stamp == stamp) {
            self.put(stamp, state, now);
        }
    }

    pub(super) fn mention(&mut self, slot: u32) {
        let Some(sweep) = self.share.as_mut().and_then(|share| share.sweep.as_mut()) else { return };
        let word = slot as usize / 64;
        if sweep.mentioned.len() <= word {
            sweep.mentioned.resize(word + 1, 0);
        }
        sweep.mentioned[word] |= 1 << (slot % 64);
    }

    /// Nothing will come of the snapshot.
    pub fn abort_replace(&mut self) {
        if let Some(share) = &mut self.share {
            share.sweep = None;
        }
    }

    /// The snapshot is complete: ends what its sender knew and did not mention, and says again what it does not know and
    /// no member will tell it, because it was said in an earlier life.
    pub fn end_replace(&mut self) {
        let Some(share) = &mut self.share else { return };
        let Some(Sweep { theirs, mentioned, .. }) = share.sweep.take() else { return };
        let born = share.born;
        let (mut over, mut unknown) = (Vec::new(), Vec::new());
        for (slot, session) in self.iter_from(0) {
            let mentioned = mentioned.get(slot as usize / 64).is_some_and(|word| word & 1 << (slot % 64) != 0);
            if mentioned || !self.is_portable(session) {
                continue;
            }
            if theirs.covers(session.stamp) {
                over.push(slot);
            } else if session.stamp.seq() < born {
                unknown.push(slot);
            }
        }
        over.into_iter().for_each(|slot| self.sweep_away(slot));
        for slot in unknown {
            self.say_session(slot, Decider::Keeper);
            self.persist(slot);
        }
    }
}
