//! IPv6 frames of every length, cut, mangled and random, where IPv6 is served: each has its one verdict, and none is let
//! through for it.

use gateway_common::settings::Settings;
use gateway_common::verdict::{Fate, Program};
use gateway_tests::packets::Plane;
use gateway_tests::packets::frame::{
    IPV6, advertisement, extension, fragment6, icmpv6, ipv6, link_layer, solicitation, tcp, udp,
};

use crate::garbage::{LONGEST, lengths};
use crate::world::*;
use crate::world6::{self, *};

/// Runs every prefix of a frame, and it padded to every length, through both programs; [`Plane::run`] fails unless exactly
/// one verdict was counted. What is cut is not forwarded. The answer to a solicitation takes no more than there is.
fn every_length(plane: &mut Plane, cpe: Cpe, packet: &[u8]) {
    let frame = cpe.ether().frame(IPV6, packet);
    let mut long = frame.clone();
    long.resize(LONGEST, 0xa5);
    for program in [Program::Access, Program::Upstream] {
        for len in lengths(frame.len()) {
            let ran = plane.run(program, &long[..len]).unwrap_or_else(|error| panic!("{len} octets: {error:#}"));
            if len < frame.len() {
                assert_ne!(ran.verdict.fate(), Fate::Forwarded, "{len} of {} octets forwarded", frame.len());
            }
        }
        plane.punted().unwrap();
        plane.dropped().unwrap();
    }
}

/// Every length of packets of each kind that the programs know, and every length that their header may tell.
#[test]
fn truncated() {
    let mut plane = world6::new();
    plane
        .settings(Settings { drop_sample: 1, flags: Settings::IPV6 | Settings::PROXY_ND, ..Settings::default() })
        .unwrap();
    let (local, group) = (DOUBLE.link_local(), "ff02::1:2".parse().unwrap());
    let router = "ff02::2".parse().unwrap();
    let relayed = [&[12u8, 0][..], &HOST6.octets(), &local.octets(), &[0, 9, 0, 4, 1, 2, 3, 4]].concat();
    let chain = extension(60, 1, &extension(43, 2, &extension(17, 0, &udp(546, 547, &[5, 1, 2, 3]))));
    let packets = [
        ipv6(17, 64, DOUBLE.inside(), HOST6, &udp(1, 2, b"data")),
        ipv6(6, 64, DOUBLE.address6(), FAR.inside(), &tcp(1, 2, b"data")),
        ipv6(17, 1, local, group, &udp(546, 547, &[1, 2, 3, 4, 0, 6, 0, 2, 0, 23])),
        ipv6(17, 64, DOUBLE.address6(), SERVER6, &udp(546, 547, &[5, 2, 3, 4])),
        ipv6(17, 64, DOUBLE.inside(), RELAY, &udp(547, 547, &relayed)),
        ipv6(0, 1, DOUBLE.address6(), SERVER6, &chain),
        ipv6(44, 64, DOUBLE.inside(), HOST6, &fragment6(60, 0, true, &extension(17, 0, &udp(1, 2, b"data")))),
        solicitation(local, LINK_LOCAL, LINK_LOCAL, &link_layer(1, DOUBLE.mac())),
        solicitation(local, LINK_LOCAL, FAR.inside(), &[]),
        advertisement(local, LINK_LOCAL, 0x40, DOUBLE.inside(), &link_layer(2, DOUBLE.mac())),
        advertisement(local, LINK_LOCAL, 0x40, local, &link_layer(2, DOUBLE.mac())),
        icmpv6(133, local, router, &[0; 4]),
        icmpv6(134, local, router, &[0; 12]),
    ];
    for packet in &packets {
        every_length(&mut plane, DOUBLE, packet);
        let frame = DOUBLE.ether().frame(IPV6, packet);
        for len in 0..=packet.len() as u16 {
            let mut lying = frame.clone();
            lying[26..28].copy_from_slice(&len.to_be_bytes());
            for program in [Program::Access, Program::Upstream] {
                plane.run(program, &lying).unwrap_or_else(|error| panic!("payload of {len} octets: {error:#}"));
            }
        }
        plane.punted().unwrap();
    }
}

/// Garbage of every length, repeatable, behind each header that leads on.
#[test]
fn random() {
    let mut plane = world6::new();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut octets = |len: usize| -> Vec<u8> {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..len).map(|_| next()).collect()
    };
    for len in lengths(182).filter_map(|len| len.checked_sub(54)) {
        for (next, hop_limit) in
            [(0, 64), (43, 64), (44, 64), (51, 64), (60, 64), (17, 64), (58, 255), (58, 64), (6, 1)]
        {
            let mut noise = octets(len);
            match (next, &mut noise[..]) {
                // Neighbour discovery of every type.
                (58, [kind, code, ..]) if hop_limit == 255 => (*kind, *code) = (133 + *kind % 5, 0),
                // A chain that goes on.
                (0 | 43 | 51 | 60, [next, more, ..]) => {
                    (*next, *more) = ([0, 43, 44, 51, 60, 17, 58][*next as usize % 7], *more % 4)
                }
                (17, [_, _, high, low, ..]) => (*high, *low) = (2, 34 + *low % 2),
                _ => {}
            }
            let (from, to) = if len % 2 == 0 { (TAGGED.link_local(), LINK_LOCAL) } else { (HOST6, FAR.link_local()) };
            let frame = TAGGED.ether().frame(IPV6, &ipv6(next, hop_limit, from, to, &noise));
            for program in [Program::Access, Program::Upstream] {
                let ran = plane.run(program, &frame).unwrap_or_else(|error| panic!("{len} octets: {error:#}"));
                assert_ne!(ran.verdict.fate(), Fate::Forwarded, "{len} octets of noise behind {next} were forwarded");
            }
        }
        plane.punted().unwrap();
    }
}
