//! DHCPv6 through the whole node, beside DHCPv4.

use core::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use gateway_common::unit::{self, Unit, UnitKey};
use gateway_common::vlan::VlanTags;

use super::super::*;
use super::world::{self, BOOT, World, line, mac};
use crate::fpc::LinkEvent;
use crate::line::{FpcId, HardwareAddress, PortId};
use crate::replication::Record;
use crate::seen::Seen;
use crate::session::{EndReason, Refusal};
use crate::time::{Duration, Instant};
use crate::v6;
use crate::wire::dhcp4;
use crate::wire::dhcp6::{
    ALL_RELAYS_AND_SERVERS, Binding, Builder, DuidBuf, IaKind, Nest, Prefix, RelayMessage, code, kind, status,
};
use crate::wire::frame6::{Datagram6, multicast_mac};

pub(super) const XID: u32 = 7;

pub(super) fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub(super) fn server() -> Ipv6Addr {
    ip("2001:db8:ffff::2")
}

pub(super) fn duid(client: u8) -> DuidBuf {
    DuidBuf::link_layer(mac(client))
}

pub(super) fn address(client: u8) -> Prefix {
    Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, client.into()), 128).unwrap()
}

pub(super) fn delegated(client: u8) -> Prefix {
    Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0x100, u16::from(client) << 8, 0, 0, 0, 0), 56).unwrap()
}

pub(super) fn config() -> NodeConfig {
    let config = world::config();
    let fpcs = (0..).zip(&config.relay.fpcs);
    let fpcs =
        fpcs.map(|(n, fpc)| v6::relay::FpcConfig::new(&fpc.name, Ipv6Addr::new(0x2001, 0xdb8, 0, n, 0, 0, 0, 1)));
    let relay = v6::relay::RelayConfig {
        servers: vec![server()],
        fpcs: fpcs.collect(),
        ports: config.relay.ports.clone(),
        ..v6::relay::RelayConfig::new(DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1]))
    };
    NodeConfig {
        v6: Some(V6Config { capacity: 64, limits: Default::default(), relay, release: Default::default() }),
        ..config
    }
}

/// What the data plane has seen, by cell of `SUBSCRIBERS6`; nothing of the others, and of no cell of `SUBSCRIBERS`.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Mutex<BTreeMap<u32, Instant>>>);

impl Seen for Traffic {
    fn last_seen(&self, _slot: u32) -> Option<Instant> {
        Some(Instant::ZERO)
    }

    fn last_seen6(&self, slot: u32) -> Option<Instant> {
        Some(self.0.lock().unwrap().get(&slot).copied().unwrap_or_default())
    }
}

/// A node, its store, its routes, and a server that gives each client its own.
pub(super) struct Home {
    pub(super) node: Node,
    pub(super) now: Instant,
    pub(super) store: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) routes: BTreeSet<Prefix>,
    pub(super) events: Vec<Event>,
    /// What went to a server on the node's own account, out of its RELAY-FORW.
    pub(super) requests: Vec<Vec<u8>>,
    pub(super) traffic: Traffic,
    /// Who was asked whether it is there, and when.
    pub(super) asked: Vec<(Instant, Probe)>,
    /// What the other members of its cluster are told, and the keeper.
    pub(super) said: Vec<Record>,
    pub(super) for_keeper: Vec<(IpAddr, Vec<u8>)>,
}

impl Home {
    pub(super) fn new(config: NodeConfig, store: BTreeMap<Vec<u8>, Vec<u8>>, seconds: u64) -> Self {
        let now = Instant::ZERO + Duration::from_secs(seconds);
        let node = Node::new(config, store.clone(), now, BOOT * 1_000_000_000 + now.as_nanos(), 1).unwrap();
        let mut home = Self {
            node,
            now,
            store,
            routes: BTreeSet::new(),
            events: Vec::new(),
            requests: Vec::new(),
            traffic: Traffic::default(),
            asked: Vec::new(),
            said: Vec::new(),
            for_keeper: Vec::new(),
        };
        home.node.handle_dataplane(Box::new(home.traffic.clone()));
        home.routes = home.node.routes6().map(|route| route.address).collect();
        (0..4).for_each(|port| home.node.handle_link(PortId(port), LinkEvent::Up, now));
        home.carry_out();
        home
    }

    /// Carries out what is to be done; gives back what is to be sent, and checks that it comes last.
    pub(super) fn carry_out(&mut self) -> Vec<Command> {
        let mut sends = Vec::new();
        while let Some(command) = self.node.poll_command() {
            match command {
                Command::Persist { key, value, .. } => drop(self.store.insert(key, value)),
                Command::Forget { key } => drop(self.store.remove(&key)),
                Command::InstallRoute6(route) => {
                    assert!(
                        !sends.iter().any(|send| matches!(send, Command::SendToClient6 { .. })),
                        "routes come first"
                    );
                    self.routes.insert(route.address);
                }
                Command::RemoveRoute6(prefix) => drop(self.routes.remove(&prefix)),
                Command::SetSeen6 { slot, at } => drop(self.traffic.0.lock().unwrap().insert(slot, at)),
                Command::Probe(probe) => self.asked.push((self.now, probe)),
                Command::Tell(event) => self.events.push(event),
                Command::Replicate(said) => self.said.push(Record { stamp: said.stamp, change: said.change }),
                Command::ForKeeper { server, payload } => self.for_keeper.push((server, payload)),
                Command::SendToServer6 { source, payload, .. } if peer(&payload) == source => {
                    self.requests.push(Nest::walk(&payload).unwrap().message().to_vec());
                }
                send @ (Command::SendToServer6 { .. } | Command::SendToClient6 { .. }) => sends.push(send),
                _ => {}
            }
        }
        sends
    }

    /// A client with a MAC says something on a port; what goes to the server.
    pub(super) fn says(&mut self, client: u8, hardware: [u8; 6], port: u16, payload: &[u8]) -> Option<Vec<u8>> {
        let frame = Datagram6 {
            source_mac: hardware,
            destination_mac: multicast_mac(ALL_RELAYS_AND_SERVERS),
            tags: VlanTags::NONE,
            source: SocketAddrV6::new(link_local(client), 546, 0, 0),
            destination: SocketAddrV6::new(ALL_RELAYS_AND_SERVERS, 547, 0, 0),
            payload,
        };
        self.node.handle_client_frame(PortId(port), &frame.build().unwrap(), false, self.now);
        match self.carry_out().pop()? {
            Command::SendToServer6 { payload, .. } => Some(payload),
            other => panic!("not to a server: {other:?}"),
        }
    }

    /// The server answers; whether the client hears it.
    pub(super) fn answers(&mut self, sent: &[u8], message: &[u8]) -> bool {
        let payload = Nest::walk(sent).unwrap().reply(message).unwrap();
        self.node.handle_server_message6(server(), &payload, self.now);
        match &self.carry_out()[..] {
            [] => false,
            [Command::SendToClient6 { payload, .. }] => payload == message,
            other => panic!("more than one: {other:?}"),
        }
    }

    /// REQUEST and its REPLY with these leases.
    pub(super) fn log_in_for(&mut self, client: u8, port: u16, leases: &[Prefix]) -> bool {
        let Some(sent) = self.says(client, mac(client), port, &ask(client, kind::REQUEST, &[])) else { return false };
        self.answers(&sent, &reply(client, leases, 3600))
    }

    pub(super) fn log_in(&mut self, client: u8, port: u16) -> bool {
        self.log_in_for(client, port, &[address(client), delegated(client)])
    }

    /// Whoever leases this sends something.
    pub(super) fn uses(&mut self, prefix: Prefix) {
        let slot = self.node.lease6(prefix).unwrap().slot;
        self.traffic.0.lock().unwrap().insert(slot, self.now);
    }

    pub(super) fn leases(&self) -> BTreeSet<Prefix> {
        self.node.leases6(0, 1000).0.into_iter().map(|lease| lease.prefix).collect()
    }

    fn dropped(&self, reason: v6::relay::Reason) -> u64 {
        self.node.relay6_counters().unwrap().get(reason)
    }
}

fn link_local(client: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, client.into())
}

fn peer(payload: &[u8]) -> Ipv6Addr {
    RelayMessage::parse(payload).unwrap().peer_address()
}

fn list(out: &mut Builder, leases: &[Prefix], valid: u32) {
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

pub(super) fn ask(client: u8, kind: u8, leases: &[Prefix]) -> Vec<u8> {
    let mut out = Builder::message(kind, XID);
    out.duid(code::CLIENT_ID, duid(client).as_duid());
    list(&mut out, leases, 0);
    out.finish().unwrap()
}

pub(super) fn reply(client: u8, leases: &[Prefix], valid: u32) -> Vec<u8> {
    let mut out = Builder::message(kind::REPLY, XID);
    out.duid(code::CLIENT_ID, duid(client).as_duid()).duid(code::SERVER_ID, duid(0xaa).as_duid());
    out.status(status::SUCCESS, "");
    list(&mut out, leases, valid);
    out.finish().unwrap()
}

/// Records and routes come before the REPLY, the login is told, and the lease ends in its time.
#[test]
fn a_login_and_its_end() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    assert_eq!((home.leases(), home.routes.clone()), ([address(1), delegated(1)].into(), home.leases()));
    assert_eq!(home.store.keys().filter(|key| key.starts_with(b"6l")).count(), 2);
    let told = home.events.iter().find_map(|event| match event {
        Event::LoggedIn6 { leases, hardware, line, .. } => Some((leases.clone(), *hardware, *line)),
        _ => None,
    });
    let hardware = HardwareAddress::ethernet(mac(1));
    assert_eq!(told, Some((vec![address(1), delegated(1)], hardware, line(0))));
    let view = home.node.lease6(delegated(1)).unwrap();
    assert_eq!((view.client, view.hardware, view.line, view.server), (duid(1), hardware, line(0), server()));
    assert!(
        home.node
            .cohorts()
            .any(|(id, fpc, _)| u32::from(id.0) >= gateway_common::fpc::FIRST_COHORT6 && fpc == FpcId(0))
    );

    let sent = home.says(1, mac(1), 0, &ask(1, kind::RENEW, &[])).unwrap();
    assert!(home.answers(&sent, &reply(1, &[address(1)], 7200)));
    assert_eq!(home.node.counters().renewals6, 1);
    for (seconds, left) in [(3600, vec![address(1)]), (7200, vec![])] {
        home.now = Instant::ZERO + Duration::from_secs(100 + seconds);
        home.node.handle_timeout(home.now);
        home.carry_out();
        assert_eq!((home.leases(), home.routes.clone()), (left.iter().copied().collect(), left.into_iter().collect()));
    }
    assert!(!home.store.keys().any(|key| key.starts_with(b"6l")));
    let ended: u64 = home.node.counters().ended6().map(|(_, count)| count).sum();
    assert_eq!(ended, 2);
}

/// A dual-stack subscriber has one hardware address and one line in both views; neither half notices the other. It is one
/// subscriber, of the unit of its DHCPv4; one without IPv4 is of that of its DHCPv6.
#[test]
fn a_dual_stack_subscriber() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0) && home.log_in(2, 1));
    let units = |home: &Home| -> BTreeSet<u32> {
        let four = (0..).map_while(Unit::new).filter(|unit| home.node.unit_sessions(*unit) == 1).map(Unit::index);
        let six = (0..).zip(home.node.units_without_ipv4()).filter(|(_, count)| *count == 1).map(|(unit, _)| unit);
        four.chain(six).collect()
    };
    let unit6 = |client| unit::dhcp6(&UnitKey::NONE, unit::words(link_local(client).octets())).index();
    assert_eq!(units(&home), [unit6(1), unit6(2)].into());
    let payload = World::ask(1, dhcp4::kind::REQUEST).address(dhcp4::code::REQUESTED_IP, world::address(1)).finish();
    let frame = crate::wire::frame::Datagram {
        source_mac: mac(1),
        destination_mac: crate::wire::frame::BROADCAST_MAC,
        tags: VlanTags::NONE,
        source: "0.0.0.0:68".parse().unwrap(),
        destination: "255.255.255.255:67".parse().unwrap(),
        payload: &payload,
    };
    home.node.handle_client_frame(PortId(0), &frame.build().unwrap(), false, home.now);
    let mut sent = None;
    while let Some(command) = home.node.poll_command() {
        if let Command::SendToServer { payload, .. } = command {
            sent = Some(payload);
        }
    }
    let request = sent.unwrap();
    let request = dhcp4::Message::parse(&request).unwrap();
    let ack = dhcp4::Builder::reply(&request)
        .kind(dhcp4::kind::ACK)
        .yiaddr(world::address(1))
        .number(dhcp4::code::LEASE_TIME, 600)
        .option(dhcp4::code::AGENT_INFORMATION, request.agent_information().unwrap())
        .finish();
    home.node.handle_server_message(super::SERVER, &ack, home.now);
    home.carry_out();
    let (four, six) = (home.node.session(world::address(1)).unwrap(), home.node.lease6(address(1)).unwrap());
    assert_eq!((four.hardware, four.line, four.fpc), (six.hardware, six.line, six.fpc));
    assert_eq!((home.node.counters().logins, home.node.counters().logins6), (1, 2));
    assert_eq!((home.node.session_count(), home.node.lease_count6()), (1, 4));
    let hardware = HardwareAddress::ethernet(mac(1));
    let unit4 = unit::dhcp4(&UnitKey::NONE, unit::words(*hardware.chaddr()), hardware.hlen()).index();
    assert_eq!(units(&home), [unit4, unit6(2)].into(), "each once");
}

/// The REPLY of a login that overlaps another subscriber's prefix does not arrive, and it is told; the next one does.
#[test]
fn a_refused_login_is_not_answered() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    let inside = Prefix::new(delegated(1).last(), 64).unwrap();
    assert!(!home.log_in_for(2, 1, &[address(2), inside]));
    assert_eq!(home.leases(), [address(1), delegated(1)].into());
    let refused =
        Event::Refused { hardware: HardwareAddress::ethernet(mac(2)), line: line(1), refusal: Refusal::Overlap };
    assert!(home.events.contains(&refused));
    assert!(home.log_in(2, 1));
    assert_eq!(home.leases().len(), 4);
    // What such a REPLY says is over goes on, for its client does not hear that.
    let sent = home.says(2, mac(2), 1, &ask(2, kind::RENEW, &[address(2)])).unwrap();
    let mut out = Builder::message(kind::REPLY, XID);
    out.duid(code::CLIENT_ID, duid(2).as_duid()).duid(code::SERVER_ID, duid(0xaa).as_duid());
    list(&mut out, &[address(2)], 0);
    list(&mut out, &[inside], 3600);
    assert!(!home.answers(&sent, &out.finish().unwrap()));
    assert_eq!(home.leases().len(), 4);
    // The next one is heard, and ends it.
    assert!(home.answers(&sent, &reply(2, &[address(2)], 0)));
    assert_eq!(home.leases().len(), 3);
}

/// Nobody but the client on its line gives its leases up or takes its session over; RELEASE ends them with its REPLY, not
/// before. RFC 8415 18.3.7
#[test]
fn strangers_and_releases() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    let both = [address(1), delegated(1)];
    let release = ask(1, kind::RELEASE, &both);
    for (hardware, port) in [(mac(2), 0), (mac(1), 1), (mac(2), 3)] {
        assert_eq!(home.says(1, hardware, port, &release), None);
    }
    assert_eq!(home.says(1, mac(2), 0, &ask(1, kind::RENEW, &both)), None, "another MAC on a line it shares");
    assert_eq!(home.says(9, mac(9), 0, &ask(9, kind::RELEASE, &both)), None, "nobody");
    assert_eq!(home.dropped(v6::relay::Reason::NotTheirs), 5);
    assert!(home.says(1, mac(2), 0, &ask(1, kind::INFORMATION_REQUEST, &[])).is_some());
    assert_eq!(home.leases().len(), 2);

    let sent = home.says(1, mac(1), 0, &release).unwrap();
    assert_eq!(home.leases().len(), 2, "not yet");
    assert!(home.answers(&sent, &reply(1, &[], 0)));
    assert_eq!((home.leases().len(), home.routes.len()), (0, 0));
    let released = home.node.counters().ended6().find(|(reason, _)| *reason == EndReason::Released);
    assert_eq!(released, Some((EndReason::Released, 2)));
}

/// H-BR-20: after a restart of the controller leases, routes and epochs are back; where DHCPv6 is not served any more,
/// frames are nobody's and records are left alone.
#[test]
fn after_a_restart_of_the_controller() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0) && home.log_in(2, 3));
    let before: Vec<_> = home.node.routes6().collect();
    let again = Home::new(config(), home.store.clone(), 200);
    assert_eq!(again.node.routes6().collect::<Vec<_>>(), before);
    assert_eq!(again.leases(), home.leases());

    let mut without = Home::new(world::config(), home.store.clone(), 200);
    assert_eq!(without.node.lease_count6(), 0);
    assert_eq!(without.says(1, mac(1), 0, &ask(1, kind::SOLICIT, &[])), None);
    assert_eq!(without.node.counters().malformed, 1);
    assert!(!without.events.iter().any(|event| matches!(event, Event::RecordsLost { .. })));
    assert!(without.store.keys().filter(|key| key.starts_with(b"6")).count() >= 4);
}

/// H-BR-9: an FPC whose restart is decided lets nobody log in by either protocol, answers under way included; afterwards
/// logins carry its new epoch.
#[test]
fn a_restarting_fpc() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    let before = home.node.lease6(address(1)).unwrap().epoch;
    let sent = home.says(2, mac(2), 0, &ask(2, kind::REQUEST, &[])).unwrap();
    home.node.handle_operator(Request::RestartFpc { fpc: FpcId(0), policy: None }, home.now).unwrap();
    home.carry_out();
    assert!(!home.answers(&sent, &reply(2, &[address(2)], 3600)));
    for _ in 0..1000 {
        if home.log_in(2, 0) {
            break;
        }
        home.now = home.now + Duration::from_secs(1);
        home.node.handle_timeout(home.now);
        home.carry_out();
    }
    assert!(home.node.lease6(address(2)).unwrap().epoch > before);
    assert!(home.log_in(3, 3), "the other FPC never stopped");
}

/// Limits hold for DHCPv6 by themselves; who is in renews.
#[test]
fn a_full_port() {
    let mut config = config();
    config.ports[0].max_clients = Some(1);
    let mut home = Home::new(config, BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    assert!(!home.log_in(2, 0));
    let refused = |event: &Event| matches!(event, Event::Refused { refusal: Refusal::PortFull, .. });
    assert!(home.events.iter().any(refused));
    assert!(home.log_in(1, 0) && home.log_in(2, 1));
}
