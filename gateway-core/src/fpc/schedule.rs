//! When a schedule is due next.

use super::config::Schedule;
use crate::time::{Duration, Instant, WallClock};

const DAY: u64 = 86_400_000;

/// The first moment after `now`. A time that passed while nobody looked is not made up for.
pub(super) fn next(schedule: Schedule, clock: &WallClock, now: Instant) -> Instant {
    match schedule {
        Schedule::Every(period) => now + period.max(Duration::from_secs(1)),
        Schedule::Daily { second } => {
            let unix = clock.to_unix_millis(now);
            let due = unix - unix % DAY + u64::from(second) % 86_400 * 1000;
            clock.from_unix_millis(if due > unix { due } else { due + DAY })
        }
    }
}
