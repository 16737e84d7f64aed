//! The same life with authentication (RFC 4030) on both sides.

use super::world::{address, config};
use super::*;
use crate::line::FpcId;
use crate::node::NodeConfig;
use crate::relay::Authentication;
use crate::wire::relay_auth::{Algorithm, Key};

fn key() -> Key {
    Key {
        id: 5,
        secret: b"0123456789abcdef0123".to_vec().into(),
        algorithm: Algorithm::HmacSha1,
        zero_key_id: false,
        relay: 0,
    }
}

fn signed() -> NodeConfig {
    let mut config = config();
    let authentication = Authentication { key: key(), require_replies: true, sliding_window: false };
    config.relay.authentication = Some(authentication);
    config.release.key = Some(key());
    config.release.allow_unauthenticated = false;
    config.capability.authenticated_only = true;
    config
}

fn server(capable: bool) -> Server {
    Server { key: Some(key()), leasequery: false, ..Server::new(SERVER, capable) }
}

/// BR-24, H-BR-13: relay and release draw their counters from one sequence, and everything is signed.
#[test]
fn a_signed_life() {
    let mut world = World::new(signed(), [server(true)]);
    for client in 1..=6 {
        world.log_in(client, if client <= 4 { 0 } else { 2 });
    }
    world.restart_card(0);
    world.wait(1);
    world.assert_logged_in([5, 6]);
    assert_eq!((world.server().bulk_releases, world.server().releases), (1, 0));
    world.log_in(1, 0);
    world.assert_logged_in([1, 5, 6]);
}

/// H-BR-14, H-BR-20: killed after any command, even with the wall clock set back: no replay counter is used twice (the
/// server insists), and the logout is finished.
#[test]
fn no_counter_is_used_twice_whenever_the_controller_is_killed() {
    let life = |kill_after: Option<usize>| {
        let mut world = World::new(signed(), [server(true)]);
        world.kill_after = kill_after.map(|after| world.steps + after);
        let start = world.steps;
        for client in 1..=3 {
            world.log_in(client, 0);
        }
        world.restart_card(0);
        world.log_in(1, 0);
        world.wait(900);
        world.assert_logged_in([1]);
        assert_eq!(world.server().active(), [address(1)]);
        world.steps - start
    };
    let steps = life(None);
    assert!(steps > 20, "{steps}");
    for kill_after in 1..=steps {
        life(Some(kill_after));
    }
}

/// H-BR-13: somebody who can send from the server's address, but has no key, ends nothing.
#[test]
fn an_unsigned_reply_ends_nothing() {
    let mut world = World::new(signed(), [server(true)]);
    for client in 1..=4 {
        world.log_in(client, 0);
    }
    world.server().key = None;
    world.restart_card(0);
    world.assert_logged_in(1..=4);
    assert!(world.node.releases().iter().any(|release| release.fpc == FpcId(0)));
}
