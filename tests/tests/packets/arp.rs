//! ARP on access ports.

use std::net::Ipv4Addr;

use gateway_common::event::EventKind;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, arp};
use gateway_tests::packets::{Action, Case, check};

use crate::world::{self, *};

const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn request(cpe: Cpe, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    Ether { to: BROADCAST_MAC, ..cpe.ether() }.frame(ARP, &arp(1, (cpe.mac(), sender), ([0; 6], target)))
}

fn answer(cpe: Cpe, sender: Ipv4Addr, target: Ipv4Addr) -> Option<Vec<u8>> {
    let ether = Ether::new(GATEWAY_MAC, cpe.mac()).tagged(cpe.tags);
    Some(ether.frame(ARP, &arp(2, (GATEWAY_MAC, target), (cpe.mac(), sender))))
}

fn case(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { name, program: Program::Access, set_up: |_| Ok(()), packet, action, out, verdict }
}

fn with_proxy(case: Case) -> Case {
    Case { set_up: |plane| plane.settings(Settings { flags: Settings::PROXY_ARP, ..Settings::default() }), ..case }
}

/// Tagged lines get their answers from the program, untagged ones from the kernel; nobody claims what is not theirs.
#[test]
fn table() {
    check(&mut world::new(), reset, &asked());
}

pub(crate) fn asked() -> Vec<Case> {
    use Action::{Drop, Pass, Tx};
    use Verdict::{ArpAnswered, ArpSpoofed, PassedArp};
    let ask = |cpe: Cpe, target| request(cpe, cpe.address, target);
    let reply = DOUBLE.ether().frame(ARP, &arp(2, (DOUBLE.mac(), DOUBLE.address), (GATEWAY_MAC, GIADDR)));
    let lying = DOUBLE.ether().frame(ARP, &arp(1, (PLAIN.mac(), DOUBLE.address), ([0; 6], GIADDR)));
    let short = DOUBLE.ether().frame(ARP, &arp(1, (DOUBLE.mac(), DOUBLE.address), ([0; 6], GIADDR))[..27]);
    let mut token_ring = arp(1, (DOUBLE.mac(), DOUBLE.address), ([0; 6], GIADDR));
    token_ring[1] = 6;
    vec![
        case(
            "two tags ask for the gateway",
            ask(DOUBLE, GIADDR),
            Tx,
            answer(DOUBLE, DOUBLE.address, GIADDR),
            ArpAnswered,
        ),
        case(
            "one tag asks for the gateway",
            ask(TAGGED, GIADDR),
            Tx,
            answer(TAGGED, TAGGED.address, GIADDR),
            ArpAnswered,
        ),
        case(
            "a probe from a tagged line",
            request(TAGGED, NONE, GIADDR),
            Tx,
            answer(TAGGED, NONE, GIADDR),
            ArpAnswered,
        ),
        case("untagged", ask(PLAIN, GIADDR), Pass, None, PassedArp),
        case("an untagged probe", request(PLAIN, NONE, GIADDR), Pass, None, PassedArp),
        case("another subscriber, no proxy", ask(TAGGED, FAR.address), Pass, None, PassedArp),
        case("a reply", reply, Pass, None, PassedArp),
        case("another's address", request(TAGGED, PLAIN.address, GIADDR), Drop, None, ArpSpoofed),
        case("the gateway's address", request(TAGGED, GIADDR, GIADDR), Drop, None, ArpSpoofed),
        case("another's MAC", lying, Drop, None, ArpSpoofed),
        case("cut short", short, Drop, None, Verdict::Malformed),
        case("not Ethernet", DOUBLE.ether().frame(ARP, &token_ring), Drop, None, Verdict::Malformed),
        with_proxy(case(
            "a neighbour",
            ask(TAGGED, FAR.address),
            Tx,
            answer(TAGGED, TAGGED.address, FAR.address),
            ArpAnswered,
        )),
        with_proxy(case(
            "an untagged neighbour",
            ask(PLAIN, DOUBLE.address),
            Tx,
            answer(PLAIN, PLAIN.address, DOUBLE.address),
            ArpAnswered,
        )),
        with_proxy(case("itself, by announcement", ask(TAGGED, TAGGED.address), Pass, None, PassedArp)),
        with_proxy(case("itself, by probe", request(TAGGED, NONE, TAGGED.address), Pass, None, PassedArp)),
        with_proxy(case("a free address", ask(TAGGED, Ipv4Addr::new(100, 64, 0, 200)), Pass, None, PassedArp)),
        Case {
            set_up: |plane| {
                plane.settings(Settings { flags: Settings::PROXY_ARP, ..Settings::default() })?;
                plane.route(FAR.address, FAR.route(), 1)
            },
            ..case("a neighbour whose lease ended", ask(TAGGED, FAR.address), Pass, None, PassedArp)
        },
        Case {
            set_up: |plane| plane.cohort(3, 6),
            ..case("after the logout", ask(TAGGED, GIADDR), Drop, None, ArpSpoofed)
        },
        Case {
            program: Program::Upstream,
            ..case("upstream ARP is the kernel's", ask(PLAIN, HOST), Pass, None, PassedArp)
        },
    ]
}

/// A claim to another's address is told.
#[test]
fn spoofing_is_told() {
    let mut plane = world::new();
    plane.run(Program::Access, &request(TAGGED, PLAIN.address, GIADDR)).unwrap();
    let events = plane.events().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(EventKind::from_u32(events[0].kind), Some(EventKind::Spoofed));
    assert_eq!((events[0].mac, events[0].address), (TAGGED.mac(), PLAIN.address.into()));
}

/// Whoever says something honest by ARP is there: the cell of its session says when, without its data being counted. A lie,
/// or a probe without an address, tells nothing.
#[test]
fn signs_of_life() {
    let mut plane = world::new();
    let before = now() - 20_000_000;
    let reply = |cpe: Cpe| cpe.ether().frame(ARP, &arp(2, (cpe.mac(), cpe.address), (GATEWAY_MAC, GIADDR)));
    for (cpe, frame, verdict) in [
        (DOUBLE, reply(DOUBLE), Verdict::PassedArp),
        (PLAIN, reply(PLAIN), Verdict::PassedArp),
        (TAGGED, request(TAGGED, TAGGED.address, GIADDR), Verdict::ArpAnswered),
    ] {
        assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, verdict);
        let cell = plane.subscriber(cpe.route().slot).unwrap();
        assert!((before..=now()).contains(&cell.last_seen_ns));
        assert_eq!((cell.up_packets, cell.up_octets), (0, 0));
    }
    reset(&mut plane).unwrap();
    plane.run(Program::Access, &request(TAGGED, PLAIN.address, GIADDR)).unwrap();
    plane.run(Program::Access, &request(TAGGED, NONE, GIADDR)).unwrap();
    for cpe in [TAGGED, PLAIN] {
        assert_eq!(plane.subscriber(cpe.route().slot).unwrap().last_seen_ns, 0);
    }
}
