//! Exchanges as transcripts: what comes in, what the relay says to do, in order.

use core::net::SocketAddrV6;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::*;
use crate::line::PortId;
use crate::relay::PortConfig;
use crate::session::EndReason;
use crate::time::{Duration, Instant};
use crate::v6::Login;
use crate::v6::release::scope;
use crate::wire::dhcp6::{
    ALL_RELAYS_AND_SERVERS, Binding, Builder, IaKind, Nest, Prefix, RelayMessage, code, kind, relay_forward, status,
};
use crate::wire::frame6::{Datagram6, multicast_mac};

mod any;
mod downward;
mod hostile;
mod released;
mod tagged;
mod upward;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const XID: u32 = 0x00b2_c3d4;
const FPC0: FpcId = FpcId(0);
const EPOCH: Epoch = Epoch(7);
const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
const LINE: Line = Line {
    port: PortId(0),
    tags: VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 100 }, inner: VlanTag { tpid: 0x8100, vid: 7 } },
};

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn prefix(text: &str, length: u8) -> Prefix {
    Prefix::new(ip(text), length).unwrap()
}

fn server() -> Ipv6Addr {
    ip("2001:db8:ffff::2")
}

fn link() -> Ipv6Addr {
    ip("2001:db8:0:a::1")
}

fn peer() -> Ipv6Addr {
    ip("fe80::ff:fe00:1")
}

fn server_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1])
}

fn client_id() -> DuidBuf {
    DuidBuf::link_layer(MAC)
}

/// Two FPCs of one port each; the second one trusts relays.
fn config() -> RelayConfig {
    let port = |name: &str, fpc| PortConfig { name: name.to_owned(), fpc: FpcId(fpc) };
    RelayConfig {
        servers: vec![server()],
        fpcs: vec![
            FpcConfig::new("fpc0", link()),
            FpcConfig { trust_relays: true, ..FpcConfig::new("fpc1", ip("2001:db8:0:b::1")) },
        ],
        ports: vec![port("ge0", 0), port("ge1", 1)],
        secret: b"secret".to_vec(),
        ..RelayConfig::new(DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1]))
    }
}

/// A relay whose FPCs are at [`EPOCH`].
fn relay(config: RelayConfig) -> Relay {
    let mut relay = Relay::new(config).unwrap();
    relay.thaw(FPC0, EPOCH);
    relay.thaw(FpcId(1), EPOCH);
    relay
}

fn trusted_line() -> Line {
    Line { port: PortId(1), tags: VlanTags::NONE }
}

/// A client's message.
fn client(kind: u8) -> Builder {
    let mut out = Builder::message(kind, XID);
    out.duid(code::CLIENT_ID, client_id().as_duid()).u16(code::ELAPSED_TIME, 0);
    out
}

fn finish(mut builder: Builder) -> Vec<u8> {
    builder.finish().unwrap()
}

/// Both leases that the server gives, with this valid lifetime.
fn leases(out: &mut Builder, valid: u32) {
    let address = Binding::Address(ip("2001:db8:1::100"));
    let delegated = Binding::Prefix(prefix("2001:db8:100::", 56));
    for (kind, binding) in [(IaKind::Na, address), (IaKind::Pd, delegated)] {
        out.ia(kind, 1, [0, 0], |ia| {
            ia.lease(binding, [valid / 2, valid], |_| {});
        });
    }
}

fn status_of(out: &mut Builder, code: u16) {
    out.status(code, "");
}

/// What the server says to the client.
fn reply(kind: u8, fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut out = Builder::message(kind, XID);
    out.duid(code::CLIENT_ID, client_id().as_duid()).duid(code::SERVER_ID, server_id().as_duid());
    fill(&mut out);
    finish(out)
}

fn datagram(payload: &[u8]) -> Datagram6<'_> {
    Datagram6 {
        source_mac: MAC,
        destination_mac: multicast_mac(ALL_RELAYS_AND_SERVERS),
        tags: LINE.tags,
        source: SocketAddrV6::new(peer(), 546, 0, 0),
        destination: SocketAddrV6::new(ALL_RELAYS_AND_SERVERS, 547, 0, 0),
        payload,
    }
}

fn commands(relay: &mut Relay) -> Vec<Command> {
    core::iter::from_fn(|| relay.poll_command()).collect()
}

/// Relays what came in on a line; returns what went to the one server.
fn relayed_on(relay: &mut Relay, line: Line, datagram: &Datagram6<'_>) -> Vec<u8> {
    relay.handle_client(line, datagram, NOW);
    match &commands(relay)[..] {
        [Command::ToServer(sent)] => sent.payload.clone(),
        other => panic!("expected one message up, got {other:?}: {:?}", relay.counters()),
    }
}

fn relayed(relay: &mut Relay, payload: &[u8]) -> Vec<u8> {
    relayed_on(relay, LINE, &datagram(payload))
}

/// A server's answer on the way that the question came.
fn answered(relay: &mut Relay, sent: &[u8], message: &[u8]) -> Vec<Command> {
    let payload = Nest::walk(sent).unwrap().reply(message).unwrap();
    relay.handle_server(server(), &payload, NOW);
    commands(relay)
}

/// Nothing came of it, for this reason.
#[track_caller]
fn dropped(relay: &mut Relay, reason: Reason) {
    assert_eq!(commands(relay), [], "{reason:?}");
    assert_eq!(relay.counters().get(reason), 1, "{:?}", relay.counters());
}
