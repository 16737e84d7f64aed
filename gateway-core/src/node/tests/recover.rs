//! A table that was lost, rebuilt from what the server tells in bulk.

use super::takeover::Cells;
use super::world::{BOOT, address, config, line, mac};
use super::*;
use crate::line::HardwareAddress;
use crate::node::{Command, Done, Lost, Purpose, RequestError, What};
use crate::recover::Failure;
use crate::relay::Unreadable;
use crate::scope::Epoch;
use crate::session::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, Message, REPLY, code, kind};
use crate::wire::dhcp6::leasequery::{Frames, frame};
use crate::wire::leasequery::{BulkQuery, By, done, status};

/// A lease as the server tells it.
#[derive(Clone, Debug)]
struct Told {
    address: Ipv4Addr,
    hardware: HardwareAddress,
    client_id: Vec<u8>,
    agent: Vec<u8>,
    remaining: u32,
    since: Option<u32>,
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
        since: Some(10),
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
    tell_from(world, SERVER, leases, whole);
}

fn tell_from(world: &mut World, server: Ipv4Addr, leases: &[Told], whole: bool) {
    world.called.clear();
    world.node.handle_dialled(server.into(), world.now);
    world.settle();
    let asked = core::mem::take(&mut world.called);
    let [Command::Converse { octets, .. }] = &asked[..] else { panic!("{asked:?}") };
    let question = Frames::new(1024).next(&mut &octets[..]).unwrap().expect("whole");
    let query = BulkQuery::read(&Message::parse(&question).unwrap()).expect("a query");
    assert_eq!(query.by, Ok(By::RelayId(b"BNG-0042".as_slice().into())));
    let mut stream = Vec::new();
    for lease in leases {
        let mut message = Builder::new(REPLY)
            .xid(query.xid)
            .ciaddr(lease.address)
            .hardware(lease.hardware)
            .kind(kind::LEASEACTIVE)
            .address(code::SERVER_ID, server)
            .number(code::LEASE_TIME, lease.remaining)
            .option(code::CLIENT_ID, &lease.client_id)
            .option(code::AGENT_INFORMATION, &lease.agent);
        if let Some(since) = lease.since {
            message = message.number(code::LAST_TRANSACTION, since);
        }
        stream.extend(frame(&message.finish()).unwrap());
    }
    if whole {
        stream.extend(frame(&done(query.xid, None)).unwrap());
    }
    for part in stream.chunks(777) {
        world.node.handle_stream(server.into(), part, world.now);
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

/// Nobody can connect to a server, as often as it is tried.
fn nobody_listens(world: &mut World, server: Ipv4Addr) {
    for _ in 0..6 {
        world.node.handle_hung_up(server.into(), "nobody listens", world.now);
        world.settle();
        world.wait(40);
    }
    world.called.clear();
    let view = world.node.recoveries().find(|view| view.server == server).expect("asked");
    let outcome = view.ended.clone().expect("over").1;
    assert_eq!(outcome, Err(Failure::Connection("nobody listens".to_owned())));
}

fn is_marked(world: &World) -> bool {
    world.store.contains_key(b"recover".as_slice())
}

/// A crash in the middle: the next start goes on, although there is a state on disk by then; and so it does when the server
/// could not be reached.
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
    nobody_listens(&mut world, SERVER);
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Unfinished));
    world.settle();
    tell(&mut world, &leases, true);
    world.assert_logged_in(1..=4);
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), None);
}

/// A server that can't be asked in this way, as many can't, is asked at three starts and no more; an operator who tries does not
/// count. One that refuses to tell is asked once. Both are told.
#[test]
fn nobody_is_asked_for_ever() {
    let (old, _) = leased(1..=1);
    let mut world = without_state(&old);
    for (start, why) in [Lost::Missing, Lost::Unfinished, Lost::Unfinished].into_iter().enumerate() {
        assert_eq!(world.node.recover_at_start(world.now), Some(why));
        world.settle();
        assert!(is_marked(&world));
        nobody_listens(&mut world, SERVER);
        let told = world.events.last().map(ToString::to_string).expect("told");
        let again = start < 2;
        assert_eq!(is_marked(&world), again, "{start}: {told}");
        assert!(told.contains(if again { "asked again at the next start" } else { "not asked again" }), "{told}");
        assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Ok(1));
        world.settle();
        nobody_listens(&mut world, SERVER);
        assert_eq!(is_marked(&world), again);
        world.restart_controller();
    }
    assert_eq!(world.node.recover_at_start(world.now), None);

    let mut world = without_state(&old);
    world.node.recover_at_start(world.now);
    world.settle();
    world.called.clear();
    world.node.handle_dialled(SERVER.into(), world.now);
    for _ in 0..2 {
        world.settle();
        let Some(Command::Converse { octets, .. }) = world.called.pop() else { panic!("no question") };
        let query = BulkQuery::read(&Message::parse(&octets[2..]).unwrap()).expect("a query");
        let no = frame(&done(query.xid, Some((status::NOT_ALLOWED, "no")))).unwrap();
        world.node.handle_stream(SERVER.into(), &no, world.now);
    }
    world.settle();
    let outcome = world.node.recoveries().next().and_then(|view| view.ended.clone()).expect("over").1;
    assert!(matches!(outcome, Err(Failure::Refused(_))) && !is_marked(&world), "{outcome:?}");
}

/// Every server has to tell, and to tell all: neither another one's answer, nor a comparison, nor the half of an answer stands for
/// it. At the next start only who has not told is asked.
#[test]
fn every_server_has_to_tell() {
    let mut config = config();
    config.relay.servers.push(OTHER);
    let mut old = World::new(config.clone(), [Server::new(SERVER, true)]);
    (1..=2).for_each(|client| old.log_in(client, 0));
    let (one, two) = (told(&old, 1), told(&old, 2));
    let mut world = World::new(config, old.servers.values().cloned());
    world.wait(100);
    world.node.recover_at_start(world.now);
    world.settle();
    tell_from(&mut world, SERVER, core::slice::from_ref(&one), true);
    nobody_listens(&mut world, OTHER);
    for (purpose, server, leases) in
        [(Purpose::Compare, OTHER, [&two]), (Purpose::Restore, SERVER, [&one]), (Purpose::Compare, SERVER, [&one])]
    {
        assert_eq!(world.node.recover(purpose, Some(server.into()), world.now), Ok(1));
        world.settle();
        tell_from(&mut world, server, &leases.map(Clone::clone), true);
        assert!(is_marked(&world), "{purpose:?} {server}");
    }
    world.called.clear();
    world.restart_controller();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Unfinished));
    world.settle();
    assert!(matches!(&world.called[..], [Command::Dial { server, .. }] if *server == OTHER), "{:?}", world.called);
    tell_from(&mut world, OTHER, &[], false);
    world.node.handle_stream(OTHER.into(), &[0, 5, 1, 2, 3, 4, 5], world.now);
    world.settle();
    assert!(is_marked(&world), "half an answer");
    assert_eq!(world.node.recover(Purpose::Restore, Some(OTHER.into()), world.now), Ok(1));
    world.settle();
    tell_from(&mut world, OTHER, &[two], true);
    assert!(!is_marked(&world));
    world.assert_logged_in([1, 2]);
}

/// Without an operator only what is missing is taken in: a start over a table with live sessions leaves them alone.
#[test]
fn a_start_spares_what_is_there() {
    let (mut world, leases) = leased(1..=3);
    world.wait(50);
    world.store.insert(b"recover".to_vec(), vec![1]);
    world.restart_controller();
    world.node.handle_dataplane(Box::new(Cells::default()));
    let fresh = |told: Told| Told { since: Some(1), ..told };
    let other = HardwareAddress::ethernet(mac(99));
    let told = [
        fresh(Told { hardware: other, ..rebuilt(&leases[0], sub::REMOTE_ID, b"02:00:00:00:00:63") }),
        fresh(rebuilt(&leases[1], sub::CIRCUIT_ID, b"ge3:0.0")),
        fresh(Told { remaining: 5, ..leases[2].clone() }),
    ];
    let before: Vec<_> = world.node.routes().collect();
    assert_eq!(world.node.recover_at_start(world.now), Some(Lost::Unfinished));
    world.settle();
    tell(&mut world, &told, true);
    assert_eq!(done_of(&world), [What::Client, What::Line, What::Expiry].map(|what| (what, Done::Left)));
    assert_eq!(world.node.routes().collect::<Vec<_>>(), before);
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

/// What was stored with a lease, with another epoch of its card.
fn of_epoch(told: &Told, was: Epoch, is: Epoch) -> Told {
    let agent = AgentInformation::parse(&told.agent).expect("ours");
    let mut value = agent.get(sub::VENDOR).expect("a line").to_vec();
    let places: Vec<usize> = (0..value.len() - 3).filter(|at| value[*at..*at + 4] == was.0.to_be_bytes()).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| value[at..at + 4].copy_from_slice(&is.0.to_be_bytes()));
    rebuilt(told, sub::VENDOR, &value)
}

/// Asks the server; gives what was done.
fn restored(world: &mut World, leases: &[Told]) -> Vec<(What, Done)> {
    assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Ok(1));
    world.settle();
    tell(world, leases, true);
    done_of(world)
}

/// What is here and newer is not overwritten: another client with the address, another line, a later end. What is older is.
#[test]
fn newer_sessions_stay() {
    let (mut world, leases) = leased(1..=3);
    world.node.handle_dataplane(Box::new(Cells::default()));
    world.wait(50);
    let other = HardwareAddress::ethernet(mac(99));
    let stale = [
        Told { since: Some(60), hardware: other, ..rebuilt(&leases[0], sub::REMOTE_ID, b"02:00:00:00:00:63") },
        Told {
            since: Some(60),
            agent: rebuilt(&leases[2], sub::REMOTE_ID, b"02:00:00:00:00:02").agent,
            ..leases[1].clone()
        },
        Told { since: Some(60), remaining: 5, ..leases[2].clone() },
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
    let fresh: Vec<_> = stale.into_iter().map(|told| Told { since: Some(1), ..told }).collect();
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

/// A server stores what a stranger asks for before the relay refuses it. So its word alone takes no lease from whoever uses it, or
/// may use it for all that is known: not for another client, and not for another line.
#[test]
fn a_lease_in_use_stays() {
    let (mut world, leases) = leased(1..=2);
    world.wait(50);
    let other = HardwareAddress::ethernet(mac(99));
    let claimed = [
        Told { hardware: other, ..rebuilt(&leases[0], sub::REMOTE_ID, b"02:00:00:00:00:63") },
        rebuilt(&leases[1], sub::CIRCUIT_ID, b"ge3:0.0"),
    ];
    let claimed = claimed.map(|told| Told { since: Some(1), ..told });
    let before: Vec<_> = world.node.routes().collect();
    let nobody_knows = restored(&mut world, &claimed);
    assert_eq!(nobody_knows, [(What::Client, Done::Left), (What::Line, Done::Left)]);
    let cells = Cells::default();
    world.node.handle_dataplane(Box::new(cells.clone()));
    for client in [1, 2] {
        cells.saw(world.node.session(address(client)).unwrap().slot, world.now);
    }
    let in_use = Done::Refused(Refusal::InUse);
    assert_eq!(restored(&mut world, &claimed), [(What::Client, in_use), (What::Line, in_use)]);
    assert_eq!(world.node.routes().collect::<Vec<_>>(), before);
    world.wait(30);
    assert_eq!(restored(&mut world, &claimed), [(What::Client, Done::Restored), (What::Line, Done::Restored)]);
}

/// H-BR-8: whoever can write to a server's port can have any epoch stored there. One that is yet to come is not followed: no
/// card would have one above it. One that may have been is.
#[test]
fn no_epoch_from_the_future() {
    let (old, leases) = leased(1..=2);
    let card = |world: &World, card| world.node.fpcs.epoch(crate::line::FpcId(card));
    let was = card(&old, 0);
    let mut world = without_state(&old);
    let now = Epoch((BOOT + world.now.since(Instant::ZERO).as_secs()) as u32);
    let forged = of_epoch(&leases[0], was, Epoch(u32::MAX));
    let (before, ahead) = (card(&world, 0), Epoch(now.0 + 1000));
    let unreadable = Done::Unreadable(Unreadable::Epoch);
    assert_eq!(restored(&mut world, &[forged]), [(What::OnlyThere, unreadable)]);
    assert_eq!(card(&world, 0), before);
    let likely = of_epoch(&leases[0], was, ahead);
    assert_eq!(restored(&mut world, &[likely]), [(What::OnlyThere, Done::Restored)]);
    assert_eq!(card(&world, 0), ahead);
    world.restart_card(0);
    world.wait(60);
    world.log_in(1, 0);
}

/// H-BR-17: a lease that the server does not say when it last heard of is old: a logout was to end it, and it replaces nothing.
#[test]
fn what_has_no_time_is_old() {
    let (mut world, leases) = leased(1..=3);
    world.node.handle_dataplane(Box::new(Cells::default()));
    world.wait(50);
    world.restart_card(0);
    world.wait(60);
    world.assert_logged_in([2, 3]);
    let silent = |told: Told| Told { since: None, ..told };
    let told = [silent(leases[0].clone()), silent(rebuilt(&leases[1], sub::CIRCUIT_ID, b"ge3:0.0"))];
    let done = restored(&mut world, &told);
    assert_eq!(
        done,
        [(What::OnlyThere, Done::CutOff { asked: true }), (What::Line, Done::Left), (What::OnlyHere, Done::Left)]
    );
    let mut world = without_state(&world);
    assert_eq!(restored(&mut world, &[silent(leases[2].clone())]), [(What::OnlyThere, Done::Restored)]);
}

/// A boot ROM and the system that it loads have one MAC and two client-ids: what either left behind is not taken for what it
/// has now, whichever of them the table finds first.
#[test]
fn two_clients_of_one_mac() {
    let (old, leases) = leased(1..=1);
    let mut world = without_state(&old);
    world.node.handle_dataplane(Box::new(Cells::default()));
    let of = |client: u8, id: &[u8], since| Told {
        address: address(client),
        client_id: id.to_vec(),
        since: Some(since),
        ..leases[0].clone()
    };
    let now = [of(11, b"rom", 50), of(12, b"system", 50)];
    assert_eq!(restored(&mut world, &now), [(What::OnlyThere, Done::Restored); 2]);
    let left_behind = [of(13, b"rom", 90), of(14, b"system", 90)];
    let done = restored(&mut world, &[&left_behind[..], &now].concat());
    assert_eq!(done, [(What::OnlyThere, Done::Left); 2]);
    world.assert_logged_in([11, 12]);
}

/// What an end of the table has and the server does not is shown when everything was told; who came meanwhile is not meant.
#[test]
fn only_here() {
    let (mut world, leases) = leased(1..=3);
    world.wait(50);
    assert_eq!(world.node.recover(Purpose::Compare, None, world.now), Ok(1));
    world.settle();
    world.log_in(7, 0);
    let told = Told { remaining: 3600 - 50, since: Some(50), ..leases[0].clone() };
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
    let left = Told { since: Some(120), ..leases[0].clone() };
    let heard = Told { since: Some(5), ..leases[3].clone() };
    let here = [1, 2, 5].map(|n| Told { remaining: 3600 - 110, since: Some(110), ..leases[n].clone() });
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
    assert!(is_marked(&world), "the rest is missing");
}

/// A RELEASE of DHCPv4 that was lost on its way: the server tells of a lease that its client gave up. It does not come back, and is
/// released once more; it does when the server has heard of the client since.
#[test]
fn what_a_client_gave_up() {
    let (mut world, leases) = leased(1..=2);
    world.server().dead = true;
    let release = World::ask(1, kind::RELEASE).ciaddr(address(1)).address(code::SERVER_ID, SERVER).finish();
    world.send(1, 1, &release);
    world.settle();
    world.assert_logged_in([2]);
    world.server().dead = false;
    world.wait(100);
    let recover = |world: &mut World, since| {
        assert_eq!(world.node.recover(Purpose::Restore, None, world.now), Ok(1));
        world.settle();
        let lease = Told { since, ..leases[0].clone() };
        tell(world, &[lease, Told { since, ..leases[1].clone() }], true);
        done_of(world).into_iter().filter(|(what, _)| *what == What::OnlyThere).collect::<Vec<_>>()
    };
    assert_eq!(world.server().active(), [address(1), address(2)]);
    assert_eq!(recover(&mut world, Some(200)), [(What::OnlyThere, Done::CutOff { asked: true })]);
    world.wait(30);
    assert_eq!(world.server().active(), [address(2)]);
    world.assert_logged_in([2]);
    assert_eq!(recover(&mut world, None), [(What::OnlyThere, Done::CutOff { asked: true })], "not said when");
    assert_eq!(recover(&mut world, Some(20)), [(What::OnlyThere, Done::Restored)]);
}

/// What is told again after a break counts once, and there may be so many leases in all, however many connections they take.
#[test]
fn told_again_after_a_break() {
    let (old, leases) = leased(1..=1);
    let many = |first: u32| {
        let addresses = (first..first + 200).map(|number| Ipv4Addr::from(0x0a00_0000 + number));
        addresses.map(|address| Told { address, ..leases[0].clone() }).collect::<Vec<_>>()
    };
    let outcome = |second: u32| {
        let mut world = without_state(&old);
        assert_eq!(world.node.recover(Purpose::Compare, None, world.now), Ok(1));
        world.settle();
        tell(&mut world, &many(0), false);
        world.node.handle_hung_up(SERVER.into(), "broken", world.now);
        world.settle();
        world.wait(2);
        tell(&mut world, &many(second), true);
        let view = world.node.recoveries().next().expect("asked");
        (view.tally.told, view.ended.clone().map(|(_, outcome)| outcome))
    };
    assert_eq!(config().capacity, 64);
    assert_eq!(outcome(0), (200, Some(Ok(()))));
    assert_eq!(outcome(200).1, Some(Err(Failure::TooMany(256))));
}
