//! What becomes of changes, and of what is wanted meanwhile.

use super::lab::{Lab, add, ip, own, primary, remove};
use crate::association::{Cause, Command, Event, Outcome, PathEvent, PathState, Presence, Reason};

/// SC-18, H-SC-15: while a change is under way nothing else is begun, and what is wanted and unwanted meanwhile is never
/// sent; what was sent is not altered, but undone.
#[test]
fn one_change_at_a_time() {
    let mut lab = Lab::double();
    lab.willing = false;
    lab.up("192.0.2.10", 1);
    lab.up("192.0.2.11", 1);
    lab.up("192.0.2.12", 1);
    lab.gone("192.0.2.11", 1);
    lab.gone("192.0.2.10", 1);
    assert_eq!(lab.did(), [add("192.0.2.10")]);
    assert_eq!(lab.manager.view(lab.now).waiting, [add("192.0.2.12")]);
    lab.answer(Outcome::Acknowledged);
    assert_eq!(lab.did(), [add("192.0.2.12")], "11 came and went");
    lab.answer(Outcome::Acknowledged);
    assert_eq!(lab.did(), [remove("192.0.2.10")]);
    lab.answer(Outcome::Acknowledged);
    lab.pass(60);
    assert_eq!(lab.did(), []);
}

/// SC-19: what the peer does not allow is not asked again while the address is there; what it has no room for is, later.
#[test]
fn an_add_is_refused() {
    for (cause, again) in [(Cause::NoAuthorization, false), (Cause::Resources, true)] {
        let mut lab = Lab::single();
        lab.willing = false;
        lab.up("198.51.100.1", 2);
        assert_eq!(lab.did(), [add("198.51.100.1")]);
        lab.answer(Outcome::Refused(cause));
        assert!(matches!(lab.events.last(), Some(Event::Failed { .. })));
        lab.pass(59);
        assert_eq!(lab.did(), []);
        lab.pass(1);
        assert_eq!(!lab.did().is_empty(), again);
    }
}

/// SC-18: a change that nobody answered is tried again after the hold-down, while the association lives.
#[test]
fn nobody_answers() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.up("198.51.100.1", 2);
    for round in 0..3 {
        assert_eq!(lab.took(), [(round * 10, add("198.51.100.1"))]);
        lab.answer(Outcome::TimedOut);
        lab.pass(10);
    }
}

/// SC-19: a peer that refuses to send elsewhere is not asked without end.
#[test]
fn a_primary_is_refused() {
    let mut lab = Lab::double();
    lab.willing = false;
    lab.local("192.0.2.1", 1, Presence::Down);
    assert_eq!(lab.did().last(), Some(&primary("198.51.100.1")));
    lab.answer(Outcome::Refused(Cause::Other(1)));
    lab.pass(59);
    assert_eq!(lab.did(), []);
    lab.pass(1);
    assert_eq!(lab.did(), [primary("198.51.100.1")]);
}

/// SC-11, SC-12, H-SC-9: the peer took an address away and brings it back, and both is told later than the own kernel knows it. What
/// could not be sent to in between can be now.
#[test]
fn an_address_that_was_away_is_another() {
    let mut lab = Lab::double();
    lab.lacks = Some(ip("203.0.113.2"));
    lab.path("203.0.113.1", 1, PathState::Inactive, 1000, 20, 6);
    assert_eq!(lab.did()[0], own("203.0.113.2"));
    lab.pass(1);
    assert_eq!(lab.did(), [], "it was refused");
    lab.lacks = None;
    lab.peer("203.0.113.2", PathEvent::Removed);
    lab.peer("203.0.113.2", PathEvent::Added);
    lab.path("203.0.113.2", 2, PathState::Active, 0, 20, 0);
    assert!(lab.did().contains(&own("203.0.113.2")));
}

/// H-SC-15: a result of a former association is none of this one.
#[test]
fn a_late_result() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.up("198.51.100.1", 2);
    let late = lab.waiting.take().unwrap();
    lab.manager.handle_lost(lab.now);
    lab.drain();
    assert_eq!(lab.reconnects, [Reason::Lost]);
    lab.manager.handle_result(late, Outcome::Acknowledged, lab.now);
    assert_eq!(lab.manager.poll_command(), None::<Command>);
    let view = lab.manager.view(lab.now);
    assert!(view.locals.iter().all(|local| !local.member), "{view:?}");
    assert!(view.locals.iter().any(|local| local.address == ip("198.51.100.1")));
}
