//! Logging in and out, one subscriber at a time.

use super::world::{address, config, line, mac};
use super::*;
use crate::fpc::PortConfig;
use crate::line::{HardwareAddress, PortId};
use crate::node::{Command, Event, NodeConfig};
use crate::session::{EndReason, Lockout, Refusal, StaticSubscriber};
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{code, kind};

fn world() -> World {
    World::new(config(), [Server::new(SERVER, true)])
}

/// BR-1, BR-4, BR-32: the record of a login comes before its route, and its route before the ACK.
#[test]
fn record_then_route_then_ack() {
    let mut world = world();
    world.hold_answers = true;
    world.request(1, 0);
    world.settle();
    let (server, ack) = world.on_the_way.pop_front().expect("answered");
    world.node.handle_server_message(server, &ack, world.now);
    let commands: Vec<Command> = core::iter::from_fn(|| world.node.poll_command()).collect();
    let place = |wanted: &dyn Fn(&Command) -> bool| commands.iter().position(wanted).expect("there");
    let record = place(&|c| matches!(c, Command::Persist { key, .. } if key[0] == b's'));
    let route = place(&|c| matches!(c, Command::InstallRoute(r) if r.address == address(1) && r.mac == mac(1)));
    let ack = place(&|c| matches!(c, Command::SendToClient { .. }));
    assert!(record < route && route < ack, "{commands:?}");
    let session = world.node.session(address(1)).expect("logged in");
    assert_eq!((session.line, session.server, session.slot), (line(0), SERVER, 0));
    assert!(session.scope.is_some(), "the ACK brought our scope back");
}

/// Renewal, relayed: the lease is longer, the route as it was.
#[test]
fn a_renewal_rewrites_no_route() {
    let mut world = world();
    world.log_in(1, 0);
    world.wait(1800);
    world.request(1, 0);
    world.hold_answers = true;
    world.settle();
    let (server, ack) = world.on_the_way.pop_front().expect("answered");
    world.node.handle_server_message(server, &ack, world.now);
    let commands: Vec<Command> = core::iter::from_fn(|| world.node.poll_command()).collect();
    assert!(!commands.iter().any(|c| matches!(c, Command::InstallRoute(_))), "{commands:?}");
    let expires = world.now + Duration::from_secs(3600);
    assert!(commands.contains(&Command::SetExpiry { slot: 0, expires }), "{commands:?}");
}

/// H-BR-7: a renewal that bypassed the relay is seen on its way, and the kernel's expiry follows the lease.
#[test]
fn a_unicast_renewal_is_seen() {
    let mut world = world();
    world.log_in(1, 0);
    world.wait(3000);
    world.renew_by_unicast(1);
    world.wait(3000);
    world.assert_logged_in([1]);
    world.wait(601);
    world.assert_logged_in([]);
}

#[test]
fn a_client_logs_out_by_itself_and_nobody_else_can() {
    let mut world = world();
    world.log_in(1, 0);
    let release = |client| World::ask(client, kind::RELEASE).ciaddr(address(1)).address(code::SERVER_ID, SERVER);
    let forged = release(9).finish();
    world.send(9, 0, &forged);
    world.settle();
    let elsewhere = release(1).finish();
    world.send(1, 2, &elsewhere);
    world.settle();
    world.assert_logged_in([1]);
    let decline = World::ask(1, kind::DECLINE).address(code::REQUESTED_IP, address(1));
    world.send(1, 2, &decline.address(code::SERVER_ID, SERVER).finish());
    world.settle();
    world.assert_logged_in([1]);
    assert!(world.server().leases.contains_key(&address(1)), "nor did the server hear of any of it");
    world.send(1, 0, &elsewhere);
    world.settle();
    world.assert_logged_in([]);
    let out = Event::LoggedOut {
        address: address(1),
        hardware: HardwareAddress::ethernet(mac(1)),
        reason: EndReason::Released,
    };
    assert!(world.events.contains(&out));
}

#[test]
fn a_declined_address_and_a_refused_one_are_given_back() {
    let mut world = world();
    world.log_in(1, 0);
    let decline = World::ask(1, kind::DECLINE).address(code::REQUESTED_IP, address(1));
    let decline = decline.address(code::SERVER_ID, SERVER).finish();
    world.send(1, 0, &decline);
    world.settle();
    world.assert_logged_in([]);

    world.log_in(2, 0);
    // The server gave the address to somebody else behind our back, and says so.
    let lease = world.server().leases.get_mut(&address(2)).expect("leased");
    lease.hardware = HardwareAddress::ethernet(mac(9));
    world.request(2, 0);
    world.settle();
    assert_eq!(world.received.last().map(|(_, kind, _)| *kind), Some(kind::NAK));
    world.assert_logged_in([]);
}

/// A server that knows nothing of a lease says NAK; the one that gave it says ACK. It stays.
#[test]
fn another_servers_nak_ends_nothing() {
    let mut config = config();
    config.relay.servers.push(OTHER);
    let mut world = World::new(config, [Server::new(SERVER, true)]);
    world.log_in(1, 0);
    let mut other = Server::new(OTHER, false);
    let somebody = super::server::Lease {
        hardware: HardwareAddress::ethernet(mac(9)),
        scope: None,
        last: world.now,
        active: true,
    };
    other.leases.insert(address(1), somebody);
    world.servers.insert(OTHER, other);
    world.request(1, 0);
    world.settle();
    assert!(world.received.iter().any(|(_, kind, _)| *kind == kind::NAK));
    world.assert_logged_in([1]);
}

fn limited(clients: u32) -> NodeConfig {
    let mut config = config();
    config.ports[0] = PortConfig { max_clients: Some(clients), ..config.ports[0].clone() };
    config
}

#[test]
fn a_full_port_relays_nobody_new() {
    let mut world = World::new(limited(2), [Server::new(SERVER, true)]);
    world.log_in(1, 0);
    world.log_in(2, 0);
    world.request(3, 0);
    world.settle();
    assert!(!world.server().leases.contains_key(&address(3)), "the server never heard of it");
    let hardware = HardwareAddress::ethernet(mac(3));
    assert!(world.events.contains(&Event::Refused { hardware, line: line(0), refusal: Refusal::PortFull }));
    world.log_in(1, 0);
    world.log_in(3, 1);
    world.assert_logged_in([1, 2, 3]);
}

/// Whoever raced past the limit does not get its ACK, and has no route.
#[test]
fn an_ack_that_is_one_too_many_does_not_arrive() {
    let mut world = World::new(limited(1), [Server::new(SERVER, true)]);
    world.request(1, 0);
    world.request(2, 0);
    world.settle();
    world.assert_logged_in([1]);
    assert_eq!(world.received, [(mac(1), kind::ACK, address(1))]);
}

#[test]
fn a_locked_out_client_is_not_relayed() {
    let lockout = Lockout { cycles: 3, within: Duration::from_secs(60), lasts: Duration::from_secs(300) };
    let mut world = World::new(NodeConfig { lockout: Some(lockout), ..config() }, [Server::new(SERVER, true)]);
    for _ in 0..3 {
        world.log_in(1, 0);
        let release = World::ask(1, kind::RELEASE).ciaddr(address(1)).address(code::SERVER_ID, SERVER).finish();
        world.send(1, 0, &release);
        world.settle();
    }
    world.request(1, 0);
    world.settle();
    assert!(world.server().active().is_empty());
    world.log_in(2, 0);
    world.wait(300);
    world.log_in(1, 0);
    world.assert_logged_in([1, 2]);
}

#[test]
fn static_subscribers_are_there_without_a_lease_and_whatever_restarts() {
    let subscriber =
        StaticSubscriber { address: address(200), hardware: HardwareAddress::ethernet(mac(200)), line: line(0) };
    let mut world = World::new(NodeConfig { statics: vec![subscriber], ..config() }, [Server::new(SERVER, true)]);
    world.log_in(1, 0);
    world.assert_logged_in([1, 200]);
    world.restart_card(0);
    world.wait(10);
    world.assert_logged_in([200]);
    world.restart_controller();
    world.assert_logged_in([200]);
    assert_eq!(world.node.session(address(200)).map(|session| session.expires), Some(Instant::NEVER));
}

#[test]
fn garbage_from_either_side_changes_nothing() {
    let mut world = world();
    world.log_in(1, 0);
    let mut octets = Vec::new();
    for length in 0..400u32 {
        octets.push((length.wrapping_mul(2_654_435_761) >> 13) as u8);
        for snooped in [false, true] {
            world.node.handle_client_frame(PortId(0), &octets, snooped, world.now);
            world.node.handle_server_frame(&octets, snooped, world.now);
        }
        world.node.handle_server_message(SERVER, &octets, world.now);
    }
    world.settle();
    world.assert_logged_in([1]);
    assert!(world.node.counters().malformed > 0);
}
