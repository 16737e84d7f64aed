//! Exchanges as transcripts: what comes in, what the relay says to do, in order.

use core::net::{Ipv4Addr, SocketAddrV4};

use gateway_common::vlan::{VlanTag, VlanTags};

use super::*;
use crate::capability::Observation;
use crate::line::{HardwareAddress, PortId};
use crate::login::Login;
use crate::scope::{DeviceId, DeviceIdType};
use crate::time::{Duration, Instant};
use crate::wire::agent::AgentInformation;
use crate::wire::bulk_release::{BulkRelease, Capability, rewrite_capability};
use crate::wire::dhcp4::{self, Builder, Message, code, kind};
use crate::wire::frame::{BROADCAST_MAC, Datagram};

mod any;
mod capability;
mod downward;
mod hostile;
mod scopes;
mod signed;
mod snooped;
mod upward;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const XID: u32 = 0xa1b2_c3d4;
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const OTHER_GIADDR: Ipv4Addr = Ipv4Addr::new(100, 65, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 77);
const CLIENT_ID: &[u8] = &[1, 2, 0, 0, 0, 0, 1];
const FPC0: FpcId = FpcId(0);
const FPC1: FpcId = FpcId(1);
const EPOCH: Epoch = Epoch(7);
const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
const LINE: Line = Line {
    port: PortId(0),
    tags: VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 100 }, inner: VlanTag { tpid: 0x8100, vid: 7 } },
};
const OTHER_LINE: Line = Line { port: PortId(1), tags: VlanTags::NONE };

/// Two FPCs of one port each, with a giaddr of their own, and one server.
fn config() -> RelayConfig {
    RelayConfig {
        servers: vec![SERVER],
        fpcs: vec![FpcConfig::new("fpc0", GIADDR), FpcConfig::new("fpc1", OTHER_GIADDR)],
        ports: vec![PortConfig { name: "ge0".to_owned(), fpc: FPC0 }, PortConfig { name: "ge1".to_owned(), fpc: FPC1 }],
        ..RelayConfig::new(DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap())
    }
}

/// A relay whose FPCs are at [`EPOCH`].
fn relay(config: RelayConfig) -> Relay {
    let mut relay = Relay::new(config, ReplayCounters::new(1_700_000_000, [])).unwrap();
    relay.thaw(FPC0, EPOCH);
    relay.thaw(FPC1, EPOCH);
    relay
}

/// A client's message.
fn client(kind: u8) -> Builder {
    Builder::new(dhcp4::REQUEST).hardware(HardwareAddress::ethernet(MAC)).xid(XID).secs(3).kind(kind)
}

fn request() -> Builder {
    client(kind::REQUEST)
        .address(code::SERVER_ID, SERVER)
        .address(code::REQUESTED_IP, ADDRESS)
        .option(code::CLIENT_ID, CLIENT_ID)
}

fn broadcast(payload: &[u8]) -> Datagram<'_> {
    Datagram {
        source_mac: MAC,
        destination_mac: BROADCAST_MAC,
        tags: LINE.tags,
        source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
        destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
        payload,
    }
}

fn unicast(payload: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Datagram<'_> {
    let (source, destination) = (SocketAddrV4::new(source, 68), SocketAddrV4::new(destination, 67));
    Datagram { destination_mac: [2, 0, 0, 0, 0, 0xfe], source, destination, ..broadcast(payload) }
}

/// A server that echoes option 82 as it came: RFC 3046, nothing more.
fn reply(sent: &[u8], kind: u8) -> Builder {
    stripped_reply(sent, kind)
        .option(code::AGENT_INFORMATION, Message::parse(sent).unwrap().agent_information().unwrap())
}

/// A server that lets option 82 fall.
fn stripped_reply(sent: &[u8], kind: u8) -> Builder {
    let reply = Builder::reply(&Message::parse(sent).unwrap()).kind(kind).address(code::SERVER_ID, SERVER);
    if kind == kind::NAK { reply } else { reply.yiaddr(ADDRESS).number(code::LEASE_TIME, 3600) }
}

/// A server that can do bulk release.
fn capable_reply(sent: &[u8], kind: u8) -> Builder {
    let mut value = Message::parse(sent).unwrap().agent_information().unwrap().to_vec();
    let flags = Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE | Capability::WILL_REPLY;
    assert!(rewrite_capability(&mut value, &config().points, flags, 8));
    stripped_reply(sent, kind).option(code::AGENT_INFORMATION, &value)
}

/// What the relay wants done, until it wants nothing more.
fn commands(relay: &mut Relay) -> Vec<Command> {
    core::iter::from_fn(|| relay.poll_command()).collect()
}

/// The client says something on [`LINE`].
macro_rules! from_client {
    ($relay:ident, $builder:expr) => {{
        let payload = $builder.finish();
        $relay.handle_client(LINE, &broadcast(&payload), NOW);
    }};
}

/// A server says something.
macro_rules! from_server {
    ($relay:ident, $builder:expr) => {
        $relay.handle_server(SERVER, &$builder.finish(), NOW)
    };
}

/// The next command is of this form; gives what the pattern binds.
macro_rules! wanted {
    ($relay:ident, $pattern:pat => $value:expr) => {
        match $relay.poll_command() {
            Some($pattern) => $value,
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
}

/// Nothing more is to be done; and this reason was counted once.
macro_rules! dropped {
    ($relay:ident, $reason:expr) => {{
        assert_eq!($relay.poll_command(), None);
        assert_eq!($relay.counters().get($reason), 1, "{:?}", $relay.counters());
    }};
}
use {dropped, from_client, from_server, wanted};

/// Relays a request and returns what went to the server.
fn relayed(relay: &mut Relay, builder: Builder) -> Vec<u8> {
    from_client!(relay, builder);
    wanted!(relay, Command::ToServer(sent) => sent.payload)
}

/// The whole login of one client; returns it.
fn log_in(relay: &mut Relay) -> Login {
    let sent = relayed(relay, request());
    from_server!(relay, capable_reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { observation: Observation::Capable { .. }, .. } => ());
    let login = wanted!(relay, Command::Bound(login) => *login);
    wanted!(relay, Command::ToClient(_) => ());
    login
}

/// The bulk release elements of a message's option 82.
fn elements(octets: &[u8]) -> BulkRelease {
    let message = Message::parse(octets).unwrap();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    BulkRelease::decode(&agent, &config().points).unwrap().unwrap()
}
