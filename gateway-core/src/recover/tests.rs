//! Conversations as transcripts.

use core::net::Ipv6Addr;

use super::*;
use crate::scope::{DeviceId, DeviceIdType};
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::leasequery::{Answering, By, ClientRecord, LeaseQuery, RelayData, frame};
use crate::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Prefix, status};
use crate::wire::leasequery::{self, BulkQuery, By as By4};

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);

fn after(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

fn relay() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0, 1])
}

fn server() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0, 2])
}

fn six() -> Dialogue {
    Dialogue::new(Language::six(relay(), vec![LINK]), 100, 7, NOW)
}

fn commands(dialogue: &mut Dialogue) -> Vec<Command> {
    core::iter::from_fn(|| dialogue.poll_command()).collect()
}

/// The question that was written, without its length.
fn question(dialogue: &mut Dialogue) -> Vec<u8> {
    match &commands(dialogue)[..] {
        [Command::Write(octets)] => octets[2..].to_vec(),
        other => panic!("no question: {other:?}"),
    }
}

fn connected(mut dialogue: Dialogue) -> (Dialogue, Vec<u8>) {
    assert_eq!(commands(&mut dialogue), [Command::Connect]);
    dialogue.handle_connected(NOW);
    let asked = question(&mut dialogue);
    (dialogue, asked)
}

fn says(dialogue: &mut Dialogue, message: &[u8], now: Instant) {
    dialogue.handle_octets(&frame(message).unwrap(), now);
}

fn answering(
    query: &LeaseQuery<'_>,
    requestor: &DuidBuf,
    own: &DuidBuf,
    tell: impl Fn(&Answering<'_>) -> Vec<u8>,
) -> Vec<u8> {
    tell(&Answering { xid: query.xid, requestor: requestor.as_duid(), server_id: own.as_duid() })
}

fn record<'a>(client: &'a DuidBuf, leases: Vec<(Binding, [u32; 2])>, more: &'a [u8]) -> ClientRecord<'a> {
    ClientRecord {
        client_id: client.as_duid(),
        leases,
        since: 5,
        relay: Some(RelayData { peer: LINK, message: &[] }),
        more,
    }
}

/// RFC 5460: by relay-id; REPLY, DATA, DONE. IAIDs come along where the server tells them, and what is over is left out.
#[test]
fn all_is_told() {
    let (mut dialogue, asked) = connected(six());
    let query = LeaseQuery::parse(&asked).unwrap();
    assert_eq!(query.question.as_ref().unwrap().by, By::RelayId(relay().as_duid()));
    let (one, two) = (DuidBuf::link_layer([1; 6]), DuidBuf::link_layer([3; 6]));
    let address = Binding::Address(LINK);
    let prefix = Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0), 56).unwrap();
    let mut ia = Builder::options();
    ia.ia(IaKind::Na, 77, [0, 0], |out| {
        out.lease(address, [60, 90], |_| {});
    });
    let ia = ia.finish().unwrap();
    let first = record(&one, vec![(address, [60, 90])], &ia);
    let reply = answering(&query, &relay(), &server(), |answering| answering.reply(Some(&first)).unwrap());
    says(&mut dialogue, &reply, after(1));
    let second = record(&two, vec![(Binding::Prefix(prefix), [0, 30]), (address, [0, 0])], &[]);
    says(&mut dialogue, &second.data(query.xid).unwrap(), after(2));
    let end = answering(&query, &relay(), &server(), |answering| answering.done(None).unwrap());
    says(&mut dialogue, &end, after(3));
    let found = |client: &DuidBuf, leased: Leased| {
        let leases = vec![leased];
        let found = Found6 { client: client.clone(), server_id: server(), leases, since: Some(5), path: Vec::new() };
        Command::Found(Found::Six(found), NOW)
    };
    let address = Prefix::new(LINK, 128).unwrap();
    let expected = [
        found(&one, Leased { prefix: address, kind: IaKind::Na, iaid: Some(77), valid: 90 }),
        found(&two, Leased { prefix, kind: IaKind::Pd, iaid: None, valid: 30 }),
        Command::Close,
        Command::Finished(Ok(())),
    ];
    assert_eq!(commands(&mut dialogue), expected);
    assert_eq!((dialogue.poll_timeout(), dialogue.poll_command()), (None, None));
}

/// A server without queries by relay-id, and one that stores none, is asked by link; one that refuses that has refused: nothing
/// by relay-ids is not everything.
#[test]
fn by_link_where_relay_ids_are_no_help() {
    for first in [Some((status::UNKNOWN_QUERY_TYPE, "no")), None] {
        let (mut dialogue, asked) = connected(six());
        let query = LeaseQuery::parse(&asked).unwrap();
        let answer = answering(&query, &relay(), &server(), |answering| match first {
            Some((code, text)) => answering.refuse(code, text).unwrap(),
            None => answering.reply(None).unwrap(),
        });
        says(&mut dialogue, &answer, NOW);
        let asked = question(&mut dialogue);
        let query = LeaseQuery::parse(&asked).unwrap();
        let by = query.question.as_ref().unwrap();
        assert_eq!((by.by, by.link), (By::LinkAddress, LINK));
        let refused =
            answering(&query, &relay(), &server(), |answering| answering.refuse(status::NOT_ALLOWED, "").unwrap());
        says(&mut dialogue, &refused, NOW);
        let why = if first.is_some() { "UnknownQueryType no" } else { "NotAllowed" };
        let outcome = Err(Failure::Refused(why.to_owned()));
        assert_eq!(commands(&mut dialogue), [Command::Close, Command::Finished(outcome)]);
    }
}

/// Every link has to be told of: one that was refused is missing. When all are, it does not matter that relay-ids are no help.
#[test]
fn every_link_counts() {
    let other = Ipv6Addr::from_bits(LINK.to_bits() + 1);
    for refuses in [[true, false, false], [true, false, true], [true, true, false], [false, false, true]] {
        let language = Language::six(relay(), vec![LINK, other]);
        let (mut dialogue, mut asked) = connected(Dialogue::new(language, 100, 7, NOW));
        for (place, refuses) in refuses.into_iter().enumerate() {
            let query = LeaseQuery::parse(&asked).unwrap();
            let answer = answering(&query, &relay(), &server(), |answering| match refuses {
                true => answering.refuse(status::NOT_ALLOWED, "no").unwrap(),
                false => answering.reply(None).unwrap(),
            });
            says(&mut dialogue, &answer, NOW);
            if place < 2 {
                asked = question(&mut dialogue);
            }
        }
        let outcome = match refuses[1] || refuses[2] {
            true => Err(Failure::Refused("NotAllowed no".to_owned())),
            false => Ok(()),
        };
        assert_eq!(commands(&mut dialogue), [Command::Close, Command::Finished(outcome)], "{refuses:?}");
    }
}

/// RFC 6926: a server that knows no relay-ids, or stores nothing by them, is asked for everything.
#[test]
fn for_everything_where_relay_ids_are_no_help() {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap();
    let no = Some((leasequery::status::NOT_ALLOWED, "no"));
    for (by_relay, of_all) in [(no, None), (None, None), (None, no)] {
        let (mut dialogue, asked) = connected(Dialogue::new(Language::four(device.clone()), 100, u32::MAX, NOW));
        let message = crate::wire::dhcp4::Message::parse(&asked).unwrap();
        let query = BulkQuery::read(&message).unwrap();
        assert_eq!(query.by, Ok(By4::RelayId(b"BNG-0042".as_slice().into())));
        says(&mut dialogue, &leasequery::done(query.xid, by_relay), NOW);
        let asked = question(&mut dialogue);
        let message = crate::wire::dhcp4::Message::parse(&asked).unwrap();
        let query = BulkQuery::read(&message).unwrap();
        assert_eq!(query.by, Ok(By4::All));
        says(&mut dialogue, &leasequery::done(query.xid, of_all), NOW);
        let refused = Err(Failure::Refused(format!("status {} no", leasequery::status::NOT_ALLOWED)));
        let outcome = if of_all.is_some() { refused } else { Ok(()) };
        assert_eq!(commands(&mut dialogue), [Command::Close, Command::Finished(outcome)]);
    }
}

/// A server that can't be reached, says nothing, or breaks off is tried again a few times, later each time, and no more.
#[test]
fn tried_again() {
    let mut dialogue = six();
    let (mut now, mut attempts, mut pauses) = (NOW, 0, Vec::new());
    let outcome = loop {
        match dialogue.poll_command() {
            Some(Command::Connect) => {
                attempts += 1;
                match attempts {
                    1 => dialogue.handle_closed("refused", now),
                    2 => {}
                    _ => dialogue.handle_connected(now),
                }
            }
            Some(Command::Finished(outcome)) => break outcome,
            Some(_) => {}
            None => {
                let due = dialogue.poll_timeout().expect("it goes on");
                pauses.push(due.since(now).as_secs());
                now = due;
                dialogue.handle_timeout(now);
            }
        }
    };
    assert_eq!((attempts, outcome), (6, Err(Failure::Silent)));
    assert_eq!(pauses, [1, 10, 2, 60, 4, 60, 8, 60, 16, 60]);
}

/// Bounds: more leases than there may be, a message of nonsense, one that answers another question; and an end on demand.
#[test]
fn bounds() {
    let ended = |mut dialogue: Dialogue| commands(&mut dialogue).pop();
    let (mut dialogue, asked) = connected(Dialogue::new(Language::six(relay(), Vec::new()), 1, 7, NOW));
    let query = LeaseQuery::parse(&asked).unwrap();
    let client = DuidBuf::link_layer([1; 6]);
    let two = [1, 2].map(|n| (Binding::Address(Ipv6Addr::from_bits(LINK.to_bits() + n)), [60, 60]));
    let reply = answering(&query, &relay(), &server(), |answering| {
        answering.reply(Some(&record(&client, two.to_vec(), &[]))).unwrap()
    });
    says(&mut dialogue, &reply, NOW);
    assert_eq!(ended(dialogue), Some(Command::Finished(Err(Failure::TooMany(1)))));

    let (mut dialogue, _) = connected(six());
    says(&mut dialogue, &reply, NOW);
    dialogue.handle_octets(&[0, 3, 1], NOW);
    assert!(matches!(ended(dialogue), Some(Command::Finished(Err(Failure::Unreadable(_))))));

    let (mut dialogue, _) = connected(six());
    let other =
        Answering { xid: query.xid + 1, requestor: relay().as_duid(), server_id: server().as_duid() }.reply(None);
    says(&mut dialogue, &other.unwrap(), NOW);
    assert!(matches!(ended(dialogue), Some(Command::Finished(Err(Failure::Unreadable(_))))));

    let (mut dialogue, _) = connected(six());
    dialogue.cancel();
    dialogue.handle_octets(&[0; 64], NOW);
    assert_eq!(commands(&mut dialogue), [Command::Close, Command::Finished(Err(Failure::Cancelled))]);
}
