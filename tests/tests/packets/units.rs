//! Work units: each kind of packet is dropped when exactly its unit is foreign, and passes when only its unit is ours.

use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::settings::Settings;
use gateway_common::unit::{self, UnitKey, UnitState};
use gateway_common::verdict::{Program, Verdict};
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::Plane;
use gateway_tests::packets::frame::{
    ARP, Ether, IPV4, IPV6, Ip, arp, bootp, extension, ipv6, qinq, sctp, tag, tcp, udp,
};

use crate::world::{self, *};

const CLUSTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

/// The frame, untagged and behind one and two tags, is foreign without its unit and not foreign with it alone.
fn is_of_unit(plane: &mut Plane, unit: u32, ethertype: u16, packet: &[u8]) {
    for tags in [VlanTags::NONE, tag(7), qinq(8, 9)] {
        let frame = Ether::new(PLAIN.mac(), GATEWAY_MAC).tagged(tags).frame(ethertype, packet);
        for program in [Program::Access, Program::Upstream] {
            plane.own_all(UnitState::OWN).unwrap();
            plane.own(unit, UnitState::FOREIGN).unwrap();
            let ran = plane.run(program, &frame).unwrap();
            assert_eq!(ran.verdict, Verdict::Foreign, "unit {unit} is foreign, {tags:?}, {program:?}");
            plane.own_all(UnitState::FOREIGN).unwrap();
            plane.own(unit, UnitState::OWN).unwrap();
            let ran = plane.run(program, &frame).unwrap();
            assert_ne!(ran.verdict, Verdict::Foreign, "unit {unit} alone is ours, {tags:?}, {program:?}");
        }
    }
}

/// The vectors of V-10, computed by the programs in the kernel. CL-51, CL-52, CL-53, CL-54, CL-55, CL-58, CL-59,
/// CL-60, H-CL-15 (the first fragment, which has ports, and those behind it are of one unit), H-CL-16 (a client's DHCP is of
/// its unit in both directions, whatever relay is between), H-CL-18
#[test]
fn vectors() {
    let mut plane = world::new();
    plane.settings(Settings { cluster_address: CLUSTER.into(), ..Settings::default() }).unwrap();
    let inside = Ipv4Addr::new(10, 0, 0, 1);
    let outside = Ipv4Addr::new(192, 0, 2, 7);
    let datagram = udp(1, 2, b"");
    is_of_unit(&mut plane, 137, IPV4, &Ip::new(inside, outside).packet(&datagram));
    is_of_unit(&mut plane, 137, IPV4, &Ip::new(outside, inside).packet(&datagram));
    is_of_unit(&mut plane, 137, IPV4, &Ip::new(outside, inside).options(&[1; 12]).packet(&datagram));
    // To the cluster address: by source and port, whatever the protocol that has ports.
    let to_cluster = Ip::new(PEER, CLUSTER);
    is_of_unit(&mut plane, 698, IPV4, &to_cluster.clone().protocol(6).packet(&tcp(443, 80, b"")));
    is_of_unit(&mut plane, 698, IPV4, &to_cluster.clone().protocol(132).packet(&sctp(443, 80)));
    is_of_unit(&mut plane, 457, IPV4, &to_cluster.clone().packet(&udp(67, 9, b"")));
    // A protocol without ports, and fragments, by both addresses.
    is_of_unit(&mut plane, 658, IPV4, &to_cluster.clone().protocol(1).packet(&[8, 0, 0, 0, 0, 0, 0, 0]));
    is_of_unit(&mut plane, 658, IPV4, &to_cluster.clone().fragment(0x2000).packet(&datagram));
    is_of_unit(&mut plane, 658, IPV4, &to_cluster.fragment(9).packet(&datagram));
    // DHCPv4 by chaddr in both directions.
    let mac = [2, 0, 0, 0, 0, 1];
    let request = udp(68, 67, &bootp(1, 6, mac, Ipv4Addr::UNSPECIFIED));
    is_of_unit(&mut plane, 918, IPV4, &Ip::new(Ipv4Addr::UNSPECIFIED, GIADDR).packet(&request));
    is_of_unit(&mut plane, 918, IPV4, &Ip::new(PEER, GIADDR).packet(&udp(67, 67, &bootp(2, 6, mac, inside))));
    is_of_unit(&mut plane, 918, IPV4, &Ip::new(PEER, inside).packet(&udp(67, 68, &bootp(2, 6, mac, inside))));
}

/// H-CL-17: with a key, the programs and everybody else agree on other units than those that anybody can calculate; both
/// directions are of one unit all the same.
#[test]
fn with_a_key() {
    let mut plane = world::new();
    let key = UnitKey::new(*b"0123456789abcdef");
    plane.settings(Settings { cluster_address: CLUSTER.into(), unit_key: key, ..Settings::default() }).unwrap();
    let (inside, outside) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 7));
    let number = u32::from;
    let forwarded = unit::forwarded_v4(&key, number(inside), number(outside)).index();
    assert_ne!(forwarded, 137);
    let datagram = udp(1, 2, b"");
    is_of_unit(&mut plane, forwarded, IPV4, &Ip::new(inside, outside).packet(&datagram));
    is_of_unit(&mut plane, forwarded, IPV4, &Ip::new(outside, inside).packet(&datagram));
    is_of_unit(&mut plane, forwarded, IPV4, &Ip::new(outside, inside).fragment(9).packet(&datagram));
    let local = unit::local(&key, number(PEER), 443).index();
    is_of_unit(&mut plane, local, IPV4, &Ip::new(PEER, CLUSTER).protocol(6).packet(&tcp(443, 80, b"")));
    let mac = [2, 0, 0, 0, 0, 1];
    let client = unit::dhcp4(&key, [0x0200_0000, 0x0001_0000, 0, 0], 6).index();
    assert_ne!(client, 918);
    let request = udp(68, 67, &bootp(1, 6, mac, Ipv4Addr::UNSPECIFIED));
    is_of_unit(&mut plane, client, IPV4, &Ip::new(Ipv4Addr::UNSPECIFIED, GIADDR).packet(&request));
    is_of_unit(&mut plane, client, IPV4, &Ip::new(PEER, inside).packet(&udp(67, 68, &bootp(2, 6, mac, inside))));

    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let (a, b, link_local) = (address("2001:db8::1"), address("2001:db8:ffff::2"), address("fe80::ff:fe00:1"));
    let words = |address: Ipv6Addr| unit::words(address.octets());
    let forwarded = unit::forwarded_v6(&key, words(a), words(b)).index();
    is_of_unit(&mut plane, forwarded, IPV6, &ipv6(17, 64, a, b, &datagram));
    is_of_unit(&mut plane, forwarded, IPV6, &ipv6(0, 64, b, a, &extension(60, 0, &extension(17, 3, &datagram))));
    let client = unit::dhcp6(&key, words(link_local)).index();
    let solicit = udp(546, 547, &[1, 0, 0, 1]);
    is_of_unit(&mut plane, client, IPV6, &ipv6(17, 1, link_local, address("ff02::1:2"), &solicit));
}

/// IPv6: forwarded by both addresses, DHCPv6 by the client's link-local address, extension headers or not.
#[test]
fn vectors_v6() {
    let mut plane = world::new();
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let (a, b) = (address("2001:db8::1"), address("2001:db8:ffff::2"));
    let datagram = udp(1, 2, b"");
    is_of_unit(&mut plane, 54, IPV6, &ipv6(17, 64, a, b, &datagram));
    is_of_unit(&mut plane, 54, IPV6, &ipv6(17, 64, b, a, &datagram));
    is_of_unit(&mut plane, 54, IPV6, &ipv6(0, 64, a, b, &extension(60, 0, &extension(17, 3, &datagram))));
    // A fragment of what could be DHCPv6 is hashed like any.
    is_of_unit(&mut plane, 54, IPV6, &ipv6(44, 64, a, b, &extension(17, 0, &udp(546, 547, b"fragment"))));

    let client = address("fe80::ff:fe00:1");
    let servers = address("ff02::1:2");
    let solicit = udp(546, 547, &[1, 0, 0, 1]);
    is_of_unit(&mut plane, 642, IPV6, &ipv6(17, 1, client, servers, &solicit));
    is_of_unit(&mut plane, 642, IPV6, &ipv6(60, 1, client, servers, &extension(17, 0, &solicit)));
    is_of_unit(&mut plane, 642, IPV6, &ipv6(17, 64, a, client, &udp(547, 546, &[7, 0, 0, 1])));
    // A Relay-reply carries the client's address as its peer address.
    let mut reply = vec![13, 0];
    reply.extend(b.octets());
    reply.extend(client.octets());
    is_of_unit(&mut plane, 642, IPV6, &ipv6(17, 64, a, b, &udp(547, 547, &reply)));
}

/// What belongs to no unit is never foreign: ARP, neighbour discovery, and upstream what is for everybody or for this
/// member alone. CL-57
#[test]
fn everybodys() {
    let mut plane = world::new();
    plane.own_all(UnitState::FOREIGN).unwrap();
    let verdict = |plane: &mut Plane, program, ethertype, packet: &[u8]| {
        plane.run(program, &PLAIN.ether().frame(ethertype, packet)).unwrap().verdict
    };
    let arp = arp(1, (PLAIN.mac(), PLAIN.address), ([0; 6], GIADDR));
    let [local, group]: [Ipv6Addr; 2] = ["fe80::1", "ff02::1:ff00:2"].map(|address| address.parse().unwrap());
    let solicitation = [[135u8, 0, 0, 0].as_slice(), &[0; 20]].concat();
    let nd = ipv6(58, 255, local, group, &solicitation);
    for program in [Program::Access, Program::Upstream] {
        assert_eq!(verdict(&mut plane, program, ARP, &arp), Verdict::PassedArp);
        assert_eq!(verdict(&mut plane, program, IPV6, &nd), Verdict::PassedNd);
    }
    let routed = ipv6(58, 64, local, group, &solicitation);
    assert_eq!(
        verdict(&mut plane, Program::Access, IPV6, &routed),
        Verdict::Foreign,
        "discovery never has crossed a router"
    );

    let group4 = Ip::new(PEER, [239, 255, 67, 67]).packet(&udp(16067, 16067, b"join"));
    assert_eq!(verdict(&mut plane, Program::Upstream, IPV4, &group4), Verdict::PassedOther);
    let own = Ip::new(PEER, GIADDR).packet(&udp(1, 2, b""));
    assert_eq!(verdict(&mut plane, Program::Upstream, IPV4, &own), Verdict::Foreign);
    let filter = Settings::local_bit(GIADDR.into());
    plane.settings(Settings { local_filter: filter, ..Settings::default() }).unwrap();
    assert_eq!(verdict(&mut plane, Program::Upstream, IPV4, &own), Verdict::PassedLocal);
    assert_eq!(verdict(&mut plane, Program::Access, IPV4, &own), Verdict::Foreign);
}

/// An own IPv6 address is this member's alone, whatever the unit of who speaks to it. CL-57
#[test]
fn own_addresses6() {
    let mut plane = crate::world6::new();
    plane.own_all(UnitState::FOREIGN).unwrap();
    let [own, other, peer]: [Ipv6Addr; 3] =
        ["2001:db8:0:67::1", "2001:db8:0:67::2", "2001:db8:ffff::9"].map(|address| address.parse().unwrap());
    let verdict = |plane: &mut Plane, program, to: Ipv6Addr| {
        let packet = ipv6(17, 64, peer, to, &udp(1, 2, b""));
        plane.run(program, &PLAIN.ether().frame(IPV6, &packet)).unwrap().verdict
    };
    assert_eq!(verdict(&mut plane, Program::Upstream, own), Verdict::Foreign);
    let filter = Settings::local_bit6(own.into()) | Settings::local_bit6(other.into());
    plane.settings(Settings { local_filter6: filter, ..crate::world6::served() }).unwrap();
    assert_eq!(verdict(&mut plane, Program::Upstream, own), Verdict::PassedLocal);
    assert_eq!(verdict(&mut plane, Program::Upstream, other), Verdict::Foreign, "the filter is not the table");
    assert_eq!(verdict(&mut plane, Program::Access, own), Verdict::Foreign);
    plane.shared6(own).unwrap();
    assert_eq!(verdict(&mut plane, Program::Upstream, own), Verdict::Foreign, "shared by all members");
}

/// While IPv6 is not served it is dropped on an access port, and the kernel's on an upstream port.
#[test]
fn ipv6_is_not_served() {
    let mut plane = world::new();
    let [a, b]: [Ipv6Addr; 2] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse().unwrap());
    for packet in [ipv6(17, 64, a, b, &udp(1, 2, b"")), ipv6(17, 1, a, b, &udp(546, 547, &[1, 0, 0, 1]))] {
        let frame = PLAIN.ether().frame(IPV6, &packet);
        assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Ipv6Unserved);
        assert_eq!(plane.run(Program::Upstream, &frame).unwrap().verdict, Verdict::PassedOther);
    }
    // Seven extension headers are more than are walked.
    let many = (0..7).fold(udp(1, 2, b""), |packet, n| extension(if n == 0 { 17 } else { 60 }, 0, &packet));
    let frame = PLAIN.ether().frame(IPV6, &ipv6(60, 64, a, b, &many));
    assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Malformed);
}
