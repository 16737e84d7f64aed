//! DHCPv6: what goes to the relay, what a flood costs, what a subscriber may not say.

use std::net::Ipv6Addr;

use gateway_common::bucket::Rate;
use gateway_common::event::EventKind;
use gateway_common::punt::{LARGE_RECORD, MAX_FRAME, PuntReason, SMALL_RECORD};
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::frame::{Ether, IPV6, extension, fragment6, ipv6, qinq, tag, udp};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, check};

use crate::world::*;
use crate::world6::{self, *};

const NEWCOMER: [u8; 6] = [0x02, 0xdd, 0, 0, 0, 1];
const ALL_DHCP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xdd, 0, 1);

// Message types (RFC 8415, section 7.3; RFC 5007), and that of a Release-request.
const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const REPLY: u8 = 7;
const RELEASE: u8 = 8;
const RECONFIGURE: u8 = 10;
const INFORMATION_REQUEST: u8 = 11;
const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
const LEASEQUERY: u8 = 14;
const LEASEQUERY_REPLY: u8 = 15;
const RELEASE_REQUEST: u8 = 240;

fn message(kind: u8, octets: usize) -> Vec<u8> {
    let mut message = vec![kind, 1, 2, 3];
    // Option 6 of as many octets as there is room for.
    let rest = octets - 8;
    message.extend([0, 6, (rest >> 8) as u8, rest as u8]);
    message.resize(octets, 0);
    message
}

/// To the relay, by multicast.
fn to_relay(kind: u8, mac: [u8; 6], tags: VlanTags) -> Vec<u8> {
    let packet = ipv6(17, 1, LOCAL, ALL_DHCP, &udp(546, 547, &message(kind, 60)));
    Ether::new(mac, [0x33, 0x33, 0, 1, 0, 2]).tagged(tags).frame(IPV6, &packet)
}

/// Past the relay.
fn to_server(cpe: Cpe, from: Ipv6Addr, kind: u8) -> Vec<u8> {
    cpe.ether().frame(IPV6, &ipv6(17, 64, from, SERVER6, &udp(546, 547, &message(kind, 60))))
}

fn from_server(to: Ipv6Addr, port: u16, kind: u8) -> Vec<u8> {
    let packet = ipv6(17, 64, SERVER6, to, &udp(547, port, &message(kind, 60)));
    Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &packet)
}

/// A client's multicast is consumed, and the relay gets it as it was, with port, tags and the offset of its IP header.
#[test]
fn client_multicast() {
    let mut plane = world6::new();
    for (tags, offset) in [(VlanTags::NONE, 14), (tag(100), 18), (qinq(200, 7), 22)] {
        let frame = to_relay(SOLICIT, NEWCOMER, tags);
        let before = now();
        let ran = plane.run(Program::Access, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::Dhcp6Client));
        let records = plane.punted().unwrap();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!(record.frame, frame);
        assert_eq!((record.reason, record.header.ifindex), (PuntReason::Client6, INGRESS));
        assert_eq!((record.header.tags, record.header.ip_offset), (tags, offset));
        assert_eq!(record.size, SMALL_RECORD);
        assert!((before..=now()).contains(&record.header.time_ns));
    }
}

/// Which DHCPv6 goes where. RR-41, H-RR-8
#[test]
fn directions() {
    check(&mut world6::new(), reset6, &directed());
}

pub(crate) fn directed() -> Vec<Case> {
    use Action::{Drop, Pass};
    let case = |name, program, packet, action, verdict| Case {
        name,
        program,
        set_up: |_| Ok(()),
        packet,
        action,
        out: None,
        verdict,
    };
    let access = |name, packet, verdict| case(name, Program::Access, packet, Drop, verdict);
    let upstream = |name, packet, action, verdict| case(name, Program::Upstream, packet, action, verdict);
    let multicast = |kind| to_relay(kind, PLAIN.mac(), VlanTags::NONE);
    let client =
        |from: Ipv6Addr, to: Ipv6Addr, datagram: Vec<u8>| PLAIN.ether().frame(IPV6, &ipv6(17, 64, from, to, &datagram));
    let solicit = udp(546, 547, &message(SOLICIT, 60));
    let fragment = |to: Ipv6Addr, offset: u16| {
        let payload = fragment6(17, offset, true, &solicit);
        PLAIN.ether().frame(IPV6, &ipv6(44, 64, PLAIN.address6(), to, &payload))
    };
    let wrapped = PLAIN.ether().frame(IPV6, &ipv6(60, 64, LOCAL, ALL_DHCP, &extension(17, 1, &solicit)));
    // Destination options between the fragment header and UDP hide neither of them.
    let hidden = fragment6(60, 0, true, &extension(17, 0, &udp(546, 547, &message(RELEASE_REQUEST, 60))));
    let hidden = PLAIN.ether().frame(IPV6, &ipv6(44, 64, PLAIN.address6(), SERVER6, &hidden));
    let without_ports =
        PLAIN.ether().frame(IPV6, &ipv6(44, 64, PLAIN.address6(), SERVER6, &fragment6(60, 0, true, &[17, 1])));
    vec![
        access("solicit", multicast(SOLICIT), Verdict::Dhcp6Client),
        access("rebind", multicast(REBIND), Verdict::Dhcp6Client),
        access("information-request", multicast(INFORMATION_REQUEST), Verdict::Dhcp6Client),
        access("behind an extension header", wrapped, Verdict::Dhcp6Client),
        access("a relay below, whose trust the relay judges", multicast(RELAY_FORWARD), Verdict::Dhcp6Client),
        access("a release-request, which the relay drops", multicast(RELEASE_REQUEST), Verdict::Dhcp6Client),
        access("to all servers of the site", client(LOCAL, ALL_SERVERS, solicit.clone()), Verdict::Dhcp6Client),
        access("to the relay by unicast", client(PLAIN.address6(), RELAY, solicit.clone()), Verdict::Dhcp6Client),
        access("to its link-local", client(LOCAL, LINK_LOCAL, solicit.clone()), Verdict::Dhcp6Client),
        access("an advertise", multicast(ADVERTISE), Verdict::RogueServer),
        access("a reply", multicast(REPLY), Verdict::RogueServer),
        access("a reconfigure", multicast(RECONFIGURE), Verdict::RogueServer),
        access("a relay-reply", multicast(RELAY_REPLY), Verdict::RogueServer),
        access("a leasequery-reply", multicast(LEASEQUERY_REPLY), Verdict::RogueServer),
        access(
            "a server's ports",
            client(LOCAL, FAR.link_local(), udp(547, 546, &message(REPLY, 60))),
            Verdict::RogueServer,
        ),
        access(
            "to a client's port",
            client(PLAIN.address6(), FAR.address6(), udp(9, 546, &message(REPLY, 60))),
            Verdict::RogueServer,
        ),
        access("renew past the relay without a session", to_server(PLAIN, LOCAL, RENEW), Verdict::LinkLocal),
        access("renew past the relay as another", to_server(PLAIN, TAGGED.address6(), RENEW), Verdict::WrongVlan),
        access(
            "release-request past the relay",
            to_server(PLAIN, PLAIN.address6(), RELEASE_REQUEST),
            Verdict::DhcpSpoofed,
        ),
        access("relay-forward past the relay", to_server(PLAIN, PLAIN.inside(), RELAY_FORWARD), Verdict::DhcpSpoofed),
        access("leasequery past the relay", to_server(PLAIN, PLAIN.address6(), LEASEQUERY), Verdict::DhcpSpoofed),
        access("solicit past the relay", to_server(PLAIN, PLAIN.address6(), SOLICIT), Verdict::DhcpSpoofed),
        access(
            "to another's link-local",
            client(LOCAL, FAR.link_local(), udp(546, 547, &message(RENEW, 60))),
            Verdict::LinkLocal,
        ),
        access("a first fragment", fragment(ALL_DHCP, 0), Verdict::DhcpFragment),
        access("a later fragment to everybody", fragment(ALL_DHCP, 64), Verdict::DhcpFragment),
        access("a first fragment to a server", fragment(SERVER6, 0), Verdict::DhcpFragment),
        access("its ports behind options", hidden, Verdict::DhcpFragment),
        access("a first fragment that ends before them", without_ports, Verdict::Malformed),
        access("no message", client(LOCAL, ALL_DHCP, udp(546, 547, &[1, 2])), Verdict::Malformed),
        Case {
            set_up: |plane| plane.settings(Settings::default()),
            ..access("while IPv6 is not served", multicast(SOLICIT), Verdict::Ipv6Unserved)
        },
        Case {
            set_up: |plane| plane.member(INGRESS, 2, PLAIN.mac()),
            ..access("another member's server", multicast(REPLY), Verdict::Foreign)
        },
        Case {
            set_up: |plane| {
                let _ = plane.forget_member(INGRESS, 2, PLAIN.mac());
                plane.forget_port(INGRESS)
            },
            ..access("an unknown port", multicast(SOLICIT), Verdict::UnknownPort)
        },
        upstream("a relay-reply", from_server(RELAY, 547, RELAY_REPLY), Drop, Verdict::Dhcp6Server),
        upstream("a leasequery-reply", from_server(RELAY, 547, LEASEQUERY_REPLY), Drop, Verdict::Dhcp6Server),
        upstream("for a server on this host", from_server(RELAY, 547, RELAY_FORWARD), Pass, Verdict::PassedLocal),
        upstream("for another relay", from_server(HOST6, 547, RELAY_REPLY), Pass, Verdict::PassedOther),
        upstream("to all", from_server(ALL_DHCP, 547, RELAY_REPLY), Pass, Verdict::PassedOther),
        upstream("to a client's port on this host", from_server(RELAY, 546, REPLY), Pass, Verdict::PassedLocal),
        Case {
            set_up: |plane| plane.settings(Settings::default()),
            ..upstream("upstream, not served", from_server(RELAY, 547, RELAY_REPLY), Pass, Verdict::PassedOther)
        },
    ]
}

/// What a client says to a server by unicast is the relay's, too, when it comes from an address that the client holds.
/// What a server tells a client is forwarded.
#[test]
fn past_the_relay() {
    let mut plane = world6::new();
    for (cpe, from, kind) in
        [(PLAIN, PLAIN.address6(), RENEW), (TAGGED, TAGGED.inside(), RELEASE), (DOUBLE, DOUBLE.address6(), REQUEST)]
    {
        let frame = to_server(cpe, from, kind);
        let ran = plane.run(Program::Access, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::Dhcp6Client));
        let records = plane.punted().unwrap();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!((record.reason, &record.frame), (PuntReason::Client6, &frame), "as it came in");
    }
    for to in [FAR.address6(), FAR_TAGGED.inside()] {
        let frame = from_server(to, 546, RECONFIGURE);
        let ran = plane.run(Program::Upstream, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Redirect, Verdict::ForwardedDown));
        assert_eq!(plane.punted().unwrap().len(), 0);
    }
}

/// The relay gets a server's message with the frame around it.
#[test]
fn server_message() {
    let mut plane = world6::new();
    let frame = from_server(RELAY, 547, RELAY_REPLY);
    plane.run(Program::Upstream, &frame).unwrap();
    let records = plane.punted().unwrap();
    let [record] = &records[..] else { panic!("{} records", records.len()) };
    assert_eq!((record.reason, &record.frame), (PuntReason::Server6, &frame));
}

/// Small and large records, and what no record takes: nothing from a client, and from a server what its socket takes.
#[test]
fn record_sizes() {
    let mut plane = world6::new();
    let headers = 14 + 40 + 8;
    for (octets, size) in
        [(SMALL_RECORD - 32, SMALL_RECORD), (SMALL_RECORD - 31, LARGE_RECORD), (MAX_FRAME, LARGE_RECORD)]
    {
        let datagram = udp(546, 547, &message(SOLICIT, octets - headers));
        let frame = PLAIN.ether().frame(IPV6, &ipv6(17, 1, LOCAL, ALL_DHCP, &datagram));
        assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Dhcp6Client);
        let records = plane.punted().unwrap();
        assert_eq!((records[0].size, &records[0].frame), (size, &frame));
    }
    let datagram = udp(546, 547, &message(SOLICIT, MAX_FRAME + 1 - headers));
    let frame = PLAIN.ether().frame(IPV6, &ipv6(17, 1, LOCAL, ALL_DHCP, &datagram));
    assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Malformed);
    let datagram = udp(547, 547, &message(RELAY_REPLY, MAX_FRAME + 1 - headers));
    let frame = Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &ipv6(17, 64, SERVER6, RELAY, &datagram));
    let ran = plane.run(Program::Upstream, &frame).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedLocal));
}

/// A flood costs its sender, its line and its port, in this order; DHCPv4 and DHCPv6 of one subscriber are one; and who
/// speaks from an address it holds does not depend on its neighbours.
#[test]
fn floods() {
    let mut plane = world6::new();
    let run = |plane: &mut Plane, frame: &[u8]| plane.run(Program::Access, frame).unwrap().verdict;
    let slow = Rate::new(1, 1);
    plane.settings(Settings { subscriber: slow, ..served() }).unwrap();
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, NEWCOMER, tag(7))), Verdict::Dhcp6Client);
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, NEWCOMER, tag(7))), Verdict::SubscriberRate);
    let events = plane.events().unwrap();
    assert_eq!(EventKind::from_u32(events[0].kind), Some(EventKind::RateLimited));
    assert_eq!((events[0].address6, events[0].mac), (LOCAL.into(), NEWCOMER));
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, NEWCOMER, tag(8))), Verdict::Dhcp6Client, "on another line");

    plane.settings(Settings { line: slow, ..served() }).unwrap();
    let other = |n: u8| [0x02, 0xdd, 0, 0, 1, n];
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, other(1), tag(9))), Verdict::Dhcp6Client);
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, other(2), tag(9))), Verdict::LineRate);

    plane.settings(Settings { port: slow, ..served() }).unwrap();
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, other(3), tag(10))), Verdict::Dhcp6Client);
    assert_eq!(run(&mut plane, &to_relay(SOLICIT, other(4), tag(11))), Verdict::PortRate);
    assert_eq!(run(&mut plane, &to_server(TAGGED, TAGGED.address6(), RENEW)), Verdict::Dhcp6Client);
    assert_eq!(run(&mut plane, &to_server(TAGGED, TAGGED.link_local(), RENEW)), Verdict::PortRate);
}
