//! A client that is given another address leaves a lease behind.

use super::world::{address, config, mac};
use super::*;
use crate::line::HardwareAddress;
use crate::node::{Event, Request};
use crate::release::{self, Ending};
use crate::time::Duration;
use crate::wire::dhcp4::{self, Builder, code, kind};

/// The client asks for this address until the message is answered.
fn take(world: &mut World, client: u8, wanted: u8) {
    let payload = World::ask(client, kind::REQUEST).address(code::REQUESTED_IP, address(wanted)).finish();
    world.send(client, 0, &payload);
    world.settle();
    assert_eq!(world.received.last(), Some(&(mac(client), kind::ACK, address(wanted))));
}

fn endings(world: &World) -> Vec<(Ipv4Addr, Ending)> {
    let ending = |event: &Event| match event {
        Event::Release(release::Event::Superseded { address, ending, .. }) => Some((*address, *ending)),
        _ => None,
    };
    world.events.iter().filter_map(ending).collect()
}

/// The old lease is released with the client's identity, as a replaced DHCPv6 client's is, and verified. H-BR-1, H-BR-19
#[test]
fn the_lease_of_the_old_address_is_released() {
    for leasequery in [true, false] {
        let mut world = World::new(config(), [Server { leasequery, ..Server::new(SERVER, false) }]);
        take(&mut world, 1, 1);
        take(&mut world, 1, 11);
        world.assert_logged_in([11]);
        assert_eq!(world.server().releases, 1);
        world.wait(5);
        world.assert_logged_in([11]);
        assert_eq!(world.server().active(), [address(11)]);
        assert_eq!(endings(&world), [(address(1), if leasequery { Ending::Released } else { Ending::Unverified })]);
        assert_eq!(world.server().releases, 1);
    }
}

/// H-BR-18: it goes to the server that has the lease, and to no other.
#[test]
fn the_server_of_the_old_address_hears_of_it() {
    let mut config = config();
    config.relay.servers.push(OTHER);
    let mut world = World::new(config, [Server::new(SERVER, false), Server::new(OTHER, false)]);
    let only = |world: &mut World, alive| {
        world.servers.values_mut().for_each(|server| server.dead = server.address != alive);
    };
    only(&mut world, SERVER);
    take(&mut world, 1, 1);
    only(&mut world, OTHER);
    take(&mut world, 1, 11);
    only(&mut world, SERVER);
    world.wait(30);
    assert_eq!((world.servers[&SERVER].releases, world.servers[&OTHER].releases), (1, 0), "the first was lost");
    assert_eq!(endings(&world), [(address(1), Ending::Released)]);
    world.assert_logged_in([11]);
}

/// H-BR-6: the same client gets its old address again, or another client does, before the verdict: they keep it.
#[test]
fn whoever_has_the_old_address_by_then_keeps_it() {
    for leasequery in [true, false] {
        let mut world = World::new(config(), [Server { leasequery, ..Server::new(SERVER, false) }]);
        take(&mut world, 1, 1);
        take(&mut world, 1, 11);
        take(&mut world, 1, 1);
        take(&mut world, 2, 2);
        take(&mut world, 2, 12);
        take(&mut world, 3, 2);
        world.wait(30);
        world.assert_logged_in([1, 2, 12]);
        assert_eq!(world.server().active(), [1, 2, 12].map(address));
        assert_eq!(world.server().releases, 3, "for 1, for 11, for 2");
        let mut endings = endings(&world);
        endings.sort_by_key(|(address, _)| *address);
        let verdict = if leasequery { Ending::Released } else { Ending::Unverified };
        assert_eq!(endings, [(address(1), Ending::Skipped), (address(2), Ending::Skipped), (address(11), verdict)]);
    }
}

/// H-BR-6: the same for a session that an operator has logged out: who logs in on the address before the verdict stays.
#[test]
fn an_operators_logout_ends_nobody_else() {
    let mut world = World::new(config(), [Server { leasequery: false, ..Server::new(SERVER, false) }]);
    take(&mut world, 1, 1);
    world.wait(10);
    world.node.handle_operator(Request::ReleaseSession { address: address(1) }, world.now).expect("known");
    world.settle();
    // The last question is out, and its silence is the verdict.
    world.wait(2);
    world.now = world.now + Duration::from_millis(600);
    world.node.handle_timeout(world.now);
    world.settle();
    assert_eq!(world.server().queries, 3);
    take(&mut world, 2, 1);
    world.wait(30);
    world.assert_logged_in([1]);
    assert_eq!(world.node.session(address(1)).map(|session| session.hardware.mac()), Some(Some(mac(2))));
}

/// BR-24: after a restart all clients of a card come back with other addresses: the single logout covers the old ones.
#[test]
fn a_single_logout_is_not_accompanied_by_releases() {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    (1..=5).for_each(|client| take(&mut world, client, client));
    world.wait(10);
    world.hold_answers = true;
    world.restart_card(0);
    assert_eq!(world.server().bulk_releases, 1);
    world.hold_answers = false;
    (1..=5).for_each(|client| take(&mut world, client, client + 20));
    world.settle();
    world.wait(10);
    world.assert_logged_in(21..=25);
    assert_eq!((world.server().releases, world.server().active().len()), (0, 5));
}

/// RR-5: the operator may say no; and a client with another client-id is another client, who keeps its session.
#[test]
fn only_where_it_is_meant() {
    let mut config = config();
    config.release.servers.insert(SERVER, release::ServerConfig { replaced: false, ..Default::default() });
    let mut world = World::new(config, [Server::new(SERVER, false)]);
    take(&mut world, 1, 1);
    take(&mut world, 1, 11);
    world.wait(10);
    assert_eq!((world.server().releases, endings(&world).len()), (0, 0));
    world.assert_logged_in([11]);

    let mut world = World::new(super::world::config(), [Server::new(SERVER, false)]);
    take(&mut world, 1, 1);
    let other = Builder::new(dhcp4::REQUEST).hardware(HardwareAddress::ethernet(mac(1))).xid(7).kind(kind::REQUEST);
    let other = other.option(code::CLIENT_ID, b"PXE").address(code::REQUESTED_IP, address(11)).finish();
    world.send(1, 0, &other);
    world.settle();
    world.wait(10);
    world.assert_logged_in([1, 11]);
    assert_eq!(world.server().releases, 0);
}
