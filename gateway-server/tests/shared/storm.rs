//! Everything at once, of DHCPv4.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::kind;

use crate::common::*;
use crate::world::{Node, World, open, told};

/// What a client was last told.
#[derive(Clone, Copy, Debug)]
struct Held {
    address: Ipv4Addr,
    until: Instant,
    /// Number of the round.
    round: u32,
}

/// Three servers, few addresses, many clients, every message to any server, single logouts in between, all at the same
/// time: an address is never two clients', and a single logout ends what nobody renewed since, at every server.
#[tokio::test]
async fn whatever_happens_at_once() {
    let (mut refused, mut stale) = (0, 0);
    for seed in 1..=150 {
        let (more_refused, more_stale) = storm(seed).await;
        refused += more_refused;
        stale += more_stale;
    }
    assert!(
        refused > 100 && stale > 20,
        "{refused} writes refused, {stale} stale: they were hardly in each other's way"
    );
}

async fn storm(seed: u64) -> (usize, usize) {
    const CLIENTS: u32 = 14;
    const LEASE: u64 = 600;
    let mut config = open(9);
    config.subnets[0].lease = Duration::from_secs(LEASE);
    let (world, lock) = (World::new(seed), Arc::default());
    let mut nodes: Vec<Node> = (0..3).map(|number| Node::new(&config, &world, &lock, number, 3)).collect();
    let mut offered: BTreeMap<u32, Ipv4Addr> = BTreeMap::new();
    let mut held: BTreeMap<u32, Held> = BTreeMap::new();
    let random = |below| world.borrow_mut().random(below);
    for round in 0..40 {
        let wait = Duration::from_secs(u64::from(random(40)) + 2);
        world.borrow_mut().wait(wait);
        let now = world.borrow().now;
        let mut batches: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 3];
        let (mut spoke, mut gave_up, mut ended) = (BTreeSet::new(), BTreeSet::new(), false);
        for number in 0..CLIENTS {
            let client = cpe(number);
            let (dice, at) = (random(10), random(3) as usize);
            let mine = held.get(&number).filter(|held| held.until > now).copied();
            let message = match (dice, mine, offered.remove(&number)) {
                (0..2, Some(mine), _) => {
                    gave_up.insert(number);
                    client.release(mine.address)
                }
                (2..6, Some(mine), _) => client.renew(mine.address),
                (2..9, None, Some(address)) => client.select(address),
                (_, None, None) => client.discover(),
                _ => continue,
            };
            spoke.insert(number);
            if dice == 5 {
                batches[(at + 1) % 3].push(message.clone()); // a relay that asks two servers
            }
            batches[at].push(message);
        }
        if random(6) == 0 {
            let at = random(3) as usize;
            batches[at].push(logout(scope(RELAY, 7), u64::from(round) + 1).unsigned());
            ended = true;
        }
        let [a, b, c] = &mut nodes[..] else { unreachable!("three") };
        let mut batches = batches.into_iter();
        let mut next = || batches.next().unwrap_or_default();
        let (a, b, c) = tokio::join!(a.turn(next()), b.turn(next()), c.turn(next()));
        let told: Vec<_> = a.iter().chain(&b).chain(&c).filter_map(told).collect();
        let before = held.clone();
        let mut acknowledged = BTreeSet::new();
        for (mac, kind, address) in told {
            let number = u32::from(mac[5]);
            match kind {
                kind::OFFER => {
                    offered.insert(number, address);
                }
                kind::ACK => {
                    acknowledged.insert(address);
                    held.insert(number, Held { address, until: now + Duration::from_secs(LEASE), round });
                }
                // Of two servers that were asked, one may have said ACK before.
                kind::NAK if held.get(&number).is_some_and(|held| held.round < round) => {
                    held.remove(&number);
                }
                _ => {}
            }
        }
        held.retain(|number, _| !gave_up.contains(number));
        if ended {
            held.clear(); // who spoke at the same time may have been ended or not
            let silent = before.iter().filter(|(number, held)| !spoke.contains(number) && held.until > now);
            for address in silent.map(|(_, held)| held.address).filter(|address| !acknowledged.contains(address)) {
                for node in &mut nodes {
                    let query = gateway_core::wire::leasequery::by_address(address, RELAY, 9);
                    let (kind, _) = node.ask(query).await.unwrap();
                    assert_eq!(kind, kind::LEASEUNASSIGNED, "seed {seed} round {round}: {address} lives on");
                }
            }
        }
        let mut holders = BTreeMap::new();
        for (number, held) in held.iter().filter(|(_, held)| held.until > now) {
            if let Some(other) = holders.insert(held.address, number) {
                panic!("seed {seed} round {round}: {} is {number}'s and {other}'s", held.address);
            }
        }
    }
    let world = world.borrow();
    (world.refused, world.stale)
}
