//! Failures that may come by the thousand are logged once a second, with their number.

use std::fmt::Display;

use gateway_core::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);

/// Counts failures of one kind.
pub(crate) struct Throttle {
    what: &'static str,
    count: u64,
    quiet_until: Instant,
}

impl Throttle {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, count: 0, quiet_until: Instant::ZERO }
    }

    /// One more failure.
    pub(crate) fn warn(&mut self, error: impl Display, now: Instant) {
        self.count += 1;
        if now >= self.quiet_until {
            tracing::warn!(count = self.count, %error, "{}", self.what);
            self.count = 0;
            self.quiet_until = now + PERIOD;
        }
    }
}
