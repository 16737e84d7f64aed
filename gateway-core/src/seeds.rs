//! Simulations: chance out of a seed, and many seeds at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::cluster::digest::digest;

/// Chance, out of a seed.
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        digest(&[self.seed, self.drawn])
    }

    /// One of `from..to`.
    pub(crate) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from).max(1)
    }

    /// True so often, of 1000.
    pub(crate) fn chance(&mut self, of_1000: u64) -> bool {
        self.next() % 1000 < of_1000
    }
}

/// A number in the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Runs a scenario for many seeds, on all processors: so many, or SEEDS, from FIRST_SEED on; or SEED alone, which says what
/// happens in it. The seeds that fail are named with what replays them.
pub(crate) fn for_seeds(test: &str, default: u64, scenario: impl Fn(u64, bool) + Sync) {
    if let Some(seed) = number("SEED") {
        return scenario(seed, true);
    }
    let began = Instant::now();
    let first = number("FIRST_SEED").unwrap_or(1);
    let (next, end) = (AtomicU64::new(first), first + number("SEEDS").unwrap_or(default));
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return failed;
            }
            if catch_unwind(AssertUnwindSafe(|| scenario(seed, false))).is_err() {
                eprintln!("SEED={seed} cargo test -p gateway-core {test} -- --nocapture");
                failed.push(seed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    println!("{test}: {} seeds in {:.3} s, {} failed", end - first, began.elapsed().as_secs_f64(), failed.len());
    assert!(failed.is_empty(), "seeds {failed:?} failed; SEED={} cargo test -p gateway-core {test}", failed[0]);
}
