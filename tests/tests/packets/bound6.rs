//! Subscriber data by IPv6: whose addresses and prefixes are whose.

use std::net::Ipv6Addr;

use gateway_common::event::EventKind;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::frame::{Ether, IPV6, icmpv6, qinq, tag, udp};
use gateway_tests::packets::{Action, Case, check};

use crate::data6::{Packet, access, dropped};
use crate::world::*;
use crate::world6::{self, *};

/// A source must be an address, or of a prefix, of the sender's: from its own port, tags and MAC, of a valid epoch, and
/// not expired. Link-local addresses get as far as the gateway. RR-9, H-RR-18
#[test]
fn binding() {
    check(&mut world6::new(), reset6, &bound());
}

pub(crate) fn bound() -> Vec<Case> {
    use Action::Pass;
    let from = |source: Ipv6Addr| Packet::new(source, HOST6);
    let octets = |source| from(source).octets();
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let echo = |source, destination| Packet::new(source, destination).of(58, vec![128, 0, 0, 0, 0, 1, 0, 1]);
    // Just past the end of a /60, and past that of a /48.
    let past = |inside: Ipv6Addr, length: u8| Ipv6Addr::from(u128::from(inside) + (1 << (128 - length)));
    let mut inner = DOUBLE.tags;
    inner.inner.vid += 1;
    let mut tpid = DOUBLE.tags;
    tpid.outer.tpid = 0x8100;
    let far = Ether::new(FAR.mac(), GATEWAY_MAC);
    let to = |destination| Packet::new(PLAIN.address6(), destination);
    let stale = |name, packet: Vec<u8>| Case {
        set_up: |plane| plane.cohort(3, 6),
        ..dropped(name, packet, Verdict::StaleEpoch)
    };
    vec![
        dropped("no session", from(address("2001:db8:100::9999")).up(PLAIN), Verdict::NoSession),
        dropped("past the end of its /60", from(past(PLAIN.inside(), 60)).up(PLAIN), Verdict::NoSession),
        dropped("another's address", from(TAGGED.address6()).up(PLAIN), Verdict::WrongVlan),
        dropped("of another's prefix", from(TAGGED.inside()).up(PLAIN), Verdict::WrongVlan),
        dropped("past the end of its /48", from(past(TAGGED.inside(), 48)).up(TAGGED), Verdict::WrongVlan),
        dropped(
            "another's MAC",
            TAGGED.ether().tagged(VlanTags::NONE).frame(IPV6, &octets(PLAIN.inside())),
            Verdict::WrongMac,
        ),
        dropped(
            "a tag too many",
            PLAIN.ether().tagged(tag(5)).frame(IPV6, &octets(PLAIN.inside())),
            Verdict::WrongVlan,
        ),
        dropped("a tag too few", far.frame(IPV6, &octets(TAGGED.inside())), Verdict::WrongVlan),
        dropped(
            "another inner tag",
            DOUBLE.ether().tagged(inner).frame(IPV6, &octets(DOUBLE.inside())),
            Verdict::WrongVlan,
        ),
        dropped(
            "another kind of outer tag",
            DOUBLE.ether().tagged(tpid).frame(IPV6, &octets(DOUBLE.inside())),
            Verdict::WrongVlan,
        ),
        dropped("another port", far.frame(IPV6, &octets(FAR.inside())), Verdict::WrongPort),
        dropped("unspecified", from(Ipv6Addr::UNSPECIFIED).up(PLAIN), Verdict::NoSession),
        dropped("loopback", from(Ipv6Addr::LOCALHOST).up(PLAIN), Verdict::NoSession),
        dropped("multicast as a source", from(address("ff02::1")).up(PLAIN), Verdict::NoSession),
        dropped("the gateway's as a source", from(RELAY).up(PLAIN), Verdict::NoSession),
        dropped("multicast", to(address("ff02::fb")).up(PLAIN), Verdict::Multicast),
        dropped(
            "multicast listener report",
            Packet::new(PLAIN.link_local(), address("ff02::16")).hops(1).up(PLAIN),
            Verdict::Multicast,
        ),
        dropped("link-local to the internet", from(PLAIN.link_local()).up(PLAIN), Verdict::LinkLocal),
        dropped("link-local to another", Packet::new(PLAIN.link_local(), FAR.inside()).up(PLAIN), Verdict::LinkLocal),
        dropped("to another's link-local", to(FAR.link_local()).up(PLAIN), Verdict::LinkLocal),
        dropped("between link-locals", echo(PLAIN.link_local(), FAR.link_local()).up(PLAIN), Verdict::LinkLocal),
        dropped("a service of the gateway", Packet::new(PLAIN.link_local(), LINK_LOCAL).up(PLAIN), Verdict::LinkLocal),
        access(
            "is the gateway there",
            echo(PLAIN.link_local(), LINK_LOCAL).up(PLAIN),
            Pass,
            None,
            Verdict::PassedLocal,
        ),
        access(
            "to the gateway, tags and all",
            Packet::new(TAGGED.inside(), RELAY).up(TAGGED),
            Pass,
            None,
            Verdict::PassedLocal,
        ),
        access(
            "to its link-local",
            Packet::new(TAGGED.inside(), LINK_LOCAL).up(TAGGED),
            Pass,
            None,
            Verdict::PassedLocal,
        ),
        stale("one epoch too old, an address", from(PLAIN.address6()).up(PLAIN)),
        stale("one epoch too old, a prefix", from(PLAIN.inside()).up(PLAIN)),
        Case {
            set_up: |plane| {
                plane.cohort(3, 6)?;
                let route = AccessRoute { epoch: 6, ..PLAIN.prefix_route() };
                plane.route6(PLAIN.inside(), PLAIN.delegated().1, route, Subscriber::NEVER)
            },
            ..access(
                "who logged in again goes on",
                from(PLAIN.inside()).up(PLAIN),
                Action::Redirect,
                from(PLAIN.inside()).at_router(),
                Verdict::ForwardedUp,
            )
        },
        Case {
            set_up: |plane| {
                plane.route6(PLAIN.inside(), PLAIN.delegated().1, PLAIN.prefix_route(), now() - 100_000_000)
            },
            ..dropped("the prefix's lease ended a moment ago", from(PLAIN.inside()).up(PLAIN), Verdict::Expired)
        },
        Case {
            set_up: |plane| {
                plane.route6(PLAIN.inside(), PLAIN.delegated().1, PLAIN.prefix_route(), now() + 10_000_000_000)
            },
            ..access(
                "it ends in 10 s",
                from(PLAIN.inside()).up(PLAIN),
                Action::Redirect,
                from(PLAIN.inside()).at_router(),
                Verdict::ForwardedUp,
            )
        },
        Case {
            set_up: |plane| plane.route6(FAR.inside(), FAR.delegated().1, FAR.prefix_route(), 1),
            ..dropped("to another whose lease ended", to(FAR.inside()).up(PLAIN), Verdict::Expired)
        },
        Case {
            set_up: |plane| plane.forget_lengths(),
            ..dropped("no prefix length is known", from(PLAIN.inside()).up(PLAIN), Verdict::NoSession)
        },
        Case {
            set_up: |plane| plane.settings(Default::default()),
            ..dropped("while IPv6 is not served", from(PLAIN.inside()).up(PLAIN), Verdict::Ipv6Unserved)
        },
        Case {
            set_up: |plane| plane.own_all(UnitState::FOREIGN),
            ..dropped("another member's", from(PLAIN.inside()).up(PLAIN), Verdict::Foreign)
        },
    ]
}

/// Traffic is counted for the lease it goes by, from the IP header on, and the time of the last packet is kept; what is
/// spoofed is counted for nobody, and told with its address.
#[test]
fn subscriber_counters() {
    let mut plane = world6::new();
    let before = now() - 20_000_000;
    for _ in 0..3 {
        let packet = Packet::new(PLAIN.inside(), FAR.inside()).of(17, udp(1, 2, &[0; 52]));
        plane.run(Program::Access, &packet.up(PLAIN)).unwrap();
    }
    let sender = plane.subscriber6(PLAIN.prefix_route().slot).unwrap();
    assert_eq!((sender.up_packets, sender.up_octets, sender.down_packets), (3, 300, 0));
    assert!((before..=now()).contains(&sender.last_seen_ns));
    let receiver = plane.subscriber6(FAR.prefix_route().slot).unwrap();
    assert_eq!((receiver.down_packets, receiver.down_octets, receiver.up_packets), (3, 300, 0));
    for slot in [PLAIN.route6().slot, FAR.route6().slot] {
        assert_eq!(plane.subscriber6(slot).unwrap().up_packets, 0, "the address has a lease apart");
    }
    let v4 = plane.subscriber(PLAIN.prefix_route().slot).unwrap();
    assert_eq!(v4.up_packets, 0, "the cells are not those of IPv4");

    plane.run(Program::Access, &Packet::new(TAGGED.inside(), HOST6).up(PLAIN)).unwrap();
    assert_eq!(plane.subscriber6(TAGGED.prefix_route().slot).unwrap().up_packets, 0);
    let events = plane.events().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(EventKind::from_u32(events[0].kind), Some(EventKind::Spoofed));
    assert_eq!((events[0].address6, events[0].mac), (TAGGED.inside().into(), PLAIN.mac()));
}

/// An unknown port, with and without a session that names it.
#[test]
fn unknown_port() {
    let mut plane = world6::new();
    plane.forget_port(gateway_tests::packets::INGRESS).unwrap();
    let stranger = Packet::new("2001:db8:9::1".parse().unwrap(), HOST6).up(PLAIN);
    assert_eq!(plane.run(Program::Access, &stranger).unwrap().verdict, Verdict::UnknownPort);
    let solicit = PLAIN.ether().frame(IPV6, &icmpv6(133, PLAIN.link_local(), "ff02::2".parse().unwrap(), &[0; 4]));
    assert_eq!(plane.run(Program::Access, &solicit).unwrap().verdict, Verdict::UnknownPort);
    let held = Packet::new(PLAIN.inside(), HOST6).up(PLAIN);
    assert_eq!(plane.run(Program::Access, &held).unwrap().verdict, Verdict::ForwardedUp);
    let tagged = Ether::new(PLAIN.mac(), GATEWAY_MAC).tagged(qinq(1, 2));
    let elsewhere = tagged.frame(IPV6, &Packet::new(PLAIN.inside(), HOST6).octets());
    assert_eq!(plane.run(Program::Access, &elsewhere).unwrap().verdict, Verdict::UnknownPort);
}
