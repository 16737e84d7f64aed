//! Routes that could not be installed: their subscribers have a lease and no traffic, so they are tried again.

use std::collections::BTreeSet;
use std::ops::Bound;

/// Routes tried again at once.
const TURN: usize = 256;

/// What could not be installed, and why the last of it could not.
#[derive(Debug)]
pub(super) struct Failed<K> {
    keys: BTreeSet<K>,
    /// The last that was tried, so that each has its turn.
    tried: Option<K>,
    why: String,
}

impl<K> Default for Failed<K> {
    fn default() -> Self {
        Self { keys: BTreeSet::new(), tried: None, why: String::new() }
    }
}

impl<K: Ord + Copy> Failed<K> {
    pub(super) fn keep(&mut self, key: K, why: &std::io::Error) {
        self.keys.insert(key);
        self.why = why.to_string();
    }

    /// It is installed now, or not wanted any more.
    pub(super) fn forget(&mut self, key: &K) {
        if !self.keys.is_empty() {
            self.keys.remove(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Empty when there is nothing.
    pub(super) fn why(&self) -> &str {
        if self.keys.is_empty() { "" } else { &self.why }
    }

    /// Takes out those that are to be tried now. Whoever fails again is kept again.
    pub(super) fn turn(&mut self) -> Vec<K> {
        let after = self.tried.map_or(Bound::Unbounded, Bound::Excluded);
        let mut turn: Vec<K> = self.keys.range((after, Bound::Unbounded)).take(TURN).copied().collect();
        let wanted = TURN - turn.len();
        let rest = self.keys.iter().take_while(|key| self.tried.is_some_and(|tried| **key <= tried));
        turn.extend(rest.take(wanted).copied());
        turn.iter().for_each(|key| {
            self.keys.remove(key);
        });
        self.tried = turn.last().copied();
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Each has its turn though all fail for ever; what is installed or ended is tried no more.
    #[test]
    fn each_has_its_turn() {
        let mut failed = Failed::default();
        let full = || io::Error::from_raw_os_error(libc::E2BIG);
        (0..TURN as u32 * 2 + 5).for_each(|key| failed.keep(key, &full()));
        let mut tried = BTreeSet::new();
        for _ in 0..3 {
            let turn = failed.turn();
            assert_eq!(turn.len(), TURN);
            turn.into_iter().for_each(|key| {
                tried.insert(key);
                failed.keep(key, &full());
            });
        }
        assert_eq!((tried.len(), failed.len()), (TURN * 2 + 5, TURN * 2 + 5));
        (1..TURN as u32 * 2 + 5).for_each(|key| failed.forget(&key));
        assert!(failed.why().contains("too long"), "{}", failed.why());
        assert_eq!((failed.turn(), failed.turn(), failed.len(), failed.why()), (vec![0], vec![], 0, ""));
    }
}
