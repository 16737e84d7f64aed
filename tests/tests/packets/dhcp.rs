//! DHCP: what goes to the relay, what a flood costs, what a subscriber may not say.

use std::net::Ipv4Addr;

use gateway_common::bucket::Rate;
use gateway_common::event::EventKind;
use gateway_common::punt::{LARGE_RECORD, PuntReason, SMALL_RECORD};
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::frame::{Ether, IPV4, Ip, bootp, qinq, tag, udp};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, Ran, check};

use crate::world::{self, *};

const NEWCOMER: [u8; 6] = [0x02, 0xdd, 0, 0, 0, 1];

fn message(op: u8, mac: [u8; 6], ciaddr: Ipv4Addr) -> Vec<u8> {
    bootp(op, 6, mac, ciaddr)
}

/// A DISCOVER as a client without an address sends it.
fn discover(mac: [u8; 6], tags: VlanTags) -> Vec<u8> {
    let payload = udp(68, 67, &message(1, mac, Ipv4Addr::UNSPECIFIED));
    let ip = Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    Ether::new(mac, BROADCAST_MAC).tagged(tags).frame(IPV4, &ip.packet(&payload))
}

/// A renewal by unicast.
fn renewal(cpe: Cpe, server: Ipv4Addr) -> Vec<u8> {
    let payload = udp(68, 67, &message(1, cpe.mac(), cpe.address));
    cpe.ether().frame(IPV4, &Ip::new(cpe.address, server).packet(&payload))
}

/// A server's message to `to`.
fn reply(to: Ipv4Addr, port: u16, mac: [u8; 6]) -> Vec<u8> {
    let payload = udp(67, port, &message(2, mac, Ipv4Addr::UNSPECIFIED));
    Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, to).packet(&payload))
}

fn access(plane: &mut Plane, frame: &[u8]) -> Ran {
    plane.run(Program::Access, frame).unwrap()
}

/// A broadcast from a client is consumed, and the relay gets it as it was, with port, tags and the offset of its IP
/// header. BR-1
#[test]
fn client_broadcast() {
    let mut plane = world::new();
    for (tags, offset) in [(VlanTags::NONE, 14), (tag(100), 18), (qinq(200, 7), 22)] {
        let frame = discover(NEWCOMER, tags);
        let before = now();
        let ran = access(&mut plane, &frame);
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::DhcpClient));
        let records = plane.punted().unwrap();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!(record.frame, frame);
        assert_eq!((record.reason, record.header.ifindex), (PuntReason::Client, INGRESS));
        assert_eq!((record.header.tags, record.header.ip_offset), (tags, offset));
        assert_eq!(record.size, SMALL_RECORD);
        assert!((before..=now()).contains(&record.header.time_ns));
    }
}

/// Which DHCP goes where.
#[test]
fn directions() {
    check(&mut world::new(), reset, &directed());
}

pub(crate) fn directed() -> Vec<Case> {
    use Action::{Drop, Pass};
    let none = Ipv4Addr::UNSPECIFIED;
    let rogue = |op, from, to| {
        let payload = udp(from, to, &message(op, PLAIN.mac(), none));
        PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, Ipv4Addr::BROADCAST).packet(&payload))
    };
    let fragment = |to: Ipv4Addr, fragment| {
        let payload = udp(68, 67, &message(1, PLAIN.mac(), none));
        PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, to).fragment(fragment).packet(&payload))
    };
    // From subscriber to subscriber.
    let across = |from, to| {
        let payload = udp(from, to, &message(2, TAGGED.mac(), none));
        PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, TAGGED.address).packet(&payload))
    };
    let across_first = {
        let payload = udp(9, 68, &message(2, TAGGED.mac(), none));
        PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, TAGGED.address).fragment(0x2000).packet(&payload))
    };
    let stranger = {
        let address = Ipv4Addr::new(100, 64, 0, 250);
        let payload = udp(68, 67, &message(1, NEWCOMER, address));
        Ether::new(NEWCOMER, GATEWAY_MAC).frame(IPV4, &Ip::new(address, SERVER).packet(&payload))
    };
    let down_fragment = {
        let payload = udp(67, 67, &message(2, NEWCOMER, none));
        Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, GIADDR).fragment(0x2000).packet(&payload))
    };
    let request = {
        let payload = udp(67, 67, &message(1, NEWCOMER, none));
        Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, GIADDR).packet(&payload))
    };
    let to_client_port = {
        let payload = udp(9, 68, b"not DHCP");
        Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, GIADDR).packet(&payload))
    };
    let case = |name, program, packet, action, verdict| Case {
        name,
        program,
        set_up: |_| Ok(()),
        packet,
        action,
        out: None,
        verdict,
    };
    // What it says, from whom it really is.
    let speaks_of = |chaddr, ciaddr| {
        let payload = udp(68, 67, &message(1, chaddr, ciaddr));
        PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, SERVER).packet(&payload))
    };
    let access = |name, packet, verdict| case(name, Program::Access, packet, Drop, verdict);
    let upstream = |name, packet, action, verdict| case(name, Program::Upstream, packet, action, verdict);
    vec![
        access("broadcast", discover(NEWCOMER, VlanTags::NONE), Verdict::DhcpClient),
        access("unicast to the giaddr", renewal(PLAIN, GIADDR), Verdict::DhcpClient),
        access("a server's op", rogue(2, 68, 67), Verdict::RogueServer),
        access("an op that is none", rogue(9, 68, 67), Verdict::RogueServer),
        access("a server's ports", rogue(2, 67, 68), Verdict::RogueServer),
        access("across from a server's port", across(67, 68), Verdict::RogueServer),
        access("across from another port", across(9, 68), Verdict::RogueServer),
        access("across in fragments", across_first, Verdict::RogueServer),
        access("a first fragment", fragment(Ipv4Addr::BROADCAST, 0x2000), Verdict::DhcpFragment),
        access("a later fragment to everybody", fragment(Ipv4Addr::BROADCAST, 0x0040), Verdict::DhcpFragment),
        access("a first fragment to a server", fragment(SERVER, 0x2000), Verdict::DhcpFragment),
        access("past the relay without a session", stranger, Verdict::NoSession),
        access("past the relay for another address", speaks_of(PLAIN.mac(), TAGGED.address), Verdict::DhcpSpoofed),
        access("past the relay for another client", speaks_of(TAGGED.mac(), PLAIN.address), Verdict::DhcpSpoofed),
        access("past the relay for nobody", speaks_of(PLAIN.mac(), none), Verdict::DhcpSpoofed),
        upstream("a reply to the giaddr", reply(GIADDR, 67, NEWCOMER), Drop, Verdict::DhcpServer),
        upstream("its fragment, for the kernel", down_fragment, Pass, Verdict::PassedLocal),
        upstream("a request to a server here", request, Pass, Verdict::PassedLocal),
        upstream("to a client's port of this host", to_client_port, Pass, Verdict::PassedLocal),
        upstream("a reply to a stranger", reply(HOST, 68, NEWCOMER), Pass, Verdict::PassedOther),
    ]
}

/// SN-11: what other servers say to the DHCP server beside the relay is for that one, replies as well as requests; what they say to
/// the relay stays the relay's.
#[test]
fn servers_among_themselves() {
    let beside = Ipv4Addr::new(192, 0, 2, 1);
    let mut plane = world::new();
    plane.server(beside).unwrap();
    let ran = plane.run(Program::Upstream, &reply(beside, 67, [0; 6])).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedLocal));
    assert!(plane.punted().unwrap().is_empty());
    let ran = plane.run(Program::Upstream, &reply(GIADDR, 67, NEWCOMER)).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::DhcpServer));
    assert_eq!(plane.punted().unwrap().len(), 1);
}

/// A renewal that goes past the relay is forwarded like data, and the relay gets a copy of it and of its answer.
#[test]
fn snooped_renewal() {
    let mut plane = world::new();
    let frame = renewal(TAGGED, SERVER);
    let ran = access(&mut plane, &frame);
    assert_eq!((ran.action, ran.verdict), (Action::Redirect, Verdict::ForwardedUp));
    let records = plane.punted().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].reason, &records[0].frame), (PuntReason::ClientSnoop, &frame));
    assert_eq!(records[0].header.tags, TAGGED.tags);

    let frame = reply(FAR_TAGGED.address, 68, FAR_TAGGED.mac());
    let ran = plane.run(Program::Upstream, &frame).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Redirect, Verdict::ForwardedDown));
    let records = plane.punted().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].reason, &records[0].frame), (PuntReason::ServerSnoop, &frame));
}

/// A long message takes a large record; one that no record holds goes to the relay's socket, or nowhere.
#[test]
fn record_sizes() {
    let mut plane = world::new();
    let sized = |len: usize| {
        let mut payload = message(2, NEWCOMER, Ipv4Addr::UNSPECIFIED);
        payload.resize(len - 42, 0);
        Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, GIADDR).packet(&udp(67, 67, &payload)))
    };
    for (len, size) in [(672, SMALL_RECORD), (673, LARGE_RECORD), (1514, LARGE_RECORD), (2016, LARGE_RECORD)] {
        let frame = sized(len);
        assert_eq!(plane.run(Program::Upstream, &frame).unwrap().verdict, Verdict::DhcpServer, "{len} octets");
        let records = plane.punted().unwrap();
        assert_eq!((records.len(), records[0].size), (1, size), "{len} octets");
        assert_eq!(records[0].frame, frame);
    }
    assert_eq!(plane.run(Program::Upstream, &sized(2017)).unwrap().verdict, Verdict::PassedLocal);

    let mut payload = message(1, NEWCOMER, Ipv4Addr::UNSPECIFIED);
    payload.resize(2017 - 42, 0);
    let ip = Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    let frame = Ether::new(NEWCOMER, BROADCAST_MAC).frame(IPV4, &ip.packet(&udp(68, 67, &payload)));
    assert_eq!(access(&mut plane, &frame).verdict, Verdict::Malformed);
}

/// When nobody reads the ring it fills, and then the frame is dropped as such.
#[test]
fn ring_full() {
    let mut plane = world::new();
    let frame = discover(NEWCOMER, VlanTags::NONE);
    let records = (0..20_000).take_while(|_| access(&mut plane, &frame).verdict == Verdict::DhcpClient).count();
    // 8 MiB of records of 704 octets and 8 of the ring's own.
    assert_eq!(records, (8 << 20) / 712);
    assert_eq!(access(&mut plane, &frame).verdict, Verdict::PuntFull);
    plane.punted().unwrap();
    assert_eq!(access(&mut plane, &frame).verdict, Verdict::DhcpClient);
}

fn limits() -> Settings {
    Settings {
        // So slow that no token comes back during a test.
        subscriber: Rate::new(1, 5).slowed(),
        line: Rate::new(1, 20).slowed(),
        port: Rate::new(1, 100).slowed(),
        event: Rate::new(1, 1).slowed(),
        ..Settings::default()
    }
}

trait Slowed {
    fn slowed(self) -> Self;
}

impl Slowed for Rate {
    /// A thousand times slower.
    fn slowed(self) -> Self {
        Self { interval_ns: self.interval_ns * 1000, tolerance_ns: self.tolerance_ns * 1000 }
    }
}

/// How many of `count` frames the relay gets.
fn admitted(plane: &mut Plane, frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let admitted = frames.filter(|frame| access(plane, frame).verdict == Verdict::DhcpClient).count();
    plane.punted().unwrap();
    admitted
}

/// A flood from one MAC costs that MAC only: its burst passes, and its neighbours on the line and the port log in.
#[test]
fn flood_from_one_mac() {
    let mut plane = world::new();
    plane.settings(limits()).unwrap();
    let flood = discover(NEWCOMER, tag(100));
    assert_eq!(admitted(&mut plane, (0..1000).map(|_| flood.clone())), 5);
    assert_eq!(access(&mut plane, &flood).verdict, Verdict::SubscriberRate);
    // Its own line still has 15 of 20, the port 95 of 100.
    let neighbour = |n| discover([0x02, 0xee, 0, 0, 0, n], tag(100));
    assert_eq!(admitted(&mut plane, (0..100).map(neighbour)), 15);
    let others = |n| discover([0x02, 0xef, 0, 0, 0, n], tag(101 + u16::from(n)));
    assert_eq!(admitted(&mut plane, (0..80).map(others)), 80);
}

/// A flood from ten thousand MACs behind one line is stopped at the line: the port's other lines log in, and whoever
/// has a session on the flooded line renews it.
#[test]
fn flood_from_ten_thousand_macs() {
    let mut plane = world::new();
    plane.settings(limits()).unwrap();
    let mac = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        [0x02, 0xaa, 0, a, b, c]
    };
    let flood = (0..10_000).map(|n| discover(mac(n), TAGGED.tags));
    assert_eq!(admitted(&mut plane, flood), 20);
    assert_eq!(access(&mut plane, &discover(mac(10_001), TAGGED.tags)).verdict, Verdict::LineRate);
    let others = |n| discover([0x02, 0xef, 0, 0, 0, n], tag(300 + u16::from(n)));
    assert_eq!(admitted(&mut plane, (0..80).map(others)), 80);
    assert_eq!(access(&mut plane, &discover([0x02, 0xef, 0, 0, 1, 0], tag(999))).verdict, Verdict::PortRate);

    // Sessions on the flooded line, and on the exhausted port.
    assert_eq!(access(&mut plane, &renewal(TAGGED, GIADDR)).verdict, Verdict::DhcpClient);
    assert_eq!(access(&mut plane, &renewal(DOUBLE, SERVER)).verdict, Verdict::ForwardedUp);
    // A stranger that only claims such an address gains nothing.
    let claim = udp(68, 67, &message(1, NEWCOMER, TAGGED.address));
    let ip = Ip::new(TAGGED.address, GIADDR);
    let claim = Ether::new(NEWCOMER, GATEWAY_MAC).tagged(TAGGED.tags).frame(IPV4, &ip.packet(&claim));
    assert_eq!(access(&mut plane, &claim).verdict, Verdict::LineRate);
}

/// On an untagged port there is no line to tell apart: the port's bucket limits, and sessions still renew.
#[test]
fn untagged_flood() {
    let mut plane = world::new();
    plane.settings(limits()).unwrap();
    let flood = |n: u8| discover([0x02, 0xab, 0, 0, 0, n], VlanTags::NONE);
    assert_eq!(admitted(&mut plane, (0..200).map(flood)), 100);
    assert_eq!(access(&mut plane, &flood(201)).verdict, Verdict::PortRate);
    assert_eq!(access(&mut plane, &renewal(PLAIN, GIADDR)).verdict, Verdict::DhcpClient);
}

/// A drop by a bucket is told once per source, not a thousand times.
#[test]
fn flood_is_told_once() {
    let mut plane = world::new();
    plane.settings(limits()).unwrap();
    let flood = discover(NEWCOMER, tag(100));
    admitted(&mut plane, (0..1000).map(|_| flood.clone()));
    let events = plane.events().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(EventKind::from_u32(events[0].kind), Some(EventKind::RateLimited));
    assert_eq!((events[0].mac, events[0].tags, events[0].ifindex), (NEWCOMER, tag(100), INGRESS));
    assert_eq!(events[0].verdict, Verdict::SubscriberRate as u32);
}

/// Tokens come back with time.
#[test]
fn buckets_refill() {
    let mut plane = world::new();
    plane.settings(Settings { subscriber: Rate::new(50, 1), ..Settings::default() }).unwrap();
    let frame = discover(NEWCOMER, VlanTags::NONE);
    assert_eq!(access(&mut plane, &frame).verdict, Verdict::DhcpClient);
    assert_eq!(access(&mut plane, &frame).verdict, Verdict::SubscriberRate);
    let deadline = now() + 1_000_000_000;
    while access(&mut plane, &frame).verdict != Verdict::DhcpClient {
        assert!(now() < deadline, "no token after a second at 50 per second");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
