//! A controller that was away asks the servers what it missed.

use super::world::{address, config};
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
    assert_eq!(answers.len(), 1, "one question until the server is known to answer");
    world.hold_answers = false;
    for client in 1..=7 {
        world.log_in(client, 0);
    }
    for (server, answer) in answers {
        world.node.handle_server_message(server, Ipv4Addr::UNSPECIFIED, &answer, world.now);
    }
    world.wait(60);
    world.assert_logged_in(1..=7);
    assert_eq!(epoch(&world, 3), before);
}

/// H-BR-1: a server that does not speak leasequery is asked three times, and nothing changes.
#[test]
fn a_silent_server_is_left_alone() {
    let mut world = away(Server { leasequery: false, ..Server::new(SERVER, true) });
    world.wait(300);
    world.assert_logged_in(1..=7);
    assert_eq!(world.server().queries, 3);
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
