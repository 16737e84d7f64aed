//! Frames of every length, cut, mangled and random: each has its one verdict, and none is let through for it.

use std::net::Ipv4Addr;

use gateway_common::verdict::{Fate, Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, IPV4, IPV6, Ip, arp, bootp, extension, ipv6, qinq, tag, tcp, udp};
use gateway_tests::packets::{Action, Case, Plane, check};
use gateway_tests::wait;

use crate::world::{self, *};

/// `BPF_PROG_TEST_RUN` takes no frame shorter than an Ethernet header, and neither does a driver hand one up.
const SHORTEST: usize = 14;
pub(crate) const LONGEST: usize = 1514;

/// Of those lengths every one until `dense`, then all; where everything takes longer, some.
pub(crate) fn lengths(dense: usize) -> impl Iterator<Item = usize> {
    let step = if wait::is_patient() { 23 } else { 1 };
    (SHORTEST..=LONGEST.min(dense)).chain((dense + 1..=LONGEST).step_by(step))
}

/// Runs every prefix of a frame, and every prefix padded with 0xff, through both programs. [`Plane::run`] fails unless
/// exactly one verdict was counted.
fn every_length(plane: &mut Plane, frame: &[u8]) {
    let mut long = frame.to_vec();
    long.resize(LONGEST, 0xa5);
    for program in [Program::Access, Program::Upstream] {
        for len in lengths(frame.len()) {
            let ran = plane.run(program, &long[..len]).unwrap_or_else(|error| panic!("{len} octets: {error:#}"));
            if len < frame.len() {
                assert_ne!(ran.verdict.fate(), Fate::Forwarded, "{len} of {} octets forwarded", frame.len());
            }
        }
        // What is waiting in the rings is parsed, so that a record is never torn.
        plane.punted().unwrap();
        plane.dropped().unwrap();
    }
}

/// Every length of frames of each kind that the programs know.
#[test]
fn truncated() {
    let mut plane = world::new();
    plane.settings(gateway_common::settings::Settings { drop_sample: 1, ..Default::default() }).unwrap();
    let dhcp = udp(68, 67, &bootp(1, 6, PLAIN.mac(), Ipv4Addr::UNSPECIFIED));
    let discover = Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).packet(&dhcp);
    let data = Ip::new(PLAIN.address, HOST).packet(&udp(1, 2, b"data"));
    let options = Ip::new(PLAIN.address, HOST).options(&[1; 40]).packet(&udp(1, 2, b"data"));
    let segment = Ip::new(PLAIN.address, HOST).protocol(6).packet(&tcp(1, 2, b"data"));
    let down = Ip::new(HOST, FAR_DOUBLE.address).packet(&udp(1, 2, b"data"));
    let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse().unwrap());
    let headers = extension(60, 1, &extension(17, 2, &udp(546, 547, &[1, 2, 3, 4])));
    let six = ipv6(0, 64, a, b, &headers);
    let ether = PLAIN.ether();
    every_length(&mut plane, &ether.frame(IPV4, &discover));
    every_length(&mut plane, &ether.tagged(qinq(5, 6)).frame(IPV4, &discover));
    every_length(&mut plane, &ether.frame(IPV4, &data));
    every_length(&mut plane, &ether.frame(IPV4, &options));
    every_length(&mut plane, &ether.frame(IPV4, &segment));
    every_length(&mut plane, &ether.frame(IPV4, &down));
    every_length(&mut plane, &ether.frame(IPV6, &six));
    every_length(&mut plane, &ether.frame(ARP, &arp(1, (PLAIN.mac(), PLAIN.address), ([0; 6], GIADDR))));
}

/// Garbage of every length, repeatable: behind each ethertype, and with none at all.
#[test]
fn random() {
    let mut plane = world::new();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut octets = |len: usize| -> Vec<u8> {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..len).map(|_| next()).collect()
    };
    for len in lengths(128) {
        for program in [Program::Access, Program::Upstream] {
            let noise = octets(len);
            let mut frames = vec![noise.clone()];
            for head in
                [&[8u8, 0, 0x45][..], &[8, 0, 0x4f], &[0x86, 0xdd, 0x60], &[8, 6, 0], &[0x81, 0, 0, 1, 8, 0, 0x45]]
            {
                let mut frame = noise.clone();
                let room = frame.len().saturating_sub(12).min(head.len());
                frame[12..12 + room].copy_from_slice(&head[..room]);
                frames.push(frame);
            }
            for frame in frames {
                let ran = plane.run(program, &frame).unwrap_or_else(|error| panic!("{len} octets: {error:#}"));
                assert_ne!(ran.verdict.fate(), Fate::Forwarded, "{len} octets of noise were forwarded");
            }
        }
    }
}

/// Headers that lie.
#[test]
fn lies() {
    check(&mut world::new(), reset, &lying());
}

pub(crate) fn lying() -> Vec<Case> {
    let dhcp = |hlen: u8| {
        let payload = udp(68, 67, &bootp(1, hlen, PLAIN.mac(), Ipv4Addr::UNSPECIFIED));
        Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).packet(&payload)
    };
    let data = || Ip::new(PLAIN.address, HOST).packet(&udp(1, 2, &[0; 20]));
    let mangled = |packet: Vec<u8>, at: usize, octets: &[u8]| {
        let mut packet = packet;
        packet[at..at + octets.len()].copy_from_slice(octets);
        PLAIN.ether().frame(IPV4, &packet)
    };
    let segment = Ip::new(PLAIN.address, HOST).protocol(6).packet(&tcp(1, 2, &[]));
    let case = |name, packet| Case {
        name,
        program: Program::Access,
        set_up: |_| Ok(()),
        packet,
        action: Action::Drop,
        out: None,
        verdict: Verdict::Malformed,
    };
    let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse().unwrap());
    let mut long6 = ipv6(17, 64, a, b, &udp(1, 2, b""));
    long6[5] += 1;
    vec![
        case("hlen 255", PLAIN.ether().frame(IPV4, &dhcp(255))),
        case("hlen 17", PLAIN.ether().frame(IPV4, &dhcp(17))),
        case("IP version 5", mangled(data(), 0, &[0x55])),
        case("a header of 16 octets", mangled(data(), 0, &[0x44])),
        case("longer than the frame", mangled(data(), 2, &[0xff, 0xff])),
        case("shorter than its header", mangled(data(), 2, &[0, 19])),
        case("UDP longer than IP", mangled(data(), 24, &[0, 29])),
        case("UDP shorter than its header", mangled(data(), 24, &[0, 7])),
        case("TCP with a header of 16 octets", mangled(segment.clone(), 32, &[0x40])),
        case("TCP options past the end", mangled(segment, 32, &[0x60])),
        case("IPv6 longer than the frame", PLAIN.ether().frame(IPV6, &long6)),
        case("DHCP without chaddr", {
            let payload = udp(68, 67, &[1; 40]);
            PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, Ipv4Addr::BROADCAST).packet(&payload))
        }),
        Case { verdict: Verdict::NotServed, ..case("PPPoE", PLAIN.ether().frame(0x8863, &[0; 46])) },
        Case {
            verdict: Verdict::NotServed,
            ..case("three tags", PLAIN.ether().tagged(qinq(1, 2)).frame(0x8100, &[0, 3, 8, 0, 0x45]))
        },
        Case {
            verdict: Verdict::Malformed,
            ..case(
                "a tag and no more",
                Ether::new(PLAIN.mac(), GATEWAY_MAC).tagged(tag(1)).frame(0, &[])[..16].to_vec(),
            )
        },
    ]
}

/// hlen 16 is the longest there is.
#[test]
fn longest_hardware_address() {
    let mut plane = world::new();
    let payload = udp(68, 67, &bootp(1, 16, PLAIN.mac(), Ipv4Addr::UNSPECIFIED));
    let packet = Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).packet(&payload);
    let ran = plane.run(Program::Access, &PLAIN.ether().frame(IPV4, &packet)).unwrap();
    assert_eq!(ran.verdict, Verdict::DhcpClient);
}
