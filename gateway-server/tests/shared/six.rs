//! DHCPv6.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, SocketAddrV6};
use std::rc::Rc;
use std::sync::Arc;

use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, Operation, Transaction};
use gateway_core::wire::dhcp6::{Binding, Builder, IaKind, Nest, code, kind, relay_forward, status};
use gateway_server::Config;
use gateway_server::shared::{Datagram, Reply as Leaving};
use gateway_server::v6::PrefixPool;

use crate::lab6::{Cpe, Ias, LINK, PEN, RELAY, Reply, XID, config as config6, cpe, prefix, relay_id, server_id};
use crate::world::{Node, World, open};

/// So many addresses and prefixes on one link, single logouts, and leases of ten minutes.
fn few(addresses: u16) -> Config {
    let mut six = config6();
    six.subnets.truncate(1);
    let subnet = &mut six.subnets[0];
    let (first, last) = &mut subnet.addresses[0];
    *first = (first.to_bits() | 1).into();
    *last = (first.to_bits() + u128::from(addresses) - 1).into();
    subnet.prefixes = vec![PrefixPool { prefix: prefix("2001:db8:8000::/52"), delegated: 56 }];
    subnet.valid = VALID;
    subnet.preferred = Duration::from_secs(300);
    six.release.single_logout.enabled = true;
    Config { v6: Some(six), ..open(4) }
}

const VALID: Duration = Duration::from_secs(600);

fn nodes(config: &Config, seed: u64, count: u32) -> (Vec<Node>, Rc<RefCell<World>>) {
    let (world, turn) = (World::new(seed), Arc::default());
    ((0..count).map(|number| Node::new(config, &world, &turn, number, count)).collect(), world)
}

fn card(number: u16) -> Cpe {
    Cpe { tag: Some(scope()), ..cpe(number) }
}

fn scope() -> Scope {
    let device = DeviceId::new(DeviceIdType::Duid, relay_id().as_duid().octets()).unwrap();
    Scope { device, kind: ScopeKind::Group(GroupId::new(b"fpc0").unwrap()), epoch: Epoch(7) }
}

fn from_relay(payload: Vec<u8>) -> Datagram {
    Datagram { source: SocketAddrV6::new(RELAY, 547, 0, 7).into(), payload }
}

fn relayed(cpe: &Cpe, kind: u8, ias: Ias<'_>) -> Datagram {
    from_relay(cpe.relayed(&cpe.message(kind, ias, |_| {})))
}

/// A single logout of the card.
fn logout(txid: u64) -> Datagram {
    let elements = BulkRelease {
        capability: Some(Capability::RELAY),
        transaction: Some(Transaction { operation: Operation::Release, final_: false, txid, count: 0 }),
        scopes: vec![scope()],
        results: Vec::new(),
    };
    let mut out = Builder::message(240, XID);
    out.duid(code::SERVER_ID, server_id().as_duid()).duid(code::RELAY_ID, relay_id().as_duid());
    out.u16(code::ELAPSED_TIME, 0).option(code::VENDOR_OPTS, &elements.encode_option_17(PEN));
    from_relay(relay_forward(&out.finish().unwrap(), LINK, RELAY, &[]).unwrap())
}

fn told(reply: &Leaving) -> Option<Reply> {
    let Leaving::Datagram(SocketAddr::V6(to), octets) = reply else { return None };
    let inner = Nest::walk(octets).unwrap().message().to_vec();
    Some(Reply { to: *to, octets: octets.clone(), inner })
}

/// The one answer.
async fn ask(node: &mut Node, cpe: &Cpe, kind: u8, ias: Ias<'_>) -> Reply {
    let leaving = node.take(vec![relayed(cpe, kind, ias)]).await;
    let mut replies = leaving.iter().filter_map(told);
    let reply = replies.next().expect("an answer");
    assert!(replies.next().is_none(), "one message, one answer");
    reply
}

const NONE: Ias<'static> = &[(IaKind::Na, 1, &[]), (IaKind::Pd, 1, &[])];

/// An address and a prefix.
type Pair = (Binding, Binding);

/// What is answered for both; none where one is missing, or the answer is to a RELEASE.
fn pair(reply: &Reply) -> Option<Pair> {
    if reply.message().ias().unwrap().len() < 2 {
        return None;
    }
    Some((reply.lease(IaKind::Na, 1)?, reply.lease(IaKind::Pd, 1)?))
}

/// With what it was advertised, or has.
async fn say(node: &mut Node, cpe: &Cpe, kind: u8, (address, prefix): Pair) -> Reply {
    ask(node, cpe, kind, &[(IaKind::Na, 1, &[address]), (IaKind::Pd, 1, &[prefix])]).await
}

async fn login(node: &mut Node, cpe: &Cpe) -> Pair {
    let offered = pair(&ask(node, cpe, kind::SOLICIT, NONE).await).expect("something is left");
    let got = pair(&say(node, cpe, kind::REQUEST, offered).await);
    assert_eq!(got, Some(offered));
    offered
}

/// Who logged in at one server is known to the other with the next message there: it renews, has the same again, and nobody else
/// has it; what it released there is not its own here.
#[tokio::test]
async fn a_client_of_the_other_server() {
    let (mut nodes, _) = nodes(&few(4), 7, 2);
    let [a, b] = &mut nodes[..] else { unreachable!("two") };
    let (one, two) = (cpe(1), cpe(2));
    let mine = login(a, &one).await;
    assert_eq!(pair(&say(b, &one, kind::REBIND, mine).await), Some(mine));
    assert_eq!(pair(&ask(b, &one, kind::SOLICIT, NONE).await), Some(mine));
    let (address, prefix) = pair(&say(b, &two, kind::REQUEST, mine).await).expect("others");
    assert!(address != mine.0 && prefix != mine.1, "{address} {prefix}");
    say(b, &one, kind::RELEASE, mine).await;
    let renewed = say(a, &one, kind::RENEW, mine).await;
    assert_eq!((pair(&renewed), renewed.ia(IaKind::Na, 1).1), (None, status::NO_BINDING), "{renewed:?}");
}

/// Fresh ones are looked for elsewhere by each, so that they meet only where little is left: then the write decides, and both
/// clients have something.
#[tokio::test]
async fn a_conflict_at_the_write() {
    let mut met = 0;
    for seed in 1..100 {
        let (mut nodes, world) = nodes(&few(2), seed, 2);
        let [a, b] = &mut nodes[..] else { unreachable!("two") };
        let (one, two) = (cpe(1), cpe(2));
        let wanted = pair(&ask(a, &one, kind::SOLICIT, NONE).await).unwrap();
        let other = pair(&ask(b, &two, kind::SOLICIT, NONE).await).unwrap();
        assert!(wanted.0 != other.0 && wanted.1 != other.1, "seed {seed}: both offer {wanted:?}");
        let ias: Ias<'_> = &[(IaKind::Na, 1, &[wanted.0]), (IaKind::Pd, 1, &[wanted.1])];
        let (mut told_one, mut told_two) = tokio::join!(
            a.take(vec![relayed(&one, kind::REQUEST, ias)]),
            // Has no offer, and names what another was offered at the other server.
            b.take(vec![relayed(&cpe(3), kind::REQUEST, ias)])
        );
        told_one.append(&mut told_two);
        let got: Vec<Option<Pair>> = told_one.iter().filter_map(told).map(|reply| pair(&reply)).collect();
        let addresses: BTreeSet<String> = got.iter().flatten().map(|(address, _)| address.to_string()).collect();
        let prefixes: BTreeSet<String> = got.iter().flatten().map(|(_, prefix)| prefix.to_string()).collect();
        let happy = got.iter().flatten().count();
        assert_eq!((got.len(), addresses.len(), prefixes.len()), (2, happy, happy), "seed {seed}: {got:?}");
        met += world.borrow().refused;
    }
    assert!(met > 10, "only {met} met at the write");
}

/// One single logout at one server ends what others leased, addresses and prefixes; a repetition at another one is answered with
/// the same result. What logs in afterwards lives.
///
/// H-BR-7
#[tokio::test]
async fn a_single_logout_for_all() {
    let (mut nodes, world) = nodes(&few(4), 5, 2);
    let [a, b] = &mut nodes[..] else { unreachable!("two") };
    let (one, two) = (card(1), card(2));
    let (first, second) = (login(a, &one).await, login(b, &two).await);
    world.borrow_mut().wait(Duration::from_secs(60));
    let released = |leaving: &[Leaving]| {
        let reply = leaving.iter().find_map(told).expect("an answer");
        let message = reply.message();
        let option = message.options().find(code::VENDOR_OPTS).expect("elements");
        BulkRelease::decode_option_17(option.value, PEN).unwrap().expect("elements").results[0].released
    };
    assert_eq!(released(&b.take(vec![logout(99)]).await), 4);
    assert_eq!(released(&a.take(vec![logout(99)]).await), 4, "what was done, not done again");
    for node in [&mut *a, &mut *b] {
        assert_eq!(pair(&say(node, &one, kind::RENEW, first).await), None);
        assert_eq!(pair(&say(node, &two, kind::RENEW, second).await), None);
    }
    let again = login(a, &two).await;
    assert_eq!(pair(&say(b, &two, kind::RENEW, again).await), Some(again));
}

/// What a client was last told.
#[derive(Clone, Copy, Debug)]
struct Held {
    pair: Pair,
    until: Instant,
}

/// Three servers, few addresses and prefixes, many clients, every message to any server, single logouts in between, all at the
/// same time: nothing is ever two clients', and a single logout ends what nobody renewed since, at every server.
#[tokio::test]
async fn whatever_happens_at_once() {
    let (mut refused, mut stale) = (0, 0);
    for seed in 1..=30 {
        let (more_refused, more_stale) = storm(seed).await;
        refused += more_refused;
        stale += more_stale;
    }
    assert!(refused > 30 && stale > 6, "{refused} writes refused, {stale} stale: hardly in each other's way");
}

async fn storm(seed: u64) -> (usize, usize) {
    const CLIENTS: u16 = 14;
    let config = few(9);
    let (mut nodes, world) = nodes(&config, seed, 3);
    let mut offered: BTreeMap<u16, Pair> = BTreeMap::new();
    let mut held: BTreeMap<u16, Held> = BTreeMap::new();
    let random = |below| world.borrow_mut().random(below);
    for round in 0..40_u32 {
        let wait = Duration::from_secs(u64::from(random(40)) + 2);
        world.borrow_mut().wait(wait);
        let now = world.borrow().now;
        let mut batches: Vec<Vec<Datagram>> = vec![Vec::new(); 3];
        let (mut spoke, mut gave_up, mut ended) = (BTreeSet::new(), BTreeSet::new(), false);
        for number in 0..CLIENTS {
            let (dice, at) = (random(10), random(3) as usize);
            let mine = held.get(&number).filter(|held| held.until > now).map(|held| held.pair);
            let (kind, pair) = match (dice, mine, offered.remove(&number)) {
                (0..2, Some(mine), _) => {
                    gave_up.insert(number);
                    (kind::RELEASE, Some(mine))
                }
                (2..6, Some(mine), _) => (kind::REBIND, Some(mine)),
                (2..9, None, Some(offered)) => (kind::REQUEST, Some(offered)),
                (_, None, None) => (kind::SOLICIT, None),
                _ => continue,
            };
            let named = pair.map(|(address, prefix)| ([address], [prefix]));
            let (na, pd): (&[Binding], &[Binding]) = named.as_ref().map_or((&[], &[]), |(na, pd)| (na, pd));
            let message = relayed(&card(number), kind, &[(IaKind::Na, 1, na), (IaKind::Pd, 1, pd)]);
            spoke.insert(number);
            if matches!(kind, kind::REBIND | kind::SOLICIT) && dice > 3 {
                batches[(at + 1) % 3].push(message.clone()); // what is for any server
            }
            batches[at].push(message);
        }
        if random(6) == 0 {
            batches[random(3) as usize].push(logout(u64::from(round) + 1));
            ended = true;
        }
        let [a, b, c] = &mut nodes[..] else { unreachable!("three") };
        let mut batches = batches.into_iter();
        let mut next = || batches.next().unwrap_or_default();
        let (a, b, c) = tokio::join!(a.take(next()), b.take(next()), c.take(next()));
        let before = held.clone();
        let mut acknowledged = BTreeSet::new();
        for reply in a.iter().chain(&b).chain(&c).filter_map(told) {
            let message = reply.message();
            let Some(number) = message.client_id().unwrap().map(|duid| duid.octets()[duid.octets().len() - 1]) else {
                continue; // a single logout's
            };
            let number = u16::from(number);
            match (reply.kind(), pair(&reply)) {
                (kind::ADVERTISE, Some(pair)) => _ = offered.insert(number, pair),
                (kind::REPLY, Some(pair)) => {
                    acknowledged.insert(pair.0.to_string());
                    held.insert(number, Held { pair, until: now + VALID });
                }
                // It was told that some of it is over, which a client takes for all of it here.
                (kind::REPLY, None) => _ = gave_up.insert(number),
                _ => {}
            }
        }
        held.retain(|number, _| !gave_up.contains(number));
        if ended {
            held.clear(); // who spoke at the same time may have been ended or not
            let silent = before.iter().filter(|(number, held)| !spoke.contains(number) && held.until > now);
            for (number, held) in silent.filter(|(_, held)| !acknowledged.contains(&held.pair.0.to_string())) {
                for node in &mut nodes {
                    let reply = say(node, &card(*number), kind::RENEW, held.pair).await;
                    assert_eq!(pair(&reply), None, "seed {seed} round {round}: {held:?} lives on");
                }
            }
        }
        let mut holders = BTreeMap::new();
        for (number, held) in held.iter().filter(|(_, held)| held.until > now) {
            for lease in [held.pair.0, held.pair.1] {
                if let Some(other) = holders.insert(lease.to_string(), number) {
                    panic!("seed {seed} round {round}: {lease} is {number}'s and {other}'s");
                }
            }
        }
    }
    let world = world.borrow();
    (world.refused, world.stale)
}
