//! What a change counts as where the peer's answer is not told.

use super::lab::{ALL, Lab, add, ip, primary, remove};
use crate::association::{AssociationConfig, Cause, Change, Outcome, PathEvent, PathState, Presence, Reason};

/// The kernel has taken what waits.
fn taken(lab: &mut Lab) {
    let id = lab.waiting.take().expect("a change that waits");
    lab.manager.handle_taken(id, lab.now);
    lab.drain();
}

fn members(lab: &mut Lab, members: &[&str]) {
    let members: Vec<_> = members.iter().map(|member| ip(member)).collect();
    lab.manager.handle_members(&members, lab.now);
    lab.drain();
}

fn last(lab: &Lab) -> Option<Outcome> {
    lab.manager.view(lab.now).last.map(|last| last.outcome)
}

/// Whether the association has it, and is known to be reached there.
fn local(lab: &Lab, address: &str) -> (bool, bool) {
    let view = lab.manager.view(lab.now);
    let local = view.locals.iter().find(|local| local.address == ip(address)).expect("a local address");
    (local.member, local.confirmed)
}

/// One address each; nobody answers.
fn fresh() -> Lab {
    let mut lab = Lab::with(AssociationConfig::default(), ALL, &[("192.0.2.1", 1)], &["203.0.113.1"]);
    lab.willing = false;
    lab
}

fn adding() -> Lab {
    let mut lab = fresh();
    lab.up("198.51.100.1", 2);
    assert_eq!(lab.did(), [add("198.51.100.1")]);
    taken(&mut lab);
    lab
}

/// SC-18, H-SC-2: the own kernel's list is all there is to see of an ADD: the address is a member, and reached when something
/// comes back over its card.
#[test]
fn nobody_says_what_became_of_an_add() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
    lab.pass(4);
    assert_eq!(last(&lab), None);
    lab.pass(1);
    assert_eq!((last(&lab), local(&lab, "198.51.100.1")), (Some(Outcome::Assumed), (true, false)));
    lab.measure("203.0.113.1", 2, 0, 10);
    assert_eq!(local(&lab, "198.51.100.1"), (true, true));
}

/// SC-19: what the own kernel has not sent is refused.
#[test]
fn an_add_that_was_not_taken() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1"]);
    assert_eq!(last(&lab), Some(Outcome::Refused(Cause::Other(0))));
    lab.pass(59);
    assert_eq!(lab.did(), []);
    lab.pass(1);
    assert_eq!(lab.did(), [add("198.51.100.1")]);
}

/// SC-18, H-SC-3: an ADD that is not answered goes on, and its address is a member: when the other one is lost meanwhile there is
/// nothing to move, and the peer is asked for the new one as soon as something comes back over its card.
#[test]
fn an_add_that_is_answered_late() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
    lab.gone("192.0.2.1", 1);
    lab.pass(5);
    assert_eq!((last(&lab), lab.did()), (Some(Outcome::Assumed), vec![]));
    assert_eq!(local(&lab, "198.51.100.1"), (true, false));
    lab.measure("203.0.113.1", 2, 0, 10);
    assert_eq!(lab.did(), [primary("198.51.100.1")]);
}

/// SC-25: nothing shows a SET PRIMARY; the kernel goes on asking, so the peer is taken to do it, and what is lost after that is
/// replaced at once.
#[test]
fn a_set_primary_is_assumed() {
    let mut lab = Lab::double();
    lab.willing = false;
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.pass(3);
    assert!(lab.did().contains(&primary("198.51.100.1")));
    taken(&mut lab);
    lab.pass(4);
    assert_eq!(last(&lab), Some(Outcome::Acknowledged), "of the own primary");
    lab.pass(1);
    assert_eq!((last(&lab), lab.did()), (Some(Outcome::Assumed), vec![]));
    lab.local("198.51.100.1", 2, Presence::Down);
    assert!(lab.did().contains(&primary("192.0.2.1")));
}

/// SC-12, SC-18: a REMOVE is done when it has left the own kernel's list, and not before. What stays is tried again.
#[test]
fn a_remove_is_seen() {
    let removing = || {
        let mut lab = Lab::double();
        lab.willing = false;
        lab.gone("198.51.100.1", 2);
        assert_eq!(lab.did(), [remove("198.51.100.1")]);
        taken(&mut lab);
        members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
        assert_eq!((last(&lab), local(&lab, "198.51.100.1")), (None, (true, true)));
        lab
    };
    let mut listed = removing();
    members(&mut listed, &["192.0.2.1"]);
    assert_eq!((last(&listed), local(&listed, "198.51.100.1")), (Some(Outcome::Acknowledged), (false, false)));

    let mut neither = removing();
    neither.pass(5);
    assert_eq!((last(&neither), local(&neither, "198.51.100.1")), (Some(Outcome::TimedOut), (true, true)));
    neither.pass(10);
    assert_eq!(neither.did(), [remove("198.51.100.1")]);
}

/// SC-27, H-SC-3: a move is done when the old address has left the own kernel's list; the association is given up when that is
/// not seen.
#[test]
fn a_move_is_seen() {
    let moving = || {
        let mut lab = fresh();
        lab.gone("192.0.2.1", 1);
        lab.up("198.51.100.7", 1);
        assert_eq!(lab.did(), [Change::Move { to: ip("198.51.100.7"), from: ip("192.0.2.1") }]);
        taken(&mut lab);
        members(&mut lab, &["192.0.2.1", "198.51.100.7"]);
        assert_eq!((last(&lab), lab.manager.is_established()), (None, true));
        lab
    };
    let mut gone = moving();
    members(&mut gone, &["198.51.100.7"]);
    assert_eq!((last(&gone), local(&gone, "198.51.100.7")), (Some(Outcome::Acknowledged), (true, true)));

    let mut unseen = moving();
    unseen.pass(5);
    assert_eq!(unseen.reconnects, [Reason::MoveUnanswered]);
}

/// SC-24, SC-26, H-SC-2, H-SC-8: a link is dark, and the peer has taken its address there away. Nothing shows any more how ours is
/// reached: it is no better path than one that loses much, and what is left of that is not removed for it. When the peer comes
/// back there and answers, it is.
#[test]
fn nothing_of_the_peer_is_there() {
    let mut lab = Lab::double();
    lab.signal(2, 0);
    assert_eq!(local(&lab, "198.51.100.1"), (true, true));
    lab.path("203.0.113.2", 2, PathState::Inactive, 1000, 20, 6);
    lab.peer("203.0.113.2", PathEvent::Removed);
    assert_eq!(local(&lab, "198.51.100.1"), (true, false));
    lab.did();
    lab.measure("203.0.113.1", 1, 500, 20);
    lab.pass(60);
    assert_eq!(lab.did(), []);
    lab.peer("203.0.113.2", PathEvent::Added);
    lab.measure("203.0.113.2", 2, 0, 20);
    lab.pass(60);
    assert!(lab.did().contains(&primary("198.51.100.1")));
}
