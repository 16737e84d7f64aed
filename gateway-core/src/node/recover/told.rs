//! Which leases a server has told: what is told again counts once, and what was not told is looked for at the end.

use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet};

use super::LeaseName;

/// Leases by hash, because a server may tell a few times as many as there is room for here. Of eight million a first one is
/// taken for another once in some hundred thousand recoveries.
#[derive(Debug, Default)]
pub(super) struct Told {
    hasher: DefaultHashBuilder,
    hashes: HashSet<u64>,
}

impl Told {
    /// False when it was told before.
    pub(super) fn insert(&mut self, lease: LeaseName) -> bool {
        self.hashes.insert(self.hasher.hash_one(lease))
    }

    pub(super) fn contains(&self, lease: LeaseName) -> bool {
        self.hashes.contains(&self.hasher.hash_one(lease))
    }

    pub(super) fn len(&self) -> u64 {
        self.hashes.len() as u64
    }
}
