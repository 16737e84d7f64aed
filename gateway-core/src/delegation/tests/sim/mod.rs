//! Delegation in a world made of numbers: everything that happens follows from a seed.
//!
//! Two to eight servers, each the real core with a disk and an address server whose hosts come and go, on a network that
//! loses, doubles and delays what they say and cuts servers off for hours. Servers die between any two commands and come back, in
//! half of the seeds sometimes without their disks: then their hosts go on with addresses that nobody knows of. Some are devices
//! that have their providers assign; operators take subnets away and enter them again; there are quotas, longest leases, and
//! servers that heed signed messages only, each once. At every step it is looked at who may give what.
//!
//! `cargo test -p gateway-core delegation_sim` runs some seeds, `cargo xtask bench subnets` ten thousand; `SEED=17
//! cargo test -p gateway-core delegation_sim_peers -- --nocapture` runs one and says what happened in it.

mod checks;
mod hosts;
mod wire;
mod world;

use crate::seeds::for_seeds;
use world::{Topology, World};

fn run(topology: Topology, seed: u64, talk: bool) {
    World::new(topology, seed, talk).run();
}

/// SN-5, SN-6, SN-16, SN-49, SN-52, SN-63, SN-68, H-SN-1, H-SN-2, H-SN-3, H-SN-4,
/// H-SN-5, H-SN-6, H-SN-9, H-SN-10, H-SN-11, H-SN-20, H-SN-22, H-SN-23: a hierarchy of up to eight servers. Whatever
/// is lost, doubled, late or dies, no two servers may give the same address, and no address can be used
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

/// SN-16, SN-63, H-SN-6, H-SN-7: the same for peers that have children.
#[test]
fn delegation_sim_mixture() {
    for_seeds("delegation_sim_mixture", 12, |seed, talk| run(Topology::Mixture, seed, talk));
}
