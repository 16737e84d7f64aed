//! Members that tell each other whom they saw, while streams are slow and break, and members die.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::member::MemberId;
use crate::octets::Reader;
use crate::seeds::{Random, for_seeds};
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::Prefix;

const CELLS: usize = 8;

fn encode(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

fn decode(octets: &[u8]) -> Option<Message> {
    let mut reader = Reader(octets);
    let message = Message::decode(&mut reader)?;
    reader.end().map(|()| message)
}

fn page() -> impl Strategy<Value = Page> {
    let address = prop_oneof![any::<u32>(), (0..512u32).prop_map(|host| 0x6440_0000 + host)];
    let four = prop::collection::btree_set(address, 0..40);
    let prefix = (0..=128u8, prop_oneof![any::<u128>(), (0..9u128).prop_map(|host| (0x2001_0db8 << 96) + host)]);
    let prefix = prefix.prop_map(|(length, bits)| Prefix::new(Ipv6Addr::from_bits(bits), length).expect("a length"));
    let six = prop::collection::btree_set(prefix, 0..40);
    (any::<u32>(), any::<[bool; 3]>(), four, six).prop_map(|(number, [first, last, gap], four, six)| Page {
        number,
        first,
        last,
        gap: gap && first,
        four: four.into_iter().map(Ipv4Addr::from_bits).collect(),
        six: six.into_iter().collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What is written is read, and what is cut is not; and there is one way to say it.
    #[test]
    fn what_is_written_is_read(page in page(), cut in any::<usize>(), place in any::<usize>(), with in 1..=255u8) {
        let message = Message::Page(page);
        let mut octets = encode(&message);
        prop_assert_eq!(decode(&octets), Some(message));
        prop_assert_eq!(decode(&octets[..cut % octets.len()]), None);
        let place = place % octets.len();
        octets[place] ^= with;
        if let Some(other) = decode(&octets) {
            prop_assert_eq!(encode(&other), octets);
        }
    }
}

/// A thousand neighbours cost little more than an octet each.
#[test]
fn neighbours_are_short() {
    let four = (0..1000).map(|host| Ipv4Addr::from_bits(0x6440_0000 + host)).collect();
    let octets = encode(&Message::Page(Page { four, ..Page::default() }));
    assert!(octets.len() < 1020, "{} octets", octets.len());
    let host = |host: u128| Prefix::new(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host), 128).expect("an address");
    let octets = encode(&Message::Page(Page { six: (0..1000).map(host).collect(), ..Page::default() }));
    assert!(octets.len() < 3030, "{} octets", octets.len());
}

fn id(node: usize) -> MemberId {
    MemberId::new(node as u8 + 1).expect("few members")
}

struct Node {
    sightings: Sightings,
    /// When its programs saw each cell last.
    own: [Instant; CELLS],
}

/// Time is the same for all, so that what is said can be held against what is true.
struct World {
    now: Instant,
    random: Random,
    nodes: Vec<Option<Node>>,
    /// Nobody serves before all know of it.
    serves: Vec<bool>,
    streams: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Of each cell, when anybody saw it.
    truth: [Vec<Instant>; CELLS],
    /// Claims that somebody is silent that were looked at.
    claims: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let members = random.range(2, 5) as usize;
        Self {
            now: Instant::ZERO + Duration::from_secs(1000),
            random,
            nodes: (0..members).map(|_| None).collect(),
            serves: vec![false; members],
            streams: BTreeMap::new(),
            truth: Default::default(),
            claims: 0,
        }
    }

    fn any(&mut self) -> usize {
        self.random.range(0, self.nodes.len() as u64) as usize
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].is_some()).collect()
    }

    fn start(&mut self, node: usize) {
        let sightings = Sightings::new(id(node), self.now);
        self.nodes[node] = Some(Node { sightings, own: [Instant::ZERO; CELLS] });
        self.alive().into_iter().for_each(|other| self.connect(node, other));
    }

    fn connect(&mut self, a: usize, b: usize) {
        if a != b && self.nodes[a].is_some() && self.nodes[b].is_some() && !self.streams.contains_key(&(a, b)) {
            self.peer(a, b, true);
            self.peer(b, a, true);
        }
    }

    fn cut(&mut self, a: usize, b: usize) {
        if self.streams.contains_key(&(a, b)) {
            self.peer(a, b, false);
            self.peer(b, a, false);
        }
    }

    fn peer(&mut self, node: usize, other: usize, connected: bool) {
        match connected {
            true => drop(self.streams.insert((node, other), VecDeque::new())),
            false => drop(self.streams.remove(&(node, other))),
        }
        if let Some(Node { sightings, .. }) = &mut self.nodes[node] {
            sightings.handle_peer(id(other), connected, self.now);
        }
    }

    /// All are told who serves.
    fn tell_owners(&mut self) {
        let owners: BTreeSet<_> = (0..self.nodes.len()).filter(|node| self.serves[*node]).map(id).collect();
        for node in self.nodes.iter_mut().flatten() {
            node.sightings.handle_owners(Some(owners.clone()), self.now);
        }
    }

    fn act(&mut self) {
        let (node, other) = (self.any(), self.any());
        match self.random.range(0, 100) {
            0..40 => {
                let cell = self.random.range(0, CELLS as u64) as usize;
                // Some are seen by nobody for long.
                let quiet = self.now.as_nanos() / 1_000_000_000 / 40 % 4 > cell as u64 % 4;
                if let Some(this) = self.nodes[node].as_mut().filter(|_| self.serves[node] && !quiet) {
                    this.own[cell] = self.now;
                    self.truth[cell].push(self.now);
                }
            }
            40..90 => self.deliver(node, other),
            90 if self.random.chance(50) => self.cut(node, other),
            91..93 => self.connect(node, other),
            93 if self.random.chance(100) && self.alive().len() > 1 => {
                (0..self.nodes.len()).for_each(|other| self.cut(node, other));
                (self.nodes[node], self.serves[node]) = (None, false);
            }
            // It is noticed some time later.
            94 => self.tell_owners(),
            95 if self.nodes[node].is_none() => self.start(node),
            96 if self.nodes[node].is_some() => {
                let connected =
                    self.alive().iter().all(|other| *other == node || self.streams.contains_key(&(node, *other)));
                self.serves[node] |= connected;
                self.tell_owners();
            }
            97 if self.random.chance(100) && self.serves.iter().filter(|serves| **serves).count() > 1 => {
                self.serves[node] = false;
                self.tell_owners();
            }
            _ => self.now = self.now + Duration::from_millis(self.random.range(1, 100)),
        }
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let Some(octets) = self.streams.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return };
        let Some(Node { sightings, .. }) = &mut self.nodes[to] else { return };
        match decode(&octets).expect("a message") {
            Message::Ask(number) => sightings.handle_ask(id(from), number),
            Message::Page(page) => {
                page.four.iter().for_each(|address| sightings.note(false, address.to_bits(), self.now));
                sightings.handle_page(id(from), &page, self.now);
            }
        }
    }

    /// Whoever has something to do does it.
    fn work(&mut self) {
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let Some(Node { sightings, own }) = node else { continue };
            if let Some(scan) = sightings.look(self.now) {
                let (from, to) = (scan.from as usize, (scan.from as usize + 3).min(CELLS));
                let four = (from..to).filter(|cell| own[*cell] >= scan.since);
                let four = four.map(|cell| Ipv4Addr::from_bits(cell as u32)).collect();
                sightings.found(Page { four, ..Page::default() }, (to < CELLS).then_some((false, to as u32)), self.now);
            }
            while let Some((to, message)) = sightings.poll_command() {
                let way = (place, usize::from(to.get()) - 1);
                self.streams.get_mut(&way).into_iter().for_each(|queue| queue.push_back(encode(&message)));
            }
        }
    }

    /// Nobody says of a time that a subscriber was silent in it when anybody had seen it then.
    fn check(&mut self) {
        for (place, node) in self.nodes.iter().enumerate() {
            let Some(Node { sightings, own }) = node else { continue };
            for (cell, own) in own.iter().enumerate() {
                let sight = sightings.sight(false, cell as u32, Some(*own), self.now);
                let Some(until) = sight.until else { continue };
                self.claims += 1;
                let begin = sight.last.max(sight.floor);
                let seen = self.truth[cell].iter().rev().find(|at| **at <= until);
                assert!(seen.is_none_or(|at| *at <= begin), "member {place}, cell {cell}: {sight:?}, seen at {seen:?}");
            }
        }
    }

    fn heal(&mut self) {
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_none())
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|node| self.start(node));
        for a in 0..self.nodes.len() {
            (0..a).for_each(|b| self.connect(a, b));
        }
        self.serves.fill(true);
        self.tell_owners();
        let end = self.now + Duration::from_secs(20);
        while self.now < end {
            self.now = self.now + Duration::from_millis(1);
            self.work();
            let ways: Vec<_> = self.streams.keys().copied().collect();
            ways.into_iter().for_each(|(from, to)| self.deliver(from, to));
            self.check();
        }
    }
}

/// CL-52: whatever becomes of members and their streams, nobody takes a subscriber for silent who was seen by any of them; and when
/// all is well, everybody knows of all whom the others saw, but for the last seconds.
#[test]
fn sightings_sim() {
    for_seeds("sightings_sim", 12, |seed, _| {
        let mut world = World::new(seed);
        (0..world.nodes.len()).for_each(|node| world.start(node));
        for _ in 0..20_000 {
            world.act();
            world.work();
            world.check();
        }
        assert!(world.claims > 1_000, "nothing was claimed");
        world.heal();
        for node in world.nodes.iter().flatten() {
            let sight = node.sightings.sight(false, 0, Some(Instant::ZERO), world.now);
            let until = sight.until.expect("all have told");
            assert!(world.now.since(until) < Duration::from_secs(7), "{sight:?} at {:?}", world.now);
            assert!(world.now.since(sight.floor) > Duration::from_secs(10), "{sight:?} at {:?}", world.now);
            let last = world.truth[0].last().copied().unwrap_or_default();
            assert!(sight.last.max(sight.floor) >= last);
        }
    });
}

/// H-CL-6: where nobody has said who serves, nobody can tell who is silent; what was told counts all the same.
#[test]
fn without_owners() {
    let now = Instant::ZERO + Duration::from_secs(100);
    let mut sightings = Sightings::new(id(0), now);
    sightings.handle_peer(id(1), true, now);
    sightings.note(true, 7, now);
    let page = Page { number: 1, first: true, last: true, gap: true, ..Page::default() };
    sightings.handle_page(id(1), &page, now);
    let sight = sightings.sight(true, 7, Some(Instant::ZERO), now);
    assert_eq!((sight.last, sight.until), (now, None));
    assert_eq!(sight.latest(now), Instant::NEVER);
    sightings.handle_owners(Some([id(0), id(1)].into()), now);
    assert_eq!(sightings.sight(true, 7, Some(Instant::ZERO), now).until, Some(now));
    assert_eq!(sightings.sight(true, 7, None, now).until, None, "the own programs can't be read");
    // Of whom a member that serves nobody any more has seen nothing is known.
    let later = now + Duration::from_secs(50);
    sightings.handle_owners(Some([id(0)].into()), later);
    assert_eq!(sightings.sight(true, 7, Some(Instant::ZERO), now).floor, later);
    sightings.handle_owners(None, later);
    assert_eq!(
        sightings.sight(true, 7, Some(Instant::ZERO), later).until,
        None,
        "somebody serves of whom nothing is known"
    );
}

/// A member that does not ask is told nothing, however much there is to tell; and when it asks it learns that it has missed
/// something.
#[test]
fn a_slow_member() {
    let mut now = Instant::ZERO + Duration::from_secs(100);
    let mut sightings = Sightings::new(id(0), now);
    (1..3).for_each(|node| sightings.handle_peer(id(node), true, now));
    let mut gaps = Vec::new();
    for round in 1..=6u32 {
        let slow = round == 3 || round == 4;
        (1..3).filter(|node| *node == 1 || !slow).for_each(|node| sightings.handle_ask(id(node), round));
        now = now + Duration::from_secs(4);
        for _ in 0..2 {
            let Some(scan) = sightings.look(now) else { break };
            let next = (!scan.six).then_some((true, 0));
            sightings.found(Page::default(), next, now);
            now = now + Duration::from_millis(10);
        }
        while let Some((to, message)) = sightings.poll_command() {
            if let Message::Page(Page { first: true, gap, .. }) = message {
                gaps.push((to, round, gap));
            }
        }
    }
    let of = |node| gaps.iter().filter(move |(to, ..)| *to == id(node)).map(|(_, round, gap)| (*round, *gap));
    assert!(of(1).eq([(1, true), (2, false), (3, false), (4, false), (5, false), (6, false)]));
    assert!(of(2).eq([(1, true), (2, false), (5, true), (6, false)]));
}
