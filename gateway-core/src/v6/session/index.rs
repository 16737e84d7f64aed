//! Leases by what is leased: exactly, and by what overlaps.

use std::collections::BTreeMap;

use crate::wire::dhcp6::Prefix;

/// Slots by prefix. A tree, because it also tells what lies within a prefix; what a prefix lies within is looked up for
/// each shorter length there is, which are few.
#[derive(Debug)]
pub(super) struct Index {
    slots: BTreeMap<(u128, u8), u32>,
    /// How many there are of each length.
    lengths: [u32; 129],
}

impl Index {
    pub(super) fn new() -> Self {
        Self { slots: BTreeMap::new(), lengths: [0; 129] }
    }

    pub(super) fn get(&self, prefix: Prefix) -> Option<u32> {
        self.slots.get(&key(prefix)).copied()
    }

    /// Gives back what was there before.
    pub(super) fn insert(&mut self, prefix: Prefix, slot: u32) -> Option<u32> {
        let before = self.slots.insert(key(prefix), slot);
        self.lengths[usize::from(prefix.length())] += u32::from(before.is_none());
        before
    }

    pub(super) fn remove(&mut self, prefix: Prefix) {
        let there = self.slots.remove(&key(prefix)).is_some();
        self.lengths[usize::from(prefix.length())] -= u32::from(there);
    }

    /// What has an address in common with a prefix, but for that prefix itself.
    pub(super) fn overlapping(&self, prefix: Prefix) -> impl Iterator<Item = u32> + '_ {
        let shorter = (0..prefix.length()).filter(|length| self.lengths[usize::from(*length)] > 0);
        let around = shorter.filter_map(move |length| self.get(Prefix::new(prefix.address(), length)?));
        let (first, last) = (prefix.address().to_bits(), prefix.last().to_bits());
        let within = self.slots.range((first, 0)..=(last, 128));
        let within = within.filter(move |((_, length), _)| *length > prefix.length()).map(|(_, slot)| *slot);
        around.chain(within)
    }
}

fn key(prefix: Prefix) -> (u128, u8) {
    (prefix.address().to_bits(), prefix.length())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn prefix() -> impl Strategy<Value = Prefix> {
        (0u128..64, 122u8..=128).prop_map(|(bits, length)| Prefix::new((bits << 1).into(), length).unwrap())
    }

    proptest! {
        /// Overlaps are those that a comparison of all with all finds.
        #[test]
        fn overlaps(prefixes in prop::collection::vec(prefix(), 0..20), gone in 0usize..6, wanted in prefix()) {
            let mut index = Index::new();
            let mut all = BTreeSet::new();
            for prefix in &prefixes {
                index.insert(*prefix, u32::from(prefix.length()) << 16 | prefix.address().to_bits() as u32);
                all.insert(*prefix);
            }
            for prefix in prefixes.iter().take(gone) {
                index.remove(*prefix);
                all.remove(prefix);
            }
            let met = |other: &&Prefix| other.contains(wanted.address()) || wanted.contains(other.address());
            let expected: BTreeSet<_> = all.iter().filter(|other| **other != wanted).filter(met)
                .map(|prefix| u32::from(prefix.length()) << 16 | prefix.address().to_bits() as u32).collect();
            let found: Vec<_> = index.overlapping(wanted).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            prop_assert_eq!(index.get(wanted).is_some(), all.contains(&wanted));
        }
    }
}
