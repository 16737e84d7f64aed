//! A controller that was away asks the servers what it missed.

use super::world::{address, config, mac};
use super::*;
use crate::scope::Epoch;
use crate::session::EndReason;
use crate::time::Duration;

/// Seven clients; then the controller is away for half an hour, in which the third renews at the server and the fourth
/// is released there. Returns the world with the next controller running.
fn away(server: Server) -> World {
    let mut world = World::new(config(), [server]);
    for client in 1..=7 {
        world.log_in(client, 0);
    }
    world.now = world.now + Duration::from_secs(1800);
    let now = world.now;
    for (client, renewed) in [(3, true), (4, false)] {
        let lease = world.server().leases.get_mut(&address(client)).expect("leased");
        (lease.last, lease.active) = if renewed { (now, true) } else { (lease.last, false) };
    }
    world.now = world.now + Duration::from_secs(60);
    world.restart_controller();
    world
}

/// A renewal that nobody saw counts, and so does a lease that ended: the server says so.
#[test]
fn what_happened_while_nobody_looked_is_asked_of_the_server() {
    let mut world = away(Server::new(SERVER, true));
    world.assert_logged_in(1..=7);
    world.wait(10);
    world.assert_logged_in([1, 2, 3, 5, 6, 7]);
    assert_eq!(world.server().queries, 7, "each is asked about once");
    let gone = world.node.counters().logouts().find(|(reason, _)| *reason == EndReason::Gone);
    assert_eq!(gone, Some((EndReason::Gone, 1)));
    world.wait(1800);
    world.assert_logged_in([3]);
    world.wait(1800);
    world.assert_logged_in([]);
}

/// H-BR-6: a session keeps its epoch by being asked about; whoever logs in meanwhile is not judged by an old answer.
#[test]
fn an_answer_does_not_touch_who_was_heard_since() {
    let mut world = away(Server::new(SERVER, true));
    let epoch = |world: &World, client| world.node.session(address(client)).map(|session| session.epoch);
    let before = epoch(&world, 3);
    assert!(before > Some(Epoch(0)));
    // The first to be asked about is the first that logged in. Its lease is gone as well, the server will say.
    world.server().leases.get_mut(&address(1)).expect("leased").active = false;
    world.hold_answers = true;
    world.wait(1);
    let answers = core::mem::take(&mut world.on_the_way);
    assert_eq!(answers.len(), 8, "four questions, repeated once, until the server is known to answer");
    world.hold_answers = false;
    for client in 1..=7 {
        world.log_in(client, 0);
    }
    for (server, answer) in answers {
        world.node.handle_server_message(server, &answer, world.now);
    }
    world.wait(60);
    world.assert_logged_in(1..=7);
    assert_eq!(epoch(&world, 3), before);
}

/// H-BR-1: a server that does not speak leasequery is tried for a moment, and nothing changes; the next controller knows.
#[test]
fn a_silent_server_is_left_alone() {
    let mut world = away(Server { leasequery: false, ..Server::new(SERVER, true) });
    world.wait(300);
    world.assert_logged_in(1..=7);
    assert_eq!(world.server().queries, 12, "four questions, three times each");
    world.restart_controller();
    world.wait(300);
    assert_eq!(world.server().queries, 12);
}

/// Five clients whose leases end while the controller is away; the second renewed in time at the server, unseen, the
/// third's lease is gone there, the fourth has another client's address. `answers` at the other end of the absence.
fn overdue(answers: bool) -> World {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    for client in 1..=5 {
        world.log_in(client, 0);
    }
    world.now = world.now + Duration::from_secs(3000);
    let now = world.now;
    let hardware = crate::line::HardwareAddress::ethernet(mac(9));
    let leases = &mut world.server().leases;
    leases.get_mut(&address(2)).expect("leased").last = now;
    leases.get_mut(&address(3)).expect("leased").active = false;
    let other = leases.get_mut(&address(4)).expect("leased");
    (other.hardware, other.last) = (hardware, now);
    // Those that the server has no other word on, it has forgotten.
    leases.retain(|at, _| [2, 3, 4].map(address).contains(at));
    world.server().leasequery = answers;
    world.now = world.now + Duration::from_secs(700);
    world.restart_controller();
    world
}

/// A lease that ended by the records while nobody looked is asked about before its session ends; until then nothing is
/// forwarded for it.
#[test]
fn a_lease_that_ended_unseen_is_asked_about() {
    let mut world = overdue(true);
    world.hold_answers = true;
    world.wait(1);
    assert_eq!(world.sessions(), World::addresses(1..=5));
    assert_eq!(world.through(), World::addresses([]));
    world.hold_answers = false;
    world.settle();
    world.wait(5);
    world.assert_logged_in([2]);
    world.wait(2860);
    world.assert_logged_in([2]);
    world.wait(60);
    world.assert_logged_in([]);
    assert_eq!(world.node.poll_timeout(), None);
}

/// Where no answer comes they end after the trial, and where that is known before, at once.
#[test]
fn without_an_answer_it_ends() {
    let mut world = overdue(false);
    world.wait(2);
    assert_eq!((world.sessions(), world.through()), (World::addresses(1..=5), World::addresses([])));
    world.wait(1);
    world.assert_logged_in([]);
    assert_eq!(world.server().queries, 12);

    for client in 1..=5 {
        world.server().leases.clear();
        world.log_in(client, 0);
    }
    world.now = world.now + Duration::from_secs(4000);
    world.restart_controller();
    world.wait(0);
    world.assert_logged_in([]);
    assert_eq!(world.server().queries, 12);
}

/// Whoever logs in again while its session is overdue has it back.
#[test]
fn an_overdue_session_can_be_renewed() {
    let mut world = overdue(false);
    world.log_in(1, 0);
    world.wait(10);
    world.assert_logged_in([1]);
}

/// However many wait behind a server that used to answer: after ten minutes they are not waited for any more.
#[test]
fn overdue_sessions_do_not_stay_for_ever() {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    (1..=40).for_each(|client| world.log_in(client, 0));
    world.wait(10);
    world.restart_controller();
    world.wait(10);
    assert_eq!(world.node.servers(world.now)[0].leasequery, Some(true));
    world.now = world.now + Duration::from_secs(4000);
    world.server().dead = true;
    world.restart_controller();
    world.wait(0);
    assert_eq!(world.sessions().len(), 40);
    world.now = world.now + Duration::from_secs(600);
    world.node.handle_timeout(world.now);
    world.settle();
    assert_eq!(world.sessions().len(), 10, "those that are being asked about");
    world.wait(3);
    world.assert_logged_in([]);
}

/// What a release is about is not asked about here.
#[test]
fn sessions_that_are_being_released_are_the_releases_business() {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    for client in 1..=7 {
        world.log_in(client, 0);
    }
    world.restart_controller();
    world.server().dead = true;
    world.restart_card(0);
    world.server().dead = false;
    world.wait(20);
    world.assert_logged_in([]);
    assert_eq!((world.server().bulk_releases, world.server().queries), (1, 0));
}
