//! The controller is killed after every single thing it does, and another one goes on from the store.

use super::world::{BOOT, address, config, mac};
use super::*;
use crate::line::FpcId;
use crate::node::{Node, Request};
use crate::wire::dhcp4::kind;

/// A life with everything in it; returns the number of commands it took.
fn life(capable: bool, kill_after: Option<usize>) -> usize {
    let mut world = World::new(config(), [Server::new(SERVER, capable)]);
    let start = world.steps;
    world.kill_after = kill_after.map(|after| start + after);
    let kills = world.kills;
    for client in 1..=4 {
        world.log_in(client, 0);
        nobody_is_lost(&world);
    }
    for client in 5..=6 {
        world.log_in(client, 2);
        nobody_is_lost(&world);
    }
    world.request(2, 0);
    world.settle();
    world.restart_card(0);
    for client in 1..=2 {
        world.log_in(client, 0);
    }
    world.wait(900);
    assert_eq!(world.kills - kills, usize::from(kill_after.is_some()), "killed once");
    // Whoever was behind the card and did not log in again is logged out, here, in the data plane and at the server;
    // whoever did is not; the other card's subscribers were never touched.
    world.assert_logged_in([1, 2, 5, 6]);
    let expected = [1, 2, 5, 6].map(address);
    assert_eq!(world.server().active(), expected);
    let sessions = world.store.keys().filter(|key| key[0] == b's').count();
    assert_eq!(sessions, 4, "records");
    assert!(!world.store.keys().any(|key| key.starts_with(b"release/")), "nothing is left to do");
    world.steps - start
}

/// H-BR-20, BR-20: killed after any command that an operator's order led to, with the links as good as ever: what was
/// decided is carried out. The first command already is the durable decision.
#[test]
fn an_order_is_carried_out_by_whoever_comes_after() {
    for capable in [true, false] {
        let mut steps = usize::MAX;
        let mut kill_after = None;
        while kill_after.unwrap_or(0) < steps {
            let mut world = World::new(config(), [Server::new(SERVER, capable)]);
            for client in 1..=5 {
                world.log_in(client, if client < 5 { 0 } else { 2 });
            }
            let start = world.steps;
            world.kill_after = kill_after.map(|after| start + after);
            let order = Request::RestartFpc { fpc: FpcId(0), policy: None };
            world.node.handle_operator(order, world.now).expect("known");
            world.settle();
            world.wait(900);
            world.assert_logged_in([5]);
            assert_eq!(world.server().active(), [address(5)]);
            if kill_after.is_none() {
                steps = world.steps - start;
            }
            kill_after = Some(kill_after.unwrap_or(0) + 1);
        }
        assert!(steps > 10, "{steps}");
    }
}

/// Every client that got its ACK, and whose lease the server still has, is in the store.
fn nobody_is_lost(world: &World) {
    let unix = BOOT * 1_000_000_000 + world.now.as_nanos();
    let restored = Node::new(world.config.clone(), world.store.clone(), world.now, unix, 7).expect("configured");
    for client in 1..=6 {
        if world.received.contains(&(mac(client), kind::ACK, address(client))) {
            assert!(restored.session(address(client)).is_some(), "client {client} is lost");
        }
    }
}

/// BR-4, H-BR-6, H-BR-9, H-BR-20: killed after any command (any record, any map write, any message): no session whose ACK
/// was sent is lost, an unfinished logout is finished, and no login of the new epoch is touched.
#[test]
fn killed_anywhere_with_a_capable_server() {
    let steps = life(true, None);
    assert!(steps > 40, "{steps}");
    for kill_after in 1..=steps {
        life(true, Some(kill_after));
    }
}

/// BR-28, H-BR-20: the same where logins are released one by one.
#[test]
fn killed_anywhere_with_a_server_that_is_not_capable() {
    let steps = life(false, None);
    assert!(steps > 40, "{steps}");
    for kill_after in 1..=steps {
        life(false, Some(kill_after));
    }
}
