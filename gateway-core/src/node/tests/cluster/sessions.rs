//! What happens to a client at one member, happens at all.

use super::world::{address, config, mac};
use super::*;
use crate::node::Event;
use crate::node::tests::World;
use crate::replication::{self, WhenShort};
use crate::wire::dhcp4::kind;

/// CL-66, CL-67, CL-69, CL-79: logins, renewals and releases at whichever member owns the client's unit are known to all,
/// with everything that a RELEASE must repeat; a renewal says essential state only.
#[test]
fn a_login_is_everywhere() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    for client in 1..=6 {
        mesh.own(client, 1 + client % 3, 1);
        mesh.log_in(client, u16::from(client % 4));
    }
    mesh.assert_logged_in(1..=6);
    let before = mesh.octets;
    assert_eq!(mesh.sessions(1), mesh.sessions(2));
    assert_eq!(mesh.sessions(1), mesh.sessions(3));
    let login = mesh.octets - before;
    assert_eq!(login, 0);
    mesh.wait(1800);
    let before = mesh.octets;
    mesh.log_in(4, 0);
    let renewal = mesh.octets - before;
    assert!(renewal < 400, "a renewal took {renewal} octets on four streams");
    assert_eq!(mesh.sessions(1), mesh.sessions(3));
    mesh.release(2, 2);
    mesh.run();
    mesh.assert_logged_in([1, 3, 4, 5, 6]);
    // A client that nobody asked twice: one change each, applied once.
    for me in 1..=3 {
        assert_eq!(mesh.member(me).replication.counters().duplicate, 0);
        assert_eq!(mesh.member(me).node.replicas_unusable(), 0);
    }
}

/// CL-66: the end of a lease is calculable: every member lets it pass by itself, and nobody says so.
#[test]
fn leases_end_on_every_member() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    (1..=4).for_each(|client| mesh.log_in(client, 0));
    mesh.wait(1000);
    mesh.log_in(4, 0);
    let said = mesh.member(1).replication.counters().said;
    mesh.wait(2700);
    mesh.assert_logged_in([4]);
    assert_eq!(mesh.member(1).replication.counters().said, said);
    mesh.wait(1000);
    mesh.assert_logged_in([]);
}

/// CL-66: a renewal in the last moment says everything: a member whose clock is ahead has let the session end.
#[test]
fn a_renewal_at_the_very_end_of_a_lease() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    mesh.own(1, 3, 1); // whose clock is ahead of member 1's by 0.2 s: its leases end later there
    mesh.own(2, 1, 1);
    mesh.log_in(1, 0);
    mesh.log_in(2, 0);
    mesh.wait(3598);
    mesh.log_in(1, 0);
    mesh.log_in(2, 0);
    mesh.wait(10);
    mesh.assert_logged_in([1, 2]);
}

/// H-CL-24: no reply leaves before another member has its change. When the only one that has it survives, nothing is lost.
#[test]
fn an_acknowledged_login_survives_its_owner() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    for has in [2, 3] {
        let lacks = 5 - has;
        mesh.stuck = [(1, has), (1, lacks)].into();
        mesh.request(has, 0);
        mesh.run();
        let acked = (mac(has), kind::ACK, address(has));
        assert!(!mesh.received.contains(&acked), "nobody knows yet");
        mesh.stuck = [(1, lacks)].into();
        mesh.run();
        assert!(mesh.received.contains(&acked));
        mesh.stuck.clear();
        mesh.run();
    }
    mesh.stuck = [(1, 3)].into();
    mesh.log_in(9, 0);
    mesh.kill(1);
    mesh.run();
    let settled = replication::Command::Settled { origin: member(1) };
    assert!(mesh.member(3).told.contains(&settled));
    mesh.take_over(1, 3);
    mesh.assert_logged_in([2, 3, 9]);
    mesh.log_in(9, 0);
    mesh.release(2, 0);
    mesh.run();
    mesh.assert_logged_in([3, 9]);
}

/// H-CL-19: a unit moves while its clients renew and log out; the old owner's late words change nothing that the new one
/// said.
#[test]
fn a_unit_moves() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    (1..=4).for_each(|client| mesh.log_in(client, 0));
    mesh.stuck = [(1, 3)].into();
    mesh.log_in(5, 0);
    mesh.log_in(1, 0);
    // Member 2 has applied all that member 1 said, member 3 has not.
    for client in 1..=5 {
        mesh.own(client, 2, 2);
    }
    mesh.wait(1);
    mesh.log_in(1, 0);
    mesh.release(5, 0);
    mesh.release(2, 0);
    mesh.run();
    mesh.stuck.clear();
    mesh.run();
    mesh.assert_logged_in([1, 3, 4]);
    assert_eq!(mesh.sessions(3), mesh.sessions(2));
    assert_eq!(mesh.member(3).replication.counters().fenced, 0);
}

/// An address goes from one client to another one, whose units have different owners, and a member hears of it in the
/// wrong order.
#[test]
fn an_address_changes_hands() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    mesh.own(7, 2, 1);
    mesh.log_in(1, 0);
    mesh.stuck = [(1, 3)].into();
    mesh.release(1, 0);
    mesh.run();
    mesh.request_address(7, 1, 1);
    mesh.run();
    mesh.stuck.clear();
    mesh.run();
    for me in 1..=3 {
        let session = mesh.members[&me].node.session(address(1)).expect("of client 7");
        assert_eq!(session.hardware.mac(), Some(mac(7)), "member {me}");
        assert_eq!(mesh.through(me), World::addresses([1]));
    }
}

/// H-CL-19, H-CL-20: a member that slept, and does not know that its unit has another owner, renews a lease and takes a new
/// client in. Nobody believes it, its clients hear nothing, and it has the others' state again soon.
#[test]
fn a_member_that_slept() {
    let mut mesh = Mesh::with(config(), Server::new(SERVER, true), 3, WhenShort::Wait, 1 << 20);
    (1..=3).for_each(|client| mesh.log_in(client, 0));
    for client in [1, 9] {
        mesh.own(client, 2, 2);
    }
    mesh.log_in(1, 0);
    mesh.log_in(9, 0);
    mesh.release(9, 0);
    mesh.run();
    let heard = mesh.received.len();
    for client in [1, 9] {
        mesh.owners.insert(client, (1, 1)); // or so it thinks
    }
    mesh.wait(10);
    mesh.request(1, 0);
    mesh.request(9, 1);
    mesh.run();
    assert_eq!(mesh.sessions(2), mesh.sessions(3));
    assert_eq!(mesh.sessions(1), mesh.sessions(3));
    mesh.wait(1);
    assert_eq!(mesh.received.len(), heard, "no ACK");
    mesh.assert_logged_in([1, 2, 3]);
    assert_eq!(mesh.member(3).replication.counters().fenced, 2);
    assert!(mesh.member(1).told.contains(&replication::Command::Fenced { by: member(3) }));
    for client in [1, 9] {
        mesh.owners.insert(client, (2, 2));
        mesh.log_in(client, 0);
    }
    mesh.assert_logged_in([1, 2, 3, 9]);
    assert_eq!(mesh.sessions(1), mesh.sessions(3));
}

/// A member that only follows tells nobody's login as its own, and asks no server.
#[test]
fn a_follower_is_silent() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 2);
    let before = mesh.member(2).replication.counters().said;
    mesh.log_in(1, 0);
    mesh.release(1, 0);
    mesh.run();
    let follower = mesh.member(2);
    let news = |event: &&Event| matches!(event, Event::LoggedIn { .. } | Event::LoggedOut { .. });
    assert_eq!(follower.events.iter().find(news), None);
    assert_eq!(follower.replication.counters().said, before);
}
