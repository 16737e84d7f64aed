//! What anybody's packets can cause is logged once a second, with the number of times.

use std::sync::atomic::{AtomicU64, Ordering};

use gateway_core::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);

/// Warnings of one kind.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// Those that were not logged.
    passed_over: AtomicU64,
    quiet_until: AtomicU64,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self { passed_over: AtomicU64::new(0), quiet_until: AtomicU64::new(0) }
    }

    /// Whether one more is to be logged, and how many were not since the last that was.
    pub(crate) fn admits(&self, now: Instant) -> Option<u64> {
        if now.as_nanos() < self.quiet_until.load(Ordering::Relaxed) {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.quiet_until.store((now + PERIOD).as_nanos(), Ordering::Relaxed);
        Some(self.passed_over.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of any number of warnings one a second is logged, and says how many were not.
    #[test]
    fn one_a_second() {
        let throttle = Throttle::new();
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let logged: Vec<_> = (0..3500).filter_map(|millis| Some((millis, throttle.admits(at(millis))?))).collect();
        assert_eq!(logged, [(0, 0), (1000, 999), (2000, 999), (3000, 999)]);
    }
}
