//! Subscriber data: who may send, where it goes, and what it looks like when it leaves.

use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::frame::{Ether, IPV4, Ip, sctp, tag, tcp, udp};
use gateway_tests::packets::{Action, Case, INGRESS, check};

use crate::world::{self, *};

fn up(cpe: Cpe, ip: &Ip, payload: &[u8]) -> Vec<u8> {
    cpe.ether().frame(IPV4, &ip.packet(payload))
}

fn from(cpe: Cpe) -> Ip {
    Ip::new(cpe.address, HOST)
}

/// The frame as the router gets it: its MAC, no tags, one hop less.
fn at_router(ip: Ip, payload: &[u8]) -> Option<Vec<u8>> {
    Some(Ether::new(CORE_MAC, ROUTER_MAC).frame(IPV4, &Ip { ttl: ip.ttl - 1, ..ip }.packet(payload)))
}

/// The frame as a subscriber gets it.
fn at(cpe: Cpe, port: [u8; 6], ip: Ip, payload: &[u8]) -> Option<Vec<u8>> {
    let ether = Ether::new(port, cpe.mac()).tagged(cpe.tags);
    Some(ether.frame(IPV4, &Ip { ttl: ip.ttl - 1, ..ip }.packet(payload)))
}

fn access(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { name, program: Program::Access, set_up: |_| Ok(()), packet, action, out, verdict }
}

fn upstream(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { program: Program::Upstream, ..access(name, packet, action, out, verdict) }
}

/// Up: tags popped, MACs of the next hop, one hop less, checksum mended.
#[test]
fn up_to_the_router() {
    check(&mut world::new(), reset, &going_up());
}

pub(crate) fn going_up() -> Vec<Case> {
    use Action::Redirect;
    use Verdict::ForwardedUp;
    let datagram = udp(4000, 53, b"question");
    let segment = tcp(4000, 443, b"hello");
    let chunk = sctp(4000, 2905);
    let echo = [8, 0, 0, 0, 0, 1, 0, 1];
    vec![
        access(
            "untagged UDP",
            up(PLAIN, &from(PLAIN), &datagram),
            Redirect,
            at_router(from(PLAIN), &datagram),
            ForwardedUp,
        ),
        access(
            "one tag",
            up(TAGGED, &from(TAGGED), &datagram),
            Redirect,
            at_router(from(TAGGED), &datagram),
            ForwardedUp,
        ),
        access(
            "two tags",
            up(DOUBLE, &from(DOUBLE), &datagram),
            Redirect,
            at_router(from(DOUBLE), &datagram),
            ForwardedUp,
        ),
        access(
            "TCP",
            up(PLAIN, &from(PLAIN).protocol(6), &segment),
            Redirect,
            at_router(from(PLAIN).protocol(6), &segment),
            ForwardedUp,
        ),
        access(
            "SCTP",
            up(PLAIN, &from(PLAIN).protocol(132), &chunk),
            Redirect,
            at_router(from(PLAIN).protocol(132), &chunk),
            ForwardedUp,
        ),
        access(
            "ICMP",
            up(PLAIN, &from(PLAIN).protocol(1), &echo),
            Redirect,
            at_router(from(PLAIN).protocol(1), &echo),
            ForwardedUp,
        ),
        access(
            "a first fragment",
            up(PLAIN, &from(PLAIN).fragment(0x2000), &datagram),
            Redirect,
            at_router(from(PLAIN).fragment(0x2000), &datagram),
            ForwardedUp,
        ),
        access(
            "a later fragment, which has no ports",
            up(PLAIN, &from(PLAIN).fragment(7), b"x"),
            Redirect,
            at_router(from(PLAIN).fragment(7), b"x"),
            ForwardedUp,
        ),
        access(
            "a TTL of 2 leaves as 1",
            up(PLAIN, &from(PLAIN).ttl(2), &datagram),
            Redirect,
            at_router(from(PLAIN).ttl(2), &datagram),
            ForwardedUp,
        ),
    ]
}

/// Priority bits are not part of who a subscriber is.
#[test]
fn priority_bits() {
    check(&mut world::new(), reset, &with_priority());
}

pub(crate) fn with_priority() -> Vec<Case> {
    let mut packet = up(TAGGED, &from(TAGGED), &udp(1, 2, b""));
    packet[14] |= 0xe0;
    let out = at_router(from(TAGGED), &udp(1, 2, b""));
    vec![access("PCP 7", packet, Action::Redirect, out, Verdict::ForwardedUp)]
}

/// What the fast path leaves to the kernel; it goes without its tags.
#[test]
fn slow_path() {
    check(&mut world::new(), reset, &left_to_the_kernel());
}

pub(crate) fn left_to_the_kernel() -> Vec<Case> {
    use Action::Pass;
    use Verdict::PassedSlow;
    let datagram = udp(4000, 53, b"question");
    let untagged =
        |ip: Ip, payload: &[u8]| Some(Ether::new(TAGGED.mac(), GATEWAY_MAC).frame(IPV4, &ip.packet(payload)));
    let nobody = Ip::new(TAGGED.address, NOBODY);
    let options = from(PLAIN).options(&[7, 4, 0, 0]);
    let large = vec![0; 1500];
    vec![
        access("TTL 1", up(PLAIN, &from(PLAIN).ttl(1), &datagram), Pass, None, PassedSlow),
        access("TTL 0", up(PLAIN, &from(PLAIN).ttl(0), &datagram), Pass, None, PassedSlow),
        access("options", up(PLAIN, &options, &datagram), Pass, None, PassedSlow),
        access("no neighbour yet", up(TAGGED, &nobody, &datagram), Pass, untagged(nobody, &datagram), PassedSlow),
        access("too large for the path", up(PLAIN, &from(PLAIN), &udp(1, 2, &large)), Pass, None, PassedSlow),
        Case {
            // What was known of the port is forgotten after a tick.
            set_up: |plane| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                plane.port(CORE, access_port(CORE_MAC), true)
            },
            ..access("an access port without a route", up(PLAIN, &from(PLAIN), &datagram), Pass, None, PassedSlow)
        },
        access(
            "a port that is no device",
            up(PLAIN, &Ip::new(PLAIN.address, UNREACHABLE.address), &datagram),
            Pass,
            None,
            PassedSlow,
        ),
        access(
            "options to another subscriber",
            up(PLAIN, &Ip::new(PLAIN.address, FAR.address).options(&[1; 4]), &datagram),
            Pass,
            None,
            PassedSlow,
        ),
        Case {
            set_up: |plane| plane.port(FPC1, gateway_common::port::Port { mtu: 40, ..access_port(FPC1_MAC) }, true),
            ..upstream(
                "too large for the port",
                up(PLAIN, &Ip::new(HOST, FAR.address), &udp(1, 2, &[0; 40])),
                Pass,
                None,
                PassedSlow,
            )
        },
        upstream("down with TTL 1", up(PLAIN, &Ip::new(HOST, FAR.address).ttl(1), &datagram), Pass, None, PassedSlow),
    ]
}

/// From one subscriber to another: tags popped and pushed in every combination.
#[test]
fn across() {
    check(&mut world::new(), reset, &going_across());
}

pub(crate) fn going_across() -> Vec<Case> {
    use Action::Redirect;
    use Verdict::ForwardedAcross;
    let datagram = udp(5000, 5001, b"neighbour");
    let case = |name, from: Cpe, to: Cpe| {
        let ip = Ip::new(from.address, to.address);
        let out = at(to, FPC1_MAC, ip.clone(), &datagram);
        access(name, up(from, &ip, &datagram), Redirect, out, ForwardedAcross)
    };
    vec![
        case("0 tags to 0", PLAIN, FAR),
        case("0 tags to 1", PLAIN, FAR_TAGGED),
        case("0 tags to 2", PLAIN, FAR_DOUBLE),
        case("1 tag to 0", TAGGED, FAR),
        case("1 tag to 1", TAGGED, FAR_TAGGED),
        case("1 tag to 2", TAGGED, FAR_DOUBLE),
        case("2 tags to 0", DOUBLE, FAR),
        case("2 tags to 1", DOUBLE, FAR_TAGGED),
        case("2 tags to 2", DOUBLE, FAR_DOUBLE),
    ]
}

/// Down to a subscriber: its MAC and tags, the port's MAC, one hop less.
#[test]
fn down() {
    check(&mut world::new(), reset, &going_down());
}

pub(crate) fn going_down() -> Vec<Case> {
    use Action::{Drop, Pass, Redirect};
    let datagram = udp(53, 4000, b"answer");
    let core = Ether::new(ROUTER_MAC, GATEWAY_MAC);
    let ip = |to: Cpe| Ip::new(HOST, to.address);
    let case = |name, ether: Ether, to: Cpe| {
        let packet = ether.frame(IPV4, &ip(to).packet(&datagram));
        upstream(name, packet, Redirect, at(to, FPC1_MAC, ip(to), &datagram), Verdict::ForwardedDown)
    };
    let plain = |to: Cpe| core.frame(IPV4, &ip(to).packet(&datagram));
    let other = core.frame(IPV4, &Ip::new(HOST, [198, 51, 100, 1]).packet(&datagram));
    let local = core.frame(IPV4, &Ip::new(HOST, GIADDR).packet(&datagram));
    let group = core.frame(IPV4, &Ip::new(HOST, [239, 255, 67, 67]).packet(&datagram));
    vec![
        case("untagged", core, FAR),
        case("one tag", core, FAR_TAGGED),
        case("two tags", core, FAR_DOUBLE),
        case("from a tagged core", core.tagged(tag(9)), FAR_DOUBLE),
        upstream("nobody behind us", other, Pass, None, Verdict::PassedOther),
        upstream("the gateway itself", local, Pass, None, Verdict::PassedLocal),
        upstream("multicast", group, Pass, None, Verdict::PassedOther),
        Case {
            set_up: |plane| plane.cohort(3, 6),
            ..upstream("after the logout", plain(FAR), Drop, None, Verdict::StaleEpoch)
        },
        Case {
            set_up: |plane| plane.route(FAR.address, FAR.route(), 1),
            ..upstream("after the lease", plain(FAR), Drop, None, Verdict::Expired)
        },
    ]
}

/// A source must have a session, from its own port, tags and MAC, of a valid epoch, and not expired.
#[test]
fn binding() {
    check(&mut world::new(), reset, &bound());
}

pub(crate) fn bound() -> Vec<Case> {
    use Action::{Drop, Pass, Redirect};
    let datagram = udp(4000, 53, b"question");
    let ip = from(PLAIN);
    let packet = up(PLAIN, &ip, &datagram);
    let stranger = up(PLAIN, &Ip::new([100, 64, 9, 9], HOST), &datagram);
    let thief = TAGGED.ether().tagged(VlanTags::NONE).frame(IPV4, &ip.packet(&datagram));
    let elsewhere = PLAIN.ether().tagged(tag(5)).frame(IPV4, &ip.packet(&datagram));
    let inner = {
        let mut tags = DOUBLE.tags;
        tags.inner.vid += 1;
        DOUBLE.ether().tagged(tags).frame(IPV4, &from(DOUBLE).packet(&datagram))
    };
    let tpid = {
        let mut tags = DOUBLE.tags;
        tags.outer.tpid = 0x8100;
        DOUBLE.ether().tagged(tags).frame(IPV4, &from(DOUBLE).packet(&datagram))
    };
    let other_port = Ether::new(FAR.mac(), GATEWAY_MAC).frame(IPV4, &from(FAR).packet(&datagram));
    let multicast = up(PLAIN, &Ip::new(PLAIN.address, [224, 0, 0, 251]), &datagram);
    let broadcast = up(PLAIN, &Ip::new(PLAIN.address, [255, 255, 255, 255]), &datagram);
    let local = up(TAGGED, &Ip::new(TAGGED.address, GIADDR), &datagram);
    let to_dead = up(PLAIN, &Ip::new(PLAIN.address, FAR.address), &datagram);
    vec![
        access("no session", stranger, Drop, None, Verdict::NoSession),
        access("another's MAC", thief, Drop, None, Verdict::WrongMac),
        access("a tag too many", elsewhere, Drop, None, Verdict::WrongVlan),
        access("another inner tag", inner, Drop, None, Verdict::WrongVlan),
        access("another kind of outer tag", tpid, Drop, None, Verdict::WrongVlan),
        access("another port", other_port, Drop, None, Verdict::WrongPort),
        access("multicast", multicast, Drop, None, Verdict::Multicast),
        access("broadcast", broadcast, Drop, None, Verdict::Multicast),
        access("to the gateway, tags and all", local, Pass, None, Verdict::PassedLocal),
        Case {
            set_up: |plane| plane.cohort(3, 6),
            ..access("one epoch too old", packet.clone(), Drop, None, Verdict::StaleEpoch)
        },
        Case {
            set_up: |plane| {
                plane.cohort(3, 6)?;
                plane.route(PLAIN.address, AccessRoute { epoch: 6, ..PLAIN.route() }, Subscriber::NEVER)
            },
            ..access(
                "who logged in again goes on",
                packet.clone(),
                Redirect,
                at_router(ip.clone(), &datagram),
                Verdict::ForwardedUp,
            )
        },
        Case {
            set_up: |plane| plane.route(PLAIN.address, AccessRoute { cohort: u16::MAX, ..PLAIN.route() }, u64::MAX),
            ..access("a cohort that is none", packet.clone(), Drop, None, Verdict::StaleEpoch)
        },
        Case {
            set_up: |plane| plane.route(PLAIN.address, PLAIN.route(), now() - 100_000_000),
            ..access("the lease ended a moment ago", packet.clone(), Drop, None, Verdict::Expired)
        },
        Case {
            set_up: |plane| plane.route(PLAIN.address, PLAIN.route(), now() + 10_000_000_000),
            ..access(
                "the lease ends in 10 s",
                packet.clone(),
                Redirect,
                at_router(ip.clone(), &datagram),
                Verdict::ForwardedUp,
            )
        },
        Case {
            set_up: |plane| plane.cohort(3, 5).and_then(|()| plane.route(FAR.address, FAR.route(), 1)),
            ..access("to another whose lease ended", to_dead.clone(), Drop, None, Verdict::Expired)
        },
        Case {
            set_up: |plane| plane.route(FAR.address, AccessRoute { epoch: 4, ..FAR.route() }, Subscriber::NEVER),
            ..access("to another who was logged out", to_dead, Drop, None, Verdict::StaleEpoch)
        },
        Case {
            set_up: |plane| plane.own_all(UnitState::FOREIGN),
            ..access("another member's", packet, Drop, None, Verdict::Foreign)
        },
    ]
}

/// A frame on an interface that is no port. (A session on it would be forwarded: its route is what counts.)
#[test]
fn unknown_port() {
    let mut plane = world::new();
    plane.forget_port(INGRESS).unwrap();
    let stranger = up(PLAIN, &Ip::new([100, 64, 9, 9], HOST), &udp(1, 2, b""));
    let ran = plane.run(Program::Access, &stranger).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::UnknownPort));
    let request = gateway_tests::packets::frame::arp(1, (PLAIN.mac(), PLAIN.address), ([0; 6], GIADDR));
    let ran = plane.run(Program::Access, &PLAIN.ether().frame(0x0806, &request)).unwrap();
    assert_eq!(ran.verdict, Verdict::UnknownPort);
}

/// Traffic is counted for both ends, from the IP header on, and the time of the last packet is kept.
#[test]
fn subscriber_counters() {
    let mut plane = world::new();
    let ip = Ip::new(PLAIN.address, FAR.address);
    // The clock is read once in a tick.
    let before = now() - 20_000_000;
    for _ in 0..3 {
        plane.run(Program::Access, &up(PLAIN, &ip, &udp(1, 2, &[0; 72]))).unwrap();
    }
    let sender = plane.subscriber(PLAIN.slot).unwrap();
    assert_eq!((sender.up_packets, sender.up_octets, sender.down_packets), (3, 300, 0));
    assert!((before..=now()).contains(&sender.last_seen_ns));
    let receiver = plane.subscriber(FAR.slot).unwrap();
    assert_eq!((receiver.down_packets, receiver.down_octets, receiver.up_packets), (3, 300, 0));
    assert_eq!(receiver.last_seen_ns, 0);
}

/// A spoofed packet is counted for nobody.
#[test]
fn spoofed_is_not_counted() {
    let mut plane = world::new();
    let thief = TAGGED.ether().frame(IPV4, &from(PLAIN).packet(&udp(1, 2, b"")));
    plane.run(Program::Access, &thief).unwrap();
    assert_eq!(plane.subscriber(PLAIN.slot).unwrap().up_packets, 0);
}
