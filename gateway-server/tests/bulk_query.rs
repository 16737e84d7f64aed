//! Bulk leasequery of DHCPv4: RFC 6926.

mod common;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use common::*;
use gateway_core::line::HardwareAddress;
use gateway_core::time::Duration;
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{Builder, Message, REQUEST, code, kind};
use gateway_core::wire::dhcp6::leasequery::{Frames, frame};
use gateway_core::wire::leasequery::{BulkAnswer, By, LeaseAnswer, bulk, status};

const XID: u32 = 0x0102_0304;

fn asked() -> gateway_server::Config {
    config()
}

fn connect(lab: &mut Lab, id: u64, peer: Ipv4Addr) -> bool {
    lab.server.handle_connect(id, SocketAddrV4::new(peer, 40_000), lab.now)
}

/// What is said on a connection, and whether it was closed. Each piece is written at once.
fn read(lab: &mut Lab, id: u64) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut messages) = (Frames::new(u16::MAX), Vec::new());
    for _ in 0..1000 {
        if lab.server.poll_timeout().is_some_and(|at| at <= lab.now) {
            lab.server.handle_timeout(lab.now, lab.unix);
        }
        lab.carry_out();
        let said = core::mem::take(&mut lab.streams);
        if said.is_empty() {
            break;
        }
        for (connection, octets) in said {
            assert_eq!(connection, id);
            let Some(octets) = octets else { return (messages, true) };
            assert!(octets.len() < 20_000, "a piece of {} octets", octets.len());
            let mut rest = &octets[..];
            while let Some(message) = frames.next(&mut rest).unwrap() {
                messages.push(message);
            }
            lab.server.handle_written(id, lab.now, lab.unix);
        }
    }
    assert!(frames.is_between());
    (messages, false)
}

fn ask(lab: &mut Lab, question: &[u8]) -> Vec<Vec<u8>> {
    assert!(connect(lab, 1, RELAY));
    lab.server.handle_stream(1, &frame(question).unwrap(), lab.now, lab.unix);
    let (messages, closed) = read(lab, 1);
    assert!(!closed);
    lab.server.handle_closed(1);
    messages
}

/// The addresses told as leased, the rest of their leases, and the status at the end.
fn told(messages: &[Vec<u8>]) -> (BTreeSet<Ipv4Addr>, u8) {
    let (last, leases) = messages.split_last().expect("an end");
    let read = |octets: &Vec<u8>| {
        let message = Message::parse(octets).unwrap();
        assert_eq!(message.xid(), XID);
        BulkAnswer::read(&message).expect("an answer")
    };
    let BulkAnswer::Done { status, .. } = read(last) else { panic!("no end") };
    let active = |answer| match answer {
        BulkAnswer::Address(LeaseAnswer::Active { address, remaining, agent_information, .. }) => {
            assert!(remaining.is_some() && agent_information.is_some());
            Some(address)
        }
        _ => None,
    };
    (leases.iter().map(read).filter_map(active).collect(), status)
}

/// By relay-id, by line, by client, by MAC, and everything; after a restart, from disk. In the first message, and in no
/// other, the server says who it is.
#[test]
fn each_question() {
    let mut lab = Lab::new(asked());
    let with = |number, line: &[u8]| Cpe { subs: vec![(sub::REMOTE_ID, line.to_vec())], ..cpe(number) };
    let one = lab.login(&with(1, b"line 1")).unwrap();
    let two = lab.login(&with(2, b"line 2")).unwrap();
    let other = lab.login(&Cpe { client_id: Some(vec![1, 2, 3]), ..cpe(3).tagged(None) }).unwrap();
    lab.crash();
    let id = || device().octets().to_vec().into();
    let all = |addresses: &[Ipv4Addr]| (addresses.iter().copied().collect::<BTreeSet<_>>(), status::SUCCESS);
    let hardware = HardwareAddress::ethernet(cpe(1).mac);
    for (by, expected) in [
        (By::RelayId(id()), all(&[one, two])),
        (By::RemoteId(b"line 2".as_slice().into()), all(&[two])),
        (By::ClientId(vec![1, 2, 3].into()), all(&[other])),
        (By::Hardware(hardware), all(&[one])),
        (By::All, all(&[one, two, other])),
        (By::RelayId(b"BNG-0043".as_slice().into()), all(&[])),
    ] {
        let messages = ask(&mut lab, &bulk(&by, XID));
        assert_eq!(told(&messages), expected, "{by:?}");
        let named = messages.iter().map(|octets| Message::parse(octets).unwrap().option(code::SERVER_ID).is_some());
        let first = usize::from(messages.len() > 1);
        assert_eq!(named.clone().take(first).filter(|named| *named).count(), first);
        assert!(!named.clone().skip(first).any(|named| named));
    }
    // What is over is told as over where everything is, and not at all elsewhere.
    lab.rest(Duration::from_secs(3700));
    assert_eq!(told(&ask(&mut lab, &bulk(&By::RelayId(id()), XID))), all(&[]));
    let messages = ask(&mut lab, &bulk(&By::All, XID));
    assert_eq!(told(&messages), all(&[]));
    let states: Vec<_> = messages
        .iter()
        .map(|octets| {
            let message = Message::parse(octets).unwrap();
            (message.kind().unwrap(), message.option(code::DHCP_STATE).map(|state| state[0]))
        })
        .collect();
    assert_eq!(states[..3], [(kind::LEASEUNASSIGNED, Some(3)); 3]);
}

/// RFC 6926 section 7.6: only what changed in a time.
#[test]
fn of_a_time() {
    let mut lab = Lab::new(asked());
    let one = lab.login(&cpe(1)).unwrap();
    let then = lab.unix.as_secs() as u32;
    lab.wait(Duration::from_secs(100));
    let two = lab.login(&cpe(2)).unwrap();
    let question = |option, time: u32| {
        Builder::new(REQUEST)
            .xid(XID)
            .kind(kind::BULKLEASEQUERY)
            .option(code::PARAMETER_LIST, &[82])
            .number(option, time)
            .finish()
    };
    let mut of = |option, time| told(&ask(&mut lab, &question(option, time))).0.into_iter().collect::<Vec<_>>();
    assert_eq!(of(code::QUERY_START, then + 50), [two]);
    assert_eq!(of(code::QUERY_END, then + 50), [one]);
}

/// Only who is listed may ask, by default nobody; a wrong question gets its status, and what is none ends the connection.
#[test]
fn who_and_what() {
    let mut lab = Lab::new(gateway_server::Config { leasequery: Default::default(), ..config() });
    assert!(!connect(&mut lab, 1, RELAY), "nobody is listed");
    let mut lab = Lab::new(asked());
    assert!(!connect(&mut lab, 1, Ipv4Addr::new(10, 0, 0, 9)), "a subscriber");
    for id in 1..=4 {
        assert!(connect(&mut lab, id, RELAY));
    }
    assert!(!connect(&mut lab, 5, RELAY), "four of one peer");
    assert!(connect(&mut lab, 6, OTHER_RELAY));
    (1..=6).for_each(|id| lab.server.handle_closed(id));

    let wrong = Builder::new(REQUEST).xid(XID).ciaddr(RELAY).kind(kind::BULKLEASEQUERY).finish();
    assert_eq!(told(&ask(&mut lab, &wrong)).1, status::MALFORMED_QUERY);
    for garbage in [cpe(1).discover(), vec![0; 300]] {
        assert!(connect(&mut lab, 1, RELAY));
        lab.server.handle_stream(1, &frame(&garbage).unwrap(), lab.now, lab.unix);
        assert_eq!(read(&mut lab, 1), (Vec::new(), true));
    }
    assert!(connect(&mut lab, 1, RELAY));
    lab.wait(Duration::from_secs(301));
    assert_eq!(read(&mut lab, 1), (Vec::new(), true), "it says nothing");
}

/// A large answer goes out in pieces, however slowly they are read, and tells each lease once.
#[test]
fn in_pieces() {
    let mut lab = Lab::new(wide(asked(), 500));
    let leased: BTreeSet<_> = (1..=400).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    let messages = ask(&mut lab, &bulk(&By::RelayId(device().octets().to_vec().into()), XID));
    assert_eq!((messages.len(), told(&messages)), (401, (leased, status::SUCCESS)));
}

/// RFC 6926 section 7.6: an expiry is a change, and has its time; and who asks for everything is told of addresses that nobody ever
/// had, without a time, unless the question is about one.
#[test]
fn an_expiry_is_a_change() {
    let mut lab = Lab::new(asked());
    let one = lab.login(&cpe(1)).unwrap();
    let granted = lab.unix.as_secs() as u32;
    lab.rest(Duration::from_secs(3700));
    let two = lab.login(&cpe(2)).unwrap();
    lab.crash();
    let question = |since: Option<u32>| {
        let builder = Builder::new(REQUEST).xid(XID).kind(kind::BULKLEASEQUERY);
        since.map_or(builder.clone(), |since| builder.number(code::QUERY_START, since)).finish()
    };
    let mut of = |since| {
        let messages = ask(&mut lab, &question(since));
        let leases = &messages[..messages.len() - 1];
        let told = leases.iter().map(|octets| {
            let message = Message::parse(octets).unwrap();
            let state = message.option(code::DHCP_STATE).unwrap()[0];
            (message.ciaddr(), state, message.u32_option(code::START_TIME_OF_STATE))
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(of(Some(granted + 100)), [(one, 3, Some(100)), (two, 2, Some(0))]);
    assert_eq!(of(Some(granted + 3650)), [(two, 2, Some(0))]);
    let all = of(None);
    let fresh = all.iter().filter(|(_, state, since)| (*state, *since) == (1, None)).count();
    assert_eq!((all.len(), fresh), (20, 18), "ten in each subnet, without its router: {all:?}");
    let addresses: BTreeSet<_> = all.iter().map(|(address, ..)| *address).collect();
    assert_eq!(addresses.len(), 20, "each once");
}
