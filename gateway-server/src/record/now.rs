//! Moments on two clocks: time since boot in memory, Unix time on disk.

use gateway_core::time::{Duration, Instant};

/// Nanoseconds since boot; negative before it, as the last transaction of a lease that outlived a reboot is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Moment(i64);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since boot.
    pub(crate) at: Instant,
    /// Since 1970.
    pub(crate) unix: Duration,
}

impl Now {
    pub(crate) fn moment(&self) -> Moment {
        Moment(i64::try_from(self.at.as_nanos()).unwrap_or(i64::MAX))
    }

    /// The moment `ago` before now.
    pub(crate) fn before(&self, ago: Duration) -> Moment {
        Moment(self.moment().0.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Time passed since `moment`.
    pub(crate) fn since(&self, moment: Moment) -> Duration {
        Duration::from_nanos(u64::try_from(self.moment().0.saturating_sub(moment.0)).unwrap_or(0))
    }

    pub(crate) fn unix_of(&self, moment: Moment) -> u64 {
        u64::try_from((self.unix.saturating_sub(self.since(moment))).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn moment_of(&self, unix: u64) -> Moment {
        self.before(self.unix.saturating_sub(Duration::from_nanos(unix)))
    }

    pub(crate) fn unix_seconds_of(&self, instant: Instant) -> u64 {
        if instant == Instant::NEVER {
            return u64::MAX;
        }
        (self.unix + instant.since(self.at)).saturating_sub(self.at.since(instant)).as_millis().div_ceil(1000) as u64
    }

    pub(crate) fn instant_of(&self, unix_seconds: u64) -> Instant {
        if unix_seconds == u64::MAX {
            return Instant::NEVER;
        }
        let unix = Duration::from_secs(unix_seconds);
        if unix >= self.unix { self.at + (unix - self.unix) } else { self.at - (self.unix - unix) }
    }
}
