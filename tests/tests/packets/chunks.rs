//! SCTP's configuration chunks: counted when they are a subscriber's, however they are forwarded.

use gateway_common::sctp::Chunk;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::Plane;
use gateway_tests::packets::frame::{Ether, IPV4, IPV6, Ip, fragment6};

use crate::data6::Packet;
use crate::world::{self, *};
use crate::world6::{self, HOST6};

/// An SCTP packet with these chunks, each a type and a length in its header; the values are as long as they should be.
fn packet(chunks: &[(u8, u16)]) -> Vec<u8> {
    let mut packet = vec![0x0f, 0xa0, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0];
    for &(kind, len) in chunks {
        packet.extend([kind, 0]);
        packet.extend(len.to_be_bytes());
        packet.resize(packet.len() + usize::from(len.max(4)).next_multiple_of(4) - 4, 0);
    }
    packet
}

const DATA: (u8, u16) = (0, 20);
const AUTH: (u8, u16) = (0x0f, 40);
const ASCONF: (u8, u16) = (0xc1, 64);
const ACK: (u8, u16) = (0x80, 8);

/// What it is, the chunks of the packet, and how many of each kind are counted.
type Row = (&'static str, &'static [(u8, u16)], [u64; 2]);

const TABLE: [Row; 8] = [
    ("no chunk", &[], [0, 0]),
    ("data", &[DATA, DATA], [0, 0]),
    ("a configuration message", &[AUTH, ASCONF], [1, 0]),
    ("one without authentication, which the endpoint will drop", &[ASCONF], [1, 0]),
    ("its acknowledgement, before data", &[AUTH, ACK, DATA], [0, 1]),
    ("both, behind a chunk that is padded", &[(3, 17), ACK, ASCONF], [1, 1]),
    ("a chunk without a length before it", &[(3, 0), ASCONF], [0, 0]),
    ("behind more chunks than are looked at", &[DATA, DATA, DATA, DATA, ASCONF], [0, 0]),
];

/// Runs a frame and tells what was counted.
fn counted(plane: &mut Plane, program: Program, frame: &[u8], verdict: Verdict) -> [u64; 2] {
    let count = |plane: &Plane| Chunk::ALL.map(|chunk| plane.chunks(program, chunk).unwrap());
    let before = count(plane);
    assert_eq!(plane.run(program, frame).unwrap().verdict, verdict);
    let after = count(plane);
    [after[0] - before[0], after[1] - before[1]]
}

/// SC-5, SC-37, SC-38: over IPv4, in both directions, tagged or not.
#[test]
fn configuration_chunks_are_counted() {
    let mut plane = world::new();
    for (name, chunks, wanted) in TABLE {
        let payload = packet(chunks);
        for cpe in [PLAIN, DOUBLE] {
            let up = cpe.ether().frame(IPV4, &Ip::new(cpe.address, HOST).protocol(132).packet(&payload));
            assert_eq!(counted(&mut plane, Program::Access, &up, Verdict::ForwardedUp), wanted, "{name}, up");
            let down = Ip::new(HOST, FAR.address).protocol(132).packet(&payload);
            let down = Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &down);
            assert_eq!(counted(&mut plane, Program::Upstream, &down, Verdict::ForwardedDown), wanted, "{name}, down");
        }
    }
}

/// SC-40: over IPv6, behind an extension header too; not in fragments.
#[test]
fn configuration_chunks_are_counted_over_ipv6() {
    let mut plane = world6::new();
    for (name, chunks, wanted) in TABLE {
        let up = Packet::new(PLAIN.address6(), HOST6).of(132, packet(chunks)).up(PLAIN);
        assert_eq!(counted(&mut plane, Program::Access, &up, Verdict::ForwardedUp), wanted, "{name}, up");
        let down = Packet::new(HOST6, FAR.inside()).of(132, packet(chunks)).octets();
        let down = Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &down);
        assert_eq!(counted(&mut plane, Program::Upstream, &down, Verdict::ForwardedDown), wanted, "{name}, down");
    }
    let first = fragment6(132, 0, true, &packet(&[ASCONF, DATA]));
    let up = Packet::new(PLAIN.address6(), HOST6).of(44, first).up(PLAIN);
    assert_eq!(counted(&mut plane, Program::Access, &up, Verdict::ForwardedUp), [0, 0]);
}

/// What is not a subscriber's is not counted, nor what looks alike in another protocol or in a fragment.
#[test]
fn strangers_are_not_counted() {
    let mut plane = world::new();
    let payload = packet(&[AUTH, ASCONF]);
    let thief = TAGGED.ether().frame(IPV4, &Ip::new(PLAIN.address, HOST).protocol(132).packet(&payload));
    assert_eq!(counted(&mut plane, Program::Access, &thief, Verdict::WrongVlan), [0, 0]);
    let other = PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, HOST).protocol(136).packet(&payload));
    assert_eq!(counted(&mut plane, Program::Access, &other, Verdict::ForwardedUp), [0, 0]);
    let short = PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, HOST).protocol(132).packet(&payload[..11]));
    assert_eq!(counted(&mut plane, Program::Access, &short, Verdict::Malformed), [0, 0]);
    let cut = PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, HOST).protocol(132).packet(&payload[..60]));
    assert_eq!(counted(&mut plane, Program::Access, &cut, Verdict::ForwardedUp), [0, 0], "it is not whole");
}
