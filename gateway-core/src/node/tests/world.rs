//! Everything around a node: clients, servers, the store, the data plane, and time.
//!
//! The world carries commands out the way a shell does, one at a time, and can stop after any of them: then the node is
//! gone, and the next one is made from what the store holds.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gateway_common::vlan::VlanTags;

use super::super::*;
use super::{SERVER, Server};
use crate::capability::CapabilityConfig;
use crate::fpc::{FpcConfig, LinkEvent, Policy, PortConfig, Trigger};
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::relay::{self, RelayConfig};
use crate::release::ReleaseConfig;
use crate::scope::{DeviceId, DeviceIdType, Epoch};
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{self, Builder, Message, code, kind};
use crate::wire::frame::{BROADCAST_MAC, Datagram};

/// Unix time at boot.
pub(super) const BOOT: u64 = 1_700_000_000;

pub(super) fn address(client: u8) -> Ipv4Addr {
    Ipv4Addr::new(100, 64, 0, client)
}

pub(super) fn mac(client: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, client]
}

pub(super) fn line(port: u16) -> Line {
    Line { port: PortId(port), tags: VlanTags::NONE }
}

/// Two cards with a giaddr and two ports each, and one server; unauthenticated releases are allowed.
pub(super) fn config() -> NodeConfig {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").expect("short");
    let cards = ["fpc0", "fpc1"];
    let ports = ["ge0", "ge1", "ge2", "ge3"];
    let fpc = |name: &str| FpcConfig {
        name: name.to_owned(),
        policy: Policy::Logout,
        hold_down: Duration::from_secs(2),
        schedule: None,
        trigger: Trigger::AllPorts,
    };
    let of = |place: usize| FpcId(place as u16 / 2);
    NodeConfig {
        capacity: 64,
        fpcs: cards.map(fpc).to_vec(),
        ports: ports
            .iter()
            .enumerate()
            .map(|(place, name)| PortConfig { name: (*name).to_owned(), fpc: of(place), max_clients: None })
            .collect(),
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::from_secs(30),
        relay: RelayConfig {
            servers: vec![SERVER],
            fpcs: (0..)
                .zip(cards)
                .map(|(n, name)| relay::FpcConfig::new(name, Ipv4Addr::new(100, 64, n, 254)))
                .collect(),
            ports: ports
                .iter()
                .enumerate()
                .map(|(place, name)| relay::PortConfig { name: (*name).to_owned(), fpc: of(place) })
                .collect(),
            ..RelayConfig::new(device.clone())
        },
        release: ReleaseConfig { allow_unauthenticated: true, ..ReleaseConfig::new(device, None) },
        capability: CapabilityConfig::default(),
        v6: None,
        cluster: None,
        unit_key: gateway_common::unit::UnitKey::NONE,
    }
}

pub(super) struct World {
    pub(super) config: NodeConfig,
    pub(super) node: Node,
    pub(super) now: Instant,
    pub(super) servers: BTreeMap<Ipv4Addr, Server>,
    pub(super) store: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) routes: BTreeMap<Ipv4Addr, Route>,
    least: BTreeMap<CohortId, Epoch>,
    links: BTreeMap<PortId, LinkEvent>,
    /// What servers have answered and the node has not heard yet.
    pub(super) on_the_way: VecDeque<(Ipv4Addr, Vec<u8>)>,
    /// Keeps answers on their way until told otherwise.
    pub(super) hold_answers: bool,
    /// What clients got, by hardware address.
    pub(super) received: Vec<([u8; 6], u8, Ipv4Addr)>,
    pub(super) events: Vec<Event>,
    /// What is wanted of connections to servers.
    pub(super) called: Vec<Command>,
    /// Who was asked whether it is there.
    pub(super) asked: Vec<Probe>,
    /// Commands carried out so far, and the one after which the controller is killed.
    pub(super) steps: usize,
    pub(super) kill_after: Option<usize>,
    /// Kills that happened.
    pub(super) kills: usize,
}

impl World {
    pub(super) fn new(config: NodeConfig, servers: impl IntoIterator<Item = Server>) -> Self {
        let now = Instant::ZERO + Duration::from_secs(100);
        let mut world = Self {
            node: Node::new(config.clone(), [], now, BOOT * 1_000_000_000 + now.as_nanos(), 1).expect("configured"),
            config,
            now,
            servers: servers.into_iter().map(|server| (server.address, server)).collect(),
            store: BTreeMap::new(),
            routes: BTreeMap::new(),
            least: BTreeMap::new(),
            links: (0..4).map(|port| (PortId(port), LinkEvent::Up)).collect(),
            on_the_way: VecDeque::new(),
            hold_answers: false,
            received: Vec::new(),
            events: Vec::new(),
            called: Vec::new(),
            asked: Vec::new(),
            steps: 0,
            kill_after: None,
            kills: 0,
        };
        world.report_links();
        world
    }

    fn report_links(&mut self) {
        for (port, link) in self.links.clone() {
            self.node.handle_link(port, link, self.now);
        }
        self.settle();
    }

    /// The controller is gone, and another one starts from what the store holds, with the pinned maps as they are.
    pub(super) fn restart_controller(&mut self) {
        self.kills += 1;
        let unix = BOOT * 1_000_000_000 + self.now.as_nanos();
        let records = self.store.clone();
        self.node = Node::new(self.config.clone(), records, self.now, unix, 2 + self.kills as u64).expect("configured");
        // What was in flight is lost with the sockets.
        self.on_the_way.clear();
        let wanted: BTreeMap<_, _> = self.node.routes().map(|route| (route.address, route)).collect();
        self.routes = wanted;
        self.report_links();
    }

    /// Carries out everything that is to be done; lets the servers answer, and the node hear it.
    pub(super) fn settle(&mut self) {
        loop {
            let batch: Vec<Command> = core::iter::from_fn(|| self.node.poll_command()).collect();
            if batch.is_empty() && (self.hold_answers || self.on_the_way.is_empty()) {
                return;
            }
            if !self.carry_out(batch) {
                self.restart_controller();
            }
            if !self.hold_answers
                && let Some((server, payload)) = self.on_the_way.pop_front()
            {
                self.node.handle_server_message(server, &payload, self.now);
            }
        }
    }

    /// In a shell's order: records, maps, sends. False when the controller was killed in between.
    fn carry_out(&mut self, batch: Vec<Command>) -> bool {
        let rank = |command: &Command| match command {
            Command::Persist { .. } | Command::Forget { .. } => 0,
            Command::InstallRoute(_)
            | Command::RemoveRoute(_)
            | Command::SetExpiry { .. }
            | Command::SetLeastEpoch { .. } => 1,
            Command::Dial { .. } | Command::Converse { .. } | Command::HangUp { .. } => 2,
            Command::SendToServer { .. } | Command::SendToClient { .. } => 2,
            Command::Replicate(_) | Command::ForKeeper { .. } | Command::Sightings { .. } => 2,
            Command::InstallRoute6(_) | Command::RemoveRoute6(_) | Command::SetExpiry6 { .. } => 1,
            Command::SetSeen6 { .. } => 1,
            Command::SendToServer6 { .. } | Command::SendToClient6 { .. } | Command::Probe(_) => 2,
            Command::Tell(_) => 3,
        };
        let mut batch = batch;
        batch.sort_by_key(rank);
        for command in batch {
            self.steps += 1;
            self.step(command);
            if self.kill_after == Some(self.steps) {
                return false;
            }
        }
        true
    }

    fn step(&mut self, command: Command) {
        match command {
            Command::Persist { key, value, .. } => drop(self.store.insert(key, value)),
            Command::Forget { key } => drop(self.store.remove(&key)),
            Command::InstallRoute(route) => drop(self.routes.insert(route.address, route)),
            Command::RemoveRoute(address) => drop(self.routes.remove(&address)),
            Command::SetExpiry { slot, expires } => {
                if let Some(route) = self.routes.values_mut().find(|route| route.slot == slot) {
                    route.expires = expires;
                }
            }
            Command::SetLeastEpoch { cohort, epoch, .. } => drop(self.least.insert(cohort, epoch)),
            Command::SendToServer { server, payload, .. } => {
                let answer = self.servers.get_mut(&server).and_then(|server| server.handle(&payload, self.now));
                self.on_the_way.extend(answer.map(|answer| (server, answer)));
            }
            Command::SendToClient { payload, .. } => {
                let message = Message::parse(&payload).expect("the node sends DHCP");
                let mac = message.hardware().mac().expect("to Ethernet clients");
                self.received.push((mac, message.kind().expect("with a type"), message.yiaddr()));
            }
            Command::Dial { .. } | Command::Converse { .. } | Command::HangUp { .. } => self.called.push(command),
            Command::ForKeeper { .. } => panic!("not in a cluster"),
            // Nobody listens.
            Command::Replicate(_) | Command::Sightings { .. } => {}
            Command::InstallRoute6(_)
            | Command::RemoveRoute6(_)
            | Command::SetExpiry6 { .. }
            | Command::SetSeen6 { .. }
            | Command::SendToServer6 { .. }
            | Command::SendToClient6 { .. } => panic!("no DHCPv6 here: {command:?}"),
            Command::Probe(probe) => self.asked.push(probe),
            Command::Tell(event) => self.events.push(event),
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(wanted) = self.node.poll_timeout().filter(|wanted| *wanted <= end) {
            self.now = self.now.max(wanted);
            self.node.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn link(&mut self, port: u16, event: LinkEvent) {
        self.links.insert(PortId(port), event);
        self.node.handle_link(PortId(port), event, self.now);
        self.settle();
    }

    /// The interfaces of a card disappear, and come back.
    pub(super) fn restart_card(&mut self, card: u16) {
        for port in [2 * card, 2 * card + 1] {
            self.link(port, LinkEvent::Removed);
        }
        for port in [2 * card, 2 * card + 1] {
            self.link(port, LinkEvent::Up);
        }
    }

    pub(super) fn ask(client: u8, kind: u8) -> Builder {
        let xid = 0x1000_0000 + u32::from(client);
        let hardware = HardwareAddress::ethernet(mac(client));
        Builder::new(dhcp4::REQUEST).hardware(hardware).xid(xid).kind(kind).option(code::CLIENT_ID, &[1, client])
    }

    /// A client's message arrives; nothing is carried out yet.
    pub(super) fn send(&mut self, client: u8, port: u16, payload: &[u8]) {
        let frame = Datagram {
            source_mac: mac(client),
            destination_mac: BROADCAST_MAC,
            tags: VlanTags::NONE,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            payload,
        };
        let frame = frame.build().expect("short");
        self.node.handle_client_frame(PortId(port), &frame, false, self.now);
    }

    pub(super) fn request(&mut self, client: u8, port: u16) {
        let payload = Self::ask(client, kind::REQUEST).address(code::REQUESTED_IP, address(client)).finish();
        self.send(client, port, &payload);
    }

    /// Asks for the client's own address until it is given; clients repeat what is not answered.
    pub(super) fn log_in(&mut self, client: u8, port: u16) {
        for _ in 0..5 {
            let before = self.received.len();
            self.request(client, port);
            self.settle();
            let wanted = (mac(client), kind::ACK, address(client));
            if self.received[before..].contains(&wanted) {
                return;
            }
            self.wait(4);
        }
        panic!("client {client} can't log in: {:?}", self.events);
    }

    /// A client renews at its server, past the relay; the data plane forwards it and shows us a copy of the answer.
    pub(super) fn renew_by_unicast(&mut self, client: u8) {
        let payload = Self::ask(client, kind::REQUEST).ciaddr(address(client)).finish();
        let server = self.servers.get_mut(&SERVER).expect("there");
        let Some(answer) = server.handle(&payload, self.now) else { return };
        let frame = Datagram {
            source_mac: [2, 9, 9, 9, 9, 9],
            destination_mac: mac(client),
            tags: VlanTags::NONE,
            source: SocketAddrV4::new(SERVER, 67),
            destination: SocketAddrV4::new(address(client), 68),
            payload: &answer,
        };
        self.node.handle_server_frame(&frame.build().expect("short"), true, self.now);
        self.settle();
    }

    pub(super) fn server(&mut self) -> &mut Server {
        self.servers.get_mut(&SERVER).expect("there")
    }

    /// Addresses that have a session.
    pub(super) fn sessions(&self) -> BTreeSet<Ipv4Addr> {
        self.node.sessions(0, 1000).0.into_iter().map(|session| session.address).collect()
    }

    /// Addresses whose traffic the data plane lets through.
    pub(super) fn through(&self) -> BTreeSet<Ipv4Addr> {
        let valid = |route: &&Route| {
            route.epoch >= self.least.get(&route.cohort).copied().unwrap_or_default() && route.expires > self.now
        };
        self.routes.values().filter(valid).map(|route| route.address).collect()
    }

    pub(super) fn addresses(clients: impl IntoIterator<Item = u8>) -> BTreeSet<Ipv4Addr> {
        clients.into_iter().map(address).collect()
    }

    /// The table and the data plane agree on who is logged in.
    pub(super) fn assert_logged_in(&self, clients: impl IntoIterator<Item = u8>) {
        let expected = Self::addresses(clients);
        assert_eq!(self.sessions(), expected, "sessions");
        assert_eq!(self.through(), expected, "routes");
    }
}
