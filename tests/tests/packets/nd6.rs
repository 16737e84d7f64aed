//! Neighbour discovery on access ports, and for what the members of a cluster share.

use std::net::Ipv6Addr;

use gateway_common::bucket::Rate;
use gateway_common::cluster::Role;
use gateway_common::event::EventKind;
use gateway_common::punt::PuntReason;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{
    Ether, IPV6, advertisement, extension, fragment6, icmpv6, ipv6, link_layer, solicitation, solicited_node,
};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, check};

use crate::world::*;
use crate::world6::{self, *};

const NONE: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// What members share toward the network.
const CLUSTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc0de, 0, 0, 0, 0, 1);
const ROUTER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc0de, 0, 0, 0, 0, 0xfe);
const SHARED_MAC: [u8; 6] = [0x02, 0, 0x5e, 0, 0, 1];
const ROUTER_FLAG: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The Ethernet group of an IPv6 group.
fn group(address: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = address.octets();
    [0x33, 0x33, a, b, c, d]
}

/// Who has `target`?
fn ask(cpe: Cpe, from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let options = if from == NONE { Vec::new() } else { link_layer(1, cpe.mac()) };
    let to = solicited_node(target);
    Ether { to: group(to), ..cpe.ether() }.frame(IPV6, &solicitation(from, to, target, &options))
}

/// The answer to a subscriber: `mac` has `target`.
fn answer(cpe: Cpe, to: Ipv6Addr, flags: u8, target: Ipv6Addr, mac: [u8; 6]) -> Option<Vec<u8>> {
    let ether = Ether::new(GATEWAY_MAC, cpe.mac()).tagged(cpe.tags);
    Some(ether.frame(IPV6, &advertisement(target, to, flags, target, &link_layer(2, mac))))
}

/// A neighbour says who it is.
fn tell(cpe: Cpe, from: Ipv6Addr, target: Ipv6Addr, mac: [u8; 6]) -> Vec<u8> {
    cpe.ether().frame(IPV6, &advertisement(from, LINK_LOCAL, SOLICITED, target, &link_layer(2, mac)))
}

fn from_router(kind: u8) -> Vec<u8> {
    // Cur hop limit, flags, lifetime, reachable time, retransmission time.
    icmpv6(kind, PLAIN.link_local(), ALL_NODES, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])
}

fn case(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { name, program: Program::Access, set_up: |_| Ok(()), packet, action, out, verdict }
}

/// The gateway is found on every line by the program's answers, tagged or not, and nobody claims what is not theirs.
#[test]
fn solicitations() {
    check(&mut world6::new(), reset6, &asked());
}

pub(crate) fn asked() -> Vec<Case> {
    use Action::{Drop, Pass, Tx};
    use Verdict::{Malformed, NdAnswered, NdSpoofed, PassedNd};
    let flags = ROUTER_FLAG | SOLICITED | OVERRIDE;
    let found = |name, cpe: Cpe, from: Ipv6Addr, target: Ipv6Addr| {
        case(name, ask(cpe, from, target), Tx, answer(cpe, from, flags, target, GATEWAY_MAC), NdAnswered)
    };
    let bare = |from: Ipv6Addr, to: Ipv6Addr, options: &[u8]| {
        TAGGED.ether().frame(IPV6, &solicitation(from, to, LINK_LOCAL, options))
    };
    let to_tagged = Ether::new(GATEWAY_MAC, TAGGED.mac()).tagged(TAGGED.tags);
    let probed = Ether::new(GATEWAY_MAC, group(ALL_NODES)).tagged(DOUBLE.tags);
    let without_option = |to: Ipv6Addr, flags| advertisement(LINK_LOCAL, to, flags, LINK_LOCAL, &[]);
    let with_option =
        |to: Ipv6Addr, flags| advertisement(LINK_LOCAL, to, flags, LINK_LOCAL, &link_layer(2, GATEWAY_MAC));
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let local = TAGGED.link_local();
    let mangled = |at: usize, octet: u8| {
        let mut packet = solicitation(local, LINK_LOCAL, LINK_LOCAL, &link_layer(1, TAGGED.mac()));
        packet[at] = octet;
        TAGGED.ether().frame(IPV6, &packet)
    };
    let cut = |payload: usize| {
        let packet = solicitation(local, LINK_LOCAL, LINK_LOCAL, &[]);
        TAGGED.ether().frame(IPV6, &ipv6(58, 255, local, LINK_LOCAL, &packet[40..40 + payload]))
    };
    let long = [link_layer(1, TAGGED.mac()), nonce.to_vec()].concat();
    vec![
        found("untagged", PLAIN, PLAIN.link_local(), LINK_LOCAL),
        found("one tag", TAGGED, TAGGED.link_local(), LINK_LOCAL),
        found("two tags", DOUBLE, DOUBLE.link_local(), LINK_LOCAL),
        found("from its address", TAGGED, TAGGED.address6(), LINK_LOCAL),
        found("from its prefix", TAGGED, TAGGED.inside(), LINK_LOCAL),
        found("another address of the gateway", TAGGED, TAGGED.link_local(), RELAY),
        case(
            "still there? by unicast, without an option",
            bare(local, LINK_LOCAL, &[]),
            Tx,
            Some(to_tagged.frame(IPV6, &without_option(local, flags))),
            NdAnswered,
        ),
        case(
            "more options than the answer has",
            bare(local, LINK_LOCAL, &long),
            Tx,
            // What is left of the question stands behind the packet's end.
            Some([to_tagged.frame(IPV6, &with_option(local, flags)), nonce.to_vec()].concat()),
            NdAnswered,
        ),
        case(
            "who probes whether the gateway's address is free",
            ask(DOUBLE, NONE, LINK_LOCAL),
            Tx,
            Some(probed.frame(IPV6, &without_option(ALL_NODES, ROUTER_FLAG | OVERRIDE))),
            NdAnswered,
        ),
        case(
            "the same with a nonce (RFC 7527)",
            DOUBLE.ether().frame(IPV6, &solicitation(NONE, solicited_node(LINK_LOCAL), LINK_LOCAL, &nonce)),
            Tx,
            Some(probed.frame(IPV6, &with_option(ALL_NODES, ROUTER_FLAG | OVERRIDE))),
            NdAnswered,
        ),
        case("a probe of its own address", ask(TAGGED, NONE, TAGGED.address6()), Pass, None, PassedNd),
        case("a probe of its own link-local", ask(TAGGED, NONE, TAGGED.link_local()), Pass, None, PassedNd),
        case("another subscriber, no proxy", ask(TAGGED, local, FAR.address6()), Pass, None, PassedNd),
        case("from another's address", ask(TAGGED, PLAIN.address6(), LINK_LOCAL), Drop, None, NdSpoofed),
        case("from another's prefix", ask(TAGGED, PLAIN.inside(), LINK_LOCAL), Drop, None, NdSpoofed),
        case("from the gateway's", ask(TAGGED, LINK_LOCAL, RELAY), Drop, None, NdSpoofed),
        case("from nowhere", ask(TAGGED, HOST6, LINK_LOCAL), Drop, None, NdSpoofed),
        case("another's MAC", bare(local, LINK_LOCAL, &link_layer(1, PLAIN.mac())), Drop, None, NdSpoofed),
        case("a code", mangled(41, 1), Drop, None, Malformed),
        case("a group as its target", mangled(48, 0xff), Drop, None, Malformed),
        case("an option of no length", mangled(65, 0), Drop, None, Malformed),
        case("no target", cut(8), Drop, None, Malformed),
        case("a target cut short", cut(23), Drop, None, Malformed),
        Case {
            set_up: |plane| plane.cohort(3, 6),
            ..case("after the logout", ask(TAGGED, TAGGED.address6(), LINK_LOCAL), Drop, None, NdSpoofed)
        },
        Case {
            set_up: |plane| plane.settings(Settings::default()),
            ..case("while IPv6 is not served", ask(TAGGED, local, LINK_LOCAL), Pass, None, PassedNd)
        },
        Case {
            program: Program::Upstream,
            ..case("upstream it is the kernel's", ask(PLAIN, PLAIN.link_local(), LINK_LOCAL), Pass, None, PassedNd)
        },
    ]
}

/// With proxy the program answers for other subscribers, with a claim that is weaker than their own; and nobody is told
/// that their own address is taken.
#[test]
fn proxied() {
    let flags = Settings { flags: Settings::IPV6 | Settings::PROXY_ND, ..Settings::default() };
    let mut plane = world6::new();
    plane.settings(flags).unwrap();
    let mut run = |packet: &[u8]| plane.run(Program::Access, packet).unwrap();
    let local = TAGGED.link_local();
    for target in [FAR.address6(), FAR.inside(), PLAIN.address6()] {
        let ran = run(&ask(TAGGED, local, target));
        assert_eq!((ran.action, ran.verdict), (Action::Tx, Verdict::NdAnswered), "{target}");
        assert_eq!(Some(ran.frame), answer(TAGGED, local, SOLICITED, target, GATEWAY_MAC));
    }
    for target in [TAGGED.address6(), TAGGED.inside(), HOST6, FAR.link_local()] {
        assert_eq!(run(&ask(TAGGED, local, target)).verdict, Verdict::PassedNd, "{target}");
        assert_eq!(run(&ask(TAGGED, NONE, target)).verdict, Verdict::PassedNd, "{target}");
    }
    assert_eq!(run(&ask(TAGGED, NONE, FAR.address6())).verdict, Verdict::NdAnswered, "a probe of another's");
    plane.route6(FAR.address6(), 128, FAR.route6(), 1).unwrap();
    let ran = plane.run(Program::Access, &ask(TAGGED, local, FAR.address6())).unwrap();
    assert_eq!(ran.verdict, Verdict::PassedNd, "whose lease ended");
}

/// No subscriber plays the router, in whatever it hides that; and it is told. The kernel hears no router from there
/// either while IPv6 is not served.
#[test]
fn rogue_routers() {
    let mut plane = world6::new();
    let behind = |headers: usize| {
        let message = from_router(134)[40..].to_vec();
        let hidden = (0..headers).fold(message, |rest, at| extension(if at == 0 { 58 } else { 60 }, 0, &rest));
        ipv6(if headers == 0 { 58 } else { 60 }, 255, PLAIN.link_local(), ALL_NODES, &hidden)
    };
    for (name, packet) in [
        ("advertisement", from_router(134)),
        ("redirect", from_router(137)),
        ("behind a header", behind(1)),
        ("behind five", behind(5)),
    ] {
        for settings in [served(), Settings::default()] {
            plane.settings(settings).unwrap();
            for cpe in [PLAIN, TAGGED, DOUBLE] {
                let ran = plane.run(Program::Access, &cpe.ether().frame(IPV6, &packet)).unwrap();
                assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::RogueRouter), "{name}");
            }
        }
    }
    let events = plane.events().unwrap();
    assert_eq!(events.len(), 4 * 2 * 3);
    assert_eq!(EventKind::from_u32(events[0].kind), Some(EventKind::RogueRouter));
    assert_eq!(events[0].address6, PLAIN.link_local().into());

    // Where the program can't see it, nobody else will: such packets are forwarded to no group and from no such source.
    plane.settings(served()).unwrap();
    let verdict = |plane: &mut Plane, packet: Vec<u8>| {
        plane.run(Program::Access, &PLAIN.ether().frame(IPV6, &packet)).unwrap().verdict
    };
    let message = &from_router(134)[40..];
    let in_fragment = ipv6(44, 255, PLAIN.link_local(), ALL_NODES, &fragment6(58, 0, true, message));
    assert_eq!(verdict(&mut plane, in_fragment), Verdict::Multicast);
    assert_eq!(verdict(&mut plane, behind(9)), Verdict::Malformed);
    let to_one = ipv6(44, 255, PLAIN.link_local(), FAR.link_local(), &fragment6(58, 0, true, message));
    assert_eq!(verdict(&mut plane, to_one), Verdict::LinkLocal);
    let mut routed = from_router(134);
    routed[7] = 254;
    assert_eq!(verdict(&mut plane, routed), Verdict::Multicast, "it has crossed a router, and is none");
    // What is not the router's and hides is nobody's either.
    let hidden = solicitation(PLAIN.link_local(), LINK_LOCAL, LINK_LOCAL, &[])[40..].to_vec();
    let hidden = ipv6(60, 255, PLAIN.link_local(), LINK_LOCAL, &extension(58, 0, &hidden));
    assert_eq!(verdict(&mut plane, hidden), Verdict::Malformed);
    // Upstream a router may be one.
    let ran = plane.run(Program::Upstream, &PLAIN.ether().frame(IPV6, &from_router(134))).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedNd));
}

/// What another member sends on the segment is no subscriber's.
#[test]
fn peers_are_no_subscribers() {
    let mut plane = world6::new();
    plane.member(INGRESS, 2, PLAIN.mac()).unwrap();
    let frame = PLAIN.ether().frame(IPV6, &from_router(134));
    assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Foreign);
    let frame = ask(PLAIN, LINK_LOCAL, RELAY);
    assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::Foreign);
    assert!(plane.events().unwrap().is_empty());
}

/// A router solicitation reaches user space as it was, from a host without an address too; a flood costs its sender only.
#[test]
fn router_solicitations() {
    let mut plane = world6::new();
    for (cpe, from) in [(PLAIN, PLAIN.link_local()), (TAGGED, NONE), (DOUBLE, DOUBLE.address6())] {
        let packet = icmpv6(133, from, ALL_ROUTERS, &[0; 4]);
        let frame = Ether { to: group(ALL_ROUTERS), ..cpe.ether() }.frame(IPV6, &packet);
        let ran = plane.run(Program::Access, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::RouterSolicitation));
        let records = plane.punted().unwrap();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!((record.reason, &record.frame), (PuntReason::RouterSolicitation, &frame));
        assert_eq!((record.header.tags, record.header.ifindex), (cpe.tags, INGRESS));
    }
    let spoofed = icmpv6(133, FAR.address6(), ALL_ROUTERS, &[0; 4]);
    let ran = plane.run(Program::Access, &PLAIN.ether().frame(IPV6, &spoofed)).unwrap();
    assert_eq!(ran.verdict, Verdict::NdSpoofed);

    plane.settings(Settings { subscriber: Rate::new(1, 2), ..served() }).unwrap();
    let solicit = |cpe: Cpe| cpe.ether().frame(IPV6, &icmpv6(133, cpe.link_local(), ALL_ROUTERS, &[0; 4]));
    let verdicts: Vec<_> = (0..4).map(|_| plane.run(Program::Access, &solicit(TAGGED)).unwrap().verdict).collect();
    assert_eq!(verdicts[1..3], [Verdict::RouterSolicitation, Verdict::SubscriberRate]);
    assert_eq!(plane.run(Program::Access, &solicit(DOUBLE)).unwrap().verdict, Verdict::RouterSolicitation);
}

/// An advertisement proves that the subscriber is there: its lease's cell says when, without its data being counted. That
/// for a link-local address reaches user space. The kernel hears those of untagged lines, where it may have asked.
#[test]
fn advertisements() {
    let mut plane = world6::new();
    let before = now() - 20_000_000;
    for (target, slot) in [(TAGGED.address6(), TAGGED.route6().slot), (TAGGED.inside(), TAGGED.prefix_route().slot)] {
        let ran = plane.run(Program::Access, &tell(TAGGED, target, target, TAGGED.mac())).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::NeighbourAlive));
        let cell = plane.subscriber6(slot).unwrap();
        assert!((before..=now()).contains(&cell.last_seen_ns));
        assert_eq!((cell.up_packets, cell.up_octets), (0, 0));
    }
    assert!(plane.punted().unwrap().is_empty());
    let ran = plane.run(Program::Access, &tell(PLAIN, PLAIN.link_local(), PLAIN.address6(), PLAIN.mac())).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedNd));
    assert!(plane.subscriber6(PLAIN.route6().slot).unwrap().last_seen_ns >= before);

    for (cpe, verdict) in [(TAGGED, Verdict::NeighbourAlive), (PLAIN, Verdict::PassedNd)] {
        let frame = tell(cpe, cpe.link_local(), cpe.link_local(), cpe.mac());
        assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, verdict);
        let records = plane.punted().unwrap();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!((record.reason, &record.frame), (PuntReason::Advertisement, &frame));
    }

    let local = TAGGED.link_local();
    for (name, frame) in [
        ("the gateway's address", tell(TAGGED, local, LINK_LOCAL, TAGGED.mac())),
        ("the gateway's address as the source", tell(TAGGED, LINK_LOCAL, local, TAGGED.mac())),
        ("another's address", tell(TAGGED, local, PLAIN.address6(), TAGGED.mac())),
        ("of another's prefix", tell(TAGGED, local, PLAIN.inside(), TAGGED.mac())),
        ("nobody's", tell(TAGGED, local, HOST6, TAGGED.mac())),
        ("another's MAC", tell(TAGGED, local, TAGGED.address6(), PLAIN.mac())),
    ] {
        let ran = plane.run(Program::Access, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::NdSpoofed), "{name}");
    }
    assert!(plane.punted().unwrap().is_empty());
    assert_eq!(plane.subscriber6(FAR.route6().slot).unwrap().last_seen_ns, 0);
}

fn member(plane: &mut Plane, master: u16, shared_mac: [u8; 6]) {
    reset6(plane).unwrap();
    plane.shared6(LINK_LOCAL).unwrap();
    plane.shared6(CLUSTER).unwrap();
    plane.role(Role { member: 1, master, shared_mac, ..Role::default() }).unwrap();
}

/// For what members share the master alone answers, and looks for hosts on behalf of all: with its own MAC in delivery
/// mode forward, else with the shared one, which is never a source. CL-48, CL-49, CL-50, H-CL-14
#[test]
fn shared() {
    let mut plane = world6::new();
    let flags = ROUTER_FLAG | SOLICITED | OVERRIDE;
    let local = TAGGED.link_local();
    let solicit = TAGGED.ether().frame(IPV6, &icmpv6(133, local, ALL_ROUTERS, &[0; 4]));
    for (mac, told) in [([0; 6], GATEWAY_MAC), (SHARED_MAC, SHARED_MAC)] {
        member(&mut plane, 1, mac);
        let ran = plane.run(Program::Access, &ask(TAGGED, local, LINK_LOCAL)).unwrap();
        assert_eq!((ran.action, Some(ran.frame)), (Action::Tx, answer(TAGGED, local, flags, LINK_LOCAL, told)));
        let ran = plane.run(Program::Access, &ask(TAGGED, local, RELAY)).unwrap();
        assert_eq!(Some(ran.frame), answer(TAGGED, local, flags, RELAY, GATEWAY_MAC), "its own alone");
        assert_eq!(plane.run(Program::Access, &solicit).unwrap().verdict, Verdict::RouterSolicitation);

        let to = solicited_node(CLUSTER);
        let question = solicitation(ROUTER6, to, CLUSTER, &link_layer(1, ROUTER_MAC));
        let ran = plane.run(Program::Upstream, &Ether::new(ROUTER_MAC, group(to)).frame(IPV6, &question)).unwrap();
        let wanted = advertisement(CLUSTER, ROUTER6, flags, CLUSTER, &link_layer(2, told));
        assert_eq!((ran.action, ran.verdict), (Action::Tx, Verdict::NdAnswered));
        assert_eq!(ran.frame, Ether::new(GATEWAY_MAC, ROUTER_MAC).frame(IPV6, &wanted));
        // On that side it may be another router's.
        let question = solicitation(ROUTER6, LINK_LOCAL, LINK_LOCAL, &[]);
        let ran = plane.run(Program::Upstream, &Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &question)).unwrap();
        assert_eq!(ran.verdict, Verdict::PassedNd);
    }
    for master in [0, 2] {
        member(&mut plane, master, SHARED_MAC);
        for frame in [ask(TAGGED, local, LINK_LOCAL), ask(TAGGED, local, FAR.address6()), solicit.clone()] {
            let ran = plane.run(Program::Access, &frame).unwrap();
            assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::NdNotMaster));
        }
        assert_eq!(plane.run(Program::Access, &ask(TAGGED, local, RELAY)).unwrap().verdict, Verdict::NdAnswered);
        let question = solicitation(ROUTER6, CLUSTER, CLUSTER, &[]);
        let ran = plane.run(Program::Upstream, &Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &question)).unwrap();
        assert_eq!(ran.verdict, Verdict::NdNotMaster);
        let question = solicitation(ROUTER6, RELAY, RELAY, &[]);
        let ran = plane.run(Program::Upstream, &Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV6, &question)).unwrap();
        assert_eq!(ran.verdict, Verdict::PassedNd);
    }
}
