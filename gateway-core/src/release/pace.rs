//! How fast individual RELEASEs may leave: a token bucket whose rate follows what arrives (H-BR-19, BR-30).

use super::desk::jittered;
use crate::time::{Duration, Instant};

/// Verifications per window.
const WINDOW: u32 = 100;
/// Still active among them above which the rate is halved: 5 %.
const TOLERATED: u32 = 5;
/// Added for a window in which everything was gone.
const STEP: u32 = 10;
/// The rate never falls below this.
const FLOOR: u32 = 5;
/// One message.
const TOKEN: i64 = 1_000_000_000;

#[derive(Debug)]
pub(crate) struct Pace {
    limit: u32,
    rate: u32,
    burst: u32,
    /// Billionths of a message; below zero by as much as jitter let one go early.
    credit: i64,
    refilled: Instant,
    ready: Instant,
    verified: u32,
    still_active: u32,
}

impl Pace {
    /// `rate` messages per second, `burst` of them at once.
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let (limit, burst) = (rate.max(1), burst.max(1));
        let credit = i64::from(burst) * TOKEN;
        Self { limit, rate: limit, burst, credit, refilled: now, ready: now, verified: 0, still_active: 0 }
    }

    /// Messages per second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// When the next message may leave.
    pub(crate) fn ready(&self) -> Instant {
        self.ready
    }

    /// Takes a message's worth when there is one. Jitter moves single messages by up to a tenth of their distance and
    /// leaves the mean rate alone.
    pub(crate) fn take(&mut self, random: u64, now: Instant) -> bool {
        if now < self.ready {
            return false;
        }
        let elapsed = i64::try_from(now.since(self.refilled).as_nanos()).unwrap_or(i64::MAX);
        let earned = elapsed.saturating_mul(i64::from(self.rate));
        self.credit = self.credit.saturating_add(earned).min(i64::from(self.burst) * TOKEN) - TOKEN;
        self.refilled = now;
        if self.credit < TOKEN {
            let lacking = u64::try_from(TOKEN - self.credit).unwrap_or_default();
            let wait = Duration::from_nanos(lacking / u64::from(self.rate));
            self.ready = now + jittered(wait, wait, random);
        }
        true
    }

    /// One verification; returns the new rate when it changed.
    pub(crate) fn verified(&mut self, still_active: bool) -> Option<u32> {
        self.verified += 1;
        self.still_active += u32::from(still_active);
        if self.verified < WINDOW {
            return None;
        }
        let before = self.rate;
        if self.still_active > TOLERATED {
            self.rate = (self.rate / 2).max(FLOOR.min(self.limit));
        } else if self.still_active == 0 {
            self.rate = (self.rate + STEP).min(self.limit);
        }
        (self.verified, self.still_active) = (0, 0);
        (self.rate != before).then_some(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::ServerConfig;
    use super::*;

    fn pace(now: Instant) -> Pace {
        let ServerConfig { rate, burst, .. } = ServerConfig::default();
        Pace::new(rate, burst, now)
    }

    /// Takes all it can for `seconds`, waking only when told to; returns the moments.
    fn drain(pace: &mut Pace, from: Instant, seconds: u64) -> Vec<Instant> {
        let (mut now, mut seed, mut taken) = (from, 7u64, Vec::new());
        while now < from + Duration::from_secs(seconds) {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            if pace.take(seed >> 20, now) {
                taken.push(now);
            }
            now = pace.ready().max(now);
        }
        taken
    }

    /// BR-30, H-BR-19: 20 at once, then 100 per second, each up to a tenth early or late.
    #[test]
    fn burst_then_rate_with_jitter() {
        let start = Instant::ZERO + Duration::from_secs(1000);
        let mut pace = pace(start);
        let taken = drain(&mut pace, start, 10);
        assert_eq!(taken.iter().filter(|at| **at == start).count(), 20);
        assert!((1010..=1030).contains(&taken.len()), "{} in ten seconds", taken.len());
        let gaps: Vec<_> = taken[20..].windows(2).map(|pair| pair[1].since(pair[0])).collect();
        assert!(gaps.iter().all(|gap| (8..=12).contains(&gap.as_millis())), "{gaps:?}");
        let early = gaps.iter().filter(|gap| gap.as_micros() < 9_900).count();
        let late = gaps.iter().filter(|gap| gap.as_micros() > 10_100).count();
        assert!(early > 100 && late > 100, "{early} early, {late} late: that is no jitter");
    }

    /// H-BR-19: over 5 % still active halves the rate, a clean window adds 10 up to the limit.
    #[test]
    fn the_rate_follows_what_arrives() {
        let mut pace = pace(Instant::ZERO);
        let mut window = |active: u32| (0..100).filter_map(|n| pace.verified(n < active)).next_back();
        assert_eq!(window(5), None);
        assert_eq!(window(6), Some(50));
        assert_eq!(window(100), Some(25));
        assert_eq!(window(1), None);
        assert_eq!(window(0), Some(35));
        for _ in 0..6 {
            window(0);
        }
        assert_eq!(window(0), Some(100));
        assert_eq!(window(0), None);
        for _ in 0..20 {
            window(50);
        }
        assert_eq!(pace.rate(), 5);
    }

    #[test]
    fn idle_time_fills_the_burst_and_no_more() {
        let mut pace = pace(Instant::ZERO);
        drain(&mut pace, Instant::ZERO, 5);
        let later = Instant::ZERO + Duration::from_secs(86_400 * 365 * 300);
        let at_once = drain(&mut pace, later, 1).iter().filter(|at| **at == later).count();
        assert_eq!(at_once, 20);
    }
}
