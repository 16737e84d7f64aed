//! Giving a whole table to another member, and taking one (H-CL-23, H-CL-25).

use core::hash::Hash;

use super::share::{Decider, Share};
use super::table::Sessions;
use crate::line::FpcId;
use crate::replication::{Change, Positions, Record, SessionState, Stamp};
use crate::scope::Epoch;
use crate::time::Instant;

/// A snapshot that is being taken in.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// What its sender had seen when it began.
    theirs: Positions,
    /// What this member had.
    ours: Positions,
    /// This member was fenced: where both have seen what the other has, and differ, the sender is right.
    yielding: bool,
    /// One bit a slot: it is in the snapshot.
    mentioned: Vec<u64>,
}

/// What becomes of something when a snapshot is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// The snapshot's sender has seen it end.
    Over,
    /// Only this member can tell it.
    Unknown,
    /// It is over, and nobody has heard of it: as if it had never been.
    Forgotten,
}

impl Sweep {
    pub(crate) fn mention(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.mentioned.len() <= word {
            self.mentioned.resize(word + 1, 0);
        }
        self.mentioned[word] |= 1 << (slot % 64);
    }

    fn mentioned(&self, slot: u32) -> bool {
        self.mentioned.get(slot as usize / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }

    /// Whether this is from before a member was `born`, and its sender had not seen it.
    fn is_unheard(&self, stamp: Stamp, born: u64) -> bool {
        stamp.seq() < born && !self.knew(stamp)
    }

    /// What becomes of what is at a slot when the snapshot is complete; `None`: it stays.
    pub(crate) fn fate(&self, slot: u32, stamp: Stamp, born: u64, has_ended: bool) -> Option<Fate> {
        let unheard = self.is_unheard(stamp, born);
        if has_ended {
            unheard.then_some(Fate::Forgotten)
        } else if self.mentioned(slot) {
            None
        } else if self.knew(stamp) {
            Some(Fate::Over)
        } else {
            unheard.then_some(Fate::Unknown)
        }
    }

    /// Whether its sender had seen this change.
    pub(crate) fn knew(&self, stamp: Stamp) -> bool {
        self.theirs.covers(stamp)
    }
}

impl<K: Copy + Eq + Hash> Share<K> {
    /// A snapshot follows.
    pub(crate) fn begin_sweep(&mut self, theirs: Positions, ours: Positions, yielding: bool) {
        let seen: Vec<Stamp> = theirs.iter().map(|(origin, seq)| Stamp::new(origin, seq)).collect();
        self.sweep = Some(Sweep { theirs, ours, yielding, mentioned: Vec::new() });
        // What this member said in an earlier life, too: a number that the others have already would be no news to them,
        // although this life's clock may be behind.
        seen.into_iter().for_each(|stamp| self.clock.observe(stamp));
    }

    /// Whether what a snapshot says counts, where this member has `held`; `None` when no snapshot is being taken.
    ///
    /// Where both members have something at the address, that counts which the other member has not seen; if neither has,
    /// the newer. Where only the sender has something, it counts unless this member has seen it, and so seen it end.
    pub(crate) fn wins(&mut self, key: K, held: Option<Stamp>, stamp: Stamp) -> Option<bool> {
        let sweep = self.sweep.take()?;
        let revived = self.exhume(key, &sweep.theirs);
        let wins = match held {
            None => revived || stamp == Stamp::NONE || !sweep.ours.covers(stamp),
            Some(held) if held == stamp => false,
            Some(held) => match (sweep.theirs.covers(held), sweep.ours.covers(stamp)) {
                (true, false) => true,
                (true, true) => sweep.yielding || stamp > held,
                (false, true) => false,
                (false, false) => stamp > held,
            },
        };
        self.sweep = Some(sweep);
        Some(wins)
    }

    /// Whether this is from an earlier life and news to the sender of the snapshot that is being taken: nobody will tell it
    /// but this member.
    pub(crate) fn is_unheard(&self, stamp: Stamp) -> bool {
        self.sweep.as_ref().is_some_and(|sweep| sweep.is_unheard(stamp, self.born))
    }

    /// Whether this was said in this life and the sender of the snapshot that is being taken has yet to hear it.
    pub(crate) fn is_news(&self, stamp: Stamp) -> bool {
        stamp.seq() >= self.born && self.sweep.as_ref().is_some_and(|sweep| !sweep.knew(stamp))
    }

    /// Whether the sender of the snapshot that is being taken knows what this member has `held`, or there is no need.
    pub(crate) fn told(&self, held: Option<Stamp>) -> bool {
        held.is_none_or(|held| self.sweep.as_ref().is_none_or(|sweep| sweep.knew(held)))
    }
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
        if let Some(share) = &mut self.share {
            share.begin_sweep(theirs, ours, yielding);
        }
    }

    /// A session of the snapshot.
    pub fn handle_snapshot(&mut self, stamp: Stamp, state: SessionState, now: Instant) {
        self.observe(stamp);
        let address = state.essential.address;
        let (resident, slot) = (self.resident_slot(address), self.slot(address));
        let outlived = slot.is_some_and(|slot| self.is_outlived(slot, state.initial.fpc, state.essential.epoch));
        let held = slot.map(|slot| &self.slab[slot]);
        let (fixed, held) = (held.is_some_and(|session| session.is_static), held.map(|session| session.stamp));
        let Some(share) = &mut self.share else { return };
        let Some(wins) = share.wins(address, held, stamp) else { return };
        let wins = (wins || outlived) && !fixed && !share.has_buried(address, stamp);
        let told = wins || held == Some(stamp) || share.told(held);
        // What is kept although the sender has something else is said again at the end, if no member will tell it.
        if let Some(slot) = slot.filter(|_| told) {
            self.mention(slot);
        }
        // Whatever its number is; if it is over with its card, unless it is news.
        let news = |slot: u32| self.share.as_ref().is_some_and(|share| share.is_news(self.slab[slot].stamp));
        if let Some(slot) = resident.filter(|resident| wins && (slot.is_some() || !news(*resident))) {
            self.slab[slot].stamp = Stamp::NONE;
        }
        // What is the same may still be marked as orphaned.
        if wins || held == Some(stamp) {
            self.put(stamp, state, now);
        }
    }

    /// Whether what is at this place is outlived by what came in this epoch of a card, whatever their numbers are: a member
    /// that nobody heard may have been ahead, and what it had is over with the card, or with an earlier epoch.
    pub(super) fn is_outlived(&self, slot: u32, fpc: FpcId, epoch: Epoch) -> bool {
        let session = &self.slab[slot];
        self.share.as_ref().is_some_and(|share| share.is_unheard(session.stamp))
            && (self.cohorts.has_ended(session) || (self.fpc(session) == fpc && session.epoch < epoch))
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

    /// The snapshot is complete: ends what its sender knew and did not mention, and says again what it does not know (nothing
    /// of the address, or something older) and no member will tell it, because it was said in an earlier life. If that is
    /// over, it is as if it had never been.
    pub fn end_replace(&mut self) {
        let Some(share) = &mut self.share else { return };
        let Some(sweep) = share.sweep.take() else { return };
        let born = share.born;
        let (mut over, mut unknown, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, session) in self.slab.iter_from(0) {
            match sweep.fate(slot, session.stamp, born, self.cohorts.has_ended(session)) {
                Some(Fate::Forgotten) => forgotten.push(slot),
                Some(Fate::Over) if self.is_portable(session) => over.push(slot),
                Some(Fate::Unknown) if self.is_portable(session) => unknown.push(slot),
                _ => {}
            }
        }
        forgotten.into_iter().for_each(|slot| self.slab[slot].stamp = Stamp::NONE);
        over.into_iter().for_each(|slot| self.sweep_away(slot));
        for slot in unknown {
            self.say_session(slot, Decider::Keeper);
            self.persist(slot);
        }
    }
}
