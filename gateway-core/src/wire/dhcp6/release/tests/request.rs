//! What a server accepts and what it discards.

use super::*;
use crate::wire::dhcp6::{Binding, Builder, IaKind, Malformed, code};

/// A request with everything, of which `leave` is left out or `add` put in.
fn build(leave: &[u16], clients: &[&dyn Fn(&mut Builder)]) -> Vec<u8> {
    let mut out = Builder::message(240, XID);
    for (code, duid) in [(code::SERVER_ID, server()), (code::RELAY_ID, relay())] {
        if !leave.contains(&code) {
            out.duid(code, duid.as_duid());
        }
    }
    for fill in clients {
        out.nest(code::CLIENT_DATA, &[], |out| fill(out));
    }
    out.finish().unwrap()
}

fn named(number: u16) -> impl Fn(&mut Builder) {
    move |out: &mut Builder| {
        out.duid(code::CLIENT_ID, client(number).as_duid());
    }
}

fn refused(octets: &[u8]) -> RequestRefused {
    ReleaseRequest::parse_for(server().as_duid(), octets, types()).unwrap_err()
}

/// No relay-id. RR-22, RR-34, RR-44
#[test]
fn without_a_relay_id() {
    assert_eq!(refused(&build(&[code::RELAY_ID], &[&named(1)])), RequestRefused::NoRelayId);
}

/// No client. RR-13, RR-35, RR-44
#[test]
fn without_a_client() {
    assert_eq!(refused(&build(&[], &[])), RequestRefused::NoClientData);
}

/// One client of several without a client-id. RR-16, RR-36, RR-44
#[test]
fn a_client_without_a_client_id() {
    let nameless = |out: &mut Builder| {
        out.ia(IaKind::Na, 1, [0, 0], |_| {});
    };
    assert_eq!(refused(&build(&[], &[&named(1), &nameless])), RequestRefused::NoClientId { at: 50 });
}

/// No server-id, and another server's. A relay that only passes it on does not mind whose it is. RR-14, RR-37, RR-44
#[test]
fn another_servers() {
    assert_eq!(refused(&build(&[code::SERVER_ID], &[&named(1)])), RequestRefused::NoServerId);
    let octets = build(&[], &[&named(1)]);
    let foreign = ReleaseRequest::parse_for(relay().as_duid(), &octets, types());
    assert_eq!(foreign, Err(RequestRefused::ForeignServerId));
    assert_eq!(ReleaseRequest::parse(&octets, types()).unwrap().server_id, server().as_duid());
}

/// Other types, cut headers, repeated names, options that lie. RR-44
#[test]
fn no_request() {
    let good = build(&[], &[&named(1)]);
    assert_eq!(refused(&[]), RequestRefused::Malformed(Malformed::Short { length: 0, least: 4 }));
    assert_eq!(refused(&good[..good.len() - 1]), Malformed::CutOption { code: 45, at: 32 }.into());
    for kind in [8, 12, 241] {
        let mut other = good.clone();
        other[0] = kind;
        assert_eq!(refused(&other), RequestRefused::Kind(kind));
    }
    let own = ReleaseTypes::new(100, 101).unwrap();
    assert_eq!(ReleaseRequest::parse(&good, own), Err(RequestRefused::Kind(240)));
    let twice = |out: &mut Builder| {
        named(1)(out);
        named(2)(out);
    };
    assert_eq!(refused(&build(&[], &[&twice])), Malformed::Repeated { code: 1, at: 50 }.into());
    let server_twice = [&good[..18], &good[4..]].concat();
    assert_eq!(refused(&server_twice), Malformed::Repeated { code: 2, at: 18 }.into());
}

/// Two IAs of one kind with one IAID in a client.
#[test]
fn two_ias_with_one_iaid() {
    let twice = |out: &mut Builder| {
        named(1)(out);
        out.ia(IaKind::Pd, 7, [0, 0], |_| {}).ia(IaKind::Na, 7, [0, 0], |_| {}).ia(IaKind::Pd, 7, [0, 0], |_| {});
    };
    let error = Malformed::DuplicateIaid { kind: IaKind::Pd, iaid: 7, at: 82 };
    assert_eq!(refused(&build(&[], &[&twice])), error.into());
}

/// A client without IAs loses everything; with an IA, a bare address or a bare prefix, that; IA_TA is read though we never
/// send one. RR-18, RR-19, H-RR-1, H-RR-2, H-RR-20
#[test]
fn what_a_client_loses() {
    let (address, prefix) = (addresses(0, 1).bindings()[0], prefixes(0, 1).bindings()[0]);
    let temporary = |out: &mut Builder| {
        named(2)(out);
        out.ia(IaKind::Ta, 5, [0, 0], |out| {
            out.lease(address, [0, 0], |_| {});
        });
    };
    let bare = |out: &mut Builder| {
        named(3)(out);
        out.lease(address, [0, 0], |_| {}).lease(prefix, [0, 0], |_| {});
    };
    let octets = build(&[], &[&named(1), &temporary, &bare]);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let [first, second, third] = &request.clients[..] else { panic!("three clients") };
    assert!(first.everything() && !second.everything() && !third.everything());
    assert_eq!((second.ias[0].kind, second.ias[0].iaid), (IaKind::Ta, 5));
    assert_eq!(second.ias[0].leases().next().unwrap().binding, address);
    assert_eq!(third.bare.iter().map(|lease| lease.binding).collect::<Vec<_>>(), [address, prefix]);
    assert!(matches!((address, prefix), (Binding::Address(_), Binding::Prefix(_))));
}

/// What a later sort of IA (here IA_LL, RFC 8947) lists must not be taken for "everything".
#[test]
fn content_that_nobody_understands() {
    let strange = |out: &mut Builder| {
        named(1)(out);
        out.option(138, &[0; 12]);
    };
    assert_eq!(refused(&build(&[], &[&strange])), RequestRefused::Content { code: 138, at: 50 });
    let beside = |out: &mut Builder| {
        strange(out);
        out.ia(IaKind::Na, 1, [0, 0], |_| {});
    };
    let octets = build(&[], &[&beside]);
    assert_eq!(ReleaseRequest::parse(&octets, types()).unwrap().clients[0].ias.len(), 1);
}

/// The interface-id of all, and of one that differs. RR-15, RR-20, H-RR-3
#[test]
fn interface_ids() {
    let (server, relay, clients) = (server(), relay(), [client(1), client(2), client(3)]);
    let on =
        |number: usize, interface_id| ReleaseClient { client_id: clients[number].as_duid(), interface_id, ias: vec![] };
    let head = ReleaseHead { interface_id: Some(b"eth0"), ..head(&server, &relay) };
    let asked = [on(0, Some(&b"eth0"[..])), on(1, Some(&b"eth1"[..])), on(2, None)];
    let octets = pack(head, Budget::over_hops(0, 0), &mut asked.into_iter().peekable()).message.unwrap();
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    assert_eq!(request.interface_id, Some(&b"eth0"[..]));
    let of_clients: Vec<_> = request.clients.iter().map(|client| client.interface_id).collect();
    assert_eq!(of_clients, [None, Some(&b"eth1"[..]), None]);
}

/// A client that is listed twice is there twice, in the request's order. H-RR-9
#[test]
fn a_client_twice() {
    let octets = build(&[], &[&named(2), &named(1), &named(2)]);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let names: Vec<_> = request.clients.iter().map(|client| client.client_id.to_owned()).collect();
    assert_eq!(names, [client(2), client(1), client(2)]);
}
