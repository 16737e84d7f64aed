//! However much is told, so much is kept.

use super::lab::{Lab, add, ip};
use crate::association::{Change, Event, PathEvent, Presence, Refusal};

/// H-SC-10: the association has 16 addresses at most; the next is added when one of them is gone.
#[test]
fn sixteen_addresses() {
    let mut lab = Lab::double();
    for host in 10..40 {
        lab.up(&format!("198.51.100.{host}"), 2);
    }
    let added = lab.did();
    assert_eq!(added.len(), 14);
    let full = |address: &str| {
        let view = lab.manager.view(lab.now);
        view.locals.into_iter().find(|local| local.address == ip(address)).and_then(|local| local.refusal)
    };
    assert_eq!((full("198.51.100.23"), full("198.51.100.24")), (None, Some(Refusal::TooMany)));
    lab.measure("203.0.113.2", 2, 0, 20);
    lab.gone("198.51.100.11", 2);
    assert_eq!(lab.did(), [super::lab::remove("198.51.100.11"), add("198.51.100.24")]);
}

/// H-SC-10: of a peer 16 addresses are known; more are told and not used, be they added or made primary, and nobody's flood is
/// kept.
#[test]
fn floods() {
    let mut lab = Lab::single();
    lab.willing = false;
    for host in 0..2000u32 {
        let peer = core::net::Ipv4Addr::from_bits(0xCB00_7200 + host);
        let event = if host % 2 == 0 { PathEvent::Added } else { PathEvent::MadePrimary };
        lab.manager.handle_peer(peer.into(), event, lab.now);
        let local = core::net::Ipv4Addr::from_bits(0xC633_6400 + host);
        lab.manager.handle_local(local.into(), host, Presence::Up, lab.now);
        lab.manager.handle_signal(host, 900, lab.now);
        lab.manager.handle_local(local.into(), host, Presence::Gone, lab.now);
        lab.drain();
    }
    let view = lab.manager.view(lab.now);
    assert!(view.peers.len() == 16 && view.locals.len() <= 64 && view.waiting.len() <= 64, "{view:?}");
    assert!(lab.events.iter().any(|event| matches!(event, Event::Unwanted { refusal: Refusal::TooMany, .. })));
    assert!(lab.manager.signals.len() <= 64);
    assert!(matches!(lab.did()[..], [Change::Add(_)]));
}

/// H-SC-15: an address that comes and goes leaves at most one change behind, whatever is under way.
#[test]
fn an_address_that_flaps() {
    let mut lab = Lab::double();
    lab.willing = false;
    for _ in 0..500 {
        lab.up("198.51.100.9", 2);
        lab.gone("198.51.100.9", 2);
        assert!(lab.manager.view(lab.now).waiting.len() <= 1);
    }
    assert_eq!(lab.did(), [add("198.51.100.9")]);
}

/// H-SC-10: of this host 64 addresses are looked at; of those that wait for a place, and of those beyond, it is told once. They
/// come in when others are gone.
#[test]
fn more_addresses_than_are_looked_at() {
    let mut lab = Lab::single();
    lab.willing = false;
    let address = |host: u32| core::net::Ipv4Addr::from_bits(0xC633_6400 + host);
    for round in 0..3 {
        for host in 0..200 {
            lab.local(&address(host).to_string(), 2 + round, Presence::Up);
        }
    }
    let (first, last) = (address(63), address(126));
    let told: Vec<_> = lab.events.iter().filter(|event| matches!(event, Event::NotAdded { .. })).cloned().collect();
    let full = |host| Event::NotAdded { address: address(host).into(), refusal: Refusal::TooMany };
    assert_eq!(told, (63..=127).map(full).collect::<Vec<_>>());
    let known = |lab: &Lab, of: core::net::Ipv4Addr| {
        lab.manager.view(lab.now).locals.iter().any(|local| local.address == of && local.interface == 4)
    };
    assert!(known(&lab, address(62)) && !known(&lab, first));
    for host in [61, 62, 63, 64] {
        lab.gone(&address(host).to_string(), 4);
    }
    assert!(known(&lab, address(65)) && known(&lab, address(66)) && !known(&lab, address(67)));
    assert!(!known(&lab, address(64)) && !known(&lab, last));
}
