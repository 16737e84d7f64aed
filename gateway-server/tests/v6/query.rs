//! Leasequery over UDP: RFC 5007.

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::leasequery::{By, LeaseAnswer, Question};
use gateway_core::wire::dhcp6::{Binding, DuidBuf, IaKind, code, kind, relay_forward, status};

use crate::lab::*;

fn ask(lab: &mut Lab, by: By<'_>, link: std::net::Ipv6Addr) -> Option<Reply> {
    let question = Question { by, link, requested: vec![code::LQ_RELAY_DATA] };
    lab.send(RELAY, &question.message(XID, relay_id().as_duid(), Some(server_id().as_duid())).unwrap())
}

const ANY: std::net::Ipv6Addr = std::net::Ipv6Addr::UNSPECIFIED;

/// RFC 5007 sections 4.3.1 to 4.3.3: whose an address is, also one within a prefix; what is left of it, how long ago, and
/// through which relays.
#[test]
fn by_address_and_by_client() {
    let mut lab = Lab::new(config());
    let client = cpe(1);
    let (na, pd) = lab.dual(&client);
    lab.wait(Duration::from_secs(600));
    let Binding::Address(address) = na else { unreachable!("an address") };
    let inside = "2001:db8:100:42::1".parse().unwrap();
    for by in [By::Address(address), By::Address(inside), By::ClientId(client.duid.as_duid())] {
        let reply = ask(&mut lab, by, ANY).unwrap();
        assert_eq!((reply.kind(), reply.to.port()), (kind::LEASEQUERY_REPLY, 546));
        let answer = LeaseAnswer::parse(&reply.inner).unwrap();
        assert!(answer.answers(XID, relay_id().as_duid()));
        let told = &answer.clients[0];
        assert_eq!(told.client_id, Some(client.duid.as_duid()));
        assert_eq!(told.leases.iter().map(|lease| lease.binding).collect::<Vec<_>>(), [na, pd]);
        assert!(told.leases.iter().all(|lease| (lease.preferred, lease.valid) == (3000, 6600)));
        assert_eq!(told.since, Some(600));
        let relays = told.relay.unwrap().relays().unwrap();
        assert_eq!(relays[0].interface_id().unwrap(), Some(&b"ge-0/0/1"[..]));
        assert_eq!(relays[0].relay_id().unwrap(), Some(relay_id().as_duid()));
    }
    lab.rest(Duration::from_secs(7000));
    let reply = ask(&mut lab, By::Address(address), ANY).unwrap();
    assert!(LeaseAnswer::parse(&reply.inner).unwrap().clients.is_empty(), "over");
    assert_eq!(reply.status(), status::SUCCESS);
}

/// RFC 5007 section 4.1.2.5: a client on two links is asked about link by link.
#[test]
fn on_two_links() {
    let mut lab = Lab::new(config());
    let there = Cpe { link: OTHER_LINK, ..cpe(1) };
    lab.login(&cpe(1), &[(IaKind::Na, 1)]);
    let other = lab.login(&there, &[(IaKind::Na, 1)])[0].unwrap();
    let duid = cpe(1).duid;
    let reply = ask(&mut lab, By::ClientId(duid.as_duid()), ANY).unwrap();
    let answer = LeaseAnswer::parse(&reply.inner).unwrap();
    assert_eq!((answer.links, answer.clients.len()), (vec![LINK, OTHER_LINK], 0));
    let reply = ask(&mut lab, By::ClientId(duid.as_duid()), OTHER_LINK).unwrap();
    let answer = LeaseAnswer::parse(&reply.inner).unwrap();
    assert_eq!(answer.clients[0].leases[0].binding, other);
}

/// RFC 5007 section 4.3, RFC 5460 section 5.3: who may not ask, links that are not known, bulk queries over UDP, another
/// server's; a subscriber learns nothing.
#[test]
fn refused() {
    let mut lab = Lab::new(config());
    let duid = cpe(1).duid;
    let by = By::ClientId(duid.as_duid());
    assert_eq!(ask(&mut lab, by, "2001:db8:77::1".parse().unwrap()).unwrap().status(), status::NOT_CONFIGURED);
    assert_eq!(ask(&mut lab, By::LinkAddress, LINK).unwrap().status(), status::NOT_ALLOWED);
    let question = Question { by, link: ANY, requested: Vec::new() };
    let message = question.message(XID, relay_id().as_duid(), None).unwrap();
    assert!(lab.send(RELAY, &cpe(1).relayed(&message)).is_none(), "from a link-local address");
    let other = DuidBuf::link_layer([3; 6]);
    let foreign = question.message(XID, relay_id().as_duid(), Some(other.as_duid())).unwrap();
    assert!(lab.send(RELAY, &foreign).is_none());
    let mut unknown = message.clone();
    let at = unknown.windows(2).position(|code| code == [0, 44]).unwrap();
    unknown[at + 4] = 77;
    assert_eq!(lab.send(RELAY, &unknown).unwrap().status(), status::UNKNOWN_QUERY_TYPE);
}

/// RFC 5007, RFC 5460, security considerations: only who is named may ask, and only by datagrams of its own or of another
/// that is named: a peer-address is what the sender says of itself. Nobody is named by an empty list.
#[test]
fn who_may_ask() {
    let mut lab = Lab::new(config());
    let duid = cpe(1).duid;
    let question = Question { by: By::ClientId(duid.as_duid()), link: ANY, requested: Vec::new() };
    let bare = question.message(XID, relay_id().as_duid(), None).unwrap();
    let wrapped = |peer| relay_forward(&bare, LINK, peer, &[]).unwrap();
    let (own, others, allowed, refused) = (wrapped(RELAY), wrapped(OTHER_RELAY), status::SUCCESS, status::NOT_ALLOWED);
    for (named, [by_bare, by_own, by_others]) in [
        (vec![], [refused, refused, refused]),
        (vec![OTHER_RELAY], [refused, refused, refused]),
        (vec![RELAY], [allowed, allowed, refused]),
        (vec![RELAY, OTHER_RELAY], [allowed, allowed, allowed]),
    ] {
        lab.config.leasequery.requestors = named.clone();
        lab.crash();
        for (octets, expected) in [(&bare, by_bare), (&own, by_own), (&others, by_others)] {
            assert_eq!(lab.send(RELAY, octets).unwrap().status(), expected, "{named:?}");
        }
    }
}
