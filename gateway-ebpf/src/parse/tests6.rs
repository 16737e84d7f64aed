//! The IPv6 parsers on the host, beyond what the work unit needs.

use gateway_common::Ip6;

use super::ipv6::{self, Kind};
use super::nd;
use super::tests::udp;
use crate::packet::Packet;

/// An IPv6 packet without Ethernet.
fn packet6(next: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x6a, 0xbc, 0xde, 0xf0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, hop_limit]);
    packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    packet.extend(payload);
    packet
}

/// The fixed header; padding behind the packet is not part of it.
#[test]
fn ipv6_fixed_header() {
    let parse = |packet: &[u8]| ipv6::parse(&Packet::in_slice(packet), 0);
    let packet = packet6(17, 64, &[0; 8]);
    let ip = parse(&[packet.clone(), vec![0; 6]].concat()).unwrap();
    assert_eq!((ip.hop_limit, ip.next, ip.total_len), (64, 17, 48));
    assert_eq!(ip.flow.to_ne_bytes(), [0x6a, 0xbc, 0xde, 0xf0]);
    let [source, destination] = ["fe80::ff:fe00:1", "2001:db8::9"].map(|text| text.parse::<core::net::Ipv6Addr>());
    assert_eq!((ip.source, ip.destination), (source.unwrap().into(), destination.unwrap().into()));
    assert_eq!(ipv6::destination(&Packet::in_slice(&packet), 0), Some(ip.destination));
    assert_eq!(parse(&packet[..47]), None);
    assert_eq!(parse(&[&[0x40], &packet[1..]].concat()), None);
}

/// What a packet is, behind extension headers and in fragments.
#[test]
fn ipv6_kinds() {
    let kind = |packet: &[u8]| ipv6::kind(&Packet::in_slice(packet), 0);
    let of = |next, payload: &[u8]| kind(&packet6(next, 64, payload));
    let datagram = |from, to| udp(from, to, &[11, 0, 0, 1]);
    assert_eq!(of(17, &datagram(546, 547)).to_server(), Some(11));
    assert_eq!(of(17, &datagram(9, 547)).to_server(), Some(11));
    assert_eq!(of(17, &datagram(547, 546)), Kind::TO_CLIENT);
    assert_eq!(of(17, &datagram(9, 546)), Kind::TO_CLIENT_PORT);
    assert_eq!(of(17, &datagram(546, 9)), Kind::DATA);
    assert_eq!(of(17, &udp(546, 547, &[1, 2, 3])), Kind::MALFORMED, "no whole message header");
    assert_eq!(of(59, &[]), Kind::DATA);

    let extension = |next: u8, payload: &[u8]| [&[next, 0, 0, 0, 0, 0, 0, 0], payload].concat();
    let fragment = |next: u8, offset: u16, payload: &[u8]| {
        [&[next, 0], &offset.to_be_bytes()[..], &[0, 0, 0, 1], payload].concat()
    };
    assert_eq!(of(60, &extension(17, &datagram(546, 547))).to_server(), Some(11));
    // Whole or not: who puts a message behind a fragment header does not want it to be seen.
    for offset in [0, 1] {
        assert_eq!(of(44, &fragment(17, offset, &datagram(546, 547))), Kind::DHCP_FRAGMENT);
        let hidden = extension(17, &datagram(546, 547));
        assert_eq!(of(44, &fragment(60, offset, &hidden)), Kind::DHCP_FRAGMENT);
        assert_eq!(of(60, &extension(44, &fragment(60, offset, &hidden))), Kind::DHCP_FRAGMENT);
    }
    assert_eq!(of(44, &fragment(17, 1, &datagram(546, 9))), Kind::DATA);
    assert_eq!(of(44, &fragment(17, 8, &datagram(546, 547))), Kind::DATA, "a later one has no ports");
    assert_eq!(of(44, &fragment(60, 1, &[17, 0, 0])), Kind::MALFORMED, "RFC 7112");
    assert_eq!(of(44, &[17, 0, 0]), Kind::MALFORMED);
    let mut to_all = packet6(44, 64, &fragment(17, 8, &[0; 8]));
    to_all[24..40].copy_from_slice(&Ip6::ALL_DHCP.octets());
    assert_eq!(kind(&to_all), Kind::DHCP_FRAGMENT);

    for octet in 133..=137 {
        let message = [octet, 0, 0, 0];
        assert_eq!(kind(&packet6(58, 255, &message)).discovery(), Some((octet, true)));
        assert_eq!(kind(&packet6(60, 255, &extension(58, &message))).discovery(), Some((octet, false)));
        assert_eq!(kind(&packet6(58, 254, &message)), Kind::ICMP);
        assert_eq!(kind(&packet6(44, 255, &fragment(58, 0, &message))), Kind::DATA);
    }
    assert_eq!(kind(&packet6(58, 255, &[128, 0, 0, 0])), Kind::ICMP);
}

/// Solicitations and advertisements: what they say, and what is none.
#[test]
fn neighbours() {
    let parse = |payload: &[u8]| {
        let packet = packet6(58, 255, payload);
        let packet = Packet::in_slice(&packet);
        nd::parse(&packet, 0, &ipv6::parse(&packet, 0)?)
    };
    let with = |kind: u8, options: &[u8]| [&[kind, 0, 0, 0, 0, 0, 0, 0], &[0x20; 16][..], options].concat();
    let target = Ip6::new([0x20; 16]);
    let mac = [2, 0, 0, 0, 0, 9];
    let said = |mac, has_room| Some(nd::Neighbour { target, mac, has_room });
    assert_eq!(parse(&with(135, &[])), said(None, false));
    assert_eq!(parse(&with(135, &[1, 1, 2, 0, 0, 0, 0])), said(None, false), "an option cut short");
    assert_eq!(parse(&with(135, &[1, 1, 2, 0, 0, 0, 0, 9])), said(Some(mac), true));
    assert_eq!(parse(&with(136, &[2, 1, 2, 0, 0, 0, 0, 9])), said(Some(mac), true));
    assert_eq!(parse(&with(136, &[1, 1, 2, 0, 0, 0, 0, 9])), said(None, true), "the source's is not the target's");
    assert_eq!(parse(&with(135, &[14, 2, 2, 0, 0, 0, 0, 9])), said(None, true));
    assert_eq!(parse(&with(135, &[1, 0, 2, 0, 0, 0, 0, 9])), None, "an option of no length");
    assert_eq!(parse(&with(135, &[])[..23]), None);
    assert_eq!(parse(&[&[135, 1], &with(135, &[])[2..]].concat()), None, "a code");
    let group = [&with(135, &[])[..8], &[0xff], &[0x20; 15]].concat();
    assert_eq!(parse(&group), None);
}

/// An advertisement with and without its option, and its checksum, for addresses that carry in every place.
#[test]
fn advertisements() {
    let sum = |octets: &[u8]| {
        let words = octets.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u64 = words.sum();
        (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16))
    };
    for n in 0..=u8::MAX {
        let (target, to) = (
            Ip6::new([n; 16]),
            Ip6::new([n.wrapping_mul(37), 0xff, n, 0xfe, 1, 2, n, n, 0xff, 0xff, 0xff, 0xff, n, 0, 0, n]),
        );
        let mac = [2, n, 0xff, 0, n, 1];
        for with_option in [false, true] {
            let flags = nd::Flags { router: true, solicited: n % 2 == 0, overrides: true };
            let octets: Vec<u8> = nd::advertisement(target, to, mac, flags, with_option)
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect();
            let octets = &octets[..if with_option { 72 } else { 64 }];
            assert_eq!(octets[..8], [0x60, 0, 0, 0, 0, octets.len() as u8 - 40, 58, 255]);
            assert_eq!((&octets[8..24], &octets[24..40]), (&target.octets()[..], &to.octets()[..]));
            assert_eq!(octets[44], if n % 2 == 0 { 0xe0 } else { 0xa0 });
            assert_eq!(octets[48..64], target.octets());
            let pseudo = [0, 0, 0, octets.len() as u8 - 40, 0, 0, 0, 58];
            assert_eq!(sum(&[&octets[8..], &pseudo].concat()), 0xffff, "{n} {with_option}");
            if with_option {
                assert_eq!(octets[64..], [&[2, 1], &mac[..]].concat());
            }
        }
    }
}
