//! Addresses that the other end had before.

use super::lab::{Lab, add, ip, own, primary, remove};
use crate::association::{Cause, Event, Outcome, PathEvent, PathState, Refusal};

/// H-SC-4: an address that was this host's and is the peer's now is sent to like any other, also while the association has
/// it as ours still.
#[test]
fn the_peer_has_what_was_ours() {
    for answered in [true, false] {
        let mut lab = Lab::double();
        lab.willing = false;
        lab.gone("192.0.2.1", 1);
        lab.answer(Outcome::Acknowledged);
        assert_eq!(lab.did(), [own("203.0.113.2"), primary("198.51.100.1"), remove("192.0.2.1")]);
        if answered {
            lab.answer(Outcome::Acknowledged);
        }
        lab.peer("192.0.2.1", PathEvent::Added);
        lab.peer("192.0.2.1", PathEvent::Confirmed);
        lab.peer("192.0.2.1", PathEvent::MadePrimary);
        assert_eq!(lab.did(), [own("192.0.2.1")]);
        assert_eq!(lab.events.iter().find(|event| matches!(event, Event::Unwanted { .. })), None);
    }
}

/// H-SC-4, H-SC-11: an address that both claim to have is refused as long as this host has it, and used afterwards.
#[test]
fn both_have_it_for_a_while() {
    let mut lab = Lab::double();
    lab.peer("192.0.2.1", PathEvent::Added);
    lab.peer("192.0.2.1", PathEvent::Confirmed);
    lab.path("203.0.113.1", 1, PathState::Inactive, 1000, 0, 9);
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 0, 9);
    assert!(!lab.did().contains(&own("192.0.2.1")));
    assert!(lab.events.contains(&Event::Unwanted { address: ip("192.0.2.1"), refusal: Refusal::Ours }));
    lab.gone("192.0.2.1", 1);
    assert!(lab.did().contains(&own("192.0.2.1")));
}

/// H-SC-4: an address that this host gets from the peer is added as soon as the peer has removed it.
#[test]
fn we_have_what_was_the_peers() {
    let mut lab = Lab::double();
    lab.up("203.0.113.2", 2);
    lab.pass(60);
    assert_eq!(lab.did(), []);
    let (address, refusal) = (ip("203.0.113.2"), Refusal::Ours);
    assert_eq!(lab.events, [Event::NotAdded { address, refusal }, Event::Unwanted { address, refusal }]);
    lab.peer("203.0.113.2", PathEvent::Removed);
    assert_eq!(lab.did(), [add("203.0.113.2")]);
}

/// H-SC-4: the same where the peer was asked before it had removed it, and did not allow it.
#[test]
fn who_was_refused_asks_again() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.up("198.51.100.1", 2);
    assert_eq!(lab.did(), [add("198.51.100.1")]);
    lab.peer("198.51.100.1", PathEvent::Added);
    lab.answer(Outcome::Refused(Cause::NoAuthorization));
    lab.pass(60);
    assert_eq!(lab.did(), []);
    lab.peer("198.51.100.1", PathEvent::Removed);
    assert_eq!(lab.did(), [add("198.51.100.1")]);
}
