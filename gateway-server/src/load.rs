//! How loaded a server is: how full its pools are, and how long its answers take.

use gateway_core::time::Duration;

/// How full a subnet is, or one of its pools of DHCPv6.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Fill {
    /// Which: `100.64.0.0/16`; of DHCPv6 `2001:db8::/64`, or `2001:db8:8000::/36 to /56` of prefixes that are delegated.
    pub name: String,
    /// Addresses or prefixes leased.
    pub in_use: u64,
    /// Kept from clients for a while: offered, declined, released a moment ago.
    pub held: u64,
    /// Addresses or prefixes in all, at most 2^64 - 1.
    pub size: u64,
}

/// Subnets that are told of; there may be thousands.
const TOLD: usize = 256;

/// The fill of each name, as far as they are told of.
pub(crate) fn sums(parts: impl Iterator<Item = Fill>) -> Vec<Fill> {
    let mut fills: Vec<Fill> = Vec::new();
    for part in parts {
        match fills.iter().position(|other| other.name == part.name) {
            Some(index) => {
                let other = &mut fills[index];
                other.in_use += part.in_use;
                other.held += part.held;
                other.size = other.size.saturating_add(part.size);
            }
            None if fills.len() < TOLD => fills.push(part),
            None => break,
        }
    }
    fills
}

/// How many ranges of times are told apart.
const RANGES: usize = 24;

/// How long acknowledgements took since the start, from the moment that their request was read to the one that they were sent. What a
/// request waited for before it was read is not in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Latency {
    counts: [u64; RANGES],
    sum: Duration,
}

impl Latency {
    /// So many more took so long.
    pub(crate) fn note(&mut self, took: Duration, answers: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let range = u64::BITS - micros.saturating_sub(1).leading_zeros();
        self.counts[(range as usize).min(RANGES - 1)] += answers;
        self.sum += took.saturating_mul(u32::try_from(answers).unwrap_or(u32::MAX));
    }

    /// Microseconds, and how many took no longer than that but longer than the range before; the last one also what took longer.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..).zip(self.counts).map(|(range, count)| (1 << range, count))
    }

    /// The times of all, together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each answer is in the range that its time is in, ends included, and in no other.
    #[test]
    fn ranges_of_times() {
        let mut latency = Latency::default();
        for (micros, answers) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (1000, 64), (60_000_000, 128)] {
            latency.note(Duration::from_micros(micros), answers);
        }
        let some: Vec<_> = latency.ranges().filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [(1, 3), (2, 4), (4, 24), (8, 32), (1024, 64), (1 << 23, 128)]);
        assert_eq!(latency.sum(), Duration::from_micros(2 + 8 + 24 + 64 + 160 + 64_000 + 128 * 60_000_000));
    }
}
