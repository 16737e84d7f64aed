//! A table that was lost, rebuilt from what the server tells in bulk.

use super::world::{address, config, line, mac};
use super::*;
use crate::line::HardwareAddress;
use crate::node::{Command, Done, Lost, Purpose, RequestError, What};
use crate::recover::Failure;
use crate::scope::Epoch;
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, Message, REPLY, code, kind};
use crate::wire::dhcp6::leasequery::{Frames, frame};
use crate::wire::leasequery::{BulkQuery, By, done};

/// A lease as the server tells it.
#[derive(Clone, Debug)]
struct Told {
    address: Ipv4Addr,
    hardware: HardwareAddress,
    client_id: Vec<u8>,
    agent: Vec<u8>,
    remaining: u32,
    since: u32,
}

/// What the server has of a client that is logged in.
fn told(world: &World, client: u8) -> Told {
    let session = world.node.sessions.get(address(client)).expect("logged in");
    Told {
        address: session.address,
        hardware: session.hardware,
        client_id: session.client_id.clone().unwrap_or_default().into(),
        agent: session.agent_information.to_vec(),
        remaining: 1000,
        since: 10,
    }
}

/// Clients of this world log in; gives what the server has of them.
fn leased(clients: core::ops::RangeInclusive<u8>) -> (World, Vec<Told>) {
    let mut world = World::new(config(), [Server::new(SERVER, true)]);
    clients.clone().for_each(|client| world.log_in(client, u16::from(client) % 4));
    let all = clients.map(|client| told(&world, client)).collect();
    (world, all)
}

/// A new controller without a store, a while later, with its server.
fn without_state(world: &World) -> World {
    let servers = world.servers.values().cloned();
    let mut new = World::new(config(), servers);
    new.wait(100);
    new
}

/// The server is connected, asked, and tells `leases`; `whole`: and that these are all.
fn tell(world: &mut World, leases: &[Told], whole: bool) {
    let mut dialled = core::mem::take(&mut world.called);
    // The end of what was asked before.
    dialled.retain(|command| !matches!(command, Command::HangUp { .. }));
    let [Command::Dial { server, source }] = &dialled[..] else { panic!("{dialled:?}") };
    assert_eq!((*server, *source), (SERVER.into(), Some(Ipv4Addr::new(100, 64, 0, 254).into())));
    world.node.handle_dialled(*server, world.now);
    world.settle();
    let asked = core::mem::take(&mut world.called);
    let [Command::Converse { octets, .. }] = &asked[..] else { panic!("{asked:?}") };
    let question = Frames::new(1024).next(&mut &octets[..]).unwrap().expect("whole");
    let query = BulkQuery::read(&Message::parse(&question).unwrap()).expect("a query");
    assert_eq!(query.by, Ok(By::RelayId(b"BNG-0042".as_slice().into())));
    let mut stream = Vec::new();
    for lease in leases {
        let message = Builder::new(REPLY)
            .xid(query.xid)
            .ciaddr(lease.address)
            .hardware(lease.hardware)
            .kind(kind::LEASEACTIVE)
            .address(code::SERVER_ID, SERVER)
            .number(code::LEASE_TIME, lease.remaining)
            .number(code::LAST_TRANSACTION, lease.since)
            .option(code::CLIENT_ID, &lease.client_id)
            .option(code::AGENT_INFORMATION, &lease.agent)
            .finish();
        stream.extend(frame(&message).unwrap());
    }
    if whole {
        stream.extend(frame(&done(query.xid, None)).unwrap());
    }
    for part in stream.chunks(777) {
        world.node.handle_stream(SERVER.into(), part, world.now);
        world.settle();
    }
    world.wait(0);
}

/// The same lease with another sub-option in what the server stored.
fn rebuilt(told: &Told, of: u8, value: &[u8]) -> Told {
    let agent = AgentInformation::parse(&told.agent).expect("ours");
    let all = agent.iter().map(|(code, octets)| (code, if code == of { value } else { octets }));
    let agent = all.fold(AgentBuilder::new(), |out, (code, octets)| out.sub(code, octets)).finish();
    Told { agent: agent.expect("short"), ..told.clone() }
}

fn done_of(world: &World) -> Vec<(What, Done)> {
    let view = world.node.recoveries().next().expect("asked");
    view.differences.iter().map(|difference| (difference.what, difference.done)).collect()
}

/// A store that is gone: everybody has session and route again, on the line and with the client-id that the server stored,
/// for no longer than the lease goes on; and only once: the next start finds everything on disk.
#[test]
fn a_lost_table_comes_back() {
    let (old, leases) = leased(1..=6);
    let mut world = without_state(&old);
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Missing));
    world.settle();
    let asked = world.now;
    tell(&mut world, &leases, true);
    world.assert_logged_in(1..=6);
    for client in 1..=6 {
        let (was, is) = (old.node.sessions.get(address(client)), world.node.sessions.get(address(client)));
        let (was, is) = (was.expect("there"), is.expect("there"));
        assert_eq!((is.line, is.hardware, &is.client_id), (was.line, was.hardware, &was.client_id));
        assert_eq!(
            (&is.agent_information, is.giaddr, is.server_identifier),
            (&was.agent_information, was.giaddr, SERVER)
        );
        assert_eq!((is.expires, is.at), (asked + Duration::from_secs(1000), asked - Duration::from_secs(10)));
        let scope = |world: &World, cohort| world.node.sessions.cohort(cohort).and_then(|cohort| cohort.scope.clone());
        assert_eq!(scope(&world, is.cohort), scope(&old, was.cohort), "one message logs them out");
    }
    let view = world.node.recoveries().next().expect("asked").clone();
    assert_eq!((view.tally.told, view.tally.restored, view.tally.only_there), (6, 6, 6));
    assert_eq!(view.ended.map(|(_, outcome)| outcome), Some(Ok(())));
    world.restart_controller();
    world.assert_logged_in(1..=6);
    assert_eq!(world.node.recover_at_start(world.now), None);
    // Whoever logs out is logged out.
    world.restart_card(0);
    world.wait(60);
    world.assert_logged_in([2, 3, 6]);
}

/// A crash in the middle: the next start goes on, although there is a state on disk by then; and so it does when the server
/// could not be reached. One that refuses is not asked for ever.
#[test]
fn an_unfinished_recovery_goes_on() {
    let (old, leases) = leased(1..=4);
    let mut world = without_state(&old);
    world.node.recover_at_start(world.now);
    world.settle();
    tell(&mut world, &leases[..2], false);
    world.assert_logged_in([1, 2]);
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Unfinished));
    world.settle();
    assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Err(RequestError::Busy));
    world.called.clear();
    for _ in 0..6 {
        world.node.handle_hung_up(SERVER.into(), "nobody listens", world.now);
        world.wait(40);
    }
    let outcome = world.node.recoveries().next().and_then(|view| view.ended.clone()).expect("over").1;
    assert_eq!(outcome, Err(Failure::Connection("nobody listens".to_owned())));
    world.called.clear();
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Unfinished));
    world.settle();
    tell(&mut world, &leases, true);
    world.assert_logged_in(1..=4);
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), None);
}

/// A state that is older than its leases is as good as none; one that is not is left alone.
#[test]
fn an_old_state() {
    let (mut world, _) = leased(1..=2);
    world.node.recover_at_start(world.now);
    world.settle();
    world.called.clear();
    world.store.remove(b"recover".as_slice());
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), None);
    world.now = world.now + Duration::from_secs(100_000);
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Outdated));
}

/// What is here and newer is not overwritten: another client with the address, another line, a later end. What is older is.
#[test]
fn newer_sessions_stay() {
    let (mut world, leases) = leased(1..=3);
    world.wait(50);
    let other = HardwareAddress::ethernet(mac(99));
    let stale = [
        Told { since: 60, hardware: other, ..rebuilt(&leases[0], sub::REMOTE_ID, b"02:00:00:00:00:63") },
        Told { since: 60, agent: rebuilt(&leases[2], sub::REMOTE_ID, b"02:00:00:00:00:02").agent, ..leases[1].clone() },
        Told { since: 60, remaining: 5, ..leases[2].clone() },
    ];
    let before: Vec<_> = world.node.routes().collect();
    for purpose in [Purpose::Restore, Purpose::Compare] {
        assert_eq!(world.node.recover(purpose, None, world.now), Ok(1));
        world.settle();
        tell(&mut world, &stale, true);
        let expected = [(What::Client, Done::Left), (What::Line, Done::Left), (What::Expiry, Done::Left)];
        assert_eq!(done_of(&world), expected);
        assert_eq!(world.node.routes().collect::<Vec<_>>(), before);
    }
    // The same, and more of the client than we have heard.
    let fresh: Vec<_> = stale.into_iter().map(|told| Told { since: 1, ..told }).collect();
    assert_eq!(world.node.recover(Purpose::Compare, None, world.now), Ok(1));
    world.settle();
    tell(&mut world, &fresh, true);
    assert_eq!(world.node.routes().collect::<Vec<_>>(), before, "looking changes nothing");
    assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Ok(1));
    world.settle();
    tell(&mut world, &fresh, true);
    assert_eq!(
        done_of(&world),
        [(What::Client, Done::Restored), (What::Line, Done::Restored), (What::Expiry, Done::Extended)]
    );
    let session = |client| world.node.sessions.get(address(client)).expect("there");
    assert_eq!((session(1).hardware, session(2).line), (other, line(3)));
    assert_eq!(session(3).expires, world.now + Duration::from_secs(5));
}

/// What an end of the table has and the server does not is shown when everything was told; who came meanwhile is not meant.
#[test]
fn only_here() {
    let (mut world, leases) = leased(1..=3);
    world.wait(50);
    assert_eq!(world.node.recover(Purpose::Compare, None, world.now), Ok(1));
    world.settle();
    world.log_in(7, 0);
    let told = Told { remaining: 3600 - 50, since: 50, ..leases[0].clone() };
    tell(&mut world, &[told], true);
    assert_eq!(done_of(&world), [(What::OnlyHere, Done::Left), (What::OnlyHere, Done::Left)]);
    world.assert_logged_in([1, 2, 3, 7]);
    assert_eq!(world.node.recover(Purpose::Compare, Some(OTHER.into()), world.now), Err(RequestError::UnknownServer));
}

/// H-BR-17: a lease that a logout was to end does not come back; the server is asked to release it. Whoever was heard of
/// since is not meant.
#[test]
fn no_logout_is_undone() {
    let (mut world, leases) = leased(1..=6);
    world.wait(50);
    world.restart_card(0);
    world.wait(60);
    world.assert_logged_in([2, 3, 6]);
    let releases = world.server().releases;
    let left = Told { since: 120, ..leases[0].clone() };
    let heard = Told { since: 5, ..leases[3].clone() };
    let here = [1, 2, 5].map(|n| Told { remaining: 3600 - 110, since: 110, ..leases[n].clone() });
    assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Ok(1));
    world.settle();
    tell(&mut world, &[&[left, heard][..], &here].concat(), true);
    let expected = [(What::OnlyThere, Done::CutOff { asked: true }), (What::OnlyThere, Done::Restored)];
    assert_eq!(done_of(&world), expected);
    world.assert_logged_in([2, 3, 4, 6]);
    assert_eq!(world.server().releases, releases + 1);
    // The restart is remembered, by the next controller too.
    world.restart_controller();
    assert!(world.node.fpcs.has_cut_off(crate::line::FpcId(0), Epoch(0), Instant::ZERO));
}

/// What can't be read, or is another's, is told and left alone: no option 82, another relay's, another circuit-id than any
/// port has, a line that is none.
#[test]
fn what_is_not_ours_is_left_alone() {
    let (old, leases) = leased(1..=4);
    let mut world = without_state(&old);
    let strange = [
        Told { agent: Vec::new(), ..leases[0].clone() },
        rebuilt(&leases[1], sub::RELAY_ID, b"BNG-0043"),
        rebuilt(&leases[2], sub::CIRCUIT_ID, b"elsewhere"),
        rebuilt(&leases[3], sub::VENDOR, &[]),
    ];
    world.node.recover_at_start(world.now);
    world.settle();
    tell(&mut world, &strange, true);
    let tally = world.node.recoveries().next().expect("asked").tally;
    assert_eq!((tally.told, tally.unreadable, tally.restored), (4, 4, 0));
    world.assert_logged_in([]);
}

/// Ports that stand elsewhere in the configuration than when the lease was made are known by their circuit-id.
#[test]
fn ports_go_by_their_names() {
    let (old, leases) = leased(1..=1);
    let mut config = config();
    config.ports.swap(1, 0);
    config.relay.ports.swap(1, 0);
    let mut world = World::new(config, old.servers.values().cloned());
    world.node.recover_at_start(world.now);
    world.settle();
    tell(&mut world, &leases, true);
    assert_eq!(world.node.sessions.get(address(1)).map(|session| session.line), Some(line(0)));
}

/// A server that talks nonsense is hung up on, and what it told before stays.
#[test]
fn nonsense_ends_it() {
    let (old, leases) = leased(1..=2);
    let mut world = without_state(&old);
    world.node.recover_at_start(world.now);
    world.settle();
    tell(&mut world, &leases[..1], false);
    world.node.handle_stream(SERVER.into(), &[0, 5, 1, 2, 3, 4, 5], world.now);
    world.settle();
    assert!(matches!(&world.called[..], [Command::HangUp { .. }]), "{:?}", world.called);
    let outcome = world.node.recoveries().next().and_then(|view| view.ended.clone()).expect("over").1;
    assert!(matches!(outcome, Err(Failure::Unreadable(_))), "{outcome:?}");
    world.assert_logged_in([1]);
}
