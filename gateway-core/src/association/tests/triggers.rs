//! What begins a change, and in which order things are changed.

use super::lab::{Lab, add, ip, own, primary, remove};
use crate::association::{Change, Outcome, PathEvent, PathState, Presence, Why};

/// SC-8, SC-9, SC-10, SC-11, SC-14, SC-21, SC-23: a card is plugged in while the association lives, and its address
/// is added at once; nothing else is.
#[test]
fn a_card_is_plugged_in() {
    let mut lab = Lab::single();
    lab.up("198.51.100.1", 2);
    assert_eq!(lab.took(), [(0, add("198.51.100.1"))]);
    lab.pass(600);
    assert_eq!(lab.did(), [], "of a card that says nothing of itself nothing more is known");
}

/// SC-22, SC-40: a card that has an address gets another, of the other version.
#[test]
fn another_address_on_a_card() {
    let mut lab = Lab::single();
    lab.up("2001:db8:1::1", 1);
    assert_eq!(lab.did(), [add("2001:db8:1::1")]);
}

/// SC-13, SC-15, SC-24, SC-25, H-SC-8: the better path becomes primary when it was better for three seconds, and not
/// before its address was added and reached.
#[test]
fn a_better_path() {
    let mut lab = Lab::single();
    lab.measure("203.0.113.1", 1, 0, 40);
    lab.manager.handle_peer(ip("203.0.113.2"), PathEvent::Added, lab.now);
    lab.measure("203.0.113.2", 2, 0, 10);
    lab.pass(20);
    assert_eq!(lab.did(), [own("203.0.113.2")], "there is nothing to ask for yet");
    lab.willing = false;
    lab.up("198.51.100.1", 2);
    lab.pass(20);
    assert_eq!(lab.did(), [add("198.51.100.1")], "not acknowledged");
    lab.answer(Outcome::Acknowledged);
    lab.pass(20);
    assert_eq!(lab.did(), [], "not reached yet");
    lab.measure("203.0.113.2", 2, 0, 10);
    lab.pass(2);
    assert_eq!(lab.did(), []);
    lab.pass(1);
    assert_eq!(lab.did(), [primary("198.51.100.1")]);
    lab.answer(Outcome::Acknowledged);
    assert!(lab.manager.view(lab.now).locals.iter().any(|local| local.primary && local.interface == 2));
}

/// H-SC-8: what is better by less than the margin, or by too little to matter, or for too short a time, changes nothing.
#[test]
fn a_path_that_is_hardly_better() {
    let mut lab = Lab::double();
    lab.measure("203.0.113.2", 2, 0, 17);
    lab.pass(60);
    for _ in 0..20 {
        lab.measure("203.0.113.2", 2, 0, 5);
        lab.pass(2);
        lab.measure("203.0.113.2", 2, 0, 20);
        lab.pass(2);
    }
    assert_eq!(lab.did(), []);
    let mut lan = Lab::single();
    lan.measure("203.0.113.1", 1, 0, 1);
    lan.up("198.51.100.1", 2);
    lan.manager.handle_peer(ip("203.0.113.2"), PathEvent::Added, lan.now);
    lan.measure("203.0.113.2", 2, 0, 0);
    lan.pass(60);
    assert_eq!(lan.did(), [add("198.51.100.1")]);
}

/// H-SC-8: after a change nothing that could wait changes for ten seconds, however good the other path becomes.
#[test]
fn hold_down() {
    let mut lab = Lab::double();
    let mut times = Vec::new();
    for round in 0..60 {
        let (first, second) = if round % 8 < 4 { (60, 5) } else { (5, 60) };
        lab.measure("203.0.113.1", 1, 0, first);
        lab.measure("203.0.113.2", 2, 0, second);
        lab.pass(1);
        let asked = lab.took().into_iter().filter(|(_, change)| matches!(change, Change::SetPrimary(_)));
        times.extend(asked.map(|(at, _)| at));
    }
    assert!(times.len() >= 3, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{times:?}");
}

/// SC-12, SC-26, H-SC-8: an address whose signal fades for five seconds is removed, its primary first; one whose signal
/// comes back in time is not.
#[test]
fn a_fading_path() {
    let mut lab = Lab::double();
    lab.signal(1, 500);
    lab.pass(2);
    lab.signal(1, 0);
    lab.pass(30);
    assert_eq!(lab.took(), []);
    lab.signal(1, 500);
    lab.pass(6);
    assert_eq!(lab.took(), [(35, primary("198.51.100.1")), (37, remove("192.0.2.1"))]);
    assert_eq!(lab.manager.view(lab.now).last.map(|last| last.why), Some(Why::Faded));
    lab.signal(1, 0);
    lab.pass(8);
    assert_eq!(lab.did(), [], "what was removed stays out for the hold-down");
    lab.pass(1);
    assert_eq!(lab.did(), [add("192.0.2.1")]);
}

/// SC-26, H-SC-8: an address that fades again and again is added again later each time.
#[test]
fn a_path_that_fades_again() {
    let mut lab = Lab::double();
    lab.signal(1, 500);
    lab.pass(400);
    let adds: Vec<_> = lab.took().into_iter().filter(|(_, change)| *change == add("192.0.2.1")).collect();
    let apart: Vec<_> = adds.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(apart.windows(2).all(|pair| pair[1] >= pair[0]), "{apart:?}");
    assert!(apart.first() >= Some(&25) && apart.last() >= Some(&65), "{apart:?}");
}

/// SC-26, H-SC-8: what fades while there is nothing better stays, and so does the last one that the peer is known to reach.
#[test]
fn the_last_address_stays() {
    let mut lab = Lab::single();
    lab.signal(1, 900);
    lab.pass(600);
    assert_eq!(lab.did(), [], "there is no other");
    lab.up("198.51.100.1", 2);
    lab.pass(600);
    assert_eq!(lab.did(), [add("198.51.100.1")], "nothing shows that the peer reaches the other");
    let mut both = Lab::double();
    both.signal(1, 900);
    both.signal(2, 900);
    both.pass(600);
    assert_eq!(both.did(), []);
}

/// SC-21: a card without carrier has no address to add; with carrier it has.
#[test]
fn a_card_without_carrier() {
    let mut lab = Lab::single();
    lab.local("198.51.100.1", 2, Presence::Down);
    lab.pass(60);
    assert_eq!(lab.did(), []);
    lab.up("198.51.100.1", 2);
    assert_eq!(lab.did(), [add("198.51.100.1")]);
}

/// H-SC-8: a path that was worse while a change was under way has not been better all the time: it is better for three
/// seconds before it becomes primary.
#[test]
fn a_path_that_was_worse_meanwhile() {
    let mut lab = Lab::double();
    lab.willing = false;
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.pass(1);
    lab.up("192.0.2.10", 1);
    lab.pass(1);
    lab.measure("203.0.113.2", 2, 0, 60);
    lab.pass(19);
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.answer(Outcome::Acknowledged);
    lab.pass(2);
    assert_eq!(lab.did(), [add("192.0.2.10")]);
    lab.pass(1);
    assert!(lab.did().contains(&primary("198.51.100.1")));
}

/// H-SC-2: that a path works shows that an address of its card is reached if something came back since the address joined,
/// and no state that was reached before shows it.
#[test]
fn evidence_is_later_than_what_it_shows() {
    let confirmed = |lab: &Lab| {
        let view = lab.manager.view(lab.now);
        view.locals.iter().any(|local| local.address == ip("198.51.100.9") && local.confirmed)
    };
    let add = || {
        let mut lab = Lab::double();
        lab.up("198.51.100.9", 2);
        lab.pass(1);
        // A measurement later; the answer that it is of may have come before the address joined.
        lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
        assert!(!confirmed(&lab));
        lab
    };
    let mut lab = add();
    lab.pass(1);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(confirmed(&lab), "the round trip has changed between two measurements that are both later");

    // Where round trips show no change, a path that goes on working has been asked and has answered after three seconds.
    let mut lab = add();
    lab.still = true;
    lab.pass(1);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(!confirmed(&lab));
    lab.pass(1);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(confirmed(&lab));

    // Not so where it has missed an answer, or leaves by another card since.
    let mut lab = add();
    lab.still = true;
    lab.path("203.0.113.2", 2, PathState::PotentiallyFailed, 0, 20, 1);
    lab.path("203.0.113.2", 1, PathState::Active, 0, 20, 0);
    lab.pass(1);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    lab.pass(2);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(!confirmed(&lab));
    lab.pass(1);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(confirmed(&lab));
}
