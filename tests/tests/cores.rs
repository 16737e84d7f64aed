//! The node and the embedded server against each other, both as pure cores: what one says, the other must understand,
//! in every encoding and with every kind of key.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use gateway_common::vlan::VlanTags;
use gateway_core::capability::{CapabilityConfig, State};
use gateway_core::fpc::{FpcConfig, LinkEvent, Policy, PortConfig, Trigger};
use gateway_core::line::{FpcId, HardwareAddress, PortId};
use gateway_core::node::{self, Node, NodeConfig, Request};
use gateway_core::relay::{self, Authentication, RelayConfig};
use gateway_core::release::{Fallback, Phase, ReleaseConfig};
use gateway_core::scope::{DeviceId, DeviceIdType, GroupId};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::bulk_release::{CodePoints, Encoding};
use gateway_core::wire::dhcp4::{BROADCAST, Builder, Message, REQUEST, code, kind};
use gateway_core::wire::frame::Datagram;
use gateway_core::wire::relay_auth::{Algorithm, Key};
use gateway_server::{Command, Config, Permitted, Server, Subnet};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const UNIX: Duration = Duration::from_secs(1_700_000_000);

/// What differs from case to case.
#[derive(Clone)]
struct Case {
    device: DeviceId,
    encoding: Encoding,
    key: Option<Key>,
    groups: [Option<GroupId>; 2],
    /// The server is a plain RFC 3046 one.
    plain: bool,
}

struct World {
    node: Node,
    server: Server,
    now: Instant,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    /// To clients: port, message.
    received: Vec<(u16, Vec<u8>)>,
    /// Type and ciaddr of each message to the server that is not a login's, nor a renewal's.
    releases: Vec<(u8, Ipv4Addr)>,
    /// Messages to the server are lost.
    cut: bool,
}

impl World {
    fn new(case: &Case) -> Self {
        let now = Instant::ZERO + Duration::from_secs(500);
        let points = CodePoints { encoding: case.encoding, ..CodePoints::default() };
        let mut config = Config::new(SERVER, "/nowhere");
        let pool = (Ipv4Addr::new(100, 64, 1, 0), Ipv4Addr::new(100, 64, 200, 255));
        config.subnets.push(Subnet::new(Ipv4Addr::new(100, 64, 0, 0), 16, pool, GIADDR));
        config.bulk_release.code_points = points;
        config.bulk_release.enabled = !case.plain;
        config.bulk_release.allow_unauthenticated = case.key.is_none();
        config.bulk_release.require_authentication = case.key.is_some();
        let permitted = |key| Permitted { key, devices: vec![case.device.clone()] };
        config.bulk_release.keys = case.key.clone().map(permitted).into_iter().collect();
        let unix = u64::try_from((UNIX + Duration::from_secs(500)).as_nanos()).expect("fits");
        let node = Node::new(node_config(case, points), [], now, unix, 7).expect("configured");
        let server = Server::new(config, [], now, UNIX + Duration::from_secs(500)).expect("configured");
        let store = BTreeMap::new();
        let mut world = Self { node, server, now, store, received: Vec::new(), releases: Vec::new(), cut: false };
        for port in 0..2 {
            world.link(port, LinkEvent::Up);
        }
        world
    }

    fn link(&mut self, port: u16, event: LinkEvent) {
        self.node.handle_link(PortId(port), event, self.now);
        self.settle();
    }

    /// Carries out all there is to do, on both sides.
    fn settle(&mut self) {
        while let Some(command) = self.node.poll_command() {
            match command {
                node::Command::Persist { key, value, .. } => drop(self.store.insert(key, value)),
                node::Command::Forget { key } => drop(self.store.remove(&key)),
                node::Command::SendToClient { line, payload, .. } => self.received.push((line.port.0, payload)),
                node::Command::SendToServer { giaddr, server, payload } => {
                    assert_eq!(server, SERVER);
                    self.deliver_to_server(giaddr, &payload);
                }
                _ => {}
            }
        }
    }

    fn deliver_to_server(&mut self, giaddr: Ipv4Addr, payload: &[u8]) {
        let message = Message::parse(payload).expect("the node sends DHCP");
        if let Some(kind @ (kind::RELEASE | kind::LEASEQUERY)) = message.kind() {
            self.releases.push((kind, message.ciaddr()));
        }
        if self.cut {
            return;
        }
        let unix = UNIX + self.now.since(Instant::ZERO);
        self.server.handle_message(SocketAddrV4::new(giaddr, 67), payload, self.now, unix);
        while let Some(command) = self.server.poll_command() {
            if let Command::Send { to, payload, .. } = command {
                assert_eq!(*to.ip(), giaddr, "a reply goes to the relay");
                self.node.handle_server_message(SERVER, &payload, self.now);
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn deliver_from_client(&mut self, port: u16, message: Builder) -> Vec<u8> {
        let payload = message.padded().finish();
        let mac = Message::parse(&payload).expect("built above").hardware().mac().expect("Ethernet");
        let datagram = Datagram {
            source_mac: mac,
            destination_mac: [0xff; 6],
            tags: VlanTags::NONE,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            payload: &payload,
        };
        self.received.clear();
        self.node.handle_client_frame(PortId(port), &datagram.build().expect("short"), false, self.now);
        self.settle();
        let (to, reply) = self.received.pop().expect("a reply");
        assert_eq!(to, port);
        reply
    }

    /// A whole login; returns the address.
    fn log_in(&mut self, port: u16, client: u16) -> Ipv4Addr {
        let [hi, lo] = client.to_be_bytes();
        let hardware = HardwareAddress::ethernet([2, 0, 0, port as u8, hi, lo]);
        let message = |kind| Builder::new(REQUEST).hardware(hardware).xid(client.into()).flags(BROADCAST).kind(kind);
        let offer = self.deliver_from_client(port, message(kind::DISCOVER));
        let offer = Message::parse(&offer).expect("an OFFER");
        assert_eq!(offer.kind(), Some(kind::OFFER));
        let request = message(kind::REQUEST)
            .address(code::REQUESTED_IP, offer.yiaddr())
            .address(code::SERVER_ID, offer.address_option(code::SERVER_ID).expect("RFC 2131 table 3"));
        let ack = self.deliver_from_client(port, request);
        let ack = Message::parse(&ack).expect("an ACK");
        assert_eq!((ack.kind(), ack.agent_information()), (Some(kind::ACK), None));
        ack.yiaddr()
    }
}

fn node_config(case: &Case, points: CodePoints) -> NodeConfig {
    let names = ["fpc0", "fpc1"];
    let giaddr = |n: usize| if case.groups[n].is_some() { GIADDR } else { Ipv4Addr::new(100, 64, 0, 1 + n as u8) };
    let relay_card =
        |n: usize| relay::FpcConfig { group: case.groups[n].clone(), ..relay::FpcConfig::new(names[n], giaddr(n)) };
    let card = |name: &str| FpcConfig {
        name: name.to_owned(),
        policy: Policy::Logout,
        hold_down: Duration::from_secs(2),
        schedule: None,
        trigger: Trigger::AllPorts,
    };
    let port = |n: usize| (format!("ge{n}"), FpcId(n as u16));
    let authentication =
        case.key.clone().map(|key| Authentication { key, require_replies: true, sliding_window: false });
    NodeConfig {
        capacity: 65_536,
        fpcs: names.map(card).to_vec(),
        ports: [0, 1].map(port).map(|(name, fpc)| PortConfig { name, fpc, max_clients: None }).to_vec(),
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::ZERO,
        relay: RelayConfig {
            points,
            servers: vec![SERVER],
            fpcs: [0, 1].map(relay_card).to_vec(),
            ports: [0, 1].map(port).map(|(name, fpc)| relay::PortConfig { name, fpc }).to_vec(),
            authentication,
            ..RelayConfig::new(case.device.clone())
        },
        release: ReleaseConfig {
            code_points: points,
            allow_unauthenticated: case.key.is_none(),
            ..ReleaseConfig::new(case.device.clone(), case.key.clone())
        },
        capability: CapabilityConfig { authenticated_only: case.key.is_some(), ..CapabilityConfig::default() },
        v6: None,
        cluster: None,
        unit_key: gateway_common::unit::UnitKey::NONE,
    }
}

fn case() -> Case {
    let secret = b"0123456789abcdef0123".to_vec().into();
    Case {
        device: DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").expect("short"),
        encoding: CodePoints::default().encoding,
        key: Some(Key { id: 5, secret, algorithm: Algorithm::HmacSha1, zero_key_id: false, relay: 0 }),
        groups: [None, None],
        plain: false,
    }
}

fn cases() -> Vec<(&'static str, Case)> {
    let plain = case();
    let key = plain.key.clone().expect("it has one");
    let raw = Encoding::Raw { capability: 240, scope: 241, transaction: 242, result: 243, line: 244 };
    let group = |name: &[u8]| GroupId::new(name);
    let long =
        DeviceId::new(DeviceIdType::Uuid, &[b'u'; 48]).expect("64 would be allowed, but not with everything else");
    let groups = [group(b"slot 0"), group(b"slot 1")];
    let long_groups = [group(&[b'a'; 32]), group(&[b'b'; 32])];
    vec![
        ("vsi", plain.clone()),
        ("raw", Case { encoding: raw, ..plain.clone() }),
        ("unauthenticated", Case { key: None, ..plain.clone() }),
        ("SHA-256", Case { key: Some(Key { algorithm: Algorithm::HmacSha256, ..key.clone() }), ..plain.clone() }),
        ("zero key-id", Case { key: Some(Key { zero_key_id: true, ..key }), ..plain.clone() }),
        ("groups", Case { groups: groups.clone(), ..plain.clone() }),
        ("groups, raw", Case { groups, encoding: raw, ..plain.clone() }),
        ("long names", Case { device: long.clone(), groups: long_groups.clone(), ..plain.clone() }),
        ("long names, raw", Case { device: long, groups: long_groups, encoding: raw, ..plain }),
    ]
}

/// One message and its reply end one card's logins on both sides and leave the other card's alone.
/// BR-9, BR-23, BR-24, BR-25, BR-26, BR-27, BR-32, H-BR-13, H-BR-15, H-BR-22
#[test]
fn one_message_in_every_form() {
    for (name, case) in cases() {
        let mut world = World::new(&case);
        for client in 0..30 {
            world.log_in(client % 2, client);
        }
        assert_eq!(world.node.servers(world.now)[0].state, State::Capable, "{name}");
        assert_eq!((world.node.session_count(), world.server.status().active), (30, 30), "{name}");
        world.pass(30);
        world.link(0, LinkEvent::Removed);
        assert_eq!(world.releases, [(kind::RELEASE, Ipv4Addr::UNSPECIFIED)], "{name}");
        assert_eq!((world.node.session_count(), world.server.status().active), (15, 15), "{name}");
        assert!(!world.store.keys().any(|key| key.starts_with(b"release/")), "{name}");

        // Back again: they log in anew, and stay when the message comes once more.
        world.link(0, LinkEvent::Up);
        world.log_in(0, 0);
        assert_eq!((world.node.session_count(), world.server.status().active), (16, 16), "{name}");
    }
}

/// What gets lost is repeated, and the server, which has done it by then, says the same again. H-BR-6, H-BR-23
#[test]
fn a_cut_line() {
    let mut world = World::new(&case());
    for client in 0..10 {
        world.log_in(0, client);
    }
    world.pass(30);
    world.cut = true;
    world.link(0, LinkEvent::Removed);
    world.pass(2);
    world.cut = false;
    assert_eq!((world.node.session_count(), world.server.status().active), (10, 10));
    world.pass(3);
    assert_eq!((world.node.session_count(), world.server.status().active), (0, 0));
    assert_eq!(world.releases.len(), 3);
}

/// The server is away for longer than the single logout is repeated: the logins are kept as orphans, and one message
/// releases them once it is back. BR-31, H-BR-1
#[test]
fn a_server_that_comes_back() {
    let mut world = World::new(&case());
    for client in 0..10 {
        world.log_in(0, client);
    }
    world.pass(30);
    world.cut = true;
    world.link(0, LinkEvent::Removed);
    world.pass(60);
    assert_eq!((world.node.session_count(), world.server.status().active), (10, 10));
    assert_eq!(world.node.fpcs()[0].orphaned, 10);
    world.cut = false;
    world.pass(60);
    assert_eq!((world.node.session_count(), world.server.status().active), (0, 0));
}

/// The server's policy is against it: one RELEASE per login, and each is verified. BR-28, H-BR-1, H-BR-19
#[test]
fn a_server_whose_policy_is_against_it() {
    let mut world = World::new(&Case { plain: true, ..case() });
    for client in 0..40 {
        world.log_in(0, client);
    }
    assert_eq!(world.node.servers(world.now)[0].state, State::Refused);
    world.pass(30);
    world.link(0, LinkEvent::Removed);
    world.pass(30);
    let of = |wanted| world.releases.iter().filter(|(kind, _)| *kind == wanted).count();
    assert_eq!((of(kind::RELEASE), of(kind::LEASEQUERY)), (40, 40));
    assert_eq!((world.node.session_count(), world.server.status().active), (0, 0));
    let views = world.node.releases();
    let (_, progress) = views[0].servers[0];
    assert_eq!((progress.released, progress.unverified, progress.phase), (40, 0, Phase::Done));
    assert_eq!(progress.fallback, Some(Fallback::NotCapable));
}

/// PROBE: the server counts, and nothing changes. BR-23
#[test]
fn a_probe() {
    let mut world = World::new(&case());
    for client in 0..10 {
        world.log_in(client % 2, client);
    }
    world.pass(30);
    world.node.handle_operator(Request::Probe { server: SERVER }, world.now).expect("sent");
    let mut matching = None;
    while let Some(command) = world.node.poll_command() {
        match command {
            node::Command::SendToServer { giaddr, payload, .. } => world.deliver_to_server(giaddr, &payload),
            node::Command::Tell(event) => {
                let text = event.to_string();
                matching = text.contains("10").then_some(text).or(matching);
            }
            _ => {}
        }
    }
    assert!(matching.is_some(), "nobody told how many there are");
    assert_eq!((world.node.session_count(), world.server.status().active), (10, 10));
}
