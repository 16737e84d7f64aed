//! The one clock: nanoseconds since boot (`CLOCK_BOOTTIME`), the same that the XDP programs read.

use core::fmt;
use core::ops::{Add, Sub};
pub use core::time::Duration;

/// A moment, in nanoseconds since boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// Boot.
    pub const ZERO: Self = Self(0);
    /// Never: the end of an infinite lease. Equals `Subscriber::NEVER` of the data plane.
    pub const NEVER: Self = Self(u64::MAX);

    /// From nanoseconds since boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::NEVER`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::ZERO`].
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { write!(f, "{:?}", Duration::from_nanos(self.0)) }
    }
}

/// What relates the one clock to the wall clock: needed only for what outlives a boot, on disk or in a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    /// Wall-clock time of boot, in nanoseconds since the Unix epoch; negative on a host whose clock was never set.
    boot: i128,
}

impl WallClock {
    /// `unix` is the wall-clock time at `now`, in nanoseconds since the Unix epoch.
    pub fn new(now: Instant, unix: u64) -> Self {
        Self { boot: i128::from(unix) - i128::from(now.as_nanos()) }
    }

    /// Unix time of [`Instant::ZERO`]; zero on a host whose clock was never set.
    pub fn boot(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.boot.max(0)).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the Unix epoch; `u64::MAX` for [`Instant::NEVER`].
    pub fn to_unix_millis(&self, instant: Instant) -> u64 {
        if instant == Instant::NEVER {
            return u64::MAX;
        }
        u64::try_from((self.boot + i128::from(instant.as_nanos())) / 1_000_000).unwrap_or(0)
    }

    /// Inverse of [`WallClock::to_unix_millis`], to the millisecond. What was before boot becomes [`Instant::ZERO`].
    pub fn from_unix_millis(&self, millis: u64) -> Instant {
        if millis == u64::MAX {
            return Instant::NEVER;
        }
        let nanos = i128::from(millis) * 1_000_000 - self.boot;
        Instant(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// Seconds since the Unix epoch.
    pub fn to_unix_seconds(&self, instant: Instant) -> u64 {
        self.to_unix_millis(instant) / 1000
    }
}
