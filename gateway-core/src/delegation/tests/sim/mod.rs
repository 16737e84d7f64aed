//! Delegation in a world made of numbers: everything that happens follows from a seed.
//!
//! Two to eight servers, each the real core with a disk and an address server whose hosts come and go, on a network that
//! loses, doubles and delays what they say. Servers die between any two commands and come back with their disks.
//!
//! `cargo test -p gateway-core delegation_sim` runs some seeds, `cargo xtask bench subnets` ten thousand; `SEED=17
//! cargo test -p gateway-core delegation_sim_peers -- --nocapture` runs one and says what happened in it.

mod hosts;
mod world;

use crate::seeds::for_seeds;
use world::{Topology, World};

fn run(topology: Topology, seed: u64, talk: bool) {
    World::new(topology, seed, talk).run();
}

/// SN-5, SN-6, SN-16, SN-49, SN-52, SN-68, H-SN-1, H-SN-2, H-SN-3, H-SN-4,
/// H-SN-5, H-SN-6, H-SN-9, H-SN-10, H-SN-11, H-SN-23: a hierarchy of up to eight servers. Whatever
/// is lost, doubled, late or dies, each server's space is a partition of what it administers, and no address can be used
/// at two servers; when the hosts are gone, all space is back where it was entered.
#[test]
fn delegation_sim_hierarchy() {
    for_seeds("delegation_sim_hierarchy", 12, |seed, talk| run(Topology::Hierarchy, seed, talk));
}

/// SN-6, SN-16, H-SN-1, H-SN-2, H-SN-7, H-SN-8: the same for peers, each of which asks all others, and space entered at two.
#[test]
fn delegation_sim_peers() {
    for_seeds("delegation_sim_peers", 12, |seed, talk| run(Topology::Peers, seed, talk));
}

/// SN-16, H-SN-6, H-SN-7: the same for peers that have children.
#[test]
fn delegation_sim_mixture() {
    for_seeds("delegation_sim_mixture", 12, |seed, talk| run(Topology::Mixture, seed, talk));
}
