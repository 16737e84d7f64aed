//! A hierarchical timer wheel: four levels of 256 buckets, one tick a second. Insertion and removal are constant
//! work; so is an expiry, apart from being moved down at most three levels.
//!
//! The links live in the sessions themselves ([`Timed`]), so a timer costs ten octets.

use super::slab::Slab;
use crate::time::{Duration, Instant};

/// End of a list.
pub(crate) const NIL: u32 = u32::MAX;
/// [`Timer::bucket`] of a session that has no timer.
const IDLE: u16 = u16::MAX;

const BUCKETS: usize = 256;
const LEVELS: usize = 4;

/// A session's place in the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    previous: u32,
    next: u32,
    bucket: u16,
}

impl Timer {
    pub(crate) const IDLE: Self = Self { previous: NIL, next: NIL, bucket: IDLE };
}

/// What can sit in the wheel.
pub(crate) trait Timed {
    fn timer(&mut self) -> &mut Timer;
    fn expires(&self) -> Instant;
}

/// What [`Wheel::advance`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// This session's time has come; it is out of the wheel.
    Slot(u32),
    /// One was moved to a finer level; there may be more.
    Moved,
    /// Nothing more is due.
    None,
}

#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Box<[u32]>,
    /// Sessions in each level.
    counts: [u32; LEVELS],
    /// The tick whose bucket is being emptied.
    current: u32,
}

/// The tick at which something that ends at `instant` is over; `None` for an end that never comes.
fn tick_of(instant: Instant) -> Option<u32> {
    u32::try_from(instant.as_nanos().div_ceil(1_000_000_000)).ok()
}

fn instant_of(tick: u32) -> Instant {
    Instant::ZERO + Duration::from_secs(tick.into())
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        let current = (now.as_nanos() / 1_000_000_000) as u32;
        Self { heads: vec![NIL; LEVELS * BUCKETS].into(), counts: [0; LEVELS], current }
    }

    /// Puts a session in by its `expires`; leaves one that never expires out.
    pub(crate) fn insert<T: Timed>(&mut self, slab: &mut Slab<T>, slot: u32) {
        let Some(tick) = tick_of(slab[slot].expires()) else { return };
        let tick = tick.max(self.current);
        // The highest octet in which the tick differs from the current one names the level.
        let level = (31 - ((tick ^ self.current) | 1).leading_zeros() as usize) / 8;
        let bucket = level * BUCKETS + (tick >> (8 * level)) as usize % BUCKETS;
        let next = core::mem::replace(&mut self.heads[bucket], slot);
        *slab[slot].timer() = Timer { previous: NIL, next, bucket: bucket as u16 };
        if next != NIL {
            slab[next].timer().previous = slot;
        }
        self.counts[level] += 1;
    }

    /// Takes a session out, if it is in.
    pub(crate) fn remove<T: Timed>(&mut self, slab: &mut Slab<T>, slot: u32) {
        let Timer { previous, next, bucket } = core::mem::replace(slab[slot].timer(), Timer::IDLE);
        if bucket == IDLE {
            return;
        }
        match previous {
            NIL => self.heads[usize::from(bucket)] = next,
            _ => slab[previous].timer().next = next,
        }
        if next != NIL {
            slab[next].timer().previous = previous;
        }
        self.counts[usize::from(bucket) / BUCKETS] -= 1;
    }

    /// One step of work toward `now`. Call it until it says [`Due::None`], or until patience ends.
    pub(crate) fn advance<T: Timed>(&mut self, slab: &mut Slab<T>, now: Instant) -> Due {
        let target = (now.as_nanos() / 1_000_000_000) as u32;
        loop {
            // Whatever has come into the current range of a coarser level moves down first.
            for level in (1..LEVELS).rev().filter(|level| self.current.trailing_zeros() as usize >= 8 * level) {
                let bucket = level * BUCKETS + (self.current >> (8 * level)) as usize % BUCKETS;
                let slot = self.heads[bucket];
                if slot != NIL {
                    self.remove(slab, slot);
                    self.insert(slab, slot);
                    return Due::Moved;
                }
            }
            let slot = self.heads[self.current as usize % BUCKETS];
            if slot != NIL {
                self.remove(slab, slot);
                return Due::Slot(slot);
            }
            if self.current >= target {
                return Due::None;
            }
            self.current = self.next_stop().unwrap_or(target).min(target);
        }
    }

    /// When [`Wheel::advance`] will next find something to do; `None` when the wheel is empty.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.heads[self.current as usize % BUCKETS] != NIL {
            return Some(instant_of(self.current));
        }
        self.next_stop().map(instant_of)
    }

    /// The next tick with a bucket to empty or to move down.
    fn next_stop(&self) -> Option<u32> {
        let here = self.current as usize % BUCKETS;
        if self.counts[0] > 0
            && let Some(ahead) = self.heads[here + 1..BUCKETS].iter().position(|head| *head != NIL)
        {
            return Some(self.current + 1 + ahead as u32);
        }
        // Beyond this turn of the finest level: stop where the next coarser one moves on.
        (1..LEVELS).find(|level| self.counts[*level] > 0)?;
        Some((self.current | 0xff).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Item(Instant, Timer);
    impl Timed for Item {
        fn timer(&mut self) -> &mut Timer {
            &mut self.1
        }
        fn expires(&self) -> Instant {
            self.0
        }
    }

    fn seconds(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn never_is_never_due() {
        let mut slab = Slab::new(1);
        let mut wheel = Wheel::new(Instant::ZERO);
        slab.insert(0, Item(Instant::NEVER, Timer::IDLE));
        wheel.insert(&mut slab, 0);
        assert_eq!(wheel.next(), None);
        assert_eq!(wheel.advance(&mut slab, seconds(4_000_000_000)), Due::None);
    }

    proptest! {
        /// Whatever the deadlines, removals and steps: each is due once, not before its time, and at the first
        /// look after it.
        #[test]
        fn each_timer_is_due_once_and_in_time(
            start in 0u64..100_000,
            delays in prop::collection::vec((0u64..70_000_000, any::<bool>()), 1..60),
            steps in prop::collection::vec(1u64..3_000_000, 1..60),
        ) {
            let mut slab = Slab::new(64);
            let mut wheel = Wheel::new(seconds(start));
            let mut waiting = std::collections::BTreeMap::new();
            for (slot, (delay, removed)) in delays.iter().enumerate() {
                slab.insert(slot as u32, Item(seconds(start + delay), Timer::IDLE));
                wheel.insert(&mut slab, slot as u32);
                waiting.insert(slot as u32, (start + delay, *removed));
            }
            for (slot, (_, removed)) in waiting.clone() {
                if removed {
                    wheel.remove(&mut slab, slot);
                    waiting.remove(&slot);
                }
            }
            let mut now = start;
            for step in steps.into_iter().chain([200_000_000]) {
                now += step;
                if let Some(first) = waiting.values().map(|(at, _)| *at).min() {
                    prop_assert!(wheel.next().is_some_and(|next| next <= seconds(first.max(start))));
                }
                loop {
                    match wheel.advance(&mut slab, seconds(now)) {
                        Due::Slot(slot) => {
                            let (at, _) = waiting.remove(&slot).expect("due once");
                            prop_assert!(at <= now);
                        }
                        Due::Moved => {}
                        Due::None => break,
                    }
                }
                prop_assert!(waiting.values().all(|(at, _)| *at > now));
            }
            prop_assert!(waiting.is_empty());
            prop_assert_eq!(wheel.next(), None);
        }
    }
}
