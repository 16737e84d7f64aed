use core::net::Ipv4Addr;

use gateway_common::unit::Unit;
use proptest::collection::vec;
use proptest::prelude::*;

use super::arbitrary::{body, id, member};
use super::*;
use crate::member::{Boot, Secret, Term, UnitVersion};

const CLUSTER: u32 = cluster_id("access-1");

fn key(id: u16) -> Key {
    Key { id, secret: core::array::from_fn(|at| at as u8 ^ id as u8) }
}

fn header(seq: u64) -> Header {
    Header { cluster: CLUSTER, sender: id(2), term: Term(7), seq }
}

/// What a receiver that knows member 2's key makes of it.
fn open(octets: &[u8]) -> Result<(Header, Body), Refused> {
    Received::parse(CLUSTER, octets)?.verify(&key(1), &mut ReplayWindow::default())
}

/// Signs octets that [`encode`] would not make: only the body's rules are left to refuse them.
fn sign(mut octets: Vec<u8>) -> Vec<u8> {
    use hmac::{Hmac, KeyInit, Mac};
    let signed = octets.len() - 32;
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&key(1).secret).unwrap().chain_update(&octets[..signed]);
    octets[signed..].copy_from_slice(&mac.finalize().into_bytes());
    octets
}

fn with_body(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = encode(&header(1), &Body::Exit { reason: 0 }, &key(1)).unwrap();
    octets[5] = kind;
    octets[28..30].copy_from_slice(&(body.len() as u16).to_be_bytes());
    octets.splice(32..33, body.iter().copied());
    sign(octets)
}

proptest! {
    /// CL-28, H-CL-29: each message survives its way, the keepalive with its members, interval and assignments too, in one
    /// datagram that no link has to fragment.
    #[test]
    fn every_message_round_trips(body in body(), sender in member(), term: u32, seq: u64) {
        let head = Header { cluster: CLUSTER, sender, term: Term(term), seq };
        let octets = encode(&head, &body, &key(1)).unwrap();
        let longer = matches!(body, Body::ForwardedPacket { .. });
        prop_assert!(longer || octets.len() <= DATAGRAM_MAX);
        prop_assert_eq!(open(&octets), Ok((head, body)));
    }

    /// H-CL-10: a message with any one bit changed, cut at any place or with anything added has no effect.
    #[test]
    fn every_change_on_the_way_is_refused(body in body(), at: prop::sample::Index, bit in 0..8u8, more in vec(any::<u8>(), 1..40)) {
        let octets = encode(&header(1), &body, &key(1)).unwrap();
        let mut changed = octets.clone();
        changed[at.index(octets.len())] ^= 1 << bit;
        prop_assert!(open(&changed).is_err());
        prop_assert!(open(&octets[..at.index(octets.len())]).is_err());
        let longer = [octets, more].concat();
        prop_assert!(open(&longer).is_err());
    }

    /// No octets make the decoder panic, not even when they carry the right MAC; and what it accepts it would say the same.
    #[test]
    fn any_octets_are_decoded_or_refused(kind: u8, body in prop_oneof![vec(any::<u8>(), 0..64), vec(0..4u8, 0..1400)]) {
        let octets = with_body(kind, &body);
        if let Ok((head, read)) = open(&octets) {
            prop_assert_eq!(encode(&head, &read, &key(1)), Ok(octets));
        }
        let _ = open(&body);
    }
}

/// The layout of the wire reference, octet by octet: a decoder of somebody else's finds what it looks for.
#[test]
fn a_datagram_is_laid_out_as_written() {
    let master = Body::OtherMasterExists { master: id(3), ip: Ipv4Addr::new(10, 0, 0, 3), members: 4 };
    let octets = encode(&header(0x0102), &master, &key(0x0a0b)).unwrap();
    assert_eq!(octets[..8], *b"GWC1\x01\x05\x00\x00");
    assert_eq!(octets[8..12], CLUSTER.to_be_bytes());
    assert_eq!(octets[12..32], [0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 1, 2, 0, 6, 0, 0]);
    assert_eq!(octets[32..38], [3, 10, 0, 0, 3, 4]);
    assert_eq!(octets[38..42], [0x0a, 0x0b, 0, 1]);
    assert_eq!(octets.len(), 32 + 6 + 36);
}

/// RFC 3720 appendix B.4: 32 octets of zeros; and the check value of the catalogue of CRCs.
#[test]
fn a_cluster_is_known_by_the_crc_of_its_name() {
    assert_eq!(cluster_id("123456789"), 0xe306_9283);
    assert_eq!(cluster_id("\0".repeat(32).as_str()), 0x8a91_36aa);
    assert_eq!(cluster_id(""), 0);
}

/// H-CL-10: a replayed EXIT has no effect, nor has any message that is not newer than the last accepted; a gap has none.
#[test]
fn what_was_said_before_is_refused() {
    let mut sealer = Sealer::new(CLUSTER, id(2), key(1));
    let mut keyring = Keyring::new(CLUSTER);
    keyring.insert(id(2), key(1));
    let said: Vec<_> = (0..4).map(|_| sealer.seal(Term(7), &Body::Exit { reason: 0 }).unwrap()).collect();
    assert_eq!(keyring.open(&said[0]).unwrap().0.seq, 1);
    assert_eq!(keyring.open(&said[2]).unwrap().0.seq, 3);
    for late in [0, 1, 2] {
        let refused = Refused::Replayed { sender: id(2), seq: late + 1, last: 3 };
        assert_eq!(keyring.open(&said[late as usize]), Err(refused));
    }
    assert!(keyring.open(&said[3]).is_ok());
}

/// H-CL-10: a forged message does not move the window: the true sender is heard all the same.
#[test]
fn a_forger_silences_nobody() {
    let mut keyring = Keyring::new(CLUSTER);
    keyring.insert(id(2), key(1));
    let forged = encode(&header(u64::MAX), &Body::Exit { reason: 0 }, &Key { secret: [9; 32], ..key(1) }).unwrap();
    assert_eq!(keyring.open(&forged), Err(Refused::Forged(id(2))));
    let earlier = encode(&header(9), &Body::Exit { reason: 0 }, &key(0)).unwrap();
    assert_eq!(keyring.open(&earlier), Err(Refused::OtherKey { sender: id(2), found: 0, wanted: 1 }));
    assert!(keyring.open(&encode(&header(1), &Body::Exit { reason: 0 }, &key(1)).unwrap()).is_ok());
}

/// H-CL-9, H-CL-10: who has no TLS connection with us is not heard, and a connection made again with the same key does not
/// let in what was said before. A new life of a member has a new key, and begins to count again.
#[test]
fn only_the_connected_are_heard() {
    let mut keyring = Keyring::new(CLUSTER);
    let say = |seq, key: &Key| encode(&header(seq), &Body::Exit { reason: 0 }, key).unwrap();
    assert_eq!(keyring.open(&say(1, &key(1))), Err(Refused::UnknownSender(id(2))));
    keyring.insert(id(2), key(1));
    assert!(keyring.open(&say(5, &key(1))).is_ok());
    keyring.remove(id(2));
    assert_eq!(keyring.open(&say(6, &key(1))), Err(Refused::UnknownSender(id(2))));
    keyring.insert(id(2), key(1));
    assert!(matches!(keyring.open(&say(5, &key(1))), Err(Refused::Replayed { .. })));
    let next = Key::of(Boot(0x1_0002), Secret([7; 32]));
    keyring.insert(id(2), next.clone());
    assert_eq!(keyring.open(&say(6, &key(1))), Err(Refused::OtherKey { sender: id(2), found: 1, wanted: 2 }));
    assert!(keyring.open(&say(1, &next)).is_ok());
}

/// H-CL-10: nobody speaks for another member: the key is the sender's own.
#[test]
fn a_member_cannot_speak_for_another() {
    let mut keyring = Keyring::new(CLUSTER);
    keyring.insert(id(2), key(1));
    keyring.insert(id(3), Key { secret: [3; 32], id: 1 });
    let as_two = encode(&header(1), &Body::Exit { reason: 0 }, &Key { secret: [3; 32], id: 1 }).unwrap();
    assert_eq!(keyring.open(&as_two), Err(Refused::Forged(id(2))));
}

/// H-CL-10: what is cheap to see is seen before any MAC is computed, so each has its own reason even with a wrong MAC.
#[test]
fn cheap_reasons_come_first() {
    let good = encode(&header(4), &Body::Exit { reason: 0 }, &key(1)).unwrap();
    let with = |at: usize, octet: u8| {
        let mut octets = good.clone();
        octets[at] = octet;
        open(&octets)
    };
    assert_eq!(open(&[]), Err(Refused::Length));
    assert_eq!(with(0, b'H'), Err(Refused::Magic));
    assert_eq!(with(4, 2), Err(Refused::Version(2)));
    assert_eq!(with(5, 13), Err(Refused::Type(13)));
    assert_eq!(with(7, 1), Err(Refused::Reserved));
    assert_eq!(with(31, 1), Err(Refused::Reserved));
    assert!(matches!(with(8, !good[8]), Err(Refused::OtherCluster(_))));
    assert_eq!(with(14, 1), Err(Refused::Value("member")));
    assert_eq!(with(15, 0), Err(Refused::Value("member")));
    assert_eq!(with(15, 255), Err(Refused::Value("member")));
    assert_eq!(with(29, 2), Err(Refused::Length));
    assert_eq!(with(36, 9), Err(Refused::Algorithm(9)));
    let mut window = ReplayWindow::default();
    Received::parse(CLUSTER, &good).unwrap().verify(&key(1), &mut window).unwrap();
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let replayed = Received::parse(CLUSTER, &broken).unwrap().verify(&key(1), &mut window);
    assert_eq!(replayed, Err(Refused::Replayed { sender: id(2), seq: 4, last: 4 }));
}

/// CL-76: n is 2 to 20. CL-51: units are 0 to 1023. Members are 1 to 254. What is beyond is refused though its MAC is right.
#[test]
fn values_out_of_range_are_refused() {
    let assign = |count: u16, unit: u16, owner: u8| {
        let mut body = count.to_be_bytes().to_vec();
        body.extend(unit.to_be_bytes());
        body.extend([0, 0, 0, 1, owner]);
        open(&with_body(10, &body)).map(|_| ())
    };
    assert_eq!(assign(1, 1023, 254), Ok(()));
    assert_eq!(assign(1, 1024, 1), Err(Refused::Value("unit")));
    assert_eq!(assign(1, 0, 0), Err(Refused::Value("member")));
    assert_eq!(assign(1, 0, 255), Err(Refused::Value("member")));
    assert_eq!(assign(0, 0, 1), Err(Refused::Value("count of units")));
    assert_eq!(assign(151, 0, 1), Err(Refused::Value("count of units")));
    assert_eq!(assign(2, 0, 1), Err(Refused::Length));
    assert_eq!(open(&with_body(8, &[5])).map(|_| ()), Err(Refused::Value("reason")));
    assert_eq!(open(&with_body(8, &[0, 0])).map(|_| ()), Err(Refused::Trailing(1)));
    assert_eq!(open(&with_body(3, &[0, 0, 0])).map(|_| ()), Err(Refused::Value("reason")));
    assert_eq!(open(&with_body(3, &[8, 0, 0])).map(|_| ()), Err(Refused::Value("reason")));
    assert_eq!(open(&with_body(2, &[33, 0, 1])).map(|_| ()), Err(Refused::Value("count of members")));
    assert_eq!(open(&with_body(2, &[1, 0, 0])).map(|_| ()), Err(Refused::Value("watchdog")));
    assert_eq!(
        open(&with_body(9, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1])).map(|_| ()),
        Err(Refused::Value("mark of nobody"))
    );
    let keepalive_of = |n: u8, drained: &[u8], first: u16, entries: usize| {
        let mut body = vec![0; 8];
        body.extend([n, 0, 200, 1, 0, 0, 0, 1, 10, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1]);
        body.push(drained.len() as u8);
        body.extend(drained);
        body.extend([0; 12]);
        body.push(entries as u8);
        body.extend(first.to_be_bytes());
        body.extend(std::iter::repeat_n([1, 0, 0, 0, 1], entries).flatten());
        open(&with_body(6, &body)).map(|_| ())
    };
    let keepalive = |n, first, entries| keepalive_of(n, &[3], first, entries);
    assert_eq!(keepalive(2, 896, TABLE_CHUNK), Ok(()));
    assert_eq!(keepalive(1, 0, 1), Err(Refused::Value("n")));
    assert_eq!(keepalive(21, 0, 1), Err(Refused::Value("n")));
    assert_eq!(keepalive(2, 897, TABLE_CHUNK), Err(Refused::Value("table")));
    assert_eq!(keepalive(2, 0, TABLE_CHUNK + 1), Err(Refused::Value("table")));
    assert_eq!(keepalive_of(2, &[], 0, 1), Ok(()));
    assert_eq!(keepalive_of(2, &[7; MEMBERS_MAX], 0, 1), Ok(()));
    assert_eq!(keepalive_of(2, &[7; MEMBERS_MAX + 1], 0, 1), Err(Refused::Value("count of drained members")));
    assert_eq!(keepalive_of(2, &[0], 0, 1), Err(Refused::Value("member")));
}

/// What no receiver would accept is not sent: the sender hears of it, and its count does not skip.
#[test]
fn what_nobody_would_accept_is_not_sent() {
    let one = Assignment { unit: Unit::new(0).unwrap(), version: UnitVersion(1), owner: id(1) };
    let mut sealer = Sealer::new(CLUSTER, id(2), key(1));
    for units in [0, ASSIGNMENTS_MAX + 1, 65_536 + 1] {
        assert_eq!(sealer.seal(Term(0), &Body::UnitAssignAck(vec![one; units])), Err(Unencodable(10)));
    }
    let frame = |port, length| Body::ForwardedPacket { unit: one.unit, port, frame: vec![0; length] };
    assert_eq!(sealer.seal(Term(0), &frame(Some(u16::MAX), 60)), Err(Unencodable(20)));
    assert_eq!(sealer.seal(Term(0), &frame(None, FRAME_MAX + 1)), Err(Unencodable(20)));
    let sent = sealer.seal(Term(0), &frame(None, FRAME_MAX)).unwrap();
    assert_eq!(open(&sent).unwrap().0.seq, 1);
}

/// H-CL-29: the fullest keepalive (32 members, a part of the table) and the fullest assignment fit one datagram.
#[test]
fn the_fullest_messages_are_not_fragmented() {
    let state =
        |number| MemberState { id: id(number), ip: Ipv4Addr::BROADCAST, units: 1024, heard: u64::MAX, leaving: true };
    let entry = TableEntry { owner: Some(id(254)), version: UnitVersion(u32::MAX) };
    let keepalive = Body::MasterKeepalive(MasterKeepalive {
        keepalive_seq: u64::MAX,
        n: 20,
        watchdog_ms: u16::MAX,
        members: (1..=MEMBERS_MAX as u8).map(state).collect(),
        drained: (1..=MEMBERS_MAX as u8).map(id).collect(),
        table_version: u32::MAX,
        table_digest: u64::MAX,
        table: Some(TableChunk { first: Unit::new(0).unwrap(), entries: vec![entry; TABLE_CHUNK] }),
    });
    assert!(encode(&header(1), &keepalive, &key(1)).unwrap().len() <= DATAGRAM_MAX);
    let one = Assignment { unit: Unit::new(0).unwrap(), version: UnitVersion(1), owner: id(1) };
    let after = Some(StateMark { origin: id(1), seq: u64::MAX });
    let assign = Body::UnitAssign { units: vec![one; ASSIGNMENTS_MAX], after };
    assert!(encode(&header(1), &assign, &key(1)).unwrap().len() <= DATAGRAM_MAX);
    let units = Body::UnitDeassignAck { units: vec![one; ASSIGNMENTS_MAX], last_seq: u64::MAX };
    assert!(encode(&header(1), &units, &key(1)).unwrap().len() <= DATAGRAM_MAX);
}
