//! When a schedule is due next.

use super::config::Schedule;
use crate::time::{Duration, Instant, WallClock};

const DAY: u64 = 86_400_000;

/// Two runs of a daily schedule are further apart than this, however local time moves.
pub(super) const HALF_A_DAY: Duration = Duration::from_secs(12 * 3600);

/// The second of the UTC day at which the same local time is, after local time moved by this many seconds.
pub(super) fn moved(second: u32, by: i64) -> u32 {
    (i64::from(second) - by).rem_euclid(86_400) as u32 // below 86 400
}

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
