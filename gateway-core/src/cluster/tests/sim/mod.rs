//! The cluster in a world made of numbers: everything that happens follows from a seed.
//!
//! Each member is the real core, the real replication with its gate, and the real session tables, on a machine with a disk, two
//! clocks that are wrong, and two threads that hear of each other late; clients log in, renew and leave all the while.
//!
//! `cargo test -p gateway-core cluster_sim` runs a dozen seeds, `cargo xtask bench sim` ten thousand; `SEED=17 cargo test -p
//! gateway-core cluster_sim -- --nocapture` runs one, and says what happened in it, with UNIT=3 also what became of that
//! unit. SEEDS and FIRST_SEED choose which ones are run.

mod act;
mod changeover;
mod check;
mod clients;
mod faults;
mod network;
mod node;
mod scenario;
mod shell;
mod spread;
mod streams;
mod tables;
mod takeover;
mod world;

use crate::seeds::for_seeds;

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
    scenario::document_with(false, 11, false);
}

/// CL-34, CL-36, H-CL-20: a seed by which a unit moved once more while the data plane of its last owner but one, which heard
/// nothing of it, went on.
#[test]
fn cluster_sim_twice_moved() {
    scenario::production_with(false, 2352, false);
}

/// CL-36, CL-71, H-CL-20, H-CL-21: whoever dies, within 600 ms all its units are served by others.
#[test]
fn cluster_sim_takeover() {
    for_seeds("cluster_sim_takeover", 10, takeover::takeover);
}

/// CL-34, CL-49, CL-50, H-CL-19: while members are drained, leave and come back, and frames reach all members, every frame is
/// served by one of them, once.
#[test]
fn cluster_sim_changeover() {
    for_seeds("cluster_sim_changeover", 4, changeover::changeover);
}

/// CL-8, CL-71, H-CL-8: a seed by which a master left, and several offered themselves before they heard of each other: those who had
/// supported one that gave way could support no other while it mattered.
#[test]
fn cluster_sim_split_vote() {
    changeover::changeover_with(false, 5017, false);
}

/// CL-34, H-CL-19: a seed by which a member came back and was given units of members that had said nothing since: it waited for
/// what it had already, and no unit moved in time.
#[test]
fn cluster_sim_silent_origins() {
    changeover::changeover_with(false, 5183, false);
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
