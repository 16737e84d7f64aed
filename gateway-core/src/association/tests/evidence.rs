//! What a change counts as where the peer's answer is not told.

use super::lab::{ALL, Lab, add, ip, primary, remove};
use crate::association::{AssociationConfig, Cause, Change, Event, Outcome, PathState, Presence, Reason, Report};

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

/// The peer says what it sees, having heard all that we said; or in answer to an older report.
fn report(lab: &mut Lab, sees: &[(&str, PathState)], primary: &str, older: u64) {
    let ours = lab.manager.report().expect("an association").number;
    let paths = sees.iter().map(|(address, state)| (ip(address), *state)).collect();
    let report = Report { number: ours, heard: ours - older, paths, primary: Some(ip(primary)) };
    lab.manager.handle_report(&report, lab.now);
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

/// SC-18, H-SC-2: an ADD is known to be done when the peer says that it sees the address, and confirmed when it says that it
/// reaches it; what it said before it could know of it says neither.
#[test]
fn the_peer_sees_what_was_added() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
    let both = |state| [("192.0.2.1", PathState::Active), ("198.51.100.1", state)];
    report(&mut lab, &both(PathState::Active), "192.0.2.1", 1);
    assert_eq!(last(&lab), None, "that was before");
    report(&mut lab, &both(PathState::Unconfirmed), "192.0.2.1", 0);
    assert_eq!((last(&lab), local(&lab, "198.51.100.1")), (Some(Outcome::Acknowledged), (true, false)));
    lab.measure("203.0.113.1", 2, 0, 10);
    assert_eq!(local(&lab, "198.51.100.1"), (true, false), "the peer says itself what it reaches");
    report(&mut lab, &both(PathState::Active), "192.0.2.1", 0);
    assert_eq!(local(&lab, "198.51.100.1"), (true, true));

    // Both at once: it is there to take the place of what is lost.
    let mut lab = adding();
    lab.gone("192.0.2.1", 1);
    report(&mut lab, &both(PathState::Active), "192.0.2.1", 0);
    assert_eq!(lab.did(), [primary("198.51.100.1")]);
}

/// SC-18: where the peer says nothing, the own kernel's list is all there is: the address is a member, and reached when
/// something comes back over its card.
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

/// SC-19: what the own kernel has not sent is refused; what the peer says it does not see was not taken, and yet the own
/// kernel has it, so that it is removed when it is gone.
#[test]
fn an_add_that_was_not_taken() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1"]);
    assert_eq!(last(&lab), Some(Outcome::Refused(Cause::Other(0))));
    lab.pass(59);
    assert_eq!(lab.did(), []);
    lab.pass(1);
    assert_eq!(lab.did(), [add("198.51.100.1")]);

    let mut lab = adding();
    report(&mut lab, &[("192.0.2.1", PathState::Active)], "192.0.2.1", 0);
    lab.pass(5);
    assert_eq!(last(&lab), Some(Outcome::TimedOut));
    assert!(matches!(lab.events.last(), Some(Event::Failed { outcome: Outcome::TimedOut, .. })));
    members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
    assert_eq!(local(&lab, "198.51.100.1"), (true, false));
    lab.pass(60);
    assert_eq!(lab.did(), [], "the kernel would not send it again");
    lab.gone("198.51.100.1", 2);
    assert_eq!(lab.did(), [remove("198.51.100.1")]);
}

/// SC-18, H-SC-3: an ADD that is not answered goes on, and its address is a member: when the other one is lost meanwhile there is
/// nothing to move, and the peer is asked for the new one as soon as it says that it reaches it.
#[test]
fn an_add_that_is_answered_late() {
    let mut lab = adding();
    members(&mut lab, &["192.0.2.1", "198.51.100.1"]);
    report(&mut lab, &[("192.0.2.1", PathState::Active)], "192.0.2.1", 0);
    lab.gone("192.0.2.1", 1);
    lab.pass(5);
    assert_eq!((last(&lab), lab.did()), (Some(Outcome::TimedOut), vec![]));
    assert_eq!(local(&lab, "198.51.100.1"), (true, false));
    report(&mut lab, &[("192.0.2.1", PathState::Inactive), ("198.51.100.1", PathState::Active)], "192.0.2.1", 0);
    assert_eq!(lab.did(), [primary("198.51.100.1")]);
}

/// SC-18, SC-25: the peer sends where it was asked to, or it says where else: then it is asked again after the hold-down.
#[test]
fn the_peer_says_where_it_sends() {
    let sees = [("192.0.2.1", PathState::Active), ("198.51.100.1", PathState::Active)];
    for (to, outcome, again) in [("198.51.100.1", Outcome::Acknowledged, false), ("192.0.2.1", Outcome::TimedOut, true)]
    {
        let mut lab = Lab::double();
        lab.willing = false;
        lab.local("192.0.2.1", 1, Presence::Down);
        assert_eq!(lab.did().last(), Some(&primary("198.51.100.1")));
        taken(&mut lab);
        report(&mut lab, &sees, to, 0);
        lab.pass(5);
        assert_eq!(last(&lab), Some(outcome));
        lab.did();
        lab.pass(10);
        assert_eq!(lab.did() == [primary("198.51.100.1")], again);
    }
    let mut silent = Lab::double();
    silent.willing = false;
    silent.local("192.0.2.1", 1, Presence::Down);
    taken(&mut silent);
    silent.pass(4);
    assert_eq!(last(&silent), Some(Outcome::Acknowledged), "of the own primary");
    silent.pass(1);
    assert_eq!(last(&silent), Some(Outcome::Assumed));
}

/// SC-18, SC-26: a REMOVE is done when it has left the own kernel's list, and not before; who has no list goes by what the
/// peer sees. What stays is tried again.
#[test]
fn a_remove_is_seen() {
    let removing = || {
        let mut lab = Lab::double();
        lab.willing = false;
        lab.gone("198.51.100.1", 2);
        assert_eq!(lab.did(), [remove("198.51.100.1")]);
        taken(&mut lab);
        lab
    };
    let sees = [("192.0.2.1", PathState::Active)];
    let mut listed = removing();
    members(&mut listed, &["192.0.2.1", "198.51.100.1"]);
    report(&mut listed, &sees, "192.0.2.1", 0);
    assert_eq!(local(&listed, "198.51.100.1"), (true, true));
    members(&mut listed, &["192.0.2.1"]);
    assert_eq!((last(&listed), local(&listed, "198.51.100.1")), (Some(Outcome::Acknowledged), (false, false)));

    let mut told = removing();
    report(&mut told, &sees, "192.0.2.1", 0);
    assert_eq!((last(&told), local(&told, "198.51.100.1")), (Some(Outcome::Acknowledged), (false, false)));

    let mut neither = removing();
    members(&mut neither, &["192.0.2.1", "198.51.100.1"]);
    neither.pass(5);
    assert_eq!((last(&neither), local(&neither, "198.51.100.1")), (Some(Outcome::TimedOut), (true, true)));
    neither.pass(10);
    assert_eq!(neither.did(), [remove("198.51.100.1")]);
}

/// SC-27, H-SC-3: a move is done when the peer sends to the new address, or has let go of the old one; the association
/// is given up when neither is seen.
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
    let mut seen = moving();
    report(&mut seen, &[("192.0.2.1", PathState::Inactive), ("198.51.100.7", PathState::Active)], "198.51.100.7", 0);
    assert_eq!((last(&seen), local(&seen, "198.51.100.7")), (Some(Outcome::Acknowledged), (true, true)));
    members(&mut seen, &["192.0.2.1", "198.51.100.7"]);
    assert_eq!(
        seen.did(),
        [remove("192.0.2.1")],
        "the peer has refused that part: it is told again, from the new address"
    );

    let mut gone = moving();
    members(&mut gone, &["198.51.100.7"]);
    assert_eq!((last(&gone), local(&gone, "198.51.100.7")), (Some(Outcome::Acknowledged), (true, true)));

    let mut unseen = moving();
    unseen.pass(5);
    assert_eq!(unseen.reconnects, [Reason::MoveUnanswered]);
}

/// SC-24, SC-25: the peer does at last what it was asked for when it had not answered, and says so: it is asked anew, since
/// another path is the better one by now.
#[test]
fn the_peer_follows_late() {
    let mut lab = Lab::double();
    lab.willing = false;
    let sees = [("192.0.2.1", PathState::Active), ("198.51.100.1", PathState::Active)];
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.pass(3);
    assert!(lab.did().contains(&primary("198.51.100.1")));
    taken(&mut lab);
    report(&mut lab, &sees, "192.0.2.1", 0);
    lab.pass(5);
    assert_eq!(last(&lab), Some(Outcome::TimedOut));
    lab.measure("203.0.113.2", 2, 0, 60);
    lab.pass(15);
    assert!(!lab.did().contains(&primary("192.0.2.1")), "it sends there");
    report(&mut lab, &sees, "198.51.100.1", 0);
    let view = lab.manager.view(lab.now);
    assert!(view.locals.iter().any(|local| local.primary && local.address == ip("198.51.100.1")), "{view:?}");
    lab.pass(3);
    assert!(lab.did().contains(&primary("192.0.2.1")));
}

/// SC-13, SC-26, H-SC-9: what was asked for and not answered is lost. The peer may have followed it: before it is told that the
/// address is gone, it is asked again for the one that is left.
#[test]
fn what_was_not_answered_is_lost() {
    let mut lab = Lab::double();
    lab.willing = false;
    lab.measure("203.0.113.2", 2, 0, 5);
    lab.pass(3);
    taken(&mut lab);
    report(&mut lab, &[("192.0.2.1", PathState::Active)], "192.0.2.1", 0);
    lab.pass(5);
    assert_eq!(last(&lab), Some(Outcome::TimedOut));
    lab.did();
    lab.willing = true;
    lab.gone("198.51.100.1", 2);
    let mut did = lab.did();
    did.retain(|change| !matches!(change, Change::SetOwnPrimary(_)));
    assert_eq!(did, [primary("192.0.2.1"), remove("198.51.100.1")]);
    lab.pass(60);
    assert_eq!(lab.did(), [], "once");
}

/// SC-24: a peer that was asked for nothing sends where it likes, and says so: it is asked for what is better than that.
#[test]
fn the_peer_sends_where_it_likes() {
    let mut lab = Lab::double();
    let sees = [("192.0.2.1", PathState::Active), ("198.51.100.1", PathState::Active)];
    report(&mut lab, &sees, "198.51.100.1", 0);
    lab.measure("203.0.113.1", 1, 0, 5);
    lab.pass(3);
    assert!(lab.did().contains(&primary("192.0.2.1")));
    report(&mut lab, &sees, "198.51.100.1", 0);
    lab.pass(60);
    assert_eq!(lab.did(), [], "it was asked, and said that it would");
}

/// What the peer said of a former association, or has said already, is nothing; and numbers begin anew with each association.
#[test]
fn old_reports() {
    let mut lab = adding();
    let sees = vec![(ip("198.51.100.1"), PathState::Active)];
    let number = lab.manager.report().expect("an association").number;
    let said = Report { number: 7, heard: 0, paths: sees.clone(), primary: None };
    lab.manager.handle_report(&said, lab.now);
    for number in [7, 6] {
        let again = Report { number, heard: 9, ..said.clone() };
        lab.manager.handle_report(&again, lab.now);
        assert_eq!(last(&lab), None);
    }
    lab.manager.handle_report(&Report { number: 8, heard: number, ..said }, lab.now);
    assert_eq!(last(&lab), Some(Outcome::Acknowledged));
    assert_eq!(lab.manager.report().map(|report| (report.number, report.heard)), Some((2, 8)));
    lab.manager.handle_lost(lab.now);
    assert_eq!(lab.manager.report(), None);
}
