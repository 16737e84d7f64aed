//! Subscriber data by IPv6: who may send, where it goes, and what it looks like when it leaves.

use std::net::Ipv6Addr;

use gateway_common::port::Port;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{Ether, IPV6, extension, fragment6, ipv6, sctp, tag, tcp, udp};
use gateway_tests::packets::{Action, Case, Plane, check};

use crate::world::*;
use crate::world6::{self, *};

const QUESTION: &[u8] = b"question";

/// A packet before its first hop.
#[derive(Clone)]
pub(crate) struct Packet {
    next: u8,
    hop_limit: u8,
    from: Ipv6Addr,
    to: Ipv6Addr,
    payload: Vec<u8>,
}

impl Packet {
    pub(crate) fn new(from: Ipv6Addr, to: Ipv6Addr) -> Self {
        Self { next: 17, hop_limit: 64, from, to, payload: udp(4000, 53, QUESTION) }
    }

    pub(crate) fn of(self, next: u8, payload: Vec<u8>) -> Self {
        Self { next, payload, ..self }
    }

    pub(crate) fn hops(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        ipv6(self.next, self.hop_limit, self.from, self.to, &self.payload)
    }

    /// As the subscriber sends it.
    pub(crate) fn up(&self, cpe: Cpe) -> Vec<u8> {
        cpe.ether().frame(IPV6, &self.octets())
    }

    /// As the router gets it: its MAC, no tags, one hop less.
    pub(crate) fn at_router(&self) -> Option<Vec<u8>> {
        Some(Ether::new(CORE_MAC, ROUTER_MAC).frame(IPV6, &self.clone().hops(self.hop_limit - 1).octets()))
    }

    /// As a subscriber gets it.
    fn at(&self, cpe: Cpe) -> Option<Vec<u8>> {
        let ether = Ether::new(FPC1_MAC, cpe.mac()).tagged(cpe.tags);
        Some(ether.frame(IPV6, &self.clone().hops(self.hop_limit - 1).octets()))
    }
}

pub(crate) fn access(
    name: &'static str,
    packet: Vec<u8>,
    action: Action,
    out: Option<Vec<u8>>,
    verdict: Verdict,
) -> Case {
    Case { name, program: Program::Access, set_up: |_| Ok(()), packet, action, out, verdict }
}

fn upstream(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { program: Program::Upstream, ..access(name, packet, action, out, verdict) }
}

pub(crate) fn dropped(name: &'static str, packet: Vec<u8>, verdict: Verdict) -> Case {
    access(name, packet, Action::Drop, None, verdict)
}

/// Up: from an address and from any address of a delegated prefix; tags popped, MACs of the next hop, one hop less, and
/// nothing else changed.
#[test]
fn up_to_the_router() {
    check(&mut world6::new(), reset6, &going_up());
}

pub(crate) fn going_up() -> Vec<Case> {
    let up = |name, cpe: Cpe, packet: Packet| {
        access(name, packet.up(cpe), Action::Redirect, packet.at_router(), Verdict::ForwardedUp)
    };
    let plain = || Packet::new(PLAIN.address6(), HOST6);
    let chain = |n: u8| (0..n).fold(udp(1, 2, b""), |rest, at| extension(if at == 0 { 17 } else { 60 }, 0, &rest));
    let mut flow = plain();
    flow.payload = udp(9, 9, b"flow");
    let with_flow = |mut frame: Vec<u8>| {
        frame[14..18].copy_from_slice(&[0x6f, 0xab, 0xcd, 0xef]);
        frame
    };
    let last = |prefix: Ipv6Addr, host: u64| Ipv6Addr::from(u128::from(prefix) >> 68 << 68 | u128::from(host));
    vec![
        up("untagged", PLAIN, plain()),
        up("one tag", TAGGED, Packet::new(TAGGED.address6(), HOST6)),
        up("two tags", DOUBLE, Packet::new(DOUBLE.address6(), HOST6)),
        up("from a /60", PLAIN, Packet::new(PLAIN.inside(), HOST6)),
        up("from a /48", TAGGED, Packet::new(TAGGED.inside(), HOST6)),
        up("from a /56", DOUBLE, Packet::new(DOUBLE.inside(), HOST6)),
        up("the first address of a prefix", PLAIN, Packet::new(last(PLAIN.inside(), 0), HOST6)),
        up("TCP", PLAIN, plain().of(6, tcp(4000, 443, b"hello"))),
        up("SCTP", PLAIN, plain().of(132, sctp(4000, 2905))),
        up("ICMPv6", PLAIN, plain().of(58, vec![128, 0, 0, 0, 0, 1, 0, 1])),
        up("no next header", PLAIN, plain().of(59, Vec::new())),
        up("a hop-by-hop header", PLAIN, plain().of(0, extension(17, 0, &udp(1, 2, b"")))),
        up("six extension headers", PLAIN, plain().of(60, chain(6))),
        dropped("more than are walked", plain().of(60, chain(7)).up(PLAIN), Verdict::Malformed),
        up("a first fragment", PLAIN, plain().of(44, fragment6(17, 0, true, &udp(4000, 53, QUESTION)))),
        up("a later fragment, which has no ports", PLAIN, plain().of(44, fragment6(17, 1480, false, b"x"))),
        up("a hop limit of 2 leaves as 1", PLAIN, plain().hops(2)),
        up("a hop limit of 255", PLAIN, plain().hops(255)),
        access(
            "traffic class and flow",
            with_flow(flow.up(PLAIN)),
            Action::Redirect,
            flow.at_router().map(with_flow),
            Verdict::ForwardedUp,
        ),
    ]
}

/// What the fast path leaves to the kernel; it goes without its tags.
#[test]
fn slow_path() {
    check(&mut world6::new(), reset6, &left_to_the_kernel());
}

pub(crate) fn left_to_the_kernel() -> Vec<Case> {
    use Action::Pass;
    use Verdict::PassedSlow;
    let plain = |hops| Packet::new(PLAIN.address6(), HOST6).hops(hops).up(PLAIN);
    let nobody = Packet::new(TAGGED.address6(), NOBODY6);
    let untagged = Ether::new(TAGGED.mac(), GATEWAY_MAC).frame(IPV6, &nobody.octets());
    let last_hop = Packet::new(TAGGED.inside(), HOST6).hops(1);
    let last_untagged = Ether::new(TAGGED.mac(), GATEWAY_MAC).frame(IPV6, &last_hop.octets());
    let large = Packet::new(PLAIN.inside(), HOST6).of(17, udp(1, 2, &[0; 1460])).up(PLAIN);
    let core = Ether::new(ROUTER_MAC, GATEWAY_MAC);
    let down = |packet: Packet| core.frame(IPV6, &packet.octets());
    vec![
        access("hop limit 1", plain(1), Pass, None, PassedSlow),
        access("hop limit 0", plain(0), Pass, None, PassedSlow),
        access("hop limit 1, tagged", last_hop.up(TAGGED), Pass, Some(last_untagged), PassedSlow),
        access("no neighbour yet", nobody.up(TAGGED), Pass, Some(untagged), PassedSlow),
        access("too large for the path", large, Pass, None, PassedSlow),
        access(
            "a port that is no device",
            Packet::new(PLAIN.address6(), UNREACHABLE.inside()).up(PLAIN),
            Pass,
            None,
            PassedSlow,
        ),
        Case {
            set_up: |plane| plane.port(FPC1, Port { mtu: 50, ..access_port(FPC1_MAC) }, true),
            ..upstream("too large for the port", down(Packet::new(HOST6, FAR.inside())), Pass, None, PassedSlow)
        },
        upstream("down with hop limit 1", down(Packet::new(HOST6, FAR.inside()).hops(1)), Pass, None, PassedSlow),
    ]
}

/// The same where the kernel is asked for its main table only, whose default route would have the gateway's own addresses.
#[test]
fn by_the_main_table() {
    let reset = |plane: &mut Plane| {
        reset6(plane)?;
        let main6 = [LINK_LOCAL, RELAY].iter().fold(0, |bits, own| bits | Settings::main_bit6((*own).into()));
        plane.settings(Settings { main6, ..served() })
    };
    let mut cases = going_up();
    cases.extend(left_to_the_kernel());
    let own = Packet::new(PLAIN.address6(), RELAY);
    cases.push(access("to the gateway", own.up(PLAIN), Action::Pass, None, Verdict::PassedLocal));
    check(&mut world6::new(), reset, &cases);
}

/// From one subscriber to another: tags popped and pushed, to addresses and into prefixes. What would go back to its
/// sender, because that has no route for a part of its own prefix, goes no further.
#[test]
fn across() {
    check(&mut world6::new(), reset6, &going_across());
}

pub(crate) fn going_across() -> Vec<Case> {
    let case = |name, from: Cpe, source: Ipv6Addr, to: Cpe, destination: Ipv6Addr| {
        let packet = Packet::new(source, destination);
        access(name, packet.up(from), Action::Redirect, packet.at(to), Verdict::ForwardedAcross)
    };
    let (a, b) = (PLAIN.address6(), PLAIN.inside());
    vec![
        case("0 tags to 0", PLAIN, a, FAR, FAR.address6()),
        case("0 tags to 1", PLAIN, b, FAR_TAGGED, FAR_TAGGED.inside()),
        case("0 tags to 2", PLAIN, b, FAR_DOUBLE, FAR_DOUBLE.address6()),
        case("1 tag to 0", TAGGED, TAGGED.inside(), FAR, FAR.inside()),
        case("1 tag to 2", TAGGED, TAGGED.address6(), FAR_DOUBLE, FAR_DOUBLE.inside()),
        case("2 tags to 0", DOUBLE, DOUBLE.inside(), FAR, FAR.address6()),
        case("2 tags to 1", DOUBLE, DOUBLE.inside(), FAR_TAGGED, FAR_TAGGED.address6()),
        case("2 tags to 2", DOUBLE, DOUBLE.address6(), FAR_DOUBLE, FAR_DOUBLE.inside()),
        dropped("into its own prefix", Packet::new(a, b).up(PLAIN), Verdict::OwnPrefix),
        dropped("to its own address", Packet::new(b, a).up(PLAIN), Verdict::OwnPrefix),
    ]
}

/// Down to a subscriber: its MAC and tags, the port's MAC, one hop less, for any address of its prefixes.
#[test]
fn down() {
    check(&mut world6::new(), reset6, &going_down());
}

pub(crate) fn going_down() -> Vec<Case> {
    use Action::{Drop, Pass};
    let core = Ether::new(ROUTER_MAC, GATEWAY_MAC);
    let to = |destination: Ipv6Addr| Packet::new(HOST6, destination);
    let frame = |packet: &Packet| core.frame(IPV6, &packet.octets());
    let case = |name, ether: Ether, cpe: Cpe, packet: Packet| {
        let frame = ether.frame(IPV6, &packet.octets());
        upstream(name, frame, Action::Redirect, packet.at(cpe), Verdict::ForwardedDown)
    };
    let group = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 0x101);
    let local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    vec![
        case("an address, untagged", core, FAR, to(FAR.address6())),
        case("an address, one tag", core, FAR_TAGGED, to(FAR_TAGGED.address6())),
        case("an address, two tags", core, FAR_DOUBLE, to(FAR_DOUBLE.address6())),
        case("a /60", core, FAR, to(FAR.inside())),
        case("a /48", core, FAR_TAGGED, to(FAR_TAGGED.inside())),
        case("a /56", core, FAR_DOUBLE, to(FAR_DOUBLE.inside())),
        case("from a tagged core", core.tagged(tag(9)), FAR_DOUBLE, to(FAR_DOUBLE.inside())),
        case("a fragment", core, FAR, to(FAR.inside()).of(44, fragment6(17, 8, true, b"12345678"))),
        upstream("nobody behind us", frame(&to(NOBODY6)), Pass, None, Verdict::PassedOther),
        upstream("the gateway itself", frame(&to(RELAY)), Pass, None, Verdict::PassedLocal),
        upstream("multicast", frame(&to(group)), Pass, None, Verdict::PassedOther),
        upstream(
            "from a link-local address",
            frame(&Packet::new(local, FAR.inside())),
            Pass,
            None,
            Verdict::PassedOther,
        ),
        Case {
            set_up: |plane| plane.cohort(3, 6),
            ..upstream("after the logout", frame(&to(FAR.inside())), Drop, None, Verdict::StaleEpoch)
        },
        Case {
            set_up: |plane| plane.route6(FAR.inside(), FAR.delegated().1, FAR.prefix_route(), 1),
            ..upstream("after the prefix's lease", frame(&to(FAR.inside())), Drop, None, Verdict::Expired)
        },
        Case {
            set_up: |plane| plane.route6(FAR.inside(), FAR.delegated().1, FAR.prefix_route(), 1),
            ..case("the address has a lease of its own", core, FAR, to(FAR.address6()))
        },
        Case {
            set_up: |plane| plane.settings(Default::default()),
            ..upstream("while IPv6 is not served", frame(&to(FAR.inside())), Pass, None, Verdict::PassedOther)
        },
    ]
}
