//! How evenly sessions are spread over members.

use gateway_common::unit;

use super::scenario::{config, settle, sharing};
use super::world::World;
use crate::cluster::{Constants, Disposition, Quorum};
use crate::seeds::Random;
use crate::time::Duration;

const MEMBERS: usize = 3;
const SESSIONS: u64 = 100_000;

/// The MAC at a place in a fleet.
type Mac = fn(u64, &mut Random) -> u64;

/// MACs as vendors give them out to a fleet of CPEs, and as random as can be.
const FLEETS: [(&str, Mac); 3] = [
    ("one after the other", |place, _| 0x0200_5e00_0000 + place),
    ("16 apart", |place, _| 0x0200_5e00_0000 + place * 16),
    ("random", |_, random| random.next() & 0xfeff_ffff_ffff | 0x0200_0000_0000),
];

/// Three members; one comes late, one is killed and comes back, each time with different units in different hands.
pub(super) fn spread(seed: u64, talk: bool) {
    let constants = Constants {
        balance_every: Duration::from_millis(100),
        freeze: Duration::from_millis(200),
        ..Constants::production()
    };
    let mut world = World::new(config(MEMBERS, Quorum::Majority, constants), sharing(), seed, talk);
    let late = world.random.range(0, MEMBERS as u64) as usize;
    (0..MEMBERS).filter(|node| *node != late).for_each(|node| world.start(node));
    let next = world.now + 2_000_000;
    world.run_until(next);
    world.start(late);
    look(&mut world, seed);
    let victim = world.random.range(0, MEMBERS as u64) as usize;
    world.kill(victim);
    let next = world.now + 2_000_000;
    world.run_until(next);
    world.start(victim);
    look(&mut world, seed);
}

fn look(world: &mut World, seed: u64) {
    settle(world);
    let owner = |unit: usize| {
        let owns = |node: &usize| world.nodes[*node].rules[unit].1 == Disposition::Own;
        (0..MEMBERS).find(owns).expect("settled: each unit has one owner")
    };
    let owners: Vec<usize> = (0..1024).map(owner).collect();
    let units: Vec<usize> = (0..MEMBERS).map(|node| owners.iter().filter(|owner| **owner == node).count()).collect();
    assert!(units.iter().max().unwrap() - units.iter().min().unwrap() <= 1, "units {units:?}");
    for (name, mac) in FLEETS {
        let mut random = Random::new(seed);
        let mut sessions = [0u64; MEMBERS];
        for place in 0..SESSIONS {
            let mut chaddr = [0; 16];
            chaddr[..6].copy_from_slice(&mac(place, &mut random).to_be_bytes()[2..]);
            sessions[owners[unit::dhcp4(&unit::UnitKey::NONE, unit::words(chaddr), 6).index() as usize]] += 1;
        }
        let fullest = *sessions.iter().max().unwrap() as f64 / (SESSIONS as f64 / MEMBERS as f64);
        world.say(|| format!("MACs {name}: sessions {sessions:?}, the fullest has {fullest:.3} of the mean"));
        assert!(fullest <= 1.1, "MACs {name}: sessions {sessions:?}, the fullest has {fullest:.3} of the mean");
    }
}
