//! Servers that hand subnets to each other, with their clients: two of them, a wire between them, and a disk for each.

mod common;
#[path = "subnets/forgotten.rs"]
mod forgotten;
#[path = "subnets/lacking.rs"]
mod lacking;
#[path = "subnets/operator.rs"]
mod operator;
#[path = "subnets/starts.rs"]
mod starts;
#[path = "subnets/taken_back.rs"]
mod taken_back;
#[path = "subnets/trust.rs"]
mod trust;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use common::{Cpe, OTHER_RELAY, RELAY, cpe};
use gateway_core::delegation::{CLASS, Constants, DelegationConfig, Lessees, Policy, ServerId};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::{Message, code, kind};
use gateway_core::wire::server_auth::ServerKey;
use gateway_server::subnets::{Root, Subnets, SubnetsConfig};
use gateway_server::{Command, Config, Delegated, Server, Subnet};

const PARENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CHILD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A server, what it keeps, and how to start it again.
struct Node {
    config: Config,
    server: Server,
    subnets: Subnets,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Messages to other servers.
    out: Vec<(SocketAddrV4, Vec<u8>)>,
    /// To relays.
    replies: Vec<Vec<u8>>,
    /// Addresses that were asked whether somebody uses them.
    probes: Vec<Ipv4Addr>,
}

fn config(address: Ipv4Addr, roots: &[&str], lessees: &[&str], key: Option<&[u8]>) -> Config {
    let mut config = Config::new(address, "/nowhere");
    let nowhere = Ipv4Addr::UNSPECIFIED;
    let mut terms = Subnet::new(nowhere, 32, (nowhere, nowhere), nowhere);
    (terms.pools, terms.routers) = (Vec::new(), Vec::new());
    terms.relays = vec![if address == PARENT { OTHER_RELAY } else { RELAY }];
    config.delegated = Some(Delegated { terms, first_is_router: false, held: Vec::new() });
    let id = |id: &str| ServerId::new(id.as_bytes()).unwrap();
    let delegation = DelegationConfig {
        me: ServerId::new(name(address)).unwrap(),
        address,
        providers: if address == PARENT { Vec::new() } else { vec![PARENT] },
        lessees: match lessees {
            [] => Lessees::Nobody,
            _ => Lessees::Listed(lessees.iter().map(|lessee| id(lessee)).collect()),
        },
        class: Some(CLASS.to_vec()),
        reserve: None,
        authenticate: key.is_some(),
        policy: Policy { push_above_percent: 101, ..Policy::default() },
        constants: Constants::default(),
    };
    let roots = roots.iter().map(|root| Root { subnet: root.parse().unwrap(), maximum: None, fresh: true }).collect();
    let key = key.map(|secret| ServerKey { id: 1, secret: secret.into() });
    config.delegation = Some(SubnetsConfig { delegation, roots, key, port: 67 });
    config
}

fn name(address: Ipv4Addr) -> &'static [u8] {
    if address == PARENT { b"top" } else { b"west" }
}

impl Node {
    fn start(config: Config, disk: BTreeMap<Vec<u8>, Vec<u8>>, now: Instant, unix: Duration) -> Self {
        let records: Vec<_> = disk.iter().filter(|(key, _)| Subnets::is_ours(key)).collect();
        let records: Vec<_> = records.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut wanted = config.clone();
        let mut subnets = Subnets::new(wanted.delegation.take().unwrap(), &records, now.as_nanos(), now, unix);
        subnets.seed([wanted.listen.octets()[3]; 32]);
        wanted.delegated.iter_mut().for_each(|delegated| delegated.held = subnets.held());
        let server = Server::new(wanted, disk.clone(), now, unix).unwrap();
        Self { config, server, subnets, disk, out: Vec::new(), replies: Vec::new(), probes: Vec::new() }
    }

    fn turn(&mut self, now: Instant, unix: Duration) {
        self.subnets.turn(&mut self.server, now, unix);
        while let Some(command) = self.subnets.poll_command().or_else(|| self.server.poll_command()) {
            match command {
                Command::Persist { key, value } => drop(self.disk.insert(key, value)),
                Command::Forget { key } => drop(self.disk.remove(&key)),
                Command::Send { to, payload, .. } if [PARENT, CHILD].contains(to.ip()) => self.out.push((to, payload)),
                Command::Send { payload, .. } => self.replies.push(payload),
                Command::Probe { address } => self.probes.push(address),
                _ => {}
            }
        }
    }
}

struct World {
    nodes: BTreeMap<Ipv4Addr, Node>,
    now: Instant,
    unix: Duration,
}

impl World {
    fn new(roots: &[&str], lessees: &[&str], keys: [Option<&[u8]>; 2]) -> Self {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let top = config(PARENT, roots, lessees, keys[0]);
        let west = config(CHILD, &[], &[], keys[1]);
        Self::of([top, west], now, unix)
    }

    fn of(configs: [Config; 2], now: Instant, unix: Duration) -> Self {
        let start = |config: Config| (config.listen, Node::start(config, BTreeMap::new(), now, unix));
        Self { nodes: configs.map(start).into(), now, unix }
    }

    /// Lets time pass second by second; what is sent arrives at once.
    fn run(&mut self, seconds: u64) {
        for _ in 0..=seconds {
            self.settle();
            self.now = self.now + Duration::from_secs(1);
            self.unix += Duration::from_secs(1);
            for node in self.nodes.values_mut() {
                node.subnets.handle_timeout(self.now);
                node.server.handle_timeout(self.now, self.unix);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let mut sent = Vec::new();
            for (address, node) in &mut self.nodes {
                node.turn(self.now, self.unix);
                sent.extend(node.out.drain(..).map(|(to, payload)| (SocketAddrV4::new(*address, 67), to, payload)));
            }
            if sent.is_empty() {
                return;
            }
            for (from, to, payload) in sent {
                let node = self.nodes.get_mut(to.ip()).unwrap();
                assert!(node.subnets.handle_message(from, &payload, self.now), "it is about subnets");
            }
        }
        panic!("they never stop talking");
    }

    /// What a client's message is answered with.
    fn send(&mut self, to: Ipv4Addr, cpe: &Cpe, payload: &[u8]) -> Option<Vec<u8>> {
        let node = self.nodes.get_mut(&to).unwrap();
        let from = SocketAddrV4::new(cpe.relay, 67);
        if !node.subnets.handle_message(from, payload, self.now) {
            node.server.handle_message(from, payload, self.now, self.unix);
        }
        node.turn(self.now, self.unix);
        node.replies.pop()
    }

    fn login(&mut self, to: Ipv4Addr, cpe: &Cpe) -> Option<Ipv4Addr> {
        let offer = self.send(to, cpe, &cpe.discover())?;
        let address = Message::parse(&offer).unwrap().yiaddr();
        let select = cpe.message(kind::REQUEST, |builder| {
            builder.address(code::SERVER_ID, to).address(code::REQUESTED_IP, address)
        });
        let ack = self.send(to, cpe, &select)?;
        (Message::parse(&ack).unwrap().kind() == Some(kind::ACK)).then_some(address)
    }

    /// The process dies and starts again with its disk.
    fn crash(&mut self, address: Ipv4Addr) {
        let node = self.nodes.remove(&address).unwrap();
        self.nodes.insert(address, Node::start(node.config, node.disk, self.now, self.unix));
    }

    /// Roots and blocks of a server, as subnet, state and addresses in use.
    fn blocks(&self, address: Ipv4Addr) -> Vec<(String, String, Option<u64>)> {
        let view = self.nodes[&address].subnets.view(self.now);
        let blocks = view.roots.into_iter().flat_map(|root| root.blocks);
        blocks.map(|block| (block.subnet, block.state, block.usage.map(|usage| usage.in_use))).collect()
    }
}

const HOUR: u64 = 3600;

/// SN-1, SN-55 to SN-58, SN-36, SN-37, SN-68: a child without a subnet is silent to its first client, gets one, and serves; what is in
/// use of it is told upward with the renewal, and both go on where they were after their processes died.
#[test]
fn a_child_lives_on_what_it_is_delegated() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    world.run(10);
    assert!(world.blocks(CHILD).is_empty(), "nobody needs it");
    assert_eq!(world.login(CHILD, &cpe(1)), None);
    world.run(10);
    let address = world.login(CHILD, &cpe(1)).unwrap();
    assert_eq!(address.octets()[..2], [10, 16]);
    for number in 2..=10 {
        world.login(CHILD, &cpe(number)).unwrap();
    }

    world.crash(CHILD);
    let reply = world.send(CHILD, &cpe(1), &cpe(1).renew(address));
    assert!(reply.is_none(), "not before the parent has said that it is still the child's");
    world.run(10);
    let reply = world.send(CHILD, &cpe(1), &cpe(1).renew(address)).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().kind(), Some(kind::ACK));
    let again = world.login(CHILD, &cpe(11)).unwrap();
    assert_ne!(again, address);

    world.crash(PARENT);
    let mut renewed = 0;
    for _ in 0..(5 * 24 * 2) {
        world.run_fast(HOUR / 2);
        for number in 1..=11 {
            renewed += u32::from(world.login(CHILD, &cpe(number)).is_some());
        }
    }
    assert_eq!(renewed, 11 * 5 * 24 * 2, "clients are served all the time");
    let told: Vec<_> = world.blocks(PARENT).into_iter().filter(|(_, state, _)| state == "leased").collect();
    assert!(told.iter().any(|(_, _, in_use)| *in_use == Some(11)), "{told:?}");
}

impl World {
    /// As [`World::run`], in steps of a minute.
    fn run_fast(&mut self, seconds: u64) {
        for _ in 0..seconds / 60 {
            self.now = self.now + Duration::from_secs(59);
            self.unix += Duration::from_secs(59);
            self.run(0);
        }
    }
}

/// H-SN-20: who is not among the lessees gets nothing, and neither does who has not the key.
#[test]
fn strangers_get_nothing() {
    let (right, wrong) = (&b"0123456789abcdef"[..], &b"fedcba9876543210"[..]);
    type Case<'a> = (&'a [&'a str], [Option<&'a [u8]>; 2], bool);
    let cases: [Case<'_>; 5] = [
        (&["west"], [Some(right), Some(right)], true),
        (&["east"], [None, None], false),
        (&["west"], [Some(right), None], false),
        (&["west"], [Some(right), Some(wrong)], false),
        (&["west"], [None, Some(right)], false),
    ];
    for (lessees, keys, is_served) in cases {
        let mut world = World::new(&["10.16.0.0/20"], lessees, keys);
        world.login(CHILD, &cpe(1));
        world.run(30);
        assert_eq!(world.login(CHILD, &cpe(1)).is_some(), is_served, "{lessees:?} {keys:?}");
    }
}

/// H-SN-21: an ordinary client that sends option 220 is an ordinary client: it gets an address and no subnet.
#[test]
fn an_ordinary_client_gets_no_subnet() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    let client = cpe(1).at(OTHER_RELAY);
    world.login(PARENT, &client);
    world.run(5);
    let before = world.blocks(PARENT);
    let discover = client.message(kind::DISCOVER, |builder| {
        builder.option(code::CLIENT_ID, b"west").option(220, &[0, 1, 2, 1, 24]).option(code::CLASS_ID, b"MSFT 5.0")
    });
    let offer = world.send(PARENT, &client, &discover).unwrap();
    let offer = Message::parse(&offer).unwrap();
    assert!(offer.option(220).is_none() && !offer.yiaddr().is_unspecified());
    assert_eq!(world.blocks(PARENT), before);
}

/// SN-50, H-SN-20: servers without a shared key have nonces, so that a child is asked for its subnet at once, and not when it
/// would renew it.
#[test]
fn asked_early_without_a_key() {
    for crashes in [false, true] {
        let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
        world.login(CHILD, &cpe(1));
        world.run(30);
        world.login(CHILD, &cpe(1)).unwrap();
        if crashes {
            world.crash(PARENT);
        }
        let now = world.now;
        assert!(world.nodes.get_mut(&PARENT).unwrap().subnets.remove(&"10.16.0.0/20".parse().unwrap(), now));
        world.run(5);
        assert_eq!(world.nodes[&CHILD].subnets.view(world.now).roots[0].standing, "deprecated", "{crashes}");
    }
}

/// SN-58: no client has a longer lease than the provider suggests.
#[test]
fn a_suggested_lease() {
    let mut top = config(PARENT, &["10.16.0.0/20"], &["west"], None);
    let policy = &mut top.delegation.as_mut().unwrap().delegation.policy;
    policy.suggested_lease = Some(Duration::from_secs(600));
    let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
    let mut world = World::of([top, config(CHILD, &[], &[], None)], now, unix);
    world.login(CHILD, &cpe(1));
    world.run(30);
    let offer = world.send(CHILD, &cpe(1), &cpe(1).discover()).unwrap();
    let offer = Message::parse(&offer).unwrap();
    assert_eq!([offer.u32_option(code::LEASE_TIME), offer.u32_option(code::T1)], [Some(600), Some(300)]);
}

/// SN-59, SN-63, SN-64, SN-66, H-SN-22: the subscribers of a router that does not assign are leased addresses by the server that its
/// subnets come from, and nobody else is leased any of these; when they run out the router has another subnet within seconds.
#[test]
fn a_router_that_does_not_assign() {
    let mut router = config(CHILD, &[], &[], None);
    router.delegated = None;
    router.delegation.as_mut().unwrap().delegation.reserve = Some(RELAY);
    let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
    let mut world = World::of([config(PARENT, &["10.16.0.0/20"], &["west"], None), router], now, unix);
    assert_eq!(world.login(PARENT, &cpe(1)), None);
    world.run(30);
    let theirs: Vec<Ipv4Addr> = (1..=14).map(|number| world.login(PARENT, &cpe(number)).unwrap()).collect();
    assert_eq!(world.login(CHILD, &cpe(1)), None, "it assigns nothing");
    assert_eq!(world.login(PARENT, &cpe(15)), None);
    world.run(5);
    for number in 15..=40 {
        assert!(world.login(PARENT, &cpe(number)).is_some(), "{number}");
    }
    let states = |world: &World, address| {
        let blocks = world.blocks(address).into_iter().filter(|(_, state, _)| state == "reserved");
        blocks.map(|(subnet, _, _)| subnet.parse::<gateway_core::subnet::Subnet>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((states(&world, CHILD), states(&world, PARENT).len()), (states(&world, PARENT), 2));
    let other = cpe(99).at(OTHER_RELAY);
    world.login(PARENT, &other);
    world.run(5);
    let own = world.login(PARENT, &other).unwrap();
    let alone = gateway_core::subnet::Subnet::new(own, 32).unwrap();
    assert!(!theirs.contains(&own) && !states(&world, PARENT).iter().any(|subnet| subnet.contains(&alone)));
    // The provider's process dies: they are served at once when it is back.
    world.crash(PARENT);
    world.settle();
    let reply = world.send(PARENT, &cpe(1), &cpe(1).renew(theirs[0])).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().kind(), Some(kind::ACK));
}
