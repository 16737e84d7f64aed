//! The cluster in a world made of numbers: everything that happens follows from a seed.
//!
//! Each member is the real core, the real replication with its gate, and the real session table, on a machine with a disk, two
//! clocks that are wrong, and two threads that hear of each other late; clients log in, renew and leave all the while.
//!
//! `cargo test -p gateway-core cluster_sim` runs a dozen seeds, `cargo xtask bench sim` ten thousand; `SEED=17 cargo test -p
//! gateway-core cluster_sim -- --nocapture` runs one, and says what happened in it, with UNIT=3 also what became of that
//! unit. SEEDS and FIRST_SEED choose which ones are run.

mod act;
mod check;
mod clients;
mod faults;
mod network;
mod node;
mod random;
mod scenario;
mod shell;
mod spread;
mod streams;
mod takeover;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Runs a scenario for many seeds, on all processors. The seeds that fail are named with what replays them.
fn for_seeds(test: &str, default: u64, scenario: impl Fn(u64, bool) + Sync) {
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

/// CL-8, CL-23, CL-36, CL-69, CL-70, CL-71, H-CL-6, H-CL-8, H-CL-19, H-CL-20, H-CL-21, H-CL-23, H-CL-24, H-CL-25, H-CL-27: members, their
/// disks and their network fail in all ways there are, and at no time do two masters act or two members own a unit; when the
/// network is whole again there is one master, every unit has one owner, as evenly as can be, and all members have the same
/// sessions: of every client that was told that it is logged in, what it was told last.
#[test]
fn cluster_sim() {
    for_seeds("cluster_sim", 12, scenario::production);
}

/// CL-8, CL-23 to CL-27, CL-33, CL-35: the same with the constants of the source document, which lets both sides of a split go on:
/// only what comes after it is promised.
#[test]
fn cluster_sim_document() {
    for_seeds("cluster_sim_document", 5, scenario::document);
}

/// CL-36, H-CL-19: a seed by which a master that was taking a unit lost it to the claim of a member that asked to join once more.
#[test]
fn cluster_sim_claimed() {
    scenario::document(11, false);
}

/// CL-34, CL-36, H-CL-20: a seed by which a unit moved once more while the data plane of its last owner but one, which heard
/// nothing of it, went on.
#[test]
fn cluster_sim_twice_moved() {
    scenario::production(2352, false);
}

/// CL-36, CL-71, H-CL-20, H-CL-21: whoever dies, within 600 ms all its units are served by others.
#[test]
fn cluster_sim_takeover() {
    for_seeds("cluster_sim_takeover", 10, takeover::takeover);
}

/// CL-32, CL-33, H-CL-22: with the constants of production a late member gets its share: nothing at first, then 32 units
/// every two seconds, until counts are within one of each other.
#[test]
fn cluster_sim_rebalancing() {
    for_seeds("cluster_sim_rebalancing", 2, scenario::unhurried);
}

/// CL-4, CL-33, H-CL-22: whoever comes and goes, unit counts end within one of each other, and so the fullest of three members
/// has at most 1.1 times the mean of 100,000 sessions, in whatever way MACs follow each other.
#[test]
fn cluster_sim_spread() {
    for_seeds("cluster_sim_spread", 1, spread::spread);
}
