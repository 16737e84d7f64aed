//! How soon one batch follows another.
//!
//! Whoever asks waits for as little as can be while little is asked. When much is, each waits a little, so that more are answered
//! together: what a batch costs is mostly that the server is woken and that the disk is.

use std::collections::VecDeque;

use gateway_core::time::{Duration, Instant};

/// From the beginning of a batch to that of the next, when much is asked.
const PACE: Duration = Duration::from_millis(2);
/// Much: so many batches were written within so long.
const MANY: usize = 16;
const WITHIN: Duration = Duration::from_millis(64);

/// When the last batches began.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began: VecDeque<Instant>,
}

impl Pace {
    /// A batch that began then was written: how long to rest before the next one.
    pub(super) fn written(&mut self, began: Instant, now: Instant) -> Duration {
        self.began.push_back(began);
        if self.began.len() <= MANY {
            return Duration::ZERO;
        }
        let first = self.began.pop_front().unwrap_or(began);
        if began.since(first) > WITHIN {
            return Duration::ZERO;
        }
        (began + PACE).since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches that take `work` each, with `idle` between an answer and the next question: how far apart they begin at last.
    fn apart(work: Duration, idle: Duration) -> Duration {
        let (mut pace, mut now) = (Pace::default(), Instant::ZERO + Duration::from_secs(1));
        let mut last = now;
        let mut apart = Duration::ZERO;
        for _ in 0..3 * MANY {
            apart = now.since(last);
            last = now;
            let began = now;
            now = now + work;
            now = now + pace.written(began, now) + idle;
        }
        apart
    }

    const fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    #[test]
    fn only_who_hurries_rests() {
        assert_eq!(apart(us(200), us(9_800)), us(10_000), "a login every 10 ms is answered at once");
        assert_eq!(apart(us(200), us(0)), PACE, "one after the other");
        assert_eq!(apart(us(1_500), us(100)), PACE + us(100));
        assert_eq!(apart(us(3_000), us(0)), us(3_000), "a slow disk is reason enough to rest");
    }

    /// A burst after silence is answered at once.
    #[test]
    fn a_burst() {
        let (mut pace, start) = (Pace::default(), Instant::ZERO + Duration::from_secs(1));
        let at = |batch: u64| start + us(300 * batch);
        for batch in 0..MANY as u64 {
            assert_eq!(pace.written(at(batch), at(batch)), Duration::ZERO, "batch {batch}");
        }
        assert_eq!(pace.written(at(16), at(16)), PACE);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.written(later, later), Duration::ZERO);
    }
}
