//! Sessions that have something in common.

use core::ops::RangeInclusive;
use std::collections::BTreeSet;

/// Numbers of sessions by the hash of what they have in common. Who logs in can invent client-ids and DUIDs, so a group may
/// be as large as the table, and in a hash table whoever is in one would be looked for among all of it. Here it is found, put
/// in and taken out in the logarithm of the table's size.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeSet<(u64, u32)>);

impl Groups {
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        self.0.insert((hash, number));
    }

    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        self.0.remove(&(hash, number));
    }

    /// Those of a group, in the order of their numbers, and whoever has the same hash by chance.
    pub(crate) fn of(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        self.among(hash..=hash)
    }

    /// Those of several groups, in the order of their hashes.
    pub(crate) fn among(&self, hashes: RangeInclusive<u64>) -> impl Iterator<Item = u32> + '_ {
        let (first, last) = hashes.into_inner();
        self.0.range((first, 0)..=(last, u32::MAX)).map(|(_, number)| *number)
    }
}

/// What a login costs in a crowd, for tests of both tables.
#[cfg(test)]
pub(crate) mod crowd {
    use std::time::{Duration, Instant};

    /// Logins of a crowd.
    pub(crate) const CROWD: u16 = 12_000;
    /// Logins that are timed together.
    const FEW: usize = 100;

    /// Fails when `log_in` costs the last of a crowd much more than the first. The best of ten times counts, because a host
    /// has other things to do, too.
    pub(crate) fn assert_level(mut log_in: impl FnMut(u16)) {
        let all: Vec<u16> = (0..CROWD).collect();
        let mut timed = |few: &[u16]| {
            let began = Instant::now();
            few.iter().for_each(|number| log_in(*number));
            began.elapsed()
        };
        let times: Vec<Duration> = all.chunks(FEW).map(&mut timed).collect();
        // The very first have nobody to leave behind yet.
        let (first, last) = (times[1..11].iter().min().unwrap(), times[times.len() - 10..].iter().min().unwrap());
        assert!(*last < *first * 8, "{FEW} logins took {first:?} in the beginning and {last:?} in the end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// All in one group cost hardly more than each in one of its own: going in, being looked for, and going out.
    #[test]
    fn a_large_group_is_as_good_as_many_small_ones() {
        let timed = |hash: fn(u32) -> u64| {
            let (mut groups, began) = (Groups::default(), Instant::now());
            for number in 0..40_000 {
                groups.insert(hash(number), number);
                assert!(groups.of(hash(number)).next().is_some());
            }
            (0..40_000).for_each(|number| groups.remove(hash(number), number));
            assert_eq!(groups.0.len(), 0);
            began.elapsed()
        };
        let (apart, together) = (timed(u64::from), timed(|_| 7));
        assert!(together < apart * 8, "{together:?} together, {apart:?} apart");
    }
}
