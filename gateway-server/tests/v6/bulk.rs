//! Bulk leasequery: RFC 5460.

use std::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::leasequery::{By, Frames, LeaseAnswer, Question, frame};
use gateway_core::wire::dhcp6::{Binding, DuidBuf, IaKind, Prefix, RemoteId, code, kind, status};
use gateway_server::v6::Command;

use crate::lab::*;

const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fn question(by: By<'_>, link: Ipv6Addr) -> Vec<u8> {
    let question = Question { by, link, requested: vec![code::LQ_RELAY_DATA] };
    frame(&question.message(XID, relay_id().as_duid(), Some(server_id().as_duid())).unwrap()).unwrap()
}

fn connect_from(lab: &mut Lab, peer: Ipv6Addr, id: u64) -> bool {
    lab.server.handle_connect(id, SocketAddrV6::new(peer, 40_000, 0, 0), lab.now)
}

fn connect(lab: &mut Lab, id: u64) -> bool {
    connect_from(lab, RELAY, id)
}

/// What was said on a connection so far, and whether it was closed. Each piece is written at once.
fn read(lab: &mut Lab, id: u64) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut messages, mut closed) = (Frames::new(u16::MAX), Vec::new(), false);
    for _ in 0..10_000 {
        match lab.server.poll_command() {
            Some(Command::Stream { connection, octets }) => {
                assert_eq!(connection, id);
                assert!(octets.len() < 20_000, "a piece of {} octets", octets.len());
                let mut rest = &octets[..];
                while let Some(message) = frames.next(&mut rest).unwrap() {
                    messages.push(message);
                }
                lab.server.handle_written(id, lab.now, lab.unix);
            }
            Some(Command::Close { connection }) => {
                assert_eq!(connection, id);
                closed = true;
            }
            Some(_) => {}
            None if lab.server.poll_timeout().is_some_and(|at| at <= lab.now) => {
                lab.server.handle_timeout(lab.now, lab.unix);
            }
            None => break,
        }
    }
    assert!(frames.is_between());
    (messages, closed)
}

fn ask(lab: &mut Lab, by: By<'_>, link: Ipv6Addr) -> Vec<Vec<u8>> {
    assert!(connect(lab, 1));
    lab.server.handle_stream(1, &question(by, link), lab.now, lab.unix);
    let (messages, closed) = read(lab, 1);
    assert!(!closed);
    lab.server.handle_closed(1);
    messages
}

/// The clients of an answer, which must be a REPLY, DATAs and a DONE, or a REPLY alone; each with its leases.
fn clients(messages: &[Vec<u8>]) -> Vec<(DuidBuf, Vec<Binding>)> {
    let answers: Vec<_> = messages.iter().map(|message| LeaseAnswer::parse(message).unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.answers(XID, relay_id().as_duid()) && answer.status.is_none()));
    assert_eq!(answers[0].kind, kind::LEASEQUERY_REPLY);
    if answers.len() > 1 {
        assert!(answers[1..answers.len() - 1].iter().all(|answer| answer.kind == kind::LEASEQUERY_DATA));
        assert_eq!(answers[answers.len() - 1].kind, kind::LEASEQUERY_DONE);
    }
    let told = answers.iter().flat_map(|answer| &answer.clients);
    let told = told.map(|told| {
        assert!(told.relay.is_some(), "the way that it came");
        (told.client_id.unwrap().to_owned(), told.leases.iter().map(|lease| lease.binding).collect())
    });
    told.collect()
}

/// RFC 5460 sections 5.3.1 to 5.3.3: by relay-id, by link-address, by remote-id, each client once with all that it has
/// there; after a restart, from disk. Nobody: a REPLY alone.
#[test]
fn by_relay_link_and_line() {
    let mut lab = Lab::new(config());
    let other_id = DuidBuf::link_layer([7; 6]);
    let one = lab.dual(&cpe(1));
    let two = lab.dual(&Cpe { relay_id: Some(other_id.clone()), ..cpe(2) });
    let three = lab.dual(&Cpe { link: OTHER_LINK, ..cpe(3) });
    lab.crash();
    let of = |number: u16, (na, pd): (Binding, Binding)| (cpe(number).duid, vec![na, pd]);
    let sorted = |messages: Vec<Vec<u8>>| {
        let mut told = clients(&messages);
        told.sort();
        told.iter_mut().for_each(|(_, leases)| leases.sort());
        told
    };
    let messages = ask(&mut lab, By::RelayId(relay_id().as_duid()), ANY);
    assert_eq!(messages.len(), 3);
    assert_eq!(sorted(messages), [of(1, one), of(3, three)]);
    assert_eq!(sorted(ask(&mut lab, By::RelayId(relay_id().as_duid()), OTHER_LINK)), [of(3, three)]);
    assert_eq!(sorted(ask(&mut lab, By::LinkAddress, LINK)), [of(1, one), of(2, two)]);
    let line = cpe(2).remote_id;
    let remote = |id| By::RemoteId(RemoteId { enterprise: 9, id });
    assert_eq!(sorted(ask(&mut lab, remote(&line[4..]), ANY)), [of(2, two)]);
    assert_eq!(sorted(ask(&mut lab, By::ClientId(cpe(1).duid.as_duid()), ANY)), [of(1, one)]);
    let nobody = ask(&mut lab, remote(b"nobody"), ANY);
    assert_eq!((nobody.len(), clients(&nobody).len()), (1, 0));
    lab.rest(Duration::from_secs(7300));
    assert_eq!(ask(&mut lab, By::LinkAddress, LINK).len(), 1, "all over");
}

/// RFC 5007 section 4.1.2.4: with its leases comes the way of a client's message. Who has some on one line and some on another is told
/// twice, each lease with its own line and time: whoever reads them must not find one where the other is.
#[test]
fn a_record_for_each_line() {
    let mut lab = Lab::new(config());
    let elsewhere = Cpe { remote_id: cpe(2).remote_id, ..cpe(1) };
    let (address, prefix) = lab.dual(&cpe(1));
    lab.wait(Duration::from_secs(60));
    let other = lab.login(&elsewhere, &[(IaKind::Na, 2)])[0].expect("an address");
    lab.crash();
    for (by, link) in [(By::RelayId(relay_id().as_duid()), ANY), (By::LinkAddress, LINK)] {
        let messages = ask(&mut lab, by, link);
        assert_eq!(clients(&messages).len(), 2);
        let answers: Vec<_> = messages.iter().map(|message| LeaseAnswer::parse(message).unwrap()).collect();
        let mut told = Vec::new();
        for client in answers.iter().flat_map(|answer| &answer.clients) {
            let relays = client.relay.expect("the way").relays().unwrap();
            let line = relays[0].options().remote_id().unwrap().expect("a line").id.to_vec();
            let mut leases: Vec<_> = client.leases.iter().map(|lease| lease.binding).collect();
            leases.sort();
            told.push((line, leases, client.since));
        }
        told.sort();
        let line = |number| cpe(number).remote_id[4..].to_vec();
        let mut first = vec![address, prefix];
        first.sort();
        assert_eq!(told, [(line(1), first, Some(60)), (line(2), vec![other], Some(0))]);
    }
}

/// A large answer goes out in pieces; leases that begin and end meanwhile do no harm, and no client is told twice.
#[test]
fn in_pieces() {
    let mut lab = Lab::new(config());
    let last = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x7fff);
    lab.config.subnets[0].addresses[0].1 = last;
    lab.config.subnets[0].prefixes[0].prefix = Prefix::new("2001:db8:100::".parse().unwrap(), 41).unwrap();
    lab.config.subnets[0].prefixes.truncate(1);
    lab.crash();
    for number in 0..400 {
        lab.dual(&cpe(number));
    }
    assert!(connect(&mut lab, 1));
    lab.server.handle_stream(1, &question(By::LinkAddress, LINK), lab.now, lab.unix);
    let Some(Command::Stream { octets, .. }) = lab.server.poll_command() else { panic!("a piece") };
    assert!(octets.len() < 20_000);
    assert_eq!(lab.server.poll_command(), None, "the next when this one is written");
    assert!(lab.server.poll_timeout().is_some_and(|at| at > lab.now));
    lab.dual(&cpe(1000));
    lab.ask(&cpe(399), kind::RELEASE, &[(IaKind::Na, 1, &[address("2001:db8:1::1")])]);
    let (mut frames, mut messages, mut rest) = (Frames::new(u16::MAX), Vec::new(), &octets[..]);
    while let Some(message) = frames.next(&mut rest).unwrap() {
        messages.push(message);
    }
    lab.server.handle_written(1, lab.now, lab.unix);
    messages.extend(read(&mut lab, 1).0);
    let mut told: Vec<_> = clients(&messages).into_iter().map(|(client, _)| client).collect();
    let all = told.len();
    told.sort();
    told.dedup();
    assert!(told.len() == all && all >= 400, "{all} clients, {} different", told.len());
}

/// RFC 5460 section 6.4 and 7: no more connections than may be, none from a subscriber; what makes no sense, asks too much
/// at once or nothing for too long ends one; several questions are answered in turn.
#[test]
fn connections() {
    let mut lab = Lab::new(config());
    let line = "fe80::5".parse().unwrap();
    lab.config.leasequery.requestors.push(line);
    lab.config.leasequery.max_connections_per_peer = 10;
    lab.crash();
    lab.dual(&cpe(1));
    assert!(!connect_from(&mut lab, line, 99));
    for id in 0..10 {
        assert!(connect(&mut lab, id));
    }
    assert!(!connect(&mut lab, 10));
    lab.server.handle_closed(3);
    assert!(connect(&mut lab, 10));
    for (id, octets) in
        [(0, vec![0xff; 2]), (1, vec![0, 4, kind::SOLICIT, 0, 0, 1]), (2, question(By::LinkAddress, LINK).repeat(20))]
    {
        lab.server.handle_stream(id, &octets, lab.now, lab.unix);
        assert!(read(&mut lab, id).1, "connection {id} ends");
    }
    let unknown = "2001:db8:77::1".parse().unwrap();
    let questions = [question(By::LinkAddress, unknown), question(By::LinkAddress, LINK)].concat();
    for octet in questions {
        lab.server.handle_stream(4, &[octet], lab.now, lab.unix);
    }
    let (messages, closed) = read(&mut lab, 4);
    assert!(!closed);
    let refused = LeaseAnswer::parse(&messages[0]).unwrap();
    assert_eq!((refused.status.unwrap().code, clients(&messages[1..]).len()), (status::NOT_CONFIGURED, 1));
    lab.rest(Duration::from_secs(299));
    assert_eq!(lab.server.poll_command(), None);
    lab.rest(Duration::from_secs(1));
    let closed = core::iter::from_fn(|| lab.server.poll_command()).count();
    assert_eq!(closed, 7);
}

/// RFC 5460, security considerations: only who is named may ask, over TCP too; a subscriber's leased address is not, and an
/// empty list names nobody. One peer does not keep another out.
#[test]
fn who_may_connect() {
    let mut lab = Lab::new(config());
    let (Binding::Address(subscriber), _) = lab.dual(&cpe(1)) else { panic!("an address") };
    for peer in [subscriber, OTHER_RELAY] {
        assert!(!connect_from(&mut lab, peer, 1), "{peer}");
    }
    lab.config.leasequery.requestors.push(OTHER_RELAY);
    lab.crash();
    let connected =
        |lab: &mut Lab, peer, ids: core::ops::Range<u64>| ids.filter(|id| connect_from(lab, peer, *id)).count();
    assert_eq!(connected(&mut lab, RELAY, 0..10), 4);
    assert_eq!(connected(&mut lab, OTHER_RELAY, 10..20), 4);
    lab.server.handle_closed(0);
    assert_eq!(connected(&mut lab, OTHER_RELAY, 20..30), 0);
    assert_eq!(connected(&mut lab, RELAY, 30..40), 1);
    lab.config.leasequery.requestors.clear();
    lab.crash();
    assert!(!connect(&mut lab, 1));
}
