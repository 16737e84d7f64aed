//! A subscriber's whole life, up to the single logout of the card it is behind.

use super::world::{address, config, mac};
use super::*;
use crate::fpc::{Cause, LinkEvent};
use crate::line::FpcId;
use crate::node::{Event, NodeConfig};
use crate::release::{ServerConfig, Verify};
use crate::scope::ScopeKind;
use crate::wire::dhcp4::kind;

fn logged_in(server: Server) -> World {
    logged_in_with(config(), server)
}

fn logged_in_with(config: NodeConfig, server: Server) -> World {
    let mut world = World::new(config, [server]);
    for client in 1..=20 {
        world.log_in(client, u16::from(client % 2));
    }
    for client in 21..=25 {
        world.log_in(client, 2);
    }
    world
}

/// BR-4, BR-19, BR-22, BR-24, BR-25, BR-27, BR-29, BR-30, BR-33: logins requested, established; a card restarts; one
/// message frees all its logins at the server, and when the server has confirmed it the sessions and the data plane are
/// clean; the other card's subscribers notice nothing.
#[test]
fn one_message_logs_a_whole_card_out() {
    let mut world = logged_in(Server::new(SERVER, true));
    world.restart_card(0);
    world.assert_logged_in(21..=25);
    assert_eq!((world.server().bulk_releases, world.server().releases), (1, 0));
    let active = world.server().active();
    assert_eq!(active, (21..=25).map(address).collect::<Vec<_>>());
    world.wait(60);
    world.assert_logged_in(21..=25);
    assert_eq!((world.server().bulk_releases, world.server().releases, world.server().queries), (1, 0, 0));
    assert_eq!(world.routes.len(), 5, "reclaimed");
    assert_eq!(world.store.keys().filter(|key| key[0] == b's').count(), 5);
    assert!(!world.store.keys().any(|key| key.starts_with(b"release/")));
    let ended = world.events.iter().find_map(|event| match event {
        Event::CohortEnded { fpc: FpcId(0), sessions, .. } => Some(*sessions),
        _ => None,
    });
    assert_eq!(ended, Some(20));
    for client in 1..=20 {
        world.log_in(client, 0);
    }
    world.assert_logged_in(1..=25);
}

/// BR-24: nothing is cleaned before the server has confirmed.
#[test]
fn nothing_ends_before_the_server_confirmed() {
    let mut world = logged_in(Server::new(SERVER, true));
    world.hold_answers = true;
    world.restart_card(0);
    assert_eq!(world.server().active().len(), 5, "the server has done it");
    world.assert_logged_in(1..=25);
    world.hold_answers = false;
    world.settle();
    world.assert_logged_in(21..=25);
}

/// BR-28, BR-31, H-BR-1, H-BR-19: a server that is not capable gets one RELEASE per login, paced, and each is checked.
#[test]
fn a_server_that_is_not_capable_gets_one_release_per_login() {
    let mut world = logged_in(Server::new(SERVER, false));
    world.restart_card(0);
    world.wait(120);
    world.assert_logged_in(21..=25);
    let server = world.server();
    assert_eq!((server.bulk_releases, server.releases), (0, 20));
    assert!(server.queries >= 20);
    assert_eq!(server.active(), (21..=25).map(address).collect::<Vec<_>>());
}

/// H-BR-6: the RELEASE on a client's behalf is sent, and before it counts as done the client logs in again. Nothing can be
/// verified at this server; the new login is not what the verdict is about.
#[test]
fn a_client_that_logs_in_again_between_release_and_verdict_stays() {
    let mut world = logged_in(Server { leasequery: false, ..Server::new(SERVER, false) });
    world.restart_card(0);
    while world.server().active().contains(&address(1)) {
        world.wait(1);
    }
    world.log_in(1, 0);
    world.wait(120);
    world.assert_logged_in([1].into_iter().chain(21..=25));
}

/// H-BR-1: that a server answers no leasequery is found out once, shown, and known to the next controller too.
#[test]
fn a_silent_server_is_found_out_once() {
    let mut world = logged_in(Server { leasequery: false, ..Server::new(SERVER, false) });
    assert_eq!(world.node.servers(world.now)[0].leasequery, None);
    world.restart_card(0);
    world.wait(4);
    world.assert_logged_in(21..=25);
    assert_eq!(world.node.servers(world.now)[0].leasequery, Some(false));
    world.restart_controller();
    assert_eq!(world.node.servers(world.now)[0].leasequery, Some(false));
    world.restart_card(1);
    world.wait(1);
    world.assert_logged_in([]);
}

/// BR-24, BR-28, H-BR-18: with two servers of different kinds each gets what it understands.
#[test]
fn each_server_gets_what_it_understands() {
    let mut config = config();
    config.relay.servers.push(OTHER);
    let mut world = World::new(config, [Server::new(SERVER, true), Server::new(OTHER, false)]);
    // Each leases to every other client: the one that is dead does not answer.
    for client in 1..=10 {
        for (address, server) in &mut world.servers {
            server.dead = (*address == SERVER) != (client % 2 == 0);
        }
        world.log_in(client, 0);
    }
    world.servers.values_mut().for_each(|server| server.dead = false);
    world.restart_card(0);
    world.wait(120);
    world.assert_logged_in([]);
    let (ours, other) = (&world.servers[&SERVER], &world.servers[&OTHER]);
    assert_eq!((ours.bulk_releases, ours.releases), (1, 0));
    assert_eq!((other.bulk_releases, other.releases), (0, 5));
    assert!(ours.active().is_empty() && other.active().is_empty());
}

/// BR-16, BR-26, BR-27, H-BR-10: two cards behind one giaddr are told apart by their groups.
#[test]
fn cards_behind_one_giaddr_are_told_apart() {
    let mut config = config();
    config.relay.fpcs[1].giaddr = config.relay.fpcs[0].giaddr;
    let mut world = World::new(config, [Server::new(SERVER, true)]);
    for client in 1..=6 {
        world.log_in(client, if client <= 3 { 0 } else { 2 });
    }
    let scope = world.node.session(address(1)).and_then(|session| session.scope);
    assert!(matches!(scope, Some(ScopeKind::Group(_))));
    world.restart_card(0);
    world.wait(5);
    world.assert_logged_in(4..=6);
    assert_eq!(world.server().bulk_releases, 1);
    assert_eq!(world.server().active().len(), 3);
}

/// H-BR-6: the reply to a bulk release, and the release itself, arrive after the same subscriber logged in again.
#[test]
fn a_late_release_leaves_the_new_login_alone() {
    let mut world = logged_in(Server::new(SERVER, true));
    world.hold_answers = true;
    world.restart_card(0);
    let late = world.on_the_way.pop_front().expect("the server has answered");
    world.hold_answers = false;
    world.log_in(1, 0);
    world.log_in(2, 1);
    world.node.handle_server_message(late.0, &late.1, world.now);
    world.settle();
    world.assert_logged_in([1, 2].into_iter().chain(21..=25));
    // Twice is no more than once.
    world.node.handle_server_message(late.0, &late.1, world.now);
    world.wait(60);
    world.assert_logged_in([1, 2].into_iter().chain(21..=25));
    assert_eq!(world.server().active().len(), 7);
}

/// H-BR-9: a request was relayed before the restart was decided, and its ACK comes after. It does not log anybody in: the
/// logout may have freed that very lease. The client asks again, in the new epoch.
#[test]
fn a_login_in_flight_starts_again_in_the_new_epoch() {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    world.log_in(2, 0);
    world.hold_answers = true;
    world.request(1, 0);
    world.settle();
    world.restart_card(0);
    world.hold_answers = false;
    world.settle();
    assert!(!world.received.contains(&(mac(1), kind::ACK, address(1))));
    world.assert_logged_in([]);
    world.log_in(1, 0);
    world.wait(30);
    world.assert_logged_in([1]);
    assert_eq!(world.server().active(), [address(1)]);
}

/// H-BR-7: who renews at the server by unicast after the decision is spared there, and here.
#[test]
fn who_renews_during_the_release_stays() {
    let mut world = logged_in(Server::new(SERVER, true));
    world.wait(100);
    world.server().dead = true;
    world.restart_card(0);
    world.server().dead = false;
    world.now = world.now + crate::time::Duration::from_millis(500);
    // The first transmission was lost. Within a second of the decision the server can't tell before from after.
    world.wait(0);
    world.server().dead = true;
    world.wait(2);
    world.server().dead = false;
    world.renew_by_unicast(7);
    world.wait(30);
    world.assert_logged_in([7].into_iter().chain(21..=25));
    assert_eq!(world.server().active().len(), 6);
}

/// A server that is known to speak leasequery: without its word nothing ends.
fn strict() -> NodeConfig {
    let mut config = config();
    let strict = ServerConfig { verify: Verify::Leasequery, ..ServerConfig::default() };
    config.release.servers.insert(SERVER, strict);
    config
}

/// H-BR-1, H-BR-23: a server that is silent confirms nothing: its sessions stay, orphaned, with their routes, and are
/// tried again until it is back.
#[test]
fn what_nobody_confirms_is_orphaned_and_tried_again() {
    let mut world = logged_in_with(strict(), Server::new(SERVER, false));
    world.restart_card(1);
    world.wait(120);
    world.assert_logged_in(1..=20);
    world.server().dead = true;
    world.restart_card(0);
    world.wait(600);
    world.assert_logged_in(1..=20);
    let orphaned = world.node.fpcs()[0].orphaned;
    assert_eq!(orphaned, 20);
    world.restart_controller();
    assert_eq!(world.node.fpcs()[0].orphaned, 20, "durably");
    world.server().dead = false;
    world.wait(2900);
    world.assert_logged_in([]);
    assert!(world.server().active().is_empty());
}

/// H-BR-6: an orphaned session's client logs in again: a session like any other, and no retry touches it.
#[test]
fn an_orphan_that_logs_in_again_is_none() {
    let mut world = logged_in_with(strict(), Server::new(SERVER, false));
    world.restart_card(1);
    world.wait(120);
    world.server().dead = true;
    world.restart_card(0);
    world.wait(600);
    world.server().dead = false;
    world.log_in(3, 0);
    assert_eq!(world.node.fpcs()[0].orphaned, 19);
    world.wait(2900);
    world.assert_logged_in([3]);
    assert_eq!(world.server().active(), [address(3)]);
}

/// BR-19, BR-21: a link that is lost for longer than hold_down is a restart; a shorter flap is not.
#[test]
fn a_flap_of_all_links_restarts_the_card() {
    let mut world = logged_in(Server::new(SERVER, true));
    world.link(0, LinkEvent::Down);
    world.link(1, LinkEvent::Down);
    world.wait(1);
    world.link(0, LinkEvent::Up);
    world.link(1, LinkEvent::Up);
    world.wait(10);
    world.assert_logged_in(1..=25);
    world.link(0, LinkEvent::Down);
    world.wait(10);
    world.assert_logged_in(1..=25);
    world.link(1, LinkEvent::Down);
    world.wait(3);
    world.assert_logged_in(21..=25);
    let cause = world.events.iter().find_map(|event| match event {
        Event::Restart { fpc: FpcId(0), cause, cutoff: Some(_), sessions: 20, leases: 0 } => Some(*cause),
        _ => None,
    });
    assert_eq!(cause, Some(Cause::LinkDown));
}
