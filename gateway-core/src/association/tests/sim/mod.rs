//! Two ends of an association in a world made of numbers: everything that happens follows from a seed.
//!
//! Each end is the real manager over a model of a kernel's RFC 5061: sequence numbers, the cached acknowledgement, T4,
//! unconfirmed addresses, HEARTBEATs. That is there for the manager to be tried on, and proves nothing of any kernel. Some of
//! these kernels tell what the peer answers and where its packets arrive; others, as Linux, take changes and tell nothing, and
//! the ends go by the lists of their own kernels and by paths: which takes links of their own, as members have them.
//!
//! Cards lose carrier, get other addresses and none, also such as the other end has had, paths fade and come back, packets are
//! lost and late, at both ends at once. After every step what may never be is looked for, and in the end, when the world was
//! quiet for a while, both ends have the same addresses in mind and send over the best path.
//!
//! `cargo test -p gateway-core association_sim` runs 300 seeds, `cargo xtask bench paths` ten thousand; `SEED=17 cargo test
//! -p gateway-core association_sim_links -- --nocapture` runs one and says what happened in it.

mod check;
mod end;
mod faults;
mod packet;
mod traffic;
mod world;

use crate::seeds::for_seeds;
use world::{Kind, World};

fn run(kind: Kind, seed: u64, talk: bool) {
    World::new(kind, seed, talk).run();
}

/// H-SC-2, H-SC-3, H-SC-4, H-SC-8, H-SC-9, H-SC-15: members on two to four links of their own, all of which fail in all ways
/// there are. Never is the last confirmed address removed or data sent to an unconfirmed one, nothing changes faster than the
/// hold-down lets it, nor before it was better for three seconds, and in the end all addresses are known at both ends and the
/// best link is used.
#[test]
fn association_sim_links() {
    for_seeds("association_sim_links", 120, |seed, talk| run(Kind::Links, seed, talk));
}

/// SC-8, SC-21, SC-22, SC-24, SC-26, H-SC-8: the same, and one link never fails: then the association is the same from the
/// beginning to the end, whatever becomes of the other links.
#[test]
fn association_sim_steady() {
    for_seeds("association_sim_steady", 90, |seed, talk| run(Kind::Steady, seed, talk));
}

/// SC-27, SC-32, H-SC-3, H-SC-4, H-SC-5: two ends that roam from network to network, often both at once and to addresses that
/// the other end had before, without home. What they can't survive they say, and connect anew.
#[test]
fn association_sim_roaming() {
    for_seeds("association_sim_roaming", 60, |seed, talk| run(Kind::Roaming, seed, talk));
}

/// SC-33, SC-34, SC-35, H-SC-5: the same with home addresses, one of which is all that the one who connects knows of the other:
/// however often both move at once, the association is the same, and in the end nobody sends by way of home.
#[test]
fn association_sim_home() {
    for_seeds("association_sim_home", 30, |seed, talk| run(Kind::Home, seed, talk));
}
