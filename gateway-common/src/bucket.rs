//! The token bucket that protects the DHCP path, in the form of a generic cell rate algorithm.
//!
//! One 64-bit number is the whole state: the theoretical arrival time (TAT). A packet conforms while the TAT is not
//! further ahead of now than the burst allows. Two processors racing on one bucket may let one packet too many
//! through, which is harmless here and keeps locks out of the hot path.

use crate::vlan::VlanTags;

/// How fast a bucket refills and how much it holds. Zeroed: no limit.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Rate {
    /// Nanoseconds one packet costs (10^9 / packets per second); 0 switches the limit off.
    pub interval_ns: u64,
    /// How far ahead of now the TAT may run: (burst − 1) × interval.
    pub tolerance_ns: u64,
}

impl Rate {
    /// `per_second` packets per second sustained, `burst` (at least 1) at once. 0 per second means no limit.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        if per_second == 0 {
            return Self { interval_ns: 0, tolerance_ns: 0 };
        }
        let interval_ns = 1_000_000_000 / per_second as u64;
        Self { interval_ns, tolerance_ns: interval_ns * burst.saturating_sub(1) as u64 }
    }

    /// Takes one packet at `now_ns` from a bucket in state `tat_ns`: the bucket's next state, or `None` when empty.
    #[inline(always)]
    pub const fn take(&self, tat_ns: u64, now_ns: u64) -> Option<u64> {
        let start = if tat_ns > now_ns { tat_ns } else { now_ns };
        if start - now_ns > self.tolerance_ns { None } else { Some(start + self.interval_ns) }
    }
}

/// What a bucket limits. A port's bucket has no MAC and no tags, a line's has no MAC.
///
/// The fields lie so that each can be stored in as few pieces as it is copied in: the verifier wants aligned stack.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct BucketKey {
    /// Tags for a subscriber's and a line's bucket.
    pub tags: VlanTags,
    /// Source MAC for a subscriber's bucket.
    pub mac: [u8; 6],
    /// [`BucketKey::SUBSCRIBER`], [`BucketKey::LINE`], [`BucketKey::PORT`] or [`BucketKey::EVENT`].
    pub level: u16,
    /// Access interface.
    pub ifindex: u32,
    /// Keeps the size a multiple of 8; zero.
    pub reserved: u32,
}

impl BucketKey {
    /// One CPE: MAC and tags on a port.
    pub const SUBSCRIBER: u16 = 1;
    /// All CPEs behind the same tags of a port.
    pub const LINE: u16 = 2;
    /// All CPEs of a port.
    pub const PORT: u16 = 3;
    /// Events about one source, so that a scan can't flood the event ring.
    pub const EVENT: u16 = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let rate = Rate::new(10, 3);
        let mut tat = 0;
        let mut taken = 0;
        for _ in 0..5 {
            if let Some(next) = rate.take(tat, 1_000_000_000) {
                tat = next;
                taken += 1;
            }
        }
        assert_eq!(taken, 3, "a full bucket gives its burst and no more");
        assert_eq!(rate.take(tat, 1_099_999_999), None);
        assert!(rate.take(tat, 1_100_000_000).is_some(), "one token every 100 ms");
    }

    #[test]
    fn no_limit() {
        let rate = Rate::new(0, 0);
        assert_eq!(rate.take(0, 5), Some(5));
        assert_eq!(rate.take(5, 5), Some(5));
    }
}
