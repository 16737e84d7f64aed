//! Chance, out of a seed.

use crate::cluster::digest::digest;

#[derive(Debug)]
pub(super) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.drawn += 1;
        digest(&[self.seed, self.drawn])
    }

    /// One of `from..to`.
    pub(super) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from).max(1)
    }

    /// True so often, of 1000.
    pub(super) fn chance(&mut self, of_1000: u64) -> bool {
        self.next() % 1000 < of_1000
    }
}
