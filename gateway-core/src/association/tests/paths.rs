//! Where this end sends.

use super::lab::{Lab, ip, own};
use crate::association::{PathState, PeerEvent};

/// SC-7, H-SC-8: by its own measurements, while the peer has said nothing.
#[test]
fn own_measurements() {
    let mut lab = Lab::double();
    lab.measure("203.0.113.1", 1, 100, 20);
    lab.pass(2);
    assert_eq!(lab.did(), []);
    lab.pass(1);
    assert_eq!(lab.did()[0], own("203.0.113.2"));
}

/// SC-17, SC-25: the peer's wish is followed at once, and holds against measurements, so that two ends never pull one path
/// to and fro.
#[test]
fn the_peers_wish() {
    let mut lab = Lab::double();
    lab.manager.handle_peer(ip("203.0.113.2"), PeerEvent::MadePrimary, lab.now);
    lab.drain();
    assert_eq!(lab.did(), [own("203.0.113.2")]);
    lab.measure("203.0.113.2", 2, 200, 400);
    lab.pass(60);
    assert!(!lab.did().contains(&own("203.0.113.1")));
}

/// SC-7, H-SC-8, H-SC-9: a wish whose path is lost is left at once, and followed again when the path has worked for three
/// seconds, ten after the last change.
#[test]
fn a_wish_that_can_not_be_followed() {
    let mut lab = Lab::double();
    lab.manager.handle_peer(ip("203.0.113.2"), PeerEvent::MadePrimary, lab.now);
    lab.drain();
    assert_eq!(lab.did(), [own("203.0.113.2")]);
    lab.manager.handle_peer(ip("203.0.113.2"), PeerEvent::MadePrimary, lab.now);
    lab.pass(20);
    assert_eq!(lab.did(), [], "the kernel tells what was done itself");
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 20, 6);
    assert_eq!(lab.did()[0], own("203.0.113.1"));
    lab.pass(2);
    lab.did();
    lab.measure("203.0.113.2", 2, 0, 20);
    lab.pass(7);
    assert!(!lab.did().contains(&own("203.0.113.2")));
    lab.pass(1);
    assert!(lab.did().contains(&own("203.0.113.2")));
}

/// SC-12: what the peer removed is not sent to any more, wish or not.
#[test]
fn the_peer_removes_its_primary() {
    let mut lab = Lab::double();
    lab.manager.handle_peer(ip("203.0.113.1"), PeerEvent::Removed, lab.now);
    lab.drain();
    assert_eq!(lab.did()[0], own("203.0.113.2"));
}
