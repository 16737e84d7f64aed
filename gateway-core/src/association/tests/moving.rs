//! From one network to another.

use super::lab::{ALL, Lab, add, ip, own, primary, remove};
use crate::association::{
    AssociationConfig, Capability, Cause, Change, Event, Outcome, PathEvent, PathState, Presence, Reason,
};

fn moved(to: &str, from: &str) -> Change {
    Change::Move { to: ip(to), from: ip(from) }
}

/// SC-27, SC-28, SC-29, SC-32, H-SC-3: the only address is gone and another comes: one message with ADD, SET PRIMARY and
/// DELETE, which finds the association by the address that is gone.
#[test]
fn a_move_in_one_step() {
    let mut lab = Lab::single();
    lab.gone("192.0.2.1", 1);
    assert_eq!(lab.did(), []);
    assert_eq!(lab.events, [Event::Stranded]);
    lab.pass(3);
    lab.up("198.51.100.7", 1);
    assert_eq!(lab.did(), [moved("198.51.100.7", "192.0.2.1")]);
    let view = lab.manager.view(lab.now);
    let members: Vec<_> = view.locals.iter().filter(|local| local.member).collect();
    assert_eq!(members.len(), 1);
    assert!(members[0].address == ip("198.51.100.7") && members[0].primary && members[0].confirmed);
}

/// SC-16, SC-27: the new address comes while the old one is there: ADD, SET PRIMARY, REMOVE, in this order, one by one.
#[test]
fn a_move_with_both_for_a_while() {
    let mut lab = Lab::single();
    lab.up("198.51.100.7", 2);
    lab.manager.handle_peer(ip("203.0.113.2"), PathEvent::Added, lab.now);
    lab.measure("203.0.113.2", 2, 0, 10);
    lab.gone("192.0.2.1", 1);
    lab.pass(1);
    let did: Vec<_> = lab.did().into_iter().filter(|change| !matches!(change, Change::SetOwnPrimary(_))).collect();
    assert_eq!(did, [add("198.51.100.7"), primary("198.51.100.7"), remove("192.0.2.1")]);
}

/// SC-32, H-SC-9: of several cards one is lost: the peer is asked to send to another at once, hold-down or not.
#[test]
fn one_card_of_several_is_lost() {
    let mut lab = Lab::double();
    lab.local("192.0.2.1", 1, Presence::Down);
    assert_eq!(lab.did(), [own("203.0.113.2"), primary("198.51.100.1")]);
    lab.pass(4);
    assert_eq!(lab.did(), [], "a cable that is out for a moment");
    lab.pass(1);
    assert_eq!(lab.did(), [remove("192.0.2.1")]);
}

/// SC-22, H-SC-3: a card that has carrier again has it for all its addresses: the first that is told is not moved to.
#[test]
fn a_card_with_two_addresses_comes_back() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.up("192.0.2.9", 1);
    assert_eq!(lab.did(), [add("192.0.2.9")]);
    lab.answer(Outcome::Refused(Cause::Resources));
    lab.local("192.0.2.1", 1, Presence::Down);
    lab.local("192.0.2.9", 1, Presence::Down);
    lab.local("192.0.2.9", 1, Presence::Up);
    lab.local("192.0.2.1", 1, Presence::Up);
    assert_eq!(lab.did(), []);
}

/// H-SC-9: of the confirmed addresses the one with the fewest errors, of these the one that came last.
#[test]
fn which_one_follows_a_lost_primary() {
    let peers = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
    let mut lab = Lab::with(AssociationConfig::default(), ALL, &[("192.0.2.1", 1)], &peers[..3]);
    lab.pass(5);
    lab.manager.handle_peer(ip(peers[3]), PathEvent::Added, lab.now);
    for (peer, errors) in [(peers[0], 0), (peers[1], 0), (peers[2], 2), (peers[3], 0)] {
        lab.path(peer, 1, PathState::Active, 0, 20, errors);
    }
    lab.did();
    lab.path(peers[0], 1, PathState::Inactive, 0, 20, 6);
    assert_eq!(lab.did(), [own(peers[3])], "no errors, and the last that came");
    lab.path(peers[3], 1, PathState::Inactive, 0, 20, 6);
    assert_eq!(lab.did(), [own(peers[1])], "no errors");
    lab.path(peers[1], 1, PathState::Inactive, 0, 20, 6);
    assert_eq!(lab.did(), [own(peers[2])], "all that is left");
}

/// H-SC-5, SC-34: both ends are gone from where they were. Over the home addresses, which both keep as secondary ones, they
/// tell each other where they are.
#[test]
fn both_move_and_have_a_home() {
    let config = AssociationConfig {
        home: Some(ip("192.0.2.254")),
        peer_home: Some(ip("203.0.113.254")),
        ..AssociationConfig::default()
    };
    let locals = [("192.0.2.1", 1), ("192.0.2.254", 9)];
    let mut lab = Lab::with(config, ALL, &locals, &["203.0.113.1", "203.0.113.254"]);
    lab.measure("203.0.113.254", 9, 0, 80);
    lab.measure("203.0.113.1", 1, 0, 10);
    lab.pass(30);
    assert_eq!(lab.did(), [], "the home addresses are secondary, and stay");
    lab.gone("192.0.2.1", 1);
    assert_eq!(lab.did(), [own("203.0.113.254"), primary("192.0.2.254"), remove("192.0.2.1")]);
    lab.path("203.0.113.1", 1, PathState::Inactive, 1000, 10, 6);
    lab.up("198.51.100.7", 1);
    assert_eq!(lab.did(), [add("198.51.100.7")], "no move in one step: home still reaches the peer");
    lab.measure("203.0.113.254", 1, 0, 80);
    lab.pass(10);
    assert_eq!(lab.did(), [primary("198.51.100.7")]);
}

/// H-SC-5: without a home nobody answers the move, and the association is given up, with the reason.
#[test]
fn both_move_without_a_home() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.gone("192.0.2.1", 1);
    lab.up("198.51.100.7", 1);
    assert_eq!(lab.did(), [moved("198.51.100.7", "192.0.2.1")]);
    lab.answer(Outcome::TimedOut);
    assert_eq!(lab.reconnects, [Reason::MoveUnanswered]);
    assert!(!lab.manager.is_established());
}

/// SC-33, SC-34, SC-35: a peer connects to the home address and is told at once where this end really is; home stays.
#[test]
fn the_peer_connects_to_the_home_address() {
    let config = AssociationConfig { home: Some(ip("192.0.2.254")), ..AssociationConfig::default() };
    let locals = [("192.0.2.254", 9), ("198.51.100.7", 1)];
    let mut lab = Lab::with(config, ALL, &locals, &["203.0.113.1"]);
    lab.pass(1);
    assert_eq!(lab.did(), [], "not before the peer has reached it (H-SC-2)");
    lab.measure("203.0.113.1", 1, 0, 10);
    assert_eq!(lab.did(), [primary("198.51.100.7")]);
    lab.pass(600);
    assert_eq!(lab.did(), []);
}

/// SC-8: a peer without the extension, or with it but without authentication (H-SC-1), keeps the association while any of
/// its addresses lives, is told nothing, and is connected to anew when none does, with the reason.
#[test]
fn a_peer_without_the_extension() {
    for (capability, reason) in [
        (Capability { asconf: false, auth: true }, Reason::NoAsconf),
        (Capability { asconf: true, auth: false }, Reason::NoAuthentication),
    ] {
        let mut lab = Lab::with(AssociationConfig::default(), capability, &[("192.0.2.1", 1)], &["203.0.113.1"]);
        lab.up("198.51.100.7", 2);
        lab.pass(60);
        assert_eq!(lab.events, [Event::CannotAdd { address: ip("198.51.100.7"), reason }]);
        assert_eq!(lab.reconnects, []);
        lab.gone("192.0.2.1", 1);
        assert_eq!((lab.did(), lab.reconnects.as_slice()), (vec![], &[reason][..]));
        assert_eq!(lab.events.last(), Some(&Event::Reconnects(reason)));
    }
}

/// SC-19: a move that is refused ends the association, once.
#[test]
fn a_move_is_refused() {
    let mut lab = Lab::single();
    lab.willing = false;
    lab.gone("192.0.2.1", 1);
    lab.up("198.51.100.7", 1);
    lab.answer(Outcome::Refused(Cause::NoAuthorization));
    lab.manager.handle_lost(lab.now);
    lab.pass(60);
    assert_eq!(lab.reconnects, [Reason::MoveRefused(Cause::NoAuthorization)]);
}

/// H-SC-2, H-SC-3: while a move was under way the old card got its carrier back. The answer may have come there: nothing shows
/// yet that the peer reaches the new address.
#[test]
fn a_move_that_is_answered_elsewhere() {
    let mut lab = Lab::with(AssociationConfig::default(), ALL, &[("192.0.2.1", 1), ("192.0.2.2", 2)], &["203.0.113.1"]);
    lab.willing = false;
    lab.local("192.0.2.1", 1, Presence::Down);
    lab.local("192.0.2.2", 2, Presence::Down);
    lab.up("198.51.100.7", 3);
    assert_eq!(lab.did(), [moved("198.51.100.7", "192.0.2.1")]);
    lab.up("192.0.2.2", 2);
    lab.answer(Outcome::Acknowledged);
    let view = lab.manager.view(lab.now);
    let new = view.locals.iter().find(|local| local.address == ip("198.51.100.7"));
    assert!(new.is_some_and(|local| local.member && !local.confirmed), "{view:?}");
}
