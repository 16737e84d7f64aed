//! Where this end sends.

use super::lab::{ALL, Lab, own};
use crate::association::{AssociationConfig, PathEvent, PathState};

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

/// SC-13, SC-17: the peer's wish is followed at once, and holds against measurements, so that two ends never pull one path
/// to and fro.
#[test]
fn the_peers_wish() {
    let mut lab = Lab::double();
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(1);
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
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(1);
    assert_eq!(lab.did(), [own("203.0.113.2")]);
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
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
    lab.peer("203.0.113.1", PathEvent::Removed);
    assert_eq!(lab.did()[0], own("203.0.113.2"));
}

/// Three addresses of the peer, all alike, over cards 1 to 3, which nobody has asked for anything.
fn three() -> Lab {
    let locals = [("192.0.2.1", 1), ("198.51.100.1", 2), ("198.51.100.2", 3)];
    let peers = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
    let mut lab = Lab::with(AssociationConfig::default(), ALL, &locals, &peers);
    for (peer, interface) in peers.into_iter().zip(1..) {
        lab.measure(peer, interface, 0, 20);
    }
    lab.pass(60);
    assert_eq!(lab.did(), []);
    lab
}

/// The third path becomes the best one. Whether it is followed.
fn follows_measurements(lab: &mut Lab) -> bool {
    lab.pass(15);
    lab.did();
    lab.measure("203.0.113.3", 3, 0, 5);
    lab.pass(15);
    lab.did().contains(&own("203.0.113.3"))
}

/// SC-7, H-SC-9: when the peer removes the primary the kernel takes the first on its list, and says so as it does of the
/// peer's wishes. It is none: measurements decide.
#[test]
fn what_the_kernel_chooses_is_nobodys_wish() {
    let mut lab = three();
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.peer("203.0.113.1", PathEvent::Removed);
    assert!(follows_measurements(&mut lab));
    // The same when it had been told something, which it could not follow, and that is removed.
    let mut lab = three();
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 20, 6);
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(30);
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.peer("203.0.113.2", PathEvent::Removed);
    assert!(follows_measurements(&mut lab));
}

/// SC-7, SC-12: the peer removes what it had asked for, which could not be followed. The kernel had followed it, and now sends
/// to the first on its list, not to where it sent before: what is better than that is sent to.
#[test]
fn the_kernel_chooses_in_the_place_of_a_wish() {
    let mut lab = three();
    lab.measure("203.0.113.3", 3, 0, 5);
    lab.pass(15);
    assert!(lab.did().contains(&own("203.0.113.3")));
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 20, 6);
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(15);
    assert!(!lab.did().contains(&own("203.0.113.2")));
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.peer("203.0.113.2", PathEvent::Removed);
    lab.pass(3);
    assert!(lab.did().contains(&own("203.0.113.3")));
}

/// SC-13, SC-17: a wish that could not be followed becomes possible just as the peer asks for another one: it is none any more.
#[test]
fn a_wish_that_has_been_replaced() {
    let mut lab = three();
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 20, 6);
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(15);
    lab.did();
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.peer("203.0.113.2", PathEvent::Available);
    lab.pass(15);
    assert!(!lab.did().contains(&own("203.0.113.2")));
}

/// SC-7: nor is it one that the address is primary which the set-up was done with.
#[test]
fn the_set_up_is_nobodys_wish() {
    let peers = ["203.0.113.1", "203.0.113.2"];
    let locals = [("192.0.2.1", 1), ("198.51.100.1", 2)];
    let mut lab = Lab::with(AssociationConfig::default(), ALL, &locals, &peers);
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.measure("203.0.113.1", 1, 0, 20);
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.pass(15);
    assert!(lab.did().contains(&own("203.0.113.2")));
}

/// SC-13, SC-17: what is a wish stays one: that is removed a round trip after it what it takes the place of; that it is
/// removed with it, but was added with it too, in one message; and that is asked for what the kernel would not have taken.
#[test]
fn what_is_asked_for_before_the_former_is_removed() {
    let mut lab = three();
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(1);
    lab.peer("203.0.113.1", PathEvent::Removed);
    assert!(!follows_measurements(&mut lab));

    let mut lab = three();
    for removed in ["203.0.113.2", "203.0.113.3"] {
        lab.peer(removed, PathEvent::Removed);
    }
    lab.peer("203.0.113.9", PathEvent::Added);
    lab.peer("203.0.113.9", PathEvent::MadePrimary);
    lab.peer("203.0.113.1", PathEvent::Removed);
    lab.peer("203.0.113.9", PathEvent::Confirmed);
    lab.measure("203.0.113.9", 1, 0, 20);
    lab.peer("203.0.113.3", PathEvent::Added);
    assert!(!follows_measurements(&mut lab));

    let mut lab = three();
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(15);
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.pass(15);
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.peer("203.0.113.3", PathEvent::Removed);
    lab.peer("203.0.113.3", PathEvent::Added);
    assert!(!follows_measurements(&mut lab));
}
