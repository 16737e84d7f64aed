//! From a seed to a cluster and its misfortunes.

use super::network::Micros;
use super::shell::Sharing;
use super::world::{World, id, ip};
use crate::cluster::{ClusterConfig, Constants, Coordination, Delivery, MemberConfig, Quorum};
use crate::member::Term;
use crate::replication::WhenShort;
use crate::seeds::Random;
use crate::time::Duration;

const SECOND: Micros = 1_000_000;

pub(super) fn config(members: usize, quorum: Quorum, constants: Constants) -> ClusterConfig {
    let member = |node| MemberConfig { id: id(node), ip: ip(node), name: format!("gw{node}") };
    ClusterConfig {
        me: id(0),
        members: (0..members).map(member).collect(),
        config_version: 1,
        config_digest: 7,
        delivery: Delivery::Forward,
        quorum,
        coordination: Coordination::Members,
        objectors: false,
        first_term: Term(0),
        constants,
    }
}

pub(super) fn sharing() -> Sharing {
    Sharing { when_short: WhenShort::Wait, kept: 1 << 20, six: true }
}

/// With a quorum.
pub(super) fn production(seed: u64, talk: bool) {
    production_with(true, seed, talk);
}

/// With DHCPv6, or without.
pub(super) fn production_with(six: bool, seed: u64, talk: bool) {
    let mut random = Random::new(!seed);
    let constants = Constants {
        // Many moves in little time.
        balance_every: Duration::from_millis(random.range(100, 400)),
        freeze: Duration::from_millis(500),
        ..Constants::production()
    };
    let members = random.range(2, 17) as usize;
    let mut config = config(members, Quorum::Majority, constants);
    config.delivery = if random.chance(500) { Delivery::Forward } else { Delivery::MulticastMac };
    config.objectors = random.chance(300);
    let when_short = if random.chance(700) { WhenShort::Wait } else { WhenShort::Degrade };
    let sharing = Sharing { when_short, kept: [1_500, 20_000, 1 << 20][random.range(0, 3) as usize], six };
    run(config, sharing, seed, talk);
}

/// As in the source document.
pub(super) fn document(seed: u64, talk: bool) {
    document_with(true, seed, talk);
}

/// With DHCPv6, or without.
pub(super) fn document_with(six: bool, seed: u64, talk: bool) {
    let members = Random::new(!seed).range(2, 17) as usize;
    run(config(members, Quorum::None, Constants::document()), Sharing { six, ..sharing() }, seed, talk);
}

/// With the constants as they are, without faults: the last of the members comes late, and moves are as slow as they are.
pub(super) fn unhurried(seed: u64, talk: bool) {
    let members = Random::new(!seed).range(3, 6) as usize;
    let mut world = World::new(config(members, Quorum::Majority, Constants::production()), sharing(), seed, talk);
    (1..members).for_each(|node| world.start(node));
    let late = world.now + 5 * SECOND;
    step(&mut world, late);
    world.start(0);
    let joined = late + 8 * SECOND;
    step(&mut world, joined);
    let owned = world.data.iter().filter(|owners| owners.contains(&0)).count();
    assert_eq!(owned, 0, "nothing moves for ten seconds after a join (H-CL-22)");
    let end = late + 45 * SECOND;
    step(&mut world, end);
    world.is_settled().unwrap_or_else(|why| panic!("not settled: {why}"));
}

fn run(config: ClusterConfig, sharing: Sharing, seed: u64, talk: bool) {
    let mut world = World::new(config, sharing, seed, talk);
    let members = world.nodes.len();
    for node in 0..members {
        let at = world.now + world.random.range(0, 100_000);
        world.run_until(at);
        world.start(node);
    }
    let end = world.now + world.random.range(3, 9) * SECOND;
    while world.now < end {
        let next = world.now + world.random.range(20_000, 600_000);
        step(&mut world, next);
        world.mishap();
    }
    world.heal();
    settle(&mut world);
    // And so it stays.
    let before: Vec<_> = world.nodes.iter().map(|node| node.cluster.as_ref().map(|cluster| cluster.ruler())).collect();
    let later = world.now + 2 * SECOND;
    step(&mut world, later);
    let after: Vec<_> = world.nodes.iter().map(|node| node.cluster.as_ref().map(|cluster| cluster.ruler())).collect();
    assert_eq!(before, after, "masters come and go in a network that is whole");
    if world.strict {
        world.is_settled().unwrap_or_else(|why| panic!("it was settled, and now {why}"));
    } else {
        // Where both sides of a split went on, a member may learn only by its next change that another has a unit of its own
        // by a later assignment. Then it joins anew, and units wait once more for somebody to ask for them.
        settle(&mut world);
    }
}

/// Packets come in all the while.
fn step(world: &mut World, end: Micros) {
    while world.now < end {
        let next = end.min(world.now + 10_000);
        world.run_until(next);
        let unit = world.random.range(0, 1024) as usize;
        world.packet(unit);
        world.client();
    }
}

/// Within some seconds everything is as it should be.
pub(super) fn settle(world: &mut World) {
    let mut why = String::new();
    for round in 0..80 {
        let next = world.now + SECOND / 4;
        step(world, next);
        world.undrain();
        // What nobody asks for nobody gets, where units are assigned lazily (CL-37).
        (0..1024).for_each(|unit| world.packet(unit));
        match world.is_settled() {
            Ok(()) if round > 3 => return,
            Ok(()) => {}
            Err(new) => why = new,
        }
    }
    panic!("not settled after 20 s: {why}");
}
