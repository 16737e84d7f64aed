//! Which addresses are refused.

use super::lab::{ALL, Lab, add, ip, own};
use crate::association::{AssociationConfig, Change, Event, PathEvent, PathState, Policy, Refusal};

const NONE: &[&str] = &[];

fn policy(allowed: &[&str]) -> Policy {
    Policy { allowed: allowed.iter().map(|text| text.parse().expect("a prefix")).collect() }
}

/// H-SC-1, H-SC-11: wildcards, multicast and broadcast are refused whatever is allowed; private addresses unless a prefix
/// allows them; what is in no prefix where some are listed.
#[test]
fn what_is_refused() {
    let wide = ["0.0.0.0/0", "::/0", "10.1.0.0/24"];
    for (allowed, address, refusal) in [
        (NONE, "0.0.0.0", Some(Refusal::Wildcard)),
        (&wide[..], "::", Some(Refusal::Wildcard)),
        (&wide[..], "224.0.0.5", Some(Refusal::Multicast)),
        (&wide[..], "ff02::1", Some(Refusal::Multicast)),
        (&wide[..], "::ffff:224.0.0.5", Some(Refusal::Multicast)),
        (&wide[..], "255.255.255.255", Some(Refusal::Broadcast)),
        (&wide[..], "10.1.0.255", Some(Refusal::Broadcast)),
        (&wide[..], "127.0.0.1", Some(Refusal::Local)),
        (&wide[..], "169.254.1.1", Some(Refusal::Local)),
        (&wide[..], "fe80::1", Some(Refusal::Local)),
        (NONE, "10.1.0.1", Some(Refusal::Private)),
        (NONE, "172.31.0.1", Some(Refusal::Private)),
        (NONE, "100.64.0.1", Some(Refusal::Private)),
        (NONE, "fd00::1", Some(Refusal::Private)),
        (NONE, "192.0.2.1", None),
        (NONE, "2001:db8::1", None),
        (&["10.1.0.0/24"][..], "10.1.0.1", None),
        (&["10.1.0.0/24"][..], "10.1.1.1", Some(Refusal::NotAllowed)),
        (&["10.1.0.0/24"][..], "192.0.2.1", Some(Refusal::NotAllowed)),
        (&["10.1.0.0/24"][..], "2001:db8::1", Some(Refusal::NotAllowed)),
        (&["2001:db8::/32"][..], "2001:db8:9::1", None),
        (&["10.1.0.0/31"][..], "10.1.0.1", None),
    ] {
        assert_eq!(policy(allowed).admits(ip(address)).err(), refusal, "{address} where {allowed:?} is allowed");
    }
    for text in ["10.0.0.0/33", "::/129", "10.0.0.0/x", "host/8", ""] {
        assert!(text.parse::<crate::association::Prefix>().is_err(), "{text}");
    }
}

/// H-SC-1, H-SC-11: an address of this host that is refused is not added, and said once.
#[test]
fn own_addresses_are_refused() {
    let mut lab = Lab::single();
    for address in ["0.0.0.0", "::", "224.0.0.5", "ff0e::1", "255.255.255.255", "10.0.0.1", "fe80::1", "203.0.113.1"] {
        lab.up(address, 2);
        lab.up(address, 2);
    }
    lab.pass(60);
    assert_eq!(lab.did(), []);
    let refused = |address, refusal| Event::NotAdded { address: ip(address), refusal };
    let expected = [
        refused("0.0.0.0", Refusal::Wildcard),
        refused("::", Refusal::Wildcard),
        refused("224.0.0.5", Refusal::Multicast),
        refused("ff0e::1", Refusal::Multicast),
        refused("255.255.255.255", Refusal::Broadcast),
        refused("10.0.0.1", Refusal::Private),
        refused("fe80::1", Refusal::Local),
        refused("203.0.113.1", Refusal::Ours),
        // Nor can anything be sent to it any more.
        Event::Unwanted { address: ip("203.0.113.1"), refusal: Refusal::Ours },
    ];
    assert_eq!(lab.events, expected);
}

/// H-SC-1, H-SC-3, H-SC-11: nor is the association moved to one, when it has no other.
#[test]
fn nothing_moves_to_what_is_refused() {
    let mut lab = Lab::single();
    for address in ["0.0.0.0", "::", "224.0.0.5", "255.255.255.255", "127.0.0.1", "10.0.0.1"] {
        lab.up(address, 2);
    }
    lab.gone("192.0.2.1", 1);
    lab.pass(60);
    assert_eq!((lab.did(), lab.events.last()), (vec![], Some(&Event::Stranded)));
    lab.up("198.51.100.7", 1);
    assert_eq!(lab.did(), [Change::Move { to: ip("198.51.100.7"), from: ip("192.0.2.1") }]);
}

/// H-SC-1, H-SC-2, H-SC-11: to an address of the peer that is refused nothing is sent, though it is confirmed and the peer asks
/// for it; nor to one that is not confirmed.
#[test]
fn the_peers_addresses_are_refused() {
    let mut lab = Lab::single();
    for address in ["0.0.0.0", "::", "10.0.0.9", "224.0.0.9", "255.255.255.255", "192.0.2.1"] {
        lab.manager.handle_peer(ip(address), PathEvent::Added, lab.now);
        lab.manager.handle_peer(ip(address), PathEvent::Confirmed, lab.now);
        lab.manager.handle_peer(ip(address), PathEvent::MadePrimary, lab.now);
        lab.pass(30);
    }
    lab.manager.handle_peer(ip("203.0.113.2"), PathEvent::Added, lab.now);
    lab.manager.handle_peer(ip("203.0.113.2"), PathEvent::MadePrimary, lab.now);
    lab.path("203.0.113.1", 1, PathState::Inactive, 0, 0, 9);
    lab.pass(30);
    assert_eq!(lab.did(), []);
    lab.manager.handle_peer(ip("203.0.113.2"), PathEvent::Confirmed, lab.now);
    lab.drain();
    assert_eq!(lab.did(), [own("203.0.113.2")]);
    let told = lab.events.iter().filter(|event| matches!(event, Event::Unwanted { .. })).count();
    assert_eq!(told, 6);
}

/// H-SC-11: a cluster's links have private addresses, and are listed.
#[test]
fn private_addresses_that_are_listed() {
    let config = AssociationConfig { policy: policy(&["10.1.0.0/16"]), ..AssociationConfig::default() };
    let mut lab = Lab::with(config, ALL, &[("10.1.0.1", 1)], &["10.1.0.2"]);
    lab.up("10.1.7.1", 2);
    lab.up("10.2.0.1", 3);
    assert_eq!(lab.did(), [add("10.1.7.1")]);
}
