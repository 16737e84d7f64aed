//! When the master announces the cluster's addresses (CL-19, H-CL-12).

use super::constants::Constants;
use crate::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Announcements {
    began: Instant,
    done: usize,
    pub(super) due: Instant,
}

impl Announcements {
    /// From the first one on, which is due now.
    pub(super) fn new(constants: &Constants, now: Instant) -> Self {
        Self { began: now, done: 0, due: now + constants.announce[0] }
    }

    /// Whether one is due.
    pub(super) fn handle_timeout(&mut self, constants: &Constants, now: Instant) -> bool {
        if self.due > now {
            return false;
        }
        self.done += 1;
        self.due = match constants.announce.get(self.done) {
            Some(after) => self.began + *after,
            None => now + constants.announce_every,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    /// H-CL-12: five times in two seconds, then every minute.
    #[test]
    fn often_at_first_and_then_now_and_then() {
        let constants = Constants::production();
        let start = Instant::ZERO + Duration::from_secs(9);
        let mut announcements = Announcements::new(&constants, start);
        let mut times = Vec::new();
        for _ in 0..7 {
            let due = announcements.due;
            assert!(!announcements.handle_timeout(&constants, due - Duration::from_millis(1)));
            assert!(announcements.handle_timeout(&constants, due));
            times.push(due.since(start).as_millis());
        }
        assert_eq!(times, [0, 100, 500, 1000, 2000, 62_000, 122_000]);
    }
}
