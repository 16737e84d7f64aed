//! Packets that wait for their unit's owner (CL-64, H-CL-19): bounded, and the oldest go first.

use std::collections::VecDeque;

use gateway_common::unit::Unit;

use super::command::HeldFrame;
use super::constants::Constants;
use crate::time::Instant;

/// Held packets, oldest first.
#[derive(Debug, Default)]
pub(super) struct Hold {
    frames: VecDeque<(Instant, Unit, HeldFrame)>,
    /// How many of each unit.
    counts: Vec<u16>,
    /// Dropped: too many, too old, or nobody to give them to.
    pub(super) dropped: u64,
}

impl Hold {
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether packets wait for this unit's owner.
    pub(super) fn waits_for(&self, unit: Unit) -> bool {
        self.counts.get(unit.index() as usize).is_some_and(|count| *count > 0)
    }

    pub(super) fn push(&mut self, unit: Unit, frame: HeldFrame, constants: &Constants, now: Instant) {
        self.counts.resize(gateway_common::unit::UNITS as usize, 0);
        let index = unit.index() as usize;
        if usize::from(self.counts[index]) >= constants.hold_per_unit {
            let oldest = self.frames.iter().position(|(_, of, _)| *of == unit);
            self.drop_at(oldest);
        }
        if self.frames.len() >= constants.hold_total {
            self.drop_at(Some(0));
        }
        self.counts[index] += 1;
        self.frames.push_back((now, unit, frame));
    }

    fn drop_at(&mut self, place: Option<usize>) {
        if let Some((_, unit, _)) = place.and_then(|place| self.frames.remove(place)) {
            self.counts[unit.index() as usize] -= 1;
            self.dropped += 1;
        }
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&mut self, constants: &Constants, now: Instant) {
        while self.frames.front().is_some_and(|(since, ..)| *since + constants.hold_time <= now) {
            self.drop_at(Some(0));
        }
    }

    /// When the oldest has waited for too long.
    pub(super) fn deadline(&self, constants: &Constants) -> Option<Instant> {
        self.frames.front().map(|(since, ..)| *since + constants.hold_time)
    }

    /// All of a unit, in the order in which they came.
    pub(super) fn take(&mut self, unit: Unit) -> Vec<HeldFrame> {
        if !self.waits_for(unit) {
            return Vec::new();
        }
        self.counts[unit.index() as usize] = 0;
        let mut taken = Vec::new();
        for (since, of, frame) in core::mem::take(&mut self.frames) {
            if of == unit { taken.push(frame) } else { self.frames.push_back((since, of, frame)) }
        }
        taken
    }

    /// Drops all: this member is no longer master.
    pub(super) fn clear(&mut self) {
        self.dropped += self.frames.len() as u64;
        self.frames.clear();
        self.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn frame(n: u32) -> HeldFrame {
        HeldFrame { port: None, frame: n.to_be_bytes().to_vec() }
    }

    /// CL-64, H-CL-19: 64 for a unit, 4096 in all, for 500 ms; the oldest are dropped, and counted.
    #[test]
    fn bounded_and_oldest_first() {
        let constants = Constants::production();
        let unit = |n| Unit::new(n).unwrap();
        let mut hold = Hold::default();
        (0..70).for_each(|n| hold.push(unit(5), frame(n), &constants, at(0)));
        assert_eq!((hold.len(), hold.dropped), (64, 6));
        let taken = hold.take(unit(5));
        assert_eq!((taken[0].clone(), taken.len()), (frame(6), 64));

        (0..5000u32).for_each(|n| hold.push(unit((n % 100) as u16), frame(n), &constants, at(u64::from(n / 100))));
        assert_eq!((hold.len(), hold.dropped), (4096, 6 + 904));
        assert_eq!(hold.take(unit(4))[0], frame(904), "the first 904 went");
        assert_eq!(hold.deadline(&constants), Some(at(509)));
        hold.expire(&constants, at(509));
        assert_eq!(hold.deadline(&constants), Some(at(510)));
        hold.clear();
        assert_eq!((hold.len(), hold.take(unit(1))), (0, vec![]));
    }
}
