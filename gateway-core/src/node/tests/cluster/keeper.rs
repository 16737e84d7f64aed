//! What has no client is done by one member, and finished by the next.

use std::collections::BTreeMap;

use super::world::{address, config};
use super::*;
use crate::fpc::LinkEvent;
use crate::line::{FpcId, PortId};
use crate::node::{Event, FpcState, Request, RequestError};
use crate::relay::Authentication;
use crate::release::Verify;
use crate::replication::WhenShort;
use crate::wire::relay_auth::{Algorithm, Key};

fn logged_in(server: Server) -> Mesh {
    let mut mesh = Mesh::new(config(), server, 3);
    for client in 1..=6 {
        mesh.own(client, 1 + client % 3, 1);
        mesh.log_in(client, if client <= 4 { 0 } else { 2 });
    }
    // Clocks are wrong by tenths of a second: whoever was heard of at the time of a decision may count as heard after it.
    mesh.wait(1);
    mesh
}

/// CL-69, X-2: a single logout ends the card's sessions on every member, by one small change; who answers is heard by
/// whichever member the server's answer reaches.
#[test]
fn a_single_logout() {
    for hearer in 1..=3 {
        let mut mesh = logged_in(Server::new(SERVER, true));
        mesh.hearer = hearer;
        let before = mesh.octets;
        mesh.restart_card(0);
        mesh.assert_logged_in([5, 6]);
        assert_eq!(mesh.server.active(), [5, 6].map(address));
        assert_eq!((mesh.server.bulk_releases, mesh.server.releases), (1, 0));
        assert!(mesh.octets - before < 4000, "{}", mesh.octets - before);
        let epochs: Vec<_> = (1..=3).map(|me| mesh.members[&me].node.fpcs()[0].epoch).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        for client in 1..=4 {
            mesh.log_in(client, 0);
        }
        mesh.wait(100);
        mesh.assert_logged_in(1..=6);
        assert_eq!(mesh.server.bulk_releases, 1);
        let restarts = |me: u8| {
            let events = &mesh.members[&me].events;
            events.iter().filter(|event| matches!(event, Event::Restart { .. })).count()
        };
        assert_eq!((restarts(1), restarts(2), restarts(3)), (1, 0, 0), "one decides");
        assert!((1..=3).all(|me| mesh.members[&me].node.fpcs()[0].state == FpcState::Up));
    }
}

/// CL-69, H-BR-9: members of a new cluster start seconds apart, and each has guessed the cards' epochs by its clock. They have come
/// to one before anybody logs in, whoever is keeper, and a single logout reaches what each of them let in.
#[test]
fn members_that_start_apart_agree_on_epochs() {
    for keeper in 1..=3 {
        let mut mesh = Mesh::empty(config(), Server::new(SERVER, true), WhenShort::Degrade, 1 << 20);
        for me in [2, 1, 3] {
            mesh.start(me, BTreeMap::new());
            mesh.join(me, (me != 2).then(|| member(2)));
            mesh.wait(3);
        }
        mesh.keeper = keeper;
        let now = mesh.now;
        mesh.member(keeper).node.handle_keeper(true, now);
        mesh.run();
        let epochs = |mesh: &Mesh| -> Vec<_> {
            (1..=3).flat_map(|me| mesh.members[&me].node.fpcs().into_iter().map(|card| card.epoch)).collect()
        };
        let all = epochs(&mesh);
        assert!(all.iter().all(|epoch| *epoch == all[0]), "{all:?} with keeper {keeper}");
        for client in 1..=6 {
            mesh.own(client, 1 + client % 3, 1);
            mesh.log_in(client, 0);
        }
        mesh.wait(1);
        mesh.restart_card(0);
        mesh.assert_logged_in([]);
        assert_eq!(mesh.server.active(), [].map(address));
        assert_eq!((mesh.server.bulk_releases, mesh.server.releases), (1, 0));
        // One that comes later does not raise them, whatever its clock says.
        let before = epochs(&mesh);
        mesh.kill(3);
        mesh.wait(100);
        mesh.start(3, BTreeMap::new());
        mesh.join(3, Some(member(2)));
        assert_eq!(epochs(&mesh), before);
    }
}

/// CL-69: sessions that are released one by one end everywhere; where one can't be confirmed it is marked everywhere.
#[test]
fn individual_releases() {
    let mut mesh = logged_in(Server::new(SERVER, false));
    mesh.hearer = 3;
    mesh.restart_card(0);
    mesh.wait(60);
    mesh.assert_logged_in([5, 6]);

    let mut config = config();
    config.release.servers.entry(SERVER).or_default().verify = Verify::Leasequery;
    let mut mesh = Mesh::new(config, Server { dead: false, leasequery: false, ..Server::new(SERVER, false) }, 3);
    (1..=2).for_each(|client| mesh.log_in(client, 0));
    mesh.server.dead = true;
    mesh.restart_card(0);
    mesh.wait(200);
    let orphaned = |me: u8| mesh.members[&me].node.fpcs()[0].orphaned;
    assert_eq!((orphaned(1), orphaned(2), orphaned(3)), (2, 2, 2));
    assert_eq!(mesh.sessions(1), mesh.sessions(3));
}

/// Everything up to the death of the keeper after so many commands, and what the next one makes of it: all of it, or,
/// if nobody heard of it, nothing. Returns how many commands there were.
fn killed_after(commands: usize, server: Server, hearer: u8) -> usize {
    let capable = server.capable;
    let mut mesh = logged_in(server);
    mesh.hearer = hearer;
    mesh.kill = Some((1, commands));
    let now = mesh.now;
    let order = Request::RestartFpc { fpc: FpcId(0), policy: None };
    mesh.member(1).node.handle_operator(order, now).expect("the keeper takes orders");
    mesh.run();
    if mesh.members.contains_key(&1) {
        mesh.wait(20);
    }
    let steps = mesh.steps;
    if mesh.members.contains_key(&1) {
        mesh.kill = None;
        mesh.wait(600);
        mesh.assert_logged_in([5, 6]);
        return steps;
    }
    if hearer == 1 {
        mesh.hearer = 2;
    }
    mesh.take_over(1, 2);
    mesh.wait(900);
    let this = &mesh.members[&2].node;
    if this.fpcs()[0].epoch == this.session(address(6)).expect("on the other card").epoch {
        // It died before anybody heard of the order, and before it told the server.
        mesh.assert_logged_in(1..=6);
        assert_eq!(mesh.server.active(), [1, 2, 3, 4, 5, 6].map(address));
        assert_eq!((mesh.server.releases, mesh.server.bulk_releases), (0, 0));
        return steps;
    }
    mesh.assert_logged_in([5, 6]);
    assert_eq!(mesh.server.active(), [5, 6].map(address));
    if capable {
        assert!(mesh.transactions.len() <= 1, "the same transaction, or none before: {:?}", mesh.transactions);
    }
    for me in 2..=3 {
        let journals = mesh.members[&me].store.keys().filter(|key| key.starts_with(b"release/")).count();
        assert_eq!(journals, 0, "nothing is left to do at member {me}");
    }
    steps
}

/// H-BR-20, CL-71, X-7: the keeper is killed after every single thing that it does during a single logout: the next one
/// finishes it, once, under the same transaction id, and all members end the same sessions.
#[test]
fn a_keeper_that_dies_during_a_single_logout() {
    let steps = killed_after(usize::MAX, Server::new(SERVER, true), 3);
    assert!(steps > 15, "{steps}");
    for after in 0..steps {
        killed_after(after, Server::new(SERVER, true), 3);
    }
}

/// The same where sessions are released one by one.
#[test]
fn a_keeper_that_dies_during_individual_releases() {
    let steps = killed_after(usize::MAX, Server::new(SERVER, false), 2);
    assert!(steps > 30, "{steps}");
    for after in 0..steps {
        killed_after(after, Server::new(SERVER, false), 2);
    }
}

/// whoever takes over signs with replay counters above all that were reserved before; the server insists.
#[test]
fn replay_counters_go_on() {
    let key = || Key {
        id: 5,
        secret: b"0123456789abcdef0123".to_vec().into(),
        algorithm: Algorithm::HmacSha1,
        zero_key_id: false,
        relay: 0,
    };
    let mut config = config();
    config.relay.authentication = Some(Authentication { key: key(), require_replies: true, sliding_window: false });
    config.release.key = Some(key());
    config.release.allow_unauthenticated = false;
    let server = Server { key: Some(key()), leasequery: false, ..Server::new(SERVER, true) };
    let mut mesh = Mesh::new(config, server, 3);
    // More than a block's worth of one owner's messages.
    (1..=6).for_each(|client| mesh.log_in(client, if client <= 4 { 0 } else { 2 }));
    for _ in 0..2_000 {
        (1..=6).for_each(|client| mesh.request(client, if client <= 4 { 0 } else { 2 }));
        mesh.run();
    }
    mesh.kill(1);
    mesh.run();
    mesh.take_over(1, 3);
    mesh.log_in(1, 0);
    mesh.restart_card(0);
    mesh.assert_logged_in([5, 6]);
    mesh.kill(3);
    mesh.run();
    mesh.take_over(3, 2);
    mesh.log_in(1, 0);
    mesh.assert_logged_in([1, 5, 6]);
}

/// CL-71: orders go to the keeper; links that are lost where nobody decides are thought of when somebody does.
#[test]
fn only_the_keeper_decides() {
    let mut mesh = logged_in(Server::new(SERVER, true));
    let now = mesh.now;
    let order = Request::RestartFpc { fpc: FpcId(0), policy: None };
    assert_eq!(mesh.member(2).node.handle_operator(order, now), Err(RequestError::NotKeeper));
    // Only member 2 sees the card go.
    for port in [0, 1] {
        mesh.member(2).node.handle_link(PortId(port), LinkEvent::Down, now);
        mesh.run();
    }
    mesh.wait(60);
    mesh.assert_logged_in(1..=6);
    mesh.kill(1);
    mesh.run();
    mesh.take_over(1, 2);
    mesh.assert_logged_in([5, 6]);
    assert_eq!(mesh.server.bulk_releases, 1);
}

/// A keeper that hands over on purpose stops at once, and what it had begun is finished by the next.
#[test]
fn a_keeper_that_hands_over() {
    let mut mesh = logged_in(Server::new(SERVER, true));
    mesh.server.dead = true;
    mesh.restart_card(0);
    mesh.wait(1);
    let now = mesh.now;
    mesh.member(1).node.handle_keeper(false, now);
    mesh.run();
    mesh.server.dead = false;
    let sent = mesh.server.bulk_releases;
    mesh.wait(2);
    assert_eq!(mesh.server.bulk_releases, sent, "it has stopped");
    mesh.keeper = 2;
    let now = mesh.now;
    mesh.member(2).node.handle_keeper(true, now);
    mesh.run();
    mesh.assert_logged_in([5, 6]);
    assert_eq!(mesh.transactions.len(), 1);
}
