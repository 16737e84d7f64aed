//! Who was not let in, for the log: whoever is refused tries again five times a second.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use gateway_core::time::{Duration, Instant};

/// The same of the same is said again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const MOST: usize = 64;

/// What was said of whom, and when.
#[derive(Debug, Default)]
pub(in crate::run) struct Strangers(HashMap<Ipv4Addr, (String, Instant)>);

impl Strangers {
    /// Whether this is worth a line.
    pub(in crate::run) fn is_news(&mut self, ip: Ipv4Addr, why: &str, now: Instant) -> bool {
        if self.0.get(&ip).is_some_and(|(said, at)| said == why && now.since(*at) < AGAIN) {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(ip, (why.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-CL-9: one clear line of each who is refused and why, not five a second.
    #[test]
    fn said_once_a_minute() {
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let (one, other) = (Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(198, 51, 100, 8));
        let mut strangers = Strangers::default();
        assert!(strangers.is_news(one, "revoked", at(0)));
        assert!(!strangers.is_news(one, "revoked", at(59)));
        assert!(strangers.is_news(other, "revoked", at(59)));
        assert!(strangers.is_news(one, "expired", at(59)));
        assert!(!strangers.is_news(one, "expired", at(118)));
        assert!(strangers.is_news(one, "expired", at(119)));
        (0..1000u32).for_each(|number| assert!(strangers.is_news(number.into(), "no TLS", at(119))));
        assert!(strangers.0.len() <= MOST);
    }
}
