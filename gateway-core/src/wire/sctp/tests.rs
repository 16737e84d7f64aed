//! Vectors, and properties over anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::wire::bulk_release::tests::hex as unhex;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A move from 192.0.2.10 to 198.51.100.20.
fn roam() -> Asconf {
    let change = |id, operation, address| Change { id, operation, address: ip(address) };
    Asconf {
        sequence: 0x0001_0000,
        lookup: ip("192.0.2.10"),
        changes: vec![
            change(1, Operation::Add, "198.51.100.20"),
            change(2, Operation::Primary, "198.51.100.20"),
            change(3, Operation::Delete, "192.0.2.10"),
        ],
    }
}

/// V-8: one message adds, makes primary and deletes, in this order, and names the address that it is about to delete
/// (SC-10, SC-16, SC-28, SC-29, SC-37, SC-38, H-SC-3).
#[test]
fn a_move_in_one_message() {
    let vector = unhex(
        "c1000040 00010000 00050008c000020a c0010010 00000001 00050008c6336414 c0040010 00000002 00050008c6336414 \
         c0020010 00000003 00050008c000020a",
    );
    assert_eq!(roam().encode(), Ok(vector.clone()));
    assert_eq!(Asconf::read(&vector[4..]).unwrap(), roam());
    let ack = AsconfAck { sequence: 0x0001_0000, responses: Vec::new() };
    assert_eq!(ack.encode(), Ok(unhex("80000008 00010000")));
    assert!((1..=3).all(|id| ack.applied(&roam(), id)), "without a response all are applied");
}

/// V-8: the code over an AUTH chunk and the message (H-SC-1); in a packet, any change is seen.
#[test]
fn the_hmac_of_a_move() {
    let key = Sha256::digest(b"demo");
    let roam = roam().encode().unwrap();
    let auth = Auth::sign(0, Hmac::Sha256, &key, std::slice::from_ref(&roam));
    assert_eq!(auth.code, unhex("ddb69f1045d951363752e41d69e2fdaeae288982867b259a36ccdcb966269950"));

    let header = Header { source: 16067, destination: 16067, tag: 7 };
    let mut octets = encode(&header, &[auth.encode().unwrap(), roam]);
    let verify = |octets: &[u8], key: &[u8]| {
        let packet = Packet::read(octets).unwrap();
        let at = *packet.first(chunk::AUTH).unwrap();
        Auth::read(at.value).unwrap().verify(&packet, &at, key)
    };
    assert!(verify(&octets, &key));
    assert!(!verify(&octets, b"another"));
    let last = octets.len() - 1;
    octets[last] ^= 1;
    assert_eq!(Packet::read(&octets), Err(Malformed::Checksum));
    let forged = {
        let packet = [auth.encode().unwrap(), octets[HEADER + 40..].to_vec()];
        encode(&header, &packet)
    };
    assert!(!verify(&forged, &key));
}

/// SC-4: the checksum of RFC 9260, appendix A, least octet first.
#[test]
fn the_checksum() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    let octets = encode(&Header { source: 1, destination: 2, tag: 3 }, &[]);
    let mut blank = octets.clone();
    blank[8..12].fill(0);
    assert_eq!(octets[8..12], crc32c::crc32c(&blank).to_le_bytes());
}

/// RFC 4895, section 6.1: both sides make the same key, whoever's number is the smaller one, and a longer one with zeros
/// before it is no greater.
#[test]
fn both_sides_make_the_same_key() {
    let side = |random: u8| Supported {
        extensions: vec![chunk::ASCONF, chunk::ASCONF_ACK, chunk::AUTH],
        random: vec![random; 32],
        chunks: Some(vec![chunk::ASCONF, chunk::ASCONF_ACK]),
        hmacs: vec![3, 1],
    };
    let [a, b] = [side(1), side(2)].map(|side| key_vector(&side).unwrap());
    assert_eq!(a.len(), 36 + 6 + 8, "no padding behind CHUNKS");
    let [without, empty] = [None, Some(Vec::new())].map(|chunks| key_vector(&Supported { chunks, ..side(1) }).unwrap());
    assert_eq!(without, [&a[..36], &a[42..]].concat(), "CHUNKS that were not said are no part of it (section 3.2)");
    assert_eq!(empty, [&a[..36], &unhex("80030004"), &a[42..]].concat(), "but such that say nothing are");
    let key = association_key(b"secret", &a, &b);
    assert_eq!(key, association_key(b"secret", &b, &a));
    assert_eq!(key, [&b"secret"[..], &a, &b].concat());
    assert_eq!(association_key(b"", &[0, 5], &[5]), [5, 0, 5]);
    assert_eq!(association_key(b"", &[0, 5], &[4]), [4, 0, 5]);
}

/// A7, A8 of RFC 5061: silence before a failure is success, behind it failure, in the order of the message: identifiers are
/// only unique (section 4.1.1). SC-16, SC-19
#[test]
fn what_was_applied() {
    let causes = vec![Cause { code: cause::RESOURCES, value: vec![1, 2, 3] }];
    let failure = Response::Failure { id: 3, causes };
    let ack = AsconfAck { sequence: 9, responses: vec![failure, Response::Success { id: 5 }] };
    let applied = |ids: [u32; 6]| {
        let change = |id| Change { id, operation: Operation::Add, address: ip("192.0.2.1") };
        let message = Asconf { sequence: 9, lookup: ip("192.0.2.9"), changes: ids.map(change).to_vec() };
        ids.map(|id| ack.applied(&message, id))
    };
    assert_eq!(applied([1, 2, 3, 4, 5, 6]), [true, true, false, false, true, false]);
    assert_eq!(applied([900, 4, 3, 1, 5, 0]), [true, true, false, false, true, false]);
    assert!(!ack.applied(&roam(), 900), "nobody asked for it");
    assert_eq!(AsconfAck::read(&ack.encode().unwrap()[4..]), Ok(ack));
}

/// What is longer than its length can say, or has more parts than are read, is not made.
#[test]
fn what_can_not_be_said() {
    assert!(encode_chunk(chunk::ASCONF, 0, &[0; 65531]).is_ok());
    assert_eq!(encode_chunk(chunk::ASCONF, 0, &[0; 65532]), Err(Malformed::Long));
    let refused = |value: Vec<u8>, times: usize| {
        let causes = vec![Cause { code: cause::RESOURCES, value }; times];
        AsconfAck { sequence: 1, responses: vec![Response::Failure { id: 1, causes }] }.encode()
    };
    assert!(refused(vec![0; 100], 64).is_ok());
    assert_eq!(refused(vec![0; 65532], 1), Err(Malformed::Long));
    assert_eq!(refused(vec![0; 2000], 40), Err(Malformed::Long));
    assert_eq!(refused(vec![], 65), Err(Malformed::TooMany));
    let [change] = [roam().changes[0]];
    assert!(Asconf { changes: vec![change; 64], ..roam() }.encode().is_ok());
    assert_eq!(Asconf { changes: vec![change; 65], ..roam() }.encode(), Err(Malformed::TooMany));
}

/// H-SC-1, H-SC-11
#[test]
fn addresses_that_nobody_may_add() {
    for address in ["0.0.0.0", "::", "224.0.0.1", "239.255.67.67", "255.255.255.255", "ff02::1", "127.0.0.1", "::1"] {
        assert!(!is_plausible(ip(address)), "{address}");
    }
    for address in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "100.64.0.2"] {
        assert!(is_plausible(ip(address)), "{address}");
    }
}

/// What takes no changes, or would take them without authentication, is told apart (RFC 5061, section 4.2.7).
#[test]
fn a_peer_without_the_extension() {
    let able = Supported {
        extensions: vec![chunk::ASCONF, chunk::ASCONF_ACK, chunk::AUTH],
        random: vec![7; 32],
        chunks: Some(vec![chunk::ASCONF, chunk::ASCONF_ACK]),
        hmacs: vec![1],
    };
    assert!(able.changes());
    assert!(!Supported::default().changes());
    assert!(!Supported { extensions: vec![chunk::ASCONF, chunk::ASCONF_ACK], ..able.clone() }.changes());
    assert!(!Supported { chunks: Some(vec![chunk::ASCONF]), ..able.clone() }.changes());
    assert!(!Supported { chunks: None, ..able.clone() }.changes());
    assert!(!Supported { random: Vec::new(), ..able }.changes());
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|v4| Ipv4Addr::from(v4).into()),
        any::<u128>().prop_map(|v6| Ipv6Addr::from(v6).into())
    ]
}

fn asconf() -> impl Strategy<Value = Asconf> {
    let operation = prop_oneof![Just(Operation::Add), Just(Operation::Delete), Just(Operation::Primary)];
    let change = (any::<u32>(), operation, address());
    let change = change.prop_map(|(id, operation, address)| Change { id, operation, address });
    (any::<u32>(), address(), vec(change, 0..10)).prop_map(|(sequence, lookup, changes)| Asconf {
        sequence,
        lookup,
        changes,
    })
}

fn ack() -> impl Strategy<Value = AsconfAck> {
    let cause = (any::<u16>(), vec(any::<u8>(), 0..30)).prop_map(|(code, value)| Cause { code, value });
    let response = prop_oneof![
        any::<u32>().prop_map(|id| Response::Success { id }),
        (any::<u32>(), vec(cause, 0..3)).prop_map(|(id, causes)| Response::Failure { id, causes }),
    ];
    (any::<u32>(), vec(response, 0..10)).prop_map(|(sequence, responses)| AsconfAck { sequence, responses })
}

fn init() -> impl Strategy<Value = Init> {
    let chunks = proptest::option::of(vec(any::<u8>(), 0..9));
    let supported = (vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..33), chunks, vec(any::<u16>(), 0..4));
    let supported =
        supported.prop_map(|(extensions, random, chunks, hmacs)| Supported { extensions, random, chunks, hmacs });
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>(), any::<u16>(), any::<u32>());
    let parts = (numbers, vec(address(), 0..8), proptest::option::of(address()), supported);
    parts.prop_map(|((tag, window, outbound, inbound, tsn), addresses, primary, supported)| Init {
        tag,
        window,
        outbound,
        inbound,
        tsn,
        addresses,
        primary,
        supported,
    })
}

fn read_all(octets: &[u8]) {
    let _ = Asconf::read(octets);
    let _ = AsconfAck::read(octets);
    let _ = Auth::read(octets);
    let _ = Init::read(octets);
    if let Ok(packet) = Packet::read(octets) {
        for chunk in &packet.chunks {
            read_all(chunk.value);
        }
    }
}

proptest! {
    /// SC-4, SC-5, SC-40: what is encoded is read as it was.
    #[test]
    fn a_packet_comes_back(asconf in asconf(), ack in ack(), init in init(), tag in any::<u32>()) {
        let header = Header { source: 1, destination: 65535, tag };
        let init_chunk = encode_chunk(chunk::INIT, 0, &init.encode().unwrap()).unwrap();
        let chunks = [init_chunk, asconf.encode().unwrap(), ack.encode().unwrap()];
        let octets = encode(&header, &chunks);
        let packet = Packet::read(&octets).unwrap();
        prop_assert_eq!(packet.header, header);
        prop_assert_eq!(packet.chunks.len(), 3);
        prop_assert_eq!(Init::read(packet.chunks[0].value).unwrap(), init);
        prop_assert_eq!(Asconf::read(packet.chunks[1].value).unwrap(), asconf);
        prop_assert_eq!(AsconfAck::read(packet.chunks[2].value).unwrap(), ack);
        prop_assert_eq!(packet.from(&packet.chunks[2]), &chunks[2][..]);
    }

    /// No octets make a decoder panic, with a right checksum neither.
    #[test]
    fn no_octets_panic(octets in vec(any::<u8>(), 0..300)) {
        read_all(&octets);
        read_all(&encode(&Header { source: 1, destination: 2, tag: 3 }, &[octets]));
    }

    /// Nor does a message that one octet is wrong in, or that is cut.
    #[test]
    fn nearly_right_does_not_panic(asconf in asconf(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut value = asconf.encode().unwrap().split_off(4);
        let at = at.index(value.len());
        value[at] = octet;
        read_all(&value);
        read_all(&value[..at]);
    }
}
