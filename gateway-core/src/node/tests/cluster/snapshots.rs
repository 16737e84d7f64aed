//! Joining, returning, and healing.

use std::collections::BTreeMap;

use super::world::config;
use super::*;
use crate::capability::State;
use crate::replication::WhenShort;

/// H-CL-25: a joiner takes a snapshot while logins, renewals, logouts and a whole card's logout go on, and has the same as
/// all others when it is done.
#[test]
fn a_snapshot_in_the_middle_of_everything() {
    for seed in 0..40usize {
        let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 2);
        for client in 1..=30 {
            mesh.own(client, 1 + client % 2, 1);
            mesh.log_in(client, if client.is_multiple_of(3) { 2 } else { 0 });
        }
        mesh.start(3, BTreeMap::new());
        let now = mesh.now;
        mesh.member(3).replication.handle_join(Some(member(1 + (seed % 2) as u8)), now);
        let mut random = seed;
        for turn in 0..60u8 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = random >> 33;
            let client = 1 + (pick % 40) as u8;
            let port = if client.is_multiple_of(3) { 2 } else { 0 };
            match pick % 5 {
                0 => mesh.release(client, port),
                1 | 2 => mesh.request(client, port),
                _ => {}
            }
            if turn == 30 && seed.is_multiple_of(4) {
                for port in [2, 3] {
                    mesh.member(1).node.handle_link(crate::line::PortId(port), crate::fpc::LinkEvent::Removed, now);
                    mesh.member(1).node.handle_link(crate::line::PortId(port), crate::fpc::LinkEvent::Up, now);
                }
            }
            mesh.carry_out_all();
            let ways = mesh.ways();
            if !ways.is_empty() {
                mesh.deliver(ways[pick % ways.len()]);
            }
        }
        mesh.run();
        assert!(mesh.member(3).replication.is_synced());
        assert_eq!(mesh.sessions(3), mesh.sessions(1), "seed {seed}");
        assert_eq!(mesh.sessions(2), mesh.sessions(1), "seed {seed}");
        let clients: Vec<u8> = mesh.addresses(1).into_iter().map(|address| address.octets()[3]).collect();
        mesh.assert_logged_in(clients);
        assert_eq!(mesh.members[&3].node.fpcs()[1].epoch, mesh.members[&1].node.fpcs()[1].epoch);
        let now = mesh.now;
        assert_eq!(mesh.members[&3].node.servers(now)[0].state, State::Capable);
    }
}

/// H-CL-25, CL-69: a member that was away takes what happened meanwhile: who logged out is gone, though its disk has them.
#[test]
fn a_member_returns_with_an_old_disk() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    for client in 1..=8 {
        mesh.log_in(client, if client <= 4 { 0 } else { 2 });
    }
    let store = mesh.kill(3).store;
    mesh.run();
    mesh.release(5, 2);
    mesh.log_in(9, 2);
    mesh.restart_card(0);
    mesh.log_in(1, 0);
    mesh.wait(700);
    mesh.start(3, store);
    mesh.join(3, Some(member(1)));
    mesh.assert_logged_in([1, 6, 7, 8, 9]);
    assert_eq!(mesh.sessions(3), mesh.sessions(1));
    mesh.take_over(1, 3);
    mesh.kill(1);
    mesh.run();
    mesh.log_in(1, 0);
    mesh.assert_logged_in([1, 6, 7, 8, 9]);
}

/// H-CL-7, H-CL-23: two sides that were apart have both taken logins; when they meet again, both have all of them, and
/// what one side ended is ended: by what was kept for each other, or, when that was too little, by a snapshot each way.
#[test]
fn two_sides_meet_again() {
    for kept in [1 << 20, 500] {
        let mut mesh = Mesh::with(config(), Server::new(SERVER, true), 3, WhenShort::Degrade, kept);
        for client in 1..=6 {
            mesh.own(client, 1 + client % 3, 1);
            mesh.log_in(client, 0);
        }
        mesh.wait(1);
        let before = mesh.member(3).replication.counters().snapshots;
        mesh.cut(1, 3);
        mesh.cut(2, 3);
        mesh.run();
        mesh.release(3, 0); // at 1
        mesh.release(5, 0); // at 3
        for client in 7..=20 {
            mesh.own(client, 1 + client % 3, 1);
            mesh.log_in(client, 0);
        }
        mesh.release(8, 0); // at 3
        mesh.connect(1, 3);
        mesh.connect(2, 3);
        mesh.run();
        mesh.assert_logged_in((1..=20).filter(|client| ![3, 5, 8].contains(client)));
        assert_eq!(mesh.sessions(3), mesh.sessions(1));
        assert_eq!(mesh.sessions(2), mesh.sessions(1));
        let after = mesh.member(3).replication.counters().snapshots;
        let both_ways = after.0 > before.0 && after.1 > before.1;
        assert_eq!(both_ways, kept == 500, "{before:?} {after:?}");
        mesh.log_in(3, 0);
        mesh.release(20, 0);
        mesh.run();
        mesh.assert_logged_in((1..=19).filter(|client| ![5, 8].contains(client)));
    }
}

/// H-CL-7, H-CL-23, H-CL-25: a member dies with a login that nobody else has heard of, its card restarts, and the address is
/// somebody else's, before the member returns or while it does. What its disk has is over with its card and does not stand
/// in the way of what the others have, though its clock is ahead.
#[test]
fn what_ended_with_its_card_makes_way() {
    for arrived in [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)] {
        let mut mesh = Mesh::with(config(), Server::new(SERVER, true), 3, WhenShort::Wait, 1 << 20);
        mesh.own(5, 3, 1);
        mesh.request_address(5, 2, 3);
        mesh.carry_out_all();
        assert_eq!((mesh.addresses(3).len(), mesh.addresses(1).len()), (1, 0), "nobody else has heard of it");
        let store = mesh.kill(3).store;
        mesh.take_over(3, 1);
        mesh.log_in(5, 2);
        mesh.restart_card(1);
        if arrived.is_none() {
            mesh.log_in(3, 2);
        }
        mesh.start(3, store);
        let now = mesh.now;
        mesh.member(3).replication.handle_join(Some(member(1)), now);
        for _ in 0..arrived.unwrap_or_default() {
            mesh.carry_out_all();
            mesh.ways().into_iter().for_each(|way| mesh.deliver(way));
        }
        mesh.log_in(3, 2);
        mesh.assert_logged_in([3]);
        assert_eq!(mesh.sessions(3), mesh.sessions(1), "after {arrived:?}");
    }
}

/// All members lose power; whoever comes first has what its disk holds, and what only another one's disk holds is not
/// lost either.
#[test]
fn the_whole_cluster_restarts() {
    let mut mesh = Mesh::new(config(), Server::new(SERVER, true), 3);
    (1..=4).for_each(|client| mesh.log_in(client, 0));
    mesh.stuck = [(1, 2)].into();
    mesh.log_in(5, 0);
    let disks: Vec<_> = [2, 1, 3].into_iter().map(|me| (me, mesh.kill(me).store)).collect();
    for (me, disk) in disks {
        mesh.start(me, disk);
        mesh.join(me, (me != 2).then(|| member(2)));
    }
    mesh.take_over(1, 2);
    mesh.assert_logged_in(1..=5);
    assert_eq!(mesh.sessions(3), mesh.sessions(2));
}
