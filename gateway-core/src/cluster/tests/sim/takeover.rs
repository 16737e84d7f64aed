//! How long it takes others to serve what a dead member owned.

use super::scenario::{config, settle, sharing};
use super::world::World;
use crate::cluster::{Constants, Disposition, Quorum, Role};
use crate::seeds::Random;
use crate::time::Duration;

const LIMIT: u64 = 600_000;

/// One of three to seven members dies, the master or another.
pub(super) fn takeover(seed: u64, talk: bool) {
    let mut random = Random::new(!seed);
    let members = random.range(3, 8) as usize;
    let constants = Constants {
        balance_every: Duration::from_millis(200),
        freeze: Duration::from_millis(500),
        ..Constants::production()
    };
    let mut world = World::new(config(members, Quorum::Majority, constants), sharing(), seed, talk);
    (0..members).for_each(|node| world.start(node));
    settle(&mut world);
    let phase = world.now + world.random.range(0, 200_000);
    world.run_until(phase);
    let is_master = |node: &usize| world.nodes[*node].cluster.as_ref().is_some_and(|c| c.role() == Role::Master);
    let master = (0..members).find(is_master).expect("settled");
    let victim = if random.chance(500) { master } else { (master + 1) % members };
    let served = |world: &World, unit: usize| {
        (0..members).any(|node| world.nodes[node].rules[unit] == (Disposition::Own, Disposition::Own))
    };
    let its: Vec<_> = (0..1024).filter(|unit| world.nodes[victim].rules[*unit].1 == Disposition::Own).collect();
    let others: Vec<_> = (0..1024).filter(|unit| !its.contains(unit)).collect();
    let died = world.now;
    world.kill(victim);
    let (mut took, mut gap) = (None, 0);
    while world.now < died + LIMIT {
        let next = world.now + 1_000;
        world.run_until(next);
        gap += u64::from(others.iter().any(|unit| !served(&world, *unit)));
        if took.is_none() && its.iter().all(|unit| served(&world, *unit)) {
            took = Some(world.now - died);
        }
    }
    world.say(|| {
        format!(
            "{} units of a {} taken over after {took:?} us",
            its.len(),
            if victim == master { "master" } else { "member" }
        )
    });
    assert!(took.is_some(), "not taken over within {LIMIT} us");
    assert_eq!(gap, 0, "units of those who live were not served for {gap} ms");
}
