//! A gateway with two cards of two ports each, of which the second card trusts relays; its subscribers, and one server that says
//! what the target wants it to.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use gateway_common::unit::UnitKey;
use gateway_common::vlan::VlanTags;
use gateway_core::capability::CapabilityConfig;
use gateway_core::fpc::{FpcConfig, LinkEvent, Policy, PortConfig, Trigger};
use gateway_core::line::{FpcId, PortId};
use gateway_core::node::{Command, LeaseView, Node, NodeConfig, Request, V6Config};
use gateway_core::relay::{self, RelayConfig};
use gateway_core::release::ReleaseConfig;
use gateway_core::scope::{DeviceId, DeviceIdType};
use gateway_core::time::{Duration, Instant};
use gateway_core::v6;
use gateway_core::wire::dhcp6::release::ReleaseTypes;
use gateway_core::wire::dhcp6::{
    ALL_RELAYS_AND_SERVERS, Binding, Builder, CLIENT_PORT, DuidBuf, HOP_COUNT_LIMIT, IaKind, Nest, Prefix,
    RelayMessage, SERVER_PORT, code, kind, status,
};
use gateway_core::wire::frame6::{Datagram6, multicast_mac};

/// Unix time at boot, in seconds.
const BOOT: u64 = 1_700_000_000;
/// Of every client's messages.
pub(crate) const XID: u32 = 7;
/// A port of the card that trusts nobody, and one of the card that trusts relays.
pub(crate) const SUBSCRIBERS: u16 = 0;
pub(crate) const RELAYS: u16 = 2;
/// Longer than any target lets time pass.
pub(crate) const VALID: u32 = 1_000_000;

pub(crate) fn server() -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 2)
}

pub(crate) fn server_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1])
}

pub(crate) fn relay_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1])
}

/// The link-address of a card.
pub(crate) fn link(card: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, card, 0, 0, 0, 1)
}

pub(crate) fn mac(client: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, client]
}

pub(crate) fn duid(client: u8) -> DuidBuf {
    DuidBuf::link_layer(mac(client))
}

pub(crate) fn link_local(client: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, client.into())
}

pub(crate) fn address(client: u8) -> Prefix {
    Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, client.into()), 128).expect("128 bits")
}

pub(crate) fn delegated(client: u8) -> Prefix {
    Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0x100, u16::from(client) << 8, 0, 0, 0, 0), 56).expect("56 bits")
}

/// Puts leases into IAs, each into one of its own.
pub(crate) fn list(out: &mut Builder, leases: &[Prefix], valid: u32) {
    for (iaid, prefix) in (0..).zip(leases) {
        let (kind, binding) = match prefix.length() {
            128 => (IaKind::Na, Binding::Address(prefix.address())),
            _ => (IaKind::Pd, Binding::Prefix(*prefix)),
        };
        out.ia(kind, iaid, [0, 0], |ia| {
            ia.lease(binding, [valid, valid], |_| {});
        });
    }
}

/// A client's message.
pub(crate) fn ask(client: u8, kind: u8, leases: &[Prefix]) -> Vec<u8> {
    let mut out = Builder::message(kind, XID);
    out.duid(code::CLIENT_ID, duid(client).as_duid());
    list(&mut out, leases, 0);
    out.finish().expect("short")
}

/// A server's REPLY to a client that grants leases.
pub(crate) fn reply(client: u8, leases: &[Prefix], valid: u32) -> Vec<u8> {
    let mut out = Builder::message(kind::REPLY, XID);
    out.duid(code::CLIENT_ID, duid(client).as_duid()).duid(code::SERVER_ID, server_id().as_duid());
    out.status(status::SUCCESS, "");
    list(&mut out, leases, valid);
    out.finish().expect("short")
}

fn config() -> NodeConfig {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").expect("short");
    let (cards, ports) = (["fpc0", "fpc1"], ["ge0", "ge1", "ge2", "ge3"]);
    let of = |place: u16| FpcId(place / 2);
    let fpc = |name: &str| FpcConfig {
        name: name.to_owned(),
        policy: Policy::Logout,
        hold_down: Duration::from_secs(2),
        schedule: None,
        trigger: Trigger::AllPorts,
    };
    let port = |(place, name): (u16, &str)| relay::PortConfig { name: name.to_owned(), fpc: of(place) };
    let relays: Vec<_> = (0..).zip(ports).map(port).collect();
    let cards6 = (0..).zip(cards).map(|(card, name)| v6::relay::FpcConfig {
        trust_relays: card == 1,
        ..v6::relay::FpcConfig::new(name, link(card))
    });
    let relay6 = v6::relay::RelayConfig {
        servers: vec![server()],
        fpcs: cards6.collect(),
        ports: relays.clone(),
        secret: b"nobody knows".to_vec(),
        ..v6::relay::RelayConfig::new(relay_id())
    };
    let of_port = |(place, name): (u16, &str)| PortConfig { name: name.to_owned(), fpc: of(place), max_clients: None };
    NodeConfig {
        capacity: 64,
        fpcs: cards.map(fpc).to_vec(),
        ports: (0..).zip(ports).map(of_port).collect(),
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::from_secs(30),
        relay: RelayConfig {
            servers: vec![Ipv4Addr::new(192, 0, 2, 2)],
            fpcs: (0..)
                .zip(cards)
                .map(|(card, name)| relay::FpcConfig::new(name, Ipv4Addr::new(100, 64, card, 254)))
                .collect(),
            ports: relays,
            ..RelayConfig::new(device.clone())
        },
        release: ReleaseConfig { allow_unauthenticated: true, ..ReleaseConfig::new(device, None) },
        capability: CapabilityConfig::default(),
        v6: Some(V6Config { capacity: 64, limits: Default::default(), relay: relay6, release: Default::default() }),
        cluster: None,
        unit_key: UnitKey::NONE,
    }
}

/// What came of an input.
#[derive(Default, Debug)]
pub(crate) struct Sent {
    /// RELAY-FORWs with subscribers' messages.
    pub(crate) up: Vec<Vec<u8>>,
    /// Messages to subscribers and relays below.
    pub(crate) down: Vec<Vec<u8>>,
}

pub(crate) struct Home {
    pub(crate) node: Node,
    pub(crate) now: Instant,
    routes: BTreeSet<Prefix>,
    /// What the gateway asked on its own account, out of its RELAY-FORWs.
    pub(crate) asked: Vec<Vec<u8>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let now = Instant::ZERO + Duration::from_secs(100);
        let node = Node::new(config(), [], now, BOOT * 1_000_000_000 + now.as_nanos(), 1).expect("it is configured");
        let mut home = Self { node, now, routes: BTreeSet::new(), asked: Vec::new() };
        (0..4).for_each(|port| home.node.handle_link(PortId(port), LinkEvent::Up, now));
        home.carry_out();
        home
    }

    /// With clients 1 to `count`, on the ports of the first card in turn, each with an address and a prefix.
    pub(crate) fn with(count: u8) -> Self {
        let mut home = Self::new();
        for client in 1..=count {
            let port = u16::from(client % 2);
            assert!(home.logs_in(client, port, &[address(client), delegated(client)], VALID), "nothing is in its way");
        }
        home
    }

    /// Carries out what is to be done, and checks what always holds: no two clients have anything in common, and whatever is
    /// leased has a route.
    fn carry_out(&mut self) -> Sent {
        let mut sent = Sent::default();
        while let Some(command) = self.node.poll_command() {
            match command {
                Command::InstallRoute6(route) => _ = self.routes.insert(route.address),
                Command::RemoveRoute6(prefix) => _ = self.routes.remove(&prefix),
                Command::SendToServer6 { source, server: to, payload } => {
                    assert_eq!(to, server());
                    let forward = RelayMessage::parse(&payload).expect("what goes up is well formed");
                    assert!(forward.hop_count() <= HOP_COUNT_LIMIT);
                    match forward.peer_address() == source {
                        true => self.asked.push(forward.inner().expect("a message in it").to_vec()),
                        false => sent.up.push(payload),
                    }
                }
                Command::SendToClient6 { payload, .. } => sent.down.push(payload),
                _ => {}
            }
        }
        let leases = self.leases();
        for (place, lease) in leases.iter().enumerate() {
            assert!(self.routes.contains(&lease.prefix), "{lease:?} has no route");
            let others = leases[..place].iter().filter(|other| other.client != lease.client);
            for other in others {
                assert!(!overlap(lease.prefix, other.prefix), "{lease:?} and {other:?}");
            }
        }
        sent
    }

    /// Somebody says something on a port; nothing but that goes up, and nothing comes down.
    pub(crate) fn says(&mut self, port: u16, client: u8, from: u16, payload: &[u8]) -> Vec<Vec<u8>> {
        let frame = Datagram6 {
            source_mac: mac(client),
            destination_mac: multicast_mac(ALL_RELAYS_AND_SERVERS),
            tags: VlanTags::NONE,
            source: SocketAddrV6::new(link_local(client), from, 0, 0),
            destination: SocketAddrV6::new(ALL_RELAYS_AND_SERVERS, SERVER_PORT, 0, 0),
            payload,
        };
        let Some(frame) = frame.build() else { return Vec::new() };
        self.node.handle_client_frame(PortId(port), &frame, false, self.now);
        let Sent { up, down } = self.carry_out();
        assert!(down.is_empty(), "a question is no answer");
        for forward in &up {
            let forward = RelayMessage::parse(forward).expect("it was read before");
            assert_eq!(forward.inner(), Ok(payload), "untouched");
        }
        up
    }

    /// A client's own message; what the server gets of it.
    pub(crate) fn asks(&mut self, client: u8, port: u16, kind: u8, leases: &[Prefix]) -> Option<Vec<u8>> {
        self.says(port, client, CLIENT_PORT, &ask(client, kind, leases)).pop()
    }

    /// The server says something; what gets down is in it as it is, and nothing about releases.
    pub(crate) fn hears(&mut self, payload: &[u8]) -> Vec<Vec<u8>> {
        self.node.handle_server_message6(server(), payload, self.now);
        let Sent { up, down } = self.carry_out();
        assert!(up.is_empty(), "an answer is no question");
        for message in &down {
            let whole = RelayMessage::parse(payload).expect("bare messages are for nobody");
            assert_eq!(whole.inner(), Ok(&message[..]), "untouched");
            assert!(message.first().is_none_or(|kind| !ReleaseTypes::default().includes(*kind)));
        }
        down
    }

    /// The server answers what went up with this; whether the client hears it.
    pub(crate) fn answers(&mut self, sent: &[u8], message: &[u8]) -> bool {
        let payload = Nest::walk(sent).expect("what went up").reply(message).expect("it fits");
        !self.hears(&payload).is_empty()
    }

    /// REQUEST and its REPLY with these leases; whether the client has them.
    pub(crate) fn logs_in(&mut self, client: u8, port: u16, leases: &[Prefix], valid: u32) -> bool {
        let Some(sent) = self.asks(client, port, kind::REQUEST, &[]) else { return false };
        self.answers(&sent, &reply(client, leases, valid))
    }

    pub(crate) fn restarts(&mut self) {
        // A card that is frozen is asked in vain.
        let _ = self.node.handle_operator(Request::RestartFpc { fpc: FpcId(0), policy: None }, self.now);
        self.carry_out();
    }

    /// An operator releases a client with all that it has.
    pub(crate) fn releases(&mut self, client: u8) {
        // One that has nothing, or is being released, is not released.
        let _ = self.node.handle_operator(Request::ReleaseClient6 { prefix: address(client) }, self.now);
        self.carry_out();
    }

    /// Time passes. What is due is done when it is.
    pub(crate) fn waits(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        for turn in 0.. {
            let Some(wanted) = self.node.poll_timeout().filter(|wanted| *wanted <= until) else { break };
            assert!(turn < 100_000, "it never rests");
            self.now = self.now.max(wanted);
            self.node.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = until;
    }

    pub(crate) fn leases(&self) -> Vec<LeaseView> {
        self.node.leases6(0, usize::MAX).0
    }

    /// What is leased, by whom.
    pub(crate) fn held(&self) -> BTreeSet<(DuidBuf, Prefix)> {
        self.leases().into_iter().map(|lease| (lease.client, lease.prefix)).collect()
    }

    /// Whether a client of [`Home::with`] has all that it had.
    pub(crate) fn has_all(&self, client: u8) -> bool {
        let of = |prefix| self.node.lease6(prefix).is_some_and(|lease| lease.client == duid(client));
        of(address(client)) && of(delegated(client))
    }
}

/// Whether prefixes have an address in common.
pub(crate) fn overlap(a: Prefix, b: Prefix) -> bool {
    a.contains(b.address()) || b.contains(a.address())
}
