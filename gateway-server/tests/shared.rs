//! Servers that share their leases, over a database in memory that is as slow, and lets them in each other's way, as a real
//! one. What PostgreSQL makes of the same questions is tested where there is one (`gateway-tests`).

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;

use common::*;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::{Message, kind};
use gateway_core::wire::relay_auth::append_and_sign;
use gateway_server::shared::{Changes, Database, Datagram, Failure, News, Reply as Leaving, Verdict, turn};
use gateway_server::{Config, Event, PingCheck, Server};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// What all servers see.
#[derive(Debug)]
struct World {
    /// Value, number of its change, session.
    rows: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    change: u64,
    logout: u64,
    now: Instant,
    unix: Duration,
    random: u64,
    /// Verdicts that were not plain success.
    refused: usize,
    stale: usize,
}

impl World {
    fn new(seed: u64) -> Rc<RefCell<Self>> {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let rows = BTreeMap::new();
        Rc::new(RefCell::new(Self { rows, change: 0, logout: 0, now, unix, random: seed, refused: 0, stale: 0 }))
    }

    /// xorshift64*
    fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as u32 % below
    }
}

/// A server's connection. Between any two steps of its work others may do theirs.
struct Link {
    world: Rc<RefCell<World>>,
    /// An `Arc`, because its guards can be owned; there is one thread all the same.
    turn: Arc<Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
    session: u64,
    seen: u64,
}

impl Link {
    async fn pause(&self) {
        let times = self.world.borrow_mut().random(4);
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

impl Database for Link {
    type Error = Infallible;

    fn now(&self) -> (Instant, Duration) {
        let world = self.world.borrow();
        (world.now, world.unix)
    }

    async fn follow(&mut self) -> Result<News, Infallible> {
        self.pause().await;
        let world = self.world.borrow();
        let mut news: Vec<_> =
            world.rows.iter().filter(|(_, (_, change, by))| *change > self.seen && *by != self.session).collect();
        news.sort_by_key(|(_, (_, change, _))| *change);
        self.seen = world.change;
        Ok(news.into_iter().map(|(key, (value, ..))| (key.clone(), value.clone())).collect())
    }

    async fn read(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<News, Infallible> {
        self.pause().await;
        let world = self.world.borrow();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), world.rows.get(key)?.0.clone()))).collect())
    }

    async fn write(&mut self, changes: &Changes) -> Result<Verdict, Infallible> {
        self.pause().await;
        let _turn = match self.held {
            Some(_) => None,
            None => Some(Arc::clone(&self.turn).lock_owned().await),
        };
        self.pause().await;
        let world = &mut *self.world.borrow_mut();
        if world.logout > self.seen {
            world.stale += 1;
            return Ok(Verdict::Stale);
        }
        world.change += 1;
        let mut refused = BTreeSet::new();
        for (key, value) in &changes.common {
            let Some(value) = value else {
                world.rows.remove(key);
                continue;
            };
            if key[0] == b'c' {
                world.logout = world.change;
            }
            let is_known = |(_, change, by): &(Vec<u8>, u64, u64)| *change <= self.seen || *by == self.session;
            if world.rows.get(key).is_none_or(is_known) {
                world.rows.insert(key.clone(), (value.clone(), world.change, self.session));
            } else {
                world.refused += 1;
                refused.insert(key.clone());
            }
        }
        Ok(Verdict::Written { refused })
    }

    async fn lock(&mut self) -> Result<(), Infallible> {
        self.pause().await;
        self.held = Some(Arc::clone(&self.turn).lock_owned().await);
        Ok(())
    }

    async fn unlock(&mut self) -> Result<(), Infallible> {
        self.pause().await;
        self.held = None;
        Ok(())
    }
}

struct Node {
    server: Server,
    link: Link,
}

impl Node {
    fn new(config: &Config, world: &Rc<RefCell<World>>, turn: &Arc<Mutex<()>>, number: u32, of: u32) -> Self {
        let (now, unix) = (world.borrow().now, world.borrow().unix);
        let mut server = Server::new(config.clone(), [], now, unix).unwrap();
        server.share(number, of);
        let link = Link {
            world: Rc::clone(world),
            turn: Arc::clone(turn),
            held: None,
            session: u64::from(number) + 1,
            seen: 0,
        };
        Self { server, link }
    }

    /// One turn with these messages of relays: the datagrams that leave, and the events.
    async fn turn(&mut self, messages: Vec<Vec<u8>>) -> Vec<Leaving> {
        let from = |payload: Vec<u8>| {
            let giaddr = Message::parse(&payload).unwrap().giaddr();
            Datagram { source: SocketAddrV4::new(giaddr, 67), payload }
        };
        let messages = messages.into_iter().map(from).collect();
        let result: Result<_, Failure<Infallible>> = turn(&mut self.link, &mut self.server, messages).await;
        result.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The one reply to a message.
    async fn ask(&mut self, message: Vec<u8>) -> Option<(u8, Ipv4Addr)> {
        let replies = self.turn(vec![message]).await;
        let mut replies = replies.iter().filter_map(told);
        let reply = replies.next().map(|(_, kind, address)| (kind, address));
        assert!(replies.next().is_none(), "one message, one reply");
        reply
    }
}

/// MAC, kind and yiaddr of a datagram.
fn told(reply: &Leaving) -> Option<([u8; 6], u8, Ipv4Addr)> {
    let Leaving::Datagram(_, octets) = reply else { return None };
    let message = Message::parse(octets).unwrap();
    Some((message.hardware().mac().unwrap_or_default(), message.kind().unwrap(), message.yiaddr()))
}

fn open(addresses: u32) -> Config {
    let mut config = wide(config(), addresses);
    config.bulk_release.allow_unauthenticated = true;
    config.bulk_release.rate = 0;
    config
}

fn two(config: &Config, seed: u64) -> (Node, Node, Rc<RefCell<World>>) {
    let (world, turn) = (World::new(seed), Arc::default());
    (Node::new(config, &world, &turn, 0, 2), Node::new(config, &world, &turn, 1, 2), world)
}

/// A client that logged in at one server is known to the other with its next message there: it renews, comes back after
/// a reboot, and is offered the same address; nobody else is.
#[tokio::test]
async fn a_client_of_the_other_server() {
    let (mut a, mut b, _) = two(&open(8), 7);
    let client = cpe(1);
    let (_, address) = a.ask(client.discover()).await.unwrap();
    assert_eq!(a.ask(client.select(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.renew(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.reboot(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.discover()).await, Some((kind::OFFER, address)));
    let other = b.ask(cpe(2).select(address)).await;
    assert_eq!(other.unwrap().0, kind::NAK, "it is another client's");
    b.turn(vec![client.release(address)]).await;
    assert_eq!(a.ask(client.renew(address)).await.unwrap().0, kind::ACK, "its own former address, by the relay");
}

/// Both servers offer the last address, to two clients. Who asks first has it; the other is told so, and has it when the
/// first one gives it up.
#[tokio::test]
async fn the_last_address() {
    let (mut a, mut b, _) = two(&open(1), 3);
    let (one, two) = (cpe(1), cpe(2));
    let (_, address) = a.ask(one.discover()).await.unwrap();
    assert_eq!(b.ask(two.discover()).await, Some((kind::OFFER, address)));
    assert_eq!(b.ask(two.select(address)).await, Some((kind::ACK, address)));
    assert_eq!(a.ask(one.select(address)).await.unwrap().0, kind::NAK);
    assert_eq!(a.ask(one.discover()).await, None, "no address is left");
    b.turn(vec![two.release(address)]).await;
    assert_eq!(a.ask(one.discover()).await, Some((kind::OFFER, address)));
}

/// An address is asked before it is offered, also where the DISCOVER shares its batch with what is refused and is handled twice.
#[tokio::test]
async fn an_echo_request_beside_a_conflict() {
    let mut met = 0;
    for seed in 1..100 {
        let config = Config { ping_check: Some(PingCheck::default()), ..open(4) };
        let (mut a, mut b, world) = two(&config, seed);
        let contested = Ipv4Addr::new(10, 0, 0, 2);
        let (replies, _) = tokio::join!(
            a.turn(vec![cpe(1).select(contested), cpe(3).discover()]),
            b.turn(vec![cpe(2).select(contested)])
        );
        assert!(replies.iter().any(|reply| matches!(reply, Leaving::Probe(_))), "seed {seed}: {replies:?}");
        met += world.borrow().refused;
    }
    assert!(met > 10, "only {met} met at the write");
}

/// What a client of one server released rests at the others as well.
///
/// H-BR-24
#[tokio::test]
async fn what_was_released_at_the_other_server() {
    let mut config = open(1);
    config.bulk_release.quarantine = Duration::from_secs(60);
    let (mut a, mut b, world) = two(&config, 3);
    let (one, two) = (cpe(1), cpe(2));
    let (_, address) = a.ask(one.discover()).await.unwrap();
    assert_eq!(a.ask(one.select(address)).await, Some((kind::ACK, address)));
    a.turn(vec![one.release(address)]).await;
    assert_eq!(b.ask(two.discover()).await, None);
    {
        let mut world = world.borrow_mut();
        world.now = world.now + Duration::from_secs(61);
        world.unix += Duration::from_secs(61);
    }
    assert_eq!(b.ask(two.discover()).await, Some((kind::OFFER, address)));
}

/// Both write at the same moment: the database refuses one of them, which is answered all the same, by a NAK.
#[tokio::test]
async fn a_conflict_at_the_write() {
    let (mut met, mut seeds) = (0, 0);
    for seed in 1..200 {
        let (mut a, mut b, world) = two(&open(1), seed);
        let (one, two) = (cpe(1), cpe(2));
        let (_, address) = a.ask(one.discover()).await.unwrap();
        b.ask(two.discover()).await.unwrap();
        let (mut first, mut second) =
            tokio::join!(a.turn(vec![one.select(address)]), b.turn(vec![two.select(address)]));
        first.append(&mut second);
        let mut kinds: Vec<u8> = first.iter().filter_map(told).map(|(_, kind, _)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [kind::ACK, kind::NAK], "seed {seed}");
        met += world.borrow().refused;
        seeds += 1;
    }
    assert!(met > seeds / 10, "only {met} of {seeds} met at the write");
}

/// A message that was recorded and is sent again is not carried out because another of its batch was refused, and the batch is
/// handled a second time.
///
/// H-BR-16
#[tokio::test]
async fn a_replay_beside_a_conflict() {
    let signed = |message: Vec<u8>, counter| append_and_sign(&message, &key(), counter).unwrap();
    let mut met = 0;
    for seed in 1..100 {
        let (mut a, mut b, world) = two(&open(2), seed);
        let victim = cpe(9);
        let (_, held) = a.ask(signed(victim.discover(), 1)).await.unwrap();
        let release = signed(victim.release(held), 3);
        assert_eq!(a.ask(signed(victim.select(held), 2)).await, Some((kind::ACK, held)));
        a.turn(vec![release.clone()]).await;
        assert_eq!(a.ask(signed(victim.reboot(held), 4)).await, Some((kind::ACK, held)), "in use again");

        let (one, two) = (cpe(1), cpe(2));
        let (_, address) = a.ask(one.discover()).await.unwrap();
        b.ask(two.discover()).await.unwrap();
        tokio::join!(a.turn(vec![release, one.select(address)]), b.turn(vec![two.select(address)]));
        met += world.borrow().refused;
        let query = gateway_core::wire::leasequery::by_address(held, RELAY, 9);
        assert_eq!(a.ask(query).await.unwrap().0, kind::LEASEACTIVE, "seed {seed}: the replay was carried out");
    }
    assert!(met > 10, "only {met} met at the write");
}

/// A single logout at one server ends the leases that another has granted, and frees them for either; a repetition at the
/// other server is answered with the same result.
#[tokio::test]
async fn a_single_logout_for_all() {
    let (mut a, mut b, world) = two(&open(2), 5);
    let mut held = Vec::new();
    for (number, node) in [(1, &mut a), (2, &mut b)] {
        let (_, address) = node.ask(cpe(number).discover()).await.unwrap();
        assert_eq!(node.ask(cpe(number).select(address)).await, Some((kind::ACK, address)));
        held.push(address);
    }
    {
        let mut world = world.borrow_mut();
        world.now = world.now + Duration::from_secs(60);
        world.unix += Duration::from_secs(60);
    }
    let released = |replies: &[Leaving]| {
        replies.iter().find_map(|reply| match reply {
            Leaving::Datagram(to, octets) => Some(Reply { to: *to, octets: octets.clone() }.counts().0),
            _ => None,
        })
    };
    let replies = b.turn(vec![logout(scope(RELAY, 7), 99).unsigned()]).await;
    assert_eq!(released(&replies), Some(2));
    let is_event = |reply: &Leaving| matches!(reply, Leaving::Tell(Event::BulkReleased { .. }));
    assert!(replies.iter().any(is_event));
    let replies = a.turn(vec![logout(scope(RELAY, 7), 99).unsigned()]).await;
    assert_eq!(released(&replies), Some(2), "what was done, not done again");
    assert!(!replies.iter().any(is_event));
    for address in &held {
        let query = gateway_core::wire::leasequery::by_address(*address, RELAY, 9);
        assert_eq!(a.ask(query.clone()).await.unwrap().0, kind::LEASEUNASSIGNED);
        assert_eq!(b.ask(query).await.unwrap().0, kind::LEASEUNASSIGNED);
    }
    for number in [11, 12] {
        assert_eq!(a.ask(cpe(number).discover()).await.unwrap().0, kind::OFFER, "free at once");
    }
}

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
        let now = {
            let mut world = world.borrow_mut();
            world.now = world.now + wait;
            world.unix += wait;
            world.now
        };
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
