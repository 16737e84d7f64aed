//! Batches.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::dhcp6::{Binding, Nest, Prefix, arbitrary, relay_forward, status};

const ANY: core::net::Ipv6Addr = core::net::Ipv6Addr::UNSPECIFIED;

/// How many of 200 clients with DUIDs of ten octets fit a message over one hop.
fn fitting(ias: impl Fn(u16) -> Vec<ReleaseIa>) -> usize {
    let (server, relay) = (server(), relay());
    let ids: Vec<_> = (0..200).map(client).collect();
    let clients = (0..200).zip(&ids).map(|(number, id)| releasing(id.as_duid(), ias(number)));
    pack(head(&server, &relay), Budget::over_hops(1, 0), &mut clients.peekable()).clients.len()
}

/// The figures of the reference: bound by the reply without IAs, by the request with them. H-RR-10
#[test]
fn as_many_as_fit() {
    assert_eq!(Budget::over_hops(1, 0), Budget { request: 1194, reply: 1194 });
    assert_eq!(fitting(|_| vec![]), 48);
    assert_eq!(fitting(|number| vec![addresses(1, number)]), 18);
    assert_eq!(fitting(|number| vec![addresses(1, number), prefixes(1, number)]), 10);
    assert_eq!(Budget::over_hops(3, 20), Budget { request: 1098, reply: 1098 });
    assert_eq!(Budget::over_hops(usize::MAX, usize::MAX), Budget { request: 0, reply: 0 });
}

/// A client that no message can hold does not hold up the others; one that is in already waits for the next. H-RR-9, H-RR-10
#[test]
fn what_does_not_fit() {
    let (server, relay, ids) = (server(), relay(), [client(1), client(2), client(3)]);
    let large = releasing(ids[1].as_duid(), (0..40).map(|iaid| addresses(iaid, 1)).collect());
    let plain = |number: usize, iaid| releasing(ids[number].as_duid(), vec![addresses(iaid, 1)]);
    let clients = vec![plain(0, 1), large.clone(), plain(2, 1), plain(0, 2), plain(1, 1)];
    let mut clients = clients.into_iter().peekable();
    let first = pack(head(&server, &relay), Budget::over_hops(1, 0), &mut clients);
    assert_eq!((first.clients, first.oversized), (vec![plain(0, 1), plain(2, 1)], vec![large]));
    let second = pack(head(&server, &relay), Budget::over_hops(1, 0), &mut clients);
    assert_eq!((second.clients, second.oversized), (vec![plain(0, 2), plain(1, 1)], vec![]));
    let third = pack(head(&server, &relay), Budget::over_hops(1, 0), &mut clients);
    assert_eq!((third.message, third.clients, third.oversized), (None, vec![], vec![]));
}

/// No budget holds anything: everybody is told to be too large, and there is no message without clients. RR-13
#[test]
fn no_room_at_all() {
    let (server, relay, id) = (server(), relay(), client(1));
    let mut clients = [releasing(id.as_duid(), vec![])].into_iter().peekable();
    let packed = pack(head(&server, &relay), Budget { request: 40, reply: 40 }, &mut clients);
    assert_eq!((packed.message, packed.oversized.len()), (None, 1));
    let endless = vec![0; 70_000];
    let head = ReleaseHead { interface_id: Some(&endless), ..head(&server, &relay) };
    let mut batch = Batch::new(head, Budget { request: usize::MAX, reply: usize::MAX });
    assert_eq!(batch.push(&releasing(id.as_duid(), vec![])), Push::Oversized);
    assert_eq!(batch.finish(), None);
}

/// A request that is sent again differs in nothing but its elapsed time. RR-21, H-RR-6
#[test]
fn sent_again() {
    let (server, relay, id) = (server(), relay(), client(1));
    let build = |elapsed| {
        let head = ReleaseHead { elapsed, ..head(&server, &relay) };
        let clients = [releasing(id.as_duid(), vec![addresses(1, 1)])];
        pack(head, Budget::over_hops(1, 0), &mut clients.into_iter().peekable()).message.unwrap()
    };
    let mut again = build(0);
    assert!(set_elapsed(&mut again, 100));
    assert_eq!(again, build(100));
    assert_eq!(ReleaseRequest::parse(&again, types()).unwrap().elapsed, Some(100));
    for without in
        [&mut [][..], &mut [240, 0, 0, 0], &mut [240, 0, 0, 0, 0, 8, 0, 1, 0], &mut [240, 0, 0, 0, 0, 8, 0, 2, 0]]
    {
        assert!(!set_elapsed(without, 1));
    }
}

/// Clients with DUIDs and IAs of every size.
fn clients() -> impl Strategy<Value = Vec<(DuidBuf, Vec<ReleaseIa>)>> {
    let address = (any::<u32>(), vec(any::<u128>(), 0..4)).prop_map(|(iaid, addresses)| ReleaseIa::Addresses {
        iaid,
        addresses: addresses.into_iter().map(core::net::Ipv6Addr::from_bits).collect(),
    });
    let prefix = (any::<u32>(), vec((any::<u128>(), 0u8..=128), 0..4)).prop_map(|(iaid, prefixes)| {
        let prefix = |(bits, length)| Prefix::new(core::net::Ipv6Addr::from_bits(bits), length).unwrap();
        ReleaseIa::Prefixes { iaid, prefixes: prefixes.into_iter().map(prefix).collect() }
    });
    let bare = (any::<u128>(), prop::option::of(0u8..=128)).prop_map(|(bits, length)| {
        let address = core::net::Ipv6Addr::from_bits(bits);
        let prefix = |length| Binding::Prefix(Prefix::new(address, length).unwrap());
        ReleaseIa::Bare(length.map_or(Binding::Address(address), prefix))
    });
    vec((arbitrary::duid(), vec(prop_oneof![address, prefix, bare], 0..4)), 1..80)
}

proptest! {
    /// Every client is released once, in order, or told to be too large; no message and no reply to it breaks the budget,
    /// whatever the server says of every IA; and the server reads what was meant. H-RR-10
    #[test]
    fn batches(clients in clients(), hops in 0usize..4, interface_id in proptest::option::of(vec(any::<u8>(), 0..40))) {
        let (server, relay) = (server(), relay());
        let head = ReleaseHead { interface_id: interface_id.as_deref(), ..head(&server, &relay) };
        let budget = Budget::over_hops(hops, 0);
        let all: Vec<_> = clients.iter().map(|(id, ias)| {
            let mut names = Vec::new();
            let name = |ia: &ReleaseIa| (ia.name(), ia.name().is_none().then(|| ia.bindings()));
            let once = ias.iter().filter(|ia| !names.contains(&name(ia)) && { names.push(name(ia)); true });
            releasing(id.as_duid(), once.cloned().collect())
        }).collect();
        let mut left = all.iter().cloned().peekable();
        let (mut seen, mut rounds) = (Vec::new(), 0);
        while left.peek().is_some() {
            let packed = pack(head, budget, &mut left);
            prop_assert!(packed.clients.len() + packed.oversized.len() > 0, "it would go on for ever");
            rounds += 1;
            prop_assert!(rounds <= all.len());
            seen.extend(packed.oversized.iter().cloned());
            seen.extend(packed.clients.iter().cloned());
            let Some(message) = packed.message else { continue };
            prop_assert!(message.len() <= budget.request);
            let wrapped = (0..hops).fold(message.clone(), |inner, _| relay_forward(&inner, ANY, ANY, &[]).unwrap());
            prop_assert!(wrapped.len() <= Budget::UDP_PAYLOAD);
            let request = ReleaseRequest::parse_for(server.as_duid(), &message, types()).unwrap();
            prop_assert_eq!(request.interface_id, interface_id.as_deref());
            prop_assert_eq!(request.clients.len(), packed.clients.len());
            let mut worst = ReleaseAnswer::to(&request, types());
            for (read, meant) in request.clients.iter().zip(&packed.clients) {
                prop_assert_eq!(read.client_id, meant.client_id);
                prop_assert_eq!(read.everything(), meant.ias.is_empty());
                let listed: Vec<_> = read.ias.iter().map(|ia| {
                    ((ia.kind, ia.iaid), ia.leases().map(|lease| lease.binding).collect::<Vec<_>>())
                }).collect();
                let want: Vec<_> = meant.ias.iter().filter_map(|ia| Some((ia.name()?, ia.bindings()))).collect();
                prop_assert_eq!(&listed, &want);
                let bare: Vec<_> = read.bare.iter().map(|lease| lease.binding).collect();
                let nameless = meant.ias.iter().filter(|ia| ia.name().is_none());
                prop_assert_eq!(&bare, &nameless.flat_map(ReleaseIa::bindings).collect::<Vec<_>>());
                let failed = |code| Verdict::new(code);
                let parts = listed.iter().map(|((kind, iaid), _)| Part::Ia(*kind, *iaid));
                let parts = parts.chain(bare.into_iter().map(Part::Bare)).map(|part| (part, failed(status::NO_BINDING)));
                let whole = if meant.ias.is_empty() { failed(status::UNSPEC_FAIL) } else { Verdict::SUCCESS };
                worst.clients.push(ClientAnswer { client_id: read.client_id, whole, parts: parts.collect() });
            }
            let reply = worst.encode(usize::MAX);
            prop_assert!(reply.len() <= budget.reply, "{} > {}", reply.len(), budget.reply);
            if hops > 0 {
                let back = Nest::walk(&wrapped).unwrap().reply(&reply).unwrap();
                prop_assert!(back.len() <= Budget::UDP_PAYLOAD);
            }
        }
        let key = |client: &ReleaseClient<'_>| (client.client_id.to_owned(), client.ias.len());
        let (mut seen, mut all): (Vec<_>, Vec<_>) = (seen.iter().map(key).collect(), all.iter().map(key).collect());
        seen.sort();
        all.sort();
        prop_assert_eq!(seen, all);
    }
}
