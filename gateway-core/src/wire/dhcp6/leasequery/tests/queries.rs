//! Questions.

use core::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{damaged, duid, message, octets};
use crate::wire::dhcp6::leasequery::*;
use crate::wire::dhcp6::*;

const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

/// Octet by octet: a bulk query by relay-id (RFC 5460 section 5.3.1) that wants option 47.
#[test]
fn by_relay_id() {
    let relay = DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1]);
    let question = Question { by: By::RelayId(relay.as_duid()), link: ANY, requested: vec![code::LQ_RELAY_DATA] };
    let octets = question.message(0x0a_0b0c, relay.as_duid(), None).unwrap();
    let want = [
        &[14, 0x0a, 0x0b, 0x0c][..],
        &[0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0xbb, 1],
        &[0, 44, 0, 37, 3],
        &[0; 16],
        &[0, 53, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0xbb, 1],
        &[0, 6, 0, 2, 0, 47],
    ];
    assert_eq!(octets, want.concat());
}

/// All five, built and read.
#[test]
fn every_query() {
    let (requestor, server) = (DuidBuf::link_layer([2; 6]), DuidBuf::link_layer([4; 6]));
    let named = Duid::new(b"somebody").unwrap();
    let remote = RemoteId { enterprise: 9, id: b"line" };
    let all = [
        (By::Address(LINK), ANY),
        (By::ClientId(named), LINK),
        (By::RelayId(named), ANY),
        (By::LinkAddress, LINK),
        (By::RemoteId(remote), LINK),
    ];
    for (number, (by, link)) in (1..).zip(all) {
        let question = Question { by, link, requested: vec![] };
        let octets = question.message(7, requestor.as_duid(), Some(server.as_duid())).unwrap();
        let read = LeaseQuery::parse(&octets).unwrap();
        assert_eq!((read.xid, read.requestor, read.server_id), (7, requestor.as_duid(), Some(server.as_duid())));
        assert_eq!((by.number(), by.is_bulk()), (number, number > 2));
        assert_eq!(read.question, Ok(question));
    }
}

/// What is discarded: no client-id, no query, two, or another message (RFC 5007 section 4.2.1).
#[test]
fn what_is_discarded() {
    let query = [&[4][..], &LINK.octets()].concat();
    let build = |clients: usize, queries: usize| {
        let mut out = Builder::message(kind::LEASEQUERY, 1);
        for _ in 0..clients {
            out.option(code::CLIENT_ID, b"me");
        }
        for _ in 0..queries {
            out.option(code::LQ_QUERY, &query);
        }
        out.finish().unwrap()
    };
    assert!(LeaseQuery::parse(&build(1, 1)).is_ok());
    assert_eq!(LeaseQuery::parse(&build(0, 1)), Err(Malformed::Missing(1)));
    assert_eq!(LeaseQuery::parse(&build(1, 0)), Err(Malformed::Missing(44)));
    assert_eq!(LeaseQuery::parse(&build(1, 2)), Err(Malformed::Repeated { code: 44, at: 31 }));
    assert_eq!(LeaseQuery::parse(&build(2, 1)), Err(Malformed::Repeated { code: 1, at: 10 }));
    let mut other = build(1, 1);
    other[0] = kind::LEASEQUERY_REPLY;
    assert_eq!(LeaseQuery::parse(&other), Err(Malformed::Kind(15)));
}

/// What is answered with a status: a type that nobody knows, and a query without its key.
#[test]
fn what_is_refused() {
    let ask = |value: &[u8]| {
        let octets = Builder::message(kind::LEASEQUERY, 1)
            .option(code::CLIENT_ID, b"me")
            .option(code::LQ_QUERY, value)
            .finish()
            .unwrap();
        LeaseQuery::parse(&octets).unwrap().question.map(|_| ())
    };
    let query = |number: u8, options: &[u8]| ask(&[&[number], &LINK.octets()[..], options].concat());
    for number in [0, 6, 255] {
        let error = query(number, &[]).unwrap_err();
        assert_eq!((error, error.status()), (QueryError::UnknownType(number), status::UNKNOWN_QUERY_TYPE));
    }
    let malformed = |error: QueryError, why: Malformed| {
        assert_eq!((error, error.status()), (QueryError::Malformed(why), status::MALFORMED_QUERY));
    };
    for (number, code) in [(1, 5), (2, 1), (3, 53), (5, 37)] {
        malformed(query(number, &[]).unwrap_err(), Malformed::Missing(code));
        malformed(query(number, &[0, 14, 0, 0]).unwrap_err(), Malformed::Missing(code));
        let [_, low] = u16::to_be_bytes(code);
        malformed(query(number, &[0, low, 0, 0]).unwrap_err(), Malformed::Value { code, at: 31 });
    }
    malformed(ask(&[1; 16]).unwrap_err(), Malformed::Value { code: 44, at: 10 });
    malformed(query(4, &[0, 6, 0, 1, 0]).unwrap_err(), Malformed::Value { code: 6, at: 31 });
    malformed(query(4, &[0]).unwrap_err(), Malformed::Trailing { at: 31, length: 1 });
    let prefix_instead = [&[0, 26, 0, 25][..], &[0; 25]].concat();
    malformed(query(1, &prefix_instead).unwrap_err(), Malformed::Missing(5));
    let nowhere = ask(&[&[4], &ANY.octets()[..]].concat()).unwrap_err();
    assert_eq!((nowhere, nowhere.status()), (QueryError::NoLink, status::MALFORMED_QUERY));
    assert_eq!(query(4, &[]), Ok(()));
}

fn any_query() -> impl Strategy<Value = Vec<u8>> {
    let parts = (1u8..=6, any::<[u8; 16]>(), crate::wire::dhcp6::arbitrary::options(), duid());
    parts.prop_map(|(number, link, options, requestor)| {
        let value = [&[number], &link[..], &options].concat();
        let mut out = Builder::message(kind::LEASEQUERY, 1);
        out.duid(code::CLIENT_ID, requestor.as_duid()).option(code::LQ_QUERY, &value).finish().expect("short")
    })
}

proptest! {
    /// Whatever is asked with, it is read as it was meant.
    #[test]
    fn questions_round_trip(
        which in 0..5, (key, requestor) in (duid(), duid()), (address, link) in any::<(u128, u128)>(),
        enterprise: u32, id in vec(any::<u8>(), 0..60), requested in vec(any::<u16>(), 0..6),
    ) {
        let by = match which {
            0 => By::Address(Ipv6Addr::from_bits(address)),
            1 => By::ClientId(key.as_duid()),
            2 => By::RelayId(key.as_duid()),
            3 => By::LinkAddress,
            _ => By::RemoteId(RemoteId { enterprise, id: &id }),
        };
        let question = Question { by, link: Ipv6Addr::from_bits(link | 1), requested };
        let octets = question.message(5, requestor.as_duid(), None).unwrap();
        prop_assert_eq!(LeaseQuery::parse(&octets).unwrap().question, Ok(question));
    }

    /// No octets make the reader panic, and what it takes for a question can be asked.
    #[test]
    fn reading_never_panics(octets in prop_oneof![octets(), message(), any_query(), damaged(any_query())]) {
        let Ok(query) = LeaseQuery::parse(&octets) else { return Ok(()) };
        let Ok(question) = query.question else { return Ok(()) };
        let again = question.message(query.xid, query.requestor, query.server_id).unwrap();
        prop_assert_eq!(LeaseQuery::parse(&again).unwrap().question, Ok(question));
    }
}
