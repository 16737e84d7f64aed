//! Answers.

use core::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{binding, damaged, duid, message, nest, octets, options};
use crate::wire::dhcp6::leasequery::*;
use crate::wire::dhcp6::*;

const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn ids() -> [DuidBuf; 3] {
    [1, 2, 3].map(|last| DuidBuf::link_layer([2, 0, 0, 0, 0, last]))
}

fn answering(ids: &[DuidBuf; 3]) -> Answering<'_> {
    Answering { xid: 9, requestor: ids[0].as_duid(), server_id: ids[1].as_duid() }
}

/// A client with an address and a prefix, through a relay, told in a REPLY and in a DATA.
#[test]
fn a_client() {
    let ids = ids();
    let relayed = relay_forward(&[1, 0, 0, 1], PEER, PEER, &[(code::INTERFACE_ID, b"eth0")]).unwrap();
    let relayed = relay_forward(&relayed, PEER, PEER, &[(code::INTERFACE_ID, b"ae1")]).unwrap();
    let relayed = Nest::walk(&relayed).unwrap().without_message().unwrap();
    let address = Binding::Address("2001:db8::100".parse().unwrap());
    let prefix = Binding::Prefix(Prefix::new("2001:db8:1:100::".parse().unwrap(), 56).unwrap());
    let record = ClientRecord {
        client_id: ids[2].as_duid(),
        leases: vec![(address, [100, 200]), (prefix, [300, 400])],
        since: 50,
        relay: Some(RelayData { peer: PEER, message: &relayed }),
        more: &[0, 39, 0, 1, 0],
    };
    for (octets, kind) in [
        (answering(&ids).reply(Some(&record)).unwrap(), kind::LEASEQUERY_REPLY),
        (record.data(9).unwrap(), kind::LEASEQUERY_DATA),
    ] {
        let read = LeaseAnswer::parse(&octets).unwrap();
        assert_eq!((read.kind, read.xid, read.status, read.links.len()), (kind, 9, None, 0));
        assert!(read.answers(9, ids[0].as_duid()));
        let [client] = &read.clients[..] else { panic!("one client") };
        assert_eq!((client.client_id, client.since), (Some(ids[2].as_duid()), Some(50)));
        let leases: Vec<_> =
            client.leases.iter().map(|lease| (lease.binding, [lease.preferred, lease.valid])).collect();
        assert_eq!(leases, record.leases);
        let relay = client.relay.unwrap();
        assert_eq!((relay.peer, relay.message), (PEER, &relayed[..]));
        let relays = relay.relays().unwrap();
        let interfaces: Vec<_> = relays.iter().map(|relay| relay.interface_id().unwrap().unwrap()).collect();
        assert_eq!(interfaces, [&b"ae1"[..], b"eth0"]);
        assert_eq!(relays[1].inner(), Err(Malformed::Missing(9)), "what the client said is nobody's business");
        assert_eq!(client.options.find(code::CLIENT_FQDN).unwrap().value, [0]);
    }
}

/// Nothing known, several links, a refusal, and the end with or without a reason.
#[test]
fn answers_without_a_client() {
    let ids = ids();
    let (to, me) = (answering(&ids), ids[0].as_duid());
    let nothing = to.reply(None).unwrap();
    let nothing = LeaseAnswer::parse(&nothing).unwrap();
    assert_eq!((nothing.clients.len(), nothing.status, nothing.links.len()), (0, None, 0));
    let links = to.links(&[PEER, Ipv6Addr::LOCALHOST]).unwrap();
    assert_eq!(LeaseAnswer::parse(&links).unwrap().links, [PEER, Ipv6Addr::LOCALHOST]);
    let refused = to.refuse(status::NOT_CONFIGURED, "no such link").unwrap();
    let refused = LeaseAnswer::parse(&refused).unwrap().status.unwrap();
    assert_eq!((refused.code, refused.text), (9, &b"no such link"[..]));
    let done = to.done(None).unwrap();
    assert_eq!(done, [16, 0, 0, 9]);
    assert!(LeaseAnswer::parse(&done).unwrap().answers(9, me));
    let done = to.done(Some((status::QUERY_TERMINATED, "shutting down"))).unwrap();
    assert_eq!(LeaseAnswer::parse(&done).unwrap().status.unwrap().code, 11);
}

/// A REPLY counts when it names both ends, what follows it when it has the transaction id (RFC 5007 section 4.2.2).
#[test]
fn whose_answer_it_is() {
    let ids = ids();
    let reply = answering(&ids).reply(None).unwrap();
    let read = LeaseAnswer::parse(&reply).unwrap();
    assert!(read.answers(9, ids[0].as_duid()) && !read.answers(8, ids[0].as_duid()));
    assert!(!read.answers(9, ids[1].as_duid()), "somebody else asked");
    let without = |code| {
        let mut octets = reply.clone();
        let at = Message::parse(&reply).unwrap().options().find(code).unwrap().at;
        splice(&mut octets, &[at], &[]).unwrap();
        LeaseAnswer::parse(&octets).unwrap().answers(9, ids[0].as_duid())
    };
    assert!(!without(code::SERVER_ID) && !without(code::CLIENT_ID));
    assert!(!LeaseAnswer::parse(&[17, 0, 0, 8]).unwrap().answers(9, ids[0].as_duid()));
}

/// Other messages, and values that can't be.
#[test]
fn what_is_malformed() {
    let data = |client: &[u8]| Builder::message(17, 9).option(code::CLIENT_DATA, client).finish().unwrap();
    let error = |octets: &[u8]| LeaseAnswer::parse(octets).unwrap_err();
    assert_eq!(error(&[14, 0, 0, 9]), Malformed::Kind(14));
    assert_eq!(error(&data(&[0])), Malformed::Trailing { at: 8, length: 1 });
    assert_eq!(error(&data(&[0, 46, 0, 3, 0, 0, 0])), Malformed::Value { code: 46, at: 8 });
    assert_eq!(error(&data(&[0, 47, 0, 1, 0])), Malformed::Value { code: 47, at: 8 });
    assert_eq!(error(&data(&[0, 5, 0, 1, 0])), Malformed::Value { code: 5, at: 8 });
    assert_eq!(error(&data(&[0, 1, 0, 0])), Malformed::Value { code: 1, at: 8 });
    let twice = [0, 46, 0, 4, 0, 0, 0, 1, 0, 46, 0, 4, 0, 0, 0, 1];
    assert_eq!(error(&data(&twice)), Malformed::Repeated { code: 46, at: 16 });
    let links = Builder::message(15, 9).option(code::LQ_CLIENT_LINK, &[0; 17]).finish().unwrap();
    assert_eq!(error(&links), Malformed::Value { code: 48, at: 4 });
    let too_long =
        ClientRecord { client_id: ids()[0].as_duid(), leases: vec![], since: 0, relay: None, more: &[0; 65_536] }
            .data(1);
    assert_eq!(too_long, Err(TooLong(45)));
}

fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    (15u8..=17, vec(options(), 0..4), options()).prop_map(|(kind, clients, more)| {
        let mut out = Builder::message(kind, 9);
        for client in clients {
            out.option(code::CLIENT_DATA, &client);
        }
        out.raw(&more).finish().expect("short")
    })
}

proptest! {
    /// Whatever a server knows, it is read as it was meant.
    #[test]
    fn records_round_trip(
        id in duid(), since: u32, relayed in proptest::option::of(vec(any::<u8>(), 0..80)),
        leases in vec((prop_oneof![binding(false), binding(true)], any::<[u32; 2]>()), 0..6),
    ) {
        let relay = relayed.as_ref().map(|message| RelayData { peer: PEER, message });
        let record = ClientRecord { client_id: id.as_duid(), leases, since, relay, more: &[] };
        let octets = record.data(9).unwrap();
        let read = LeaseAnswer::parse(&octets).unwrap();
        let [client] = &read.clients[..] else { return Err(TestCaseError::fail("one client")) };
        prop_assert_eq!((client.client_id, client.since, client.relay), (Some(id.as_duid()), Some(since), relay));
        let leases: Vec<_> = client.leases.iter().map(|lease| (lease.binding, [lease.preferred, lease.valid])).collect();
        prop_assert_eq!(leases, record.leases);
    }

    /// The relays of any nest, with what the client said and without; and none that is too deep.
    #[test]
    fn relays_of_a_client(octets in nest(1..=NEST_MAX + 1)) {
        let relays = |message: &[u8]| {
            let relays = RelayData { peer: PEER, message }.relays();
            relays.map(|relays| relays.iter().map(|relay| relay.peer_address()).collect::<Vec<_>>())
        };
        let Ok(nest) = Nest::walk(&octets) else {
            prop_assert_eq!(relays(&octets), Err(Malformed::Depth));
            return Ok(());
        };
        let want: Vec<_> = nest.relays().map(|relay| relay.peer_address()).collect();
        let without = nest.without_message().unwrap();
        prop_assert_eq!(without.len(), octets.len() - nest.message().len() - 4);
        prop_assert_eq!(relays(&octets), Ok(want.clone()));
        prop_assert_eq!(relays(&without), Ok(want));
    }

    /// No octets make the reader panic.
    #[test]
    fn reading_never_panics(octets in prop_oneof![octets(), message(), any_answer(), damaged(any_answer())]) {
        let Ok(answer) = LeaseAnswer::parse(&octets) else { return Ok(()) };
        for relay in answer.clients.iter().filter_map(|client| client.relay) {
            let _ = relay.relays();
        }
    }
}
