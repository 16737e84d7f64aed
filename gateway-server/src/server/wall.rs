//! A wall clock that steps.
//!
//! In memory everything goes by the time since boot; on disk by the wall clock, as it was when a record was written. So when the wall
//! clock is set, what is on disk says another time than what is meant, and would be believed at the next start. It is written
//! anew then, a part at a time.

use gateway_core::time::{Duration, Instant};

use crate::record::Now;

/// What a clock may be put right by without anything being written anew: a lease ends that much earlier or later.
const LEAVE: Duration = Duration::from_secs(2);
/// Slots looked at in one turn, and how long to wait for the next.
pub(crate) const TURN: usize = 256;
const PAUSE: Duration = Duration::from_millis(5);

/// Watches the difference between the two clocks.
#[derive(Default, Debug)]
pub(crate) struct Wall {
    /// Wall clock minus time since boot, as records have it.
    offset: Option<Duration>,
    /// The next slot to be written anew, and when.
    next: Option<(usize, Instant)>,
}

impl Wall {
    /// Looks at the clocks. Records that are written from now on go by them.
    pub(crate) fn look(&mut self, now: &Now) {
        // Neither clock is ever before its beginning.
        let offset = (now.unix + Duration::from_secs(1 << 40)).saturating_sub(now.at.since(Instant::ZERO));
        let before = *self.offset.get_or_insert(offset);
        if before.abs_diff(offset) > LEAVE {
            (self.offset, self.next) = (Some(offset), Some((0, now.at)));
        }
    }

    /// The slots that are to be written anew now, of `known` in all.
    pub(crate) fn turn(&mut self, known: usize, now: &Now) -> core::ops::Range<usize> {
        let Some((from, _)) = self.next.filter(|(_, at)| *at <= now.at) else { return 0..0 };
        let end = (from + TURN).min(known);
        self.next = (end < known).then_some((end, now.at + PAUSE));
        from..end
    }

    /// When [`Self::turn`] is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.next.map(|(_, at)| at)
    }
}
