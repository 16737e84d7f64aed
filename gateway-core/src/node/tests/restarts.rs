//! Restarts by command and schedule, restarts during restarts, and configurations that changed in between.

use super::world::{address, config};
use super::*;
use crate::fpc::{Cause, LinkEvent, Policy, Schedule};
use crate::line::FpcId;
use crate::node::{Answer, Event, FpcState, Request, RequestError};
use crate::time::Duration;
use crate::wire::dhcp4::kind;

const FPC0: FpcId = FpcId(0);

fn logged_in(config: crate::node::NodeConfig, server: Server) -> World {
    let mut world = World::new(config, [server]);
    for client in 1..=6 {
        world.log_in(client, if client <= 4 { 0 } else { 2 });
    }
    world
}

/// BR-20, BR-33, H-BR-9: a restart is announced; while it is being prepared nobody logs in, and when all are logged out
/// the operator is told to go ahead.
#[test]
fn an_announced_restart_logs_out_first() {
    let mut world = logged_in(config(), Server::new(SERVER, true));
    world.hold_answers = true;
    let request = Request::RestartFpc { fpc: FPC0, policy: None };
    assert_eq!(world.node.handle_operator(request, world.now), Ok(Answer::Restarting { sessions: 4 }));
    world.settle();
    assert!(matches!(world.node.fpcs()[0].state, FpcState::Frozen { .. }));
    let before = world.received.len();
    let answers = world.on_the_way.len();
    world.request(9, 0);
    world.settle();
    assert_eq!((world.received.len(), world.on_the_way.len()), (before, answers), "not relayed");
    world.hold_answers = false;
    world.settle();
    world.assert_logged_in([5, 6]);
    assert!(world.events.contains(&Event::RestartMayProceed { fpc: FPC0, complete: true }));
    assert_eq!(world.node.fpcs()[0].state, FpcState::Up);
    world.log_in(9, 0);
}

/// BR-20: with a silent server the restart goes ahead after restart_hold, and the logout goes on.
#[test]
fn an_announced_restart_does_not_wait_for_ever() {
    let mut world = logged_in(config(), Server::new(SERVER, true));
    world.server().dead = true;
    let request = Request::RestartFpc { fpc: FPC0, policy: None };
    world.node.handle_operator(request, world.now).expect("known");
    world.settle();
    world.wait(5);
    assert!(world.events.contains(&Event::RestartMayProceed { fpc: FPC0, complete: false }));
    assert_eq!(world.node.fpcs()[0].state, FpcState::Up);
    world.assert_logged_in(1..=6);
    world.server().dead = false;
    world.wait(20);
    world.assert_logged_in([5, 6]);
}

/// BR-20: a schedule does the same by itself.
#[test]
fn a_schedule_restarts_the_card() {
    let mut config = config();
    config.fpcs[0].schedule = Some(Schedule::Every(Duration::from_secs(600)));
    let mut world = logged_in(config, Server::new(SERVER, true));
    world.wait(590);
    world.assert_logged_in(1..=6);
    world.wait(20);
    world.assert_logged_in([5, 6]);
    let scheduled = |event: &Event| matches!(event, Event::Restart { cause: Cause::Schedule, sessions: 4, .. });
    assert!(world.events.iter().any(scheduled));
}

#[test]
fn a_maintained_card_keeps_its_subscribers_until_their_leases_end() {
    let mut config = config();
    config.fpcs[0].policy = Policy::Maintain;
    let mut world = logged_in(config, Server::new(SERVER, true));
    world.restart_card(0);
    world.wait(100);
    world.assert_logged_in(1..=6);
    assert_eq!(world.server().bulk_releases, 0);
    world.wait(3600);
    world.assert_logged_in([]);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let mut world = logged_in(config(), Server::new(SERVER, true));
    let now = world.now;
    let mut order = |request| world.node.handle_operator(request, now);
    let nowhere = FpcId(7);
    assert_eq!(order(Request::RestartFpc { fpc: nowhere, policy: None }), Err(RequestError::UnknownFpc));
    assert_eq!(order(Request::ReleaseSession { address: address(99) }), Err(RequestError::UnknownSession));
    assert_eq!(order(Request::Probe { server: OTHER }), Err(RequestError::UnknownServer));
    assert_eq!(order(Request::Probe { server: SERVER }), Ok(Answer::Asked));
    assert_eq!(order(Request::ReleaseSession { address: address(1) }), Ok(Answer::Asked));
    world.wait(10);
    world.assert_logged_in(2..=6);
    assert_eq!(world.server().releases, 1);
}

/// H-BR-6: the card restarts again while it is being released: nobody who logged in before the second restart stays,
/// nobody who logs in after it goes.
#[test]
fn a_card_that_flaps_during_its_own_release() {
    for capable in [true, false] {
        let mut world = logged_in(config(), Server::new(SERVER, capable));
        world.server().dead = true;
        world.restart_card(0);
        world.wait(1);
        world.server().dead = false;
        world.hold_answers = true;
        world.request(1, 0);
        world.settle();
        world.hold_answers = false;
        world.settle();
        world.restart_card(0);
        world.log_in(2, 0);
        world.wait(120);
        world.assert_logged_in([2, 5, 6]);
        assert_eq!(world.server().active(), [address(2), address(5), address(6)]);
    }
}

/// A configuration in another order finds every session where it was; a card that is gone logs its subscribers out.
#[test]
fn a_changed_configuration_keeps_whom_it_can() {
    let mut world = logged_in(config(), Server::new(SERVER, true));
    world.config.fpcs.swap(0, 1);
    world.config.relay.fpcs.swap(0, 1);
    for port in 0..4 {
        world.config.ports[port].fpc = FpcId(1 - world.config.ports[port].fpc.0);
        world.config.relay.ports[port].fpc = world.config.ports[port].fpc;
    }
    world.restart_controller();
    world.wait(1);
    world.assert_logged_in(1..=6);
    assert_eq!(world.node.session(address(1)).map(|session| session.fpc), Some(FpcId(1)));
    assert_eq!(world.node.fpcs()[1].sessions, 4);
    world.log_in(1, 0);

    // "fpc1" with clients 5 and 6 disappears; its former ports with it.
    world.config.fpcs.remove(0);
    world.config.relay.fpcs.remove(0);
    world.config.ports.truncate(2);
    world.config.relay.ports.truncate(2);
    for port in 0..2 {
        world.config.ports[port].fpc = FPC0;
        world.config.relay.ports[port].fpc = FPC0;
    }
    world.restart_controller();
    world.wait(120);
    world.assert_logged_in(1..=4);
    assert_eq!(world.server().active().len(), 4);
    let gone = |event: &Event| matches!(event, Event::Restart { cause: Cause::Unconfigured, .. });
    assert!(world.events.iter().any(gone));
}

/// BR-13, H-BR-10, H-BR-11: the card's giaddr becomes shared, or ceases to be, with a restart under another configuration
/// while logins exist: the old scope is released as well as the new one, and nobody behind the other card goes.
#[test]
fn a_scope_that_changed_is_released_under_both_names() {
    let giaddrs = [Ipv4Addr::new(100, 64, 0, 254), Ipv4Addr::new(100, 64, 1, 254)];
    for (before, after) in [(giaddrs[1], giaddrs[0]), (giaddrs[0], giaddrs[1])] {
        let mut config = config();
        config.relay.fpcs[1].giaddr = before;
        let mut world = logged_in(config, Server::new(SERVER, true));
        world.config.relay.fpcs[1].giaddr = after;
        world.restart_controller();
        world.log_in(7, 0);
        world.log_in(1, 0);
        world.restart_card(0);
        world.wait(60);
        world.assert_logged_in([5, 6]);
        assert_eq!(world.server().active(), [address(5), address(6)]);
    }
}

/// Nothing is asked of a server about a card behind which nobody is.
#[test]
fn an_empty_card_restarts_in_silence() {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    world.restart_card(0);
    world.wait(60);
    assert_eq!((world.server().bulk_releases, world.server().releases), (0, 0));
    world.log_in(1, 0);
    assert!(world.received.iter().any(|(_, kind, _)| *kind == kind::ACK));
    world.link(0, LinkEvent::Down);
    world.wait(60);
    world.assert_logged_in([1]);
}
