//! The parsers on the host: what they read, and what they refuse.

use gateway_common::Ip4;
use gateway_common::unit;
use gateway_common::vlan::{VlanTag, VlanTags};

use super::ethernet::{self, Frame, IPV4, IPV6};
use super::ipv4::{self, Part};
use super::ipv6::{self, Class};
use super::transport::{self, Ports};
use super::{arp, dhcp};
use crate::classify::{self, Kind};
use crate::packet::Packet;

const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

fn frame(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [&ADDRESSES, head, payload].concat()
}

/// An IPv4 packet of this protocol, flags and offset.
fn packet(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7]);
    packet.extend(payload);
    packet
}

pub(super) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// No tag, one, two; priority bits are dropped, and a third tag is an ethertype like any other.
#[test]
fn tags() {
    let parse = |head: &[u8]| ethernet::parse(&Packet::in_slice(&frame(head, &[])));
    assert_eq!(parse(&[8, 0]), Some(Frame { tags: VlanTags::NONE, ethertype: IPV4, network: 14 }));
    let outer = VlanTag { tpid: 0x8100, vid: 0x123 };
    let one = VlanTags { outer, ..VlanTags::NONE };
    assert_eq!(parse(&[0x81, 0, 0xf1, 0x23, 8, 0]), Some(Frame { tags: one, ethertype: IPV4, network: 18 }));
    let two = VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 1 }, inner: VlanTag { tpid: 0x8100, vid: 0xfff } };
    let double = [0x88, 0xa8, 0, 1, 0x81, 0, 0x0f, 0xff];
    let with = |rest: &[u8]| parse(&[&double, rest].concat());
    assert_eq!(with(&[0x86, 0xdd]), Some(Frame { tags: two, ethertype: IPV6, network: 22 }));
    assert_eq!(with(&[0x81, 0]).unwrap().ethertype, 0x8100u16.to_be());
    assert_eq!(with(&[8]), None, "cut in the inner tag");
    assert_eq!(ethernet::parse(&Packet::in_slice(&ADDRESSES)), None);
}

/// Header length, total length and fragments.
#[test]
fn ipv4_header() {
    let parse = |packet: &[u8]| {
        let frame = frame(&[8, 0], packet);
        let packet = Packet::in_slice(&frame);
        ipv4::parse(&packet, &ethernet::parse(&packet)?)
    };
    let ip = parse(&packet(17, 0, &[0; 8])).unwrap();
    assert_eq!((ip.source, ip.destination), (Ip4::new([10, 0, 0, 1]), Ip4::new([192, 0, 2, 7])));
    assert_eq!((ip.total_len, ip.transport, ip.end, ip.part, ip.options), (28, 34, 42, Part::Whole, false));
    assert_eq!(parse(&packet(17, 0x4000, &[])).unwrap().part, Part::Whole, "don't fragment");
    assert_eq!(parse(&packet(17, 0x2000, &[])).unwrap().part, Part::First);
    assert_eq!(parse(&packet(17, 0x2001, &[])).unwrap().part, Part::Later);
    assert_eq!(parse(&packet(17, 0x0001, &[])).unwrap().part, Part::Later);
    // Padding behind the packet is not part of it.
    assert_eq!(parse(&[packet(17, 0, &[]), vec![0; 26]].concat()).unwrap().end, 34);
    let mangled = |at: usize, octet: u8| {
        let mut packet = packet(17, 0, &[0; 8]);
        packet[at] = octet;
        parse(&packet)
    };
    assert!(mangled(0, 0x46).unwrap().options);
    assert_eq!(mangled(0, 0x44), None);
    assert_eq!(mangled(0, 0x65), None);
    assert_eq!(mangled(0, 0x48), None, "options beyond the total length");
    assert_eq!(mangled(3, 29), None, "longer than the frame");
}

/// Ports, and headers that don't fit their packet.
#[test]
fn ports() {
    let parse = |protocol, octets: &[u8]| transport::parse(&Packet::in_slice(octets), protocol, 0, octets.len());
    let ports = |source, destination| Some(Ports { source, destination });
    assert_eq!(parse(17, &udp(67, 68, &[])), ports(67, 68));
    assert_eq!(parse(17, &udp(67, 68, &[])[..7]), None);
    let mut segment = vec![1, 187, 0, 80];
    segment.resize(20, 0);
    segment[12] = 0x50;
    assert_eq!(parse(6, &segment), ports(443, 80));
    segment[12] = 0x60;
    assert_eq!(parse(6, &segment), None);
    assert_eq!(parse(132, &segment[..12]), ports(443, 80));
    assert_eq!(parse(132, &segment[..11]), None);
    assert_eq!(parse(1, &[]), ports(0, 0));
    // The frame may go on where the packet ends.
    assert_eq!(transport::parse(&Packet::in_slice(&udp(1, 2, &[0; 9])), 17, 0, 16), None);
}

/// DHCP is told by its ports and only when whole; hlen 255 is no message.
#[test]
fn dhcp_kinds() {
    let mut message = [0; 44];
    message[..3].copy_from_slice(&[1, 1, 6]);
    message[12..16].copy_from_slice(&[10, 9, 8, 7]);
    message[28] = 2;
    message[33] = 1;
    let classify = |packet: &[u8]| {
        let frame = frame(&[8, 0], packet);
        let packet = Packet::in_slice(&frame);
        classify::ipv4(&packet, &ethernet::parse(&packet)?, Ip4::UNSPECIFIED, &unit::UnitKey::NONE)
    };
    let whole = |from, to, message: &[u8]| classify(&packet(17, 0, &udp(from, to, message)));
    let up = whole(68, 67, &message).unwrap();
    let Kind::ToServer(dhcp) = up.kind else { panic!("{:?}", up.kind) };
    assert_eq!((dhcp.op, dhcp.client), (dhcp::BOOTREQUEST, Ip4::new([10, 9, 8, 7])));
    assert_eq!(up.unit.index(), 918);
    assert!(matches!(whole(67, 67, &message).unwrap().kind, Kind::ToServer(_)));
    assert!(matches!(whole(67, 68, &message).unwrap().kind, Kind::ToClient(_)));
    let other = whole(68, 68, &message).unwrap();
    assert_eq!((other.kind, other.unit.index()), (Kind::ToClientPort, 137));
    assert_eq!(whole(9, 68, &[]).unwrap().kind, Kind::ToClientPort);
    let data = whole(68, 69, &message).unwrap();
    assert_eq!((data.kind, data.unit.index()), (Kind::Data, 137));
    assert_eq!(whole(68, 67, &message[..43]), None);
    message[2] = 255;
    assert_eq!(whole(68, 67, &message), None);
    assert_eq!(classify(&packet(17, 0x2000, &udp(68, 67, &[]))).unwrap().kind, Kind::DhcpFragment);
    assert_eq!(classify(&packet(17, 0x2000, &udp(9, 68, &[]))).unwrap().kind, Kind::ToClientPort);
    assert_eq!(classify(&packet(6, 0x2000, &udp(9, 68, &[]))).unwrap().kind, Kind::Data);
    assert_eq!(classify(&packet(17, 0x2000, &udp(68, 53, &[]))).unwrap().kind, Kind::Data);
    assert_eq!(classify(&packet(6, 0x2000, &udp(68, 67, &[]))).unwrap().kind, Kind::Data);
}

/// Extension headers are walked up to a bound, and a chain that runs out of the packet is refused.
#[test]
fn ipv6_headers() {
    let classify = |next: u8, payload: &[u8]| {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next, 255]);
        packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1]);
        packet.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
        packet.extend(payload);
        let frame = frame(&[0x86, 0xdd], &packet);
        let packet = Packet::in_slice(&frame);
        ipv6::classify(&packet, &ethernet::parse(&packet)?, &unit::UnitKey::NONE)
    };
    let behind = |headers: usize, last: u8, payload: &[u8]| {
        let extension = |packet: Vec<u8>, next| [vec![next, 0, 0, 0, 0, 0, 0, 0], packet].concat();
        (0..headers).fold(payload.to_vec(), |packet, n| extension(packet, if n == 0 { last } else { 60 }))
    };
    let solicit = udp(546, 547, &[1, 0, 0, 1]);
    let client = Some(Class::Dhcp(unit::Unit::new(642).unwrap()));
    assert_eq!(classify(17, &solicit), client);
    for headers in 1..=5 {
        assert_eq!(classify(60, &behind(headers, 17, &solicit)), client, "{headers} headers");
    }
    assert!(matches!(classify(60, &behind(7, 17, &solicit)), Some(Class::Multicast(_))), "too many to walk");
    assert_eq!(classify(58, &[135, 0, 0, 0]), Some(Class::NeighbourDiscovery));
    assert!(matches!(classify(58, &[143, 0, 0, 0]), Some(Class::Multicast(_))), "MLD");
    assert_eq!(classify(58, &[135]), None);
    assert_eq!(classify(60, &[17, 1, 0, 0, 0, 0, 0, 0]), None, "a header that is longer than the packet");
    // The authentication header counts in units of 4 octets.
    let authentication = [[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec(), solicit].concat();
    assert_eq!(classify(51, &authentication), client);
}

/// ARP for IPv4 over Ethernet, and its answer.
#[test]
fn arp_packets() {
    let request: Vec<u8> = [0, 1, 8, 0, 6, 4, 0, 1].into_iter().chain(1..=20).collect();
    let parse = |octets: &[u8]| {
        let frame = frame(&[8, 6], octets);
        let packet = Packet::in_slice(&frame);
        arp::parse(&packet, &ethernet::parse(&packet)?)
    };
    let arp = parse(&request).unwrap();
    assert_eq!((arp.operation, arp.sender_mac), (arp::REQUEST, [1, 2, 3, 4, 5, 6]));
    assert_eq!((arp.sender, arp.target), (Ip4::new([7, 8, 9, 10]), Ip4::new([17, 18, 19, 20])));
    let answer = arp::answer(&arp, [9; 6]);
    assert_eq!((answer.sha, answer.spa), ([9; 6], [17, 18, 19, 20]));
    assert_eq!((answer.tha, answer.tpa), ([1, 2, 3, 4, 5, 6], [7, 8, 9, 10]));
    assert_eq!(parse(&request[..27]), None);
    for at in 0..6 {
        let mut other = request.clone();
        other[at] ^= 8;
        assert_eq!(parse(&other), None, "octet {at}");
    }
}
