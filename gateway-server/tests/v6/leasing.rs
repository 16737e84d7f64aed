//! SOLICIT, REQUEST, CONFIRM, DECLINE, INFORMATION-REQUEST: RFC 8415 section 18.3.

use std::net::Ipv6Addr;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::{Builder, DuidBuf, IaKind, code, kind, relay_forward, status};
use gateway_server::v6::Command;

use crate::lab::*;

const NA: IaKind = IaKind::Na;
const PD: IaKind = IaKind::Pd;

/// RFC 8415 sections 18.3.1, 18.3.2: an address and a prefix with lifetimes, T1 and T2, DNS; durable before the REPLY.
#[test]
fn address_and_prefix() {
    let mut lab = Lab::new(config());
    let client = cpe(1);
    let offer = lab.ask(&client, kind::SOLICIT, &[(NA, 1, &[]), (PD, 7, &[])]).unwrap();
    assert_eq!((offer.kind(), lab.written, lab.active()), (kind::ADVERTISE, 0, 0), "an offer is no lease");
    // The first of the pool is the Subnet-Router anycast address, which nobody gets.
    assert_eq!(offer.ia(NA, 1).0, [(address("2001:db8:1::1"), [3600, 7200])]);
    assert_eq!(offer.ia(PD, 7).0, [(delegated("2001:db8:100::/56"), [3600, 7200])]);

    let (na, pd) = (offer.lease(NA, 1).unwrap(), offer.lease(PD, 7).unwrap());
    let reply = lab.ask(&client, kind::REQUEST, &[(NA, 1, &[na]), (PD, 7, &[pd])]).unwrap();
    assert_eq!((reply.kind(), lab.written, lab.active()), (kind::REPLY, 2, 2));
    assert_eq!((reply.lease(NA, 1), reply.lease(PD, 7)), (Some(na), Some(pd)));
    let message = reply.message();
    assert_eq!(message.xid(), XID);
    assert_eq!(message.client_id().unwrap(), Some(client.duid.as_duid()));
    assert_eq!(message.server_id().unwrap(), Some(server_id().as_duid()));
    assert!(message.ias().unwrap().iter().all(|ia| (ia.t1, ia.t2) == (1800, 2880)));
    assert_eq!(message.options().find(code::DNS_SERVERS).unwrap().value, DNS.octets());
    // RFC 8415 section 19.3: back to the relay with what it needs to find the client.
    assert_eq!((*reply.to.ip(), reply.to.port()), (RELAY, 547));
    assert_eq!(reply.octets[0], kind::RELAY_REPL);
    lab.crash();
    assert_eq!(lab.active(), 2);
    let again = lab.ask(&client, kind::REQUEST, &[(NA, 1, &[]), (PD, 7, &[])]).unwrap();
    assert_eq!((again.lease(NA, 1), again.lease(PD, 7)), (Some(na), Some(pd)), "the same after a restart");
}

/// RFC 8415 section 18.3.1: rapid commit, where the subnet allows it.
#[test]
fn rapid_commit() {
    let mut lab = Lab::new(config());
    let solicit = cpe(1).message(kind::SOLICIT, &[(NA, 1, &[])], |out| {
        out.option(code::RAPID_COMMIT, &[]);
    });
    let reply = lab.send(RELAY, &cpe(1).relayed(&solicit)).unwrap();
    assert_eq!((reply.kind(), lab.written, lab.active()), (kind::REPLY, 1, 1));
    assert!(reply.message().rapid_commit().unwrap());
    lab.config.subnets[0].rapid_commit = false;
    lab.crash();
    let reply = lab.send(RELAY, &cpe(1).relayed(&solicit)).unwrap();
    assert_eq!(reply.kind(), kind::ADVERTISE);
    assert!(!reply.message().rapid_commit().unwrap());
}

/// RFC 8415 section 18.3.9, NoAddrsAvail and NoPrefixAvail per IA; an offer lapses, a lease ends, and both are free again.
#[test]
fn nothing_left() {
    let mut lab = Lab::new(config());
    for number in 0..8 {
        assert!(lab.login(&cpe(number), &[(NA, 1)])[0].is_some());
    }
    for number in 0..12 {
        assert!(lab.login(&cpe(number), &[(PD, 1)])[0].is_some(), "eight /56 and four /60");
    }
    let offer = lab.ask(&cpe(99), kind::SOLICIT, &[(NA, 1, &[]), (PD, 1, &[])]).unwrap();
    assert_eq!(offer.ia(NA, 1), (vec![], status::NO_ADDRS_AVAIL));
    assert_eq!(offer.ia(PD, 1), (vec![], status::NO_PREFIX_AVAIL));
    assert_eq!(lab.server.status().counters.exhausted, 2);
    lab.wait(Duration::from_secs(7201)); // nobody had time to tidy up
    assert!(lab.login(&cpe(99), &[(NA, 1), (PD, 1)]).iter().all(Option::is_some));
    lab.rest(Duration::from_secs(1));
    assert_eq!(lab.active(), 2);
}

/// RFC 8168 section 3.2: a length that is asked for is had where there is one, a prefix that is asked for when it is
/// free; else the next best.
#[test]
fn hints() {
    let mut lab = Lab::new(config());
    let mut ask = |number, hint| {
        let hint = [delegated(hint)];
        lab.ask(&cpe(number), kind::SOLICIT, &[(PD, 1, &hint)]).unwrap().lease(PD, 1).unwrap()
    };
    assert_eq!(ask(1, "::/60"), delegated("2001:db8:100:8000::/60"));
    assert_eq!(ask(2, "::/56"), delegated("2001:db8:100::/56"));
    assert_eq!(ask(3, "::/62"), delegated("2001:db8:100:8010::/60"), "larger rather than smaller");
    assert_eq!(ask(4, "::/48"), delegated("2001:db8:100:100::/56"), "nothing is larger: the largest");
    assert_eq!(ask(5, "2001:db8:100:500::/56"), delegated("2001:db8:100:500::/56"));
    assert_ne!(ask(6, "2001:db8:100:500::/56"), delegated("2001:db8:100:500::/56"), "somebody's");
    assert_eq!(ask(7, "2001:db8:100:500::/60"), delegated("2001:db8:100:8020::/60"), "within somebody's");
    let named = [address("2001:db8:1::5")];
    assert_eq!(lab.ask(&cpe(8), kind::SOLICIT, &[(NA, 1, &named)]).unwrap().lease(NA, 1), Some(named[0]));
}

/// RFC 8415 section 18.3.2: NotOnLink for an address of another link; the other IA is not concerned.
#[test]
fn not_on_link() {
    let mut lab = Lab::new(config());
    let foreign = [address("2001:db8:2::1")];
    let reply = lab.ask(&cpe(1), kind::REQUEST, &[(NA, 1, &foreign), (PD, 1, &[])]).unwrap();
    assert_eq!(reply.ia(NA, 1), (vec![], status::NOT_ON_LINK));
    assert!(reply.lease(PD, 1).is_some());
}

/// IA_TA is understood, and told that there is none. H-RR-20
#[test]
fn temporary_addresses() {
    let mut lab = Lab::new(config());
    for (kind, expected) in [
        (kind::SOLICIT, status::NO_ADDRS_AVAIL),
        (kind::REQUEST, status::NO_ADDRS_AVAIL),
        (kind::RENEW, status::NO_BINDING),
        (kind::RELEASE, status::NO_BINDING),
    ] {
        let reply = lab.ask(&cpe(1), kind, &[(IaKind::Ta, 5, &[])]).unwrap();
        assert_eq!(reply.ia(IaKind::Ta, 5), (vec![], expected), "message type {kind}");
    }
}

/// RFC 8415 section 13.1: the innermost relay that names a link decides, through an LDRA that names none and relays
/// above that name others; the answer goes back through all of them.
#[test]
fn relays_of_relays() {
    let mut lab = Lab::new(config());
    let client = Cpe { link: Ipv6Addr::UNSPECIFIED, ..cpe(1) };
    let ldra = client.relayed(&client.message(kind::SOLICIT, &[(NA, 1, &[])], |_| {}));
    let first = relay_forward(&ldra, OTHER_LINK, "fe80::9".parse().unwrap(), &[]).unwrap();
    let second = relay_forward(&first, LINK, OTHER_RELAY, &[(code::INTERFACE_ID, b"up")]).unwrap();
    let reply = lab.send(RELAY, &second).unwrap();
    assert_eq!(reply.lease(NA, 1), Some(address("2001:db8:2::1")));
    assert_eq!(reply.octets[..2], [kind::RELAY_REPL, 2]);
    let mut deep = first;
    for _ in 0..8 {
        deep = [&Builder::relay(kind::RELAY_FORW, 3, LINK, RELAY).finish().unwrap()[..], &wrap(&deep)].concat();
    }
    assert!(lab.send(RELAY, &deep).is_none(), "deeper than hop counts allow");
    assert_eq!(lab.server.status().counters.malformed, 1);
}

fn wrap(message: &[u8]) -> Vec<u8> {
    Builder::options().option(code::RELAY_MSG, message).finish().unwrap()
}

/// RFC 8415 section 18.3.3: about the link and nothing else; silence when the link is not known.
#[test]
fn confirm() {
    let mut lab = Lab::new(config());
    let mut ask = |cpe: &Cpe, of: &str| {
        lab.ask(cpe, kind::CONFIRM, &[(NA, 1, &[address(of)])]).map(|reply| (reply.kind(), reply.status()))
    };
    assert_eq!(ask(&cpe(1), "2001:db8:1::77"), Some((kind::REPLY, status::SUCCESS)));
    assert_eq!(ask(&cpe(1), "2001:db8:2::1"), Some((kind::REPLY, status::NOT_ON_LINK)));
    let elsewhere = Cpe { link: "2001:db8:77::1".parse().unwrap(), ..cpe(1) };
    assert_eq!(ask(&elsewhere, "2001:db8:1::1"), None);
    assert!(lab.ask(&cpe(1), kind::CONFIRM, &[(NA, 1, &[])]).is_none());
}

/// RFC 8415 section 18.3.8: a declined address rests, over a restart too.
#[test]
fn decline() {
    let mut lab = Lab::new(config());
    let (na, _) = lab.dual(&cpe(1));
    let reply = lab.ask(&cpe(2), kind::DECLINE, &[(NA, 1, &[na])]).unwrap();
    assert_eq!((reply.status(), reply.ia(NA, 1).1), (status::SUCCESS, status::NO_BINDING), "not the one who has it");
    let reply = lab.ask(&cpe(1), kind::DECLINE, &[(NA, 1, &[na])]).unwrap();
    assert_eq!((reply.status(), reply.message().ias().unwrap().len(), lab.written), (status::SUCCESS, 0, 1));
    lab.crash();
    for number in 10..17 {
        assert_ne!(lab.login(&cpe(number), &[(NA, 1)])[0].unwrap(), na);
    }
    assert_eq!(lab.ask(&cpe(20), kind::SOLICIT, &[(NA, 1, &[])]).unwrap().lease(NA, 1), None);
    lab.rest(Duration::from_secs(3601));
    assert_eq!(lab.ask(&cpe(20), kind::SOLICIT, &[(NA, 1, &[])]).unwrap().lease(NA, 1), Some(na));
}

/// RFC 8415 sections 18.2.8, 18.3.8: prefixes are not declined. They stay their client's and count among
/// what it may have.
#[test]
fn a_declined_prefix() {
    let mut lab = Lab::new(config());
    lab.config.max_leases_per_client = 2;
    lab.crash();
    let (na, pd) = lab.dual(&cpe(1));
    let reply = lab.ask(&cpe(1), kind::DECLINE, &[(PD, 1, &[pd])]).unwrap();
    assert_eq!((reply.status(), reply.message().ias().unwrap().len()), (status::SUCCESS, 0));
    assert_eq!((lab.written, lab.active()), (0, 2));
    let more = lab.ask(&cpe(1), kind::SOLICIT, &[(PD, 2, &[])]).unwrap();
    assert_eq!(more.ia(PD, 2).1, status::NO_PREFIX_AVAIL);
    let reply = lab.ask(&cpe(1), kind::DECLINE, &[(NA, 1, &[na]), (PD, 1, &[pd])]).unwrap();
    assert_eq!((reply.message().ias().unwrap().len(), lab.written, lab.active()), (0, 1, 1), "the address alone");
    lab.crash();
    assert_eq!(lab.ask(&cpe(1), kind::RENEW, &[(PD, 1, &[pd])]).unwrap().lease(PD, 1), Some(pd));
}

/// RFC 8415 sections 16 and 18.4, RFC 9915: clients' messages by unicast are not carried out, wherever they come from.
#[test]
fn without_a_relay() {
    let mut lab = Lab::new(config());
    let (na, pd) = lab.dual(&cpe(1));
    let kinds = [
        kind::SOLICIT,
        kind::REQUEST,
        kind::CONFIRM,
        kind::RENEW,
        kind::REBIND,
        kind::RELEASE,
        kind::DECLINE,
        kind::INFORMATION_REQUEST,
    ];
    let before = lab.disk.clone();
    for source in ["2001:db8:1::1", "2001:db8:77::1", "fe80::1"] {
        for kind in kinds {
            let ias: Ias<'_> = if kind == kind::INFORMATION_REQUEST { &[] } else { &[(NA, 1, &[na]), (PD, 1, &[pd])] };
            let message = cpe(1).message(kind, ias, |_| {});
            assert!(lab.send(source.parse().unwrap(), &message).is_none(), "type {kind} from {source}");
        }
    }
    let release = cpe(1).message(kind::RELEASE, &[(NA, 1, &[na])], |_| {});
    assert!(lab.send(RELAY, &release).is_none(), "from a relay's own address");
    assert_eq!((lab.server.status().counters.unicast, lab.active()), (25, 2));
    assert_eq!(lab.disk, before);
}

/// RFC 8415 section 18.3.6: configuration without a lease.
#[test]
fn information_request() {
    let mut lab = Lab::new(config());
    let ask = |lab: &mut Lab, ias: Ias<'_>| {
        let message = cpe(1).message(kind::INFORMATION_REQUEST, ias, |out| {
            out.requested(&[code::DNS_SERVERS, code::INFORMATION_REFRESH_TIME]);
        });
        lab.send(RELAY, &cpe(1).relayed(&message))
    };
    let reply = ask(&mut lab, &[]).unwrap();
    assert_eq!(reply.kind(), kind::REPLY);
    assert_eq!(reply.message().options().find(code::DNS_SERVERS).unwrap().value, DNS.octets());
    assert_eq!(reply.message().options().u32(code::INFORMATION_REFRESH_TIME).unwrap(), Some(86_400));
    assert!(ask(&mut lab, &[(NA, 1, &[])]).is_none(), "with an IA it is discarded (section 16.12)");
}

/// RFC 8415 section 16: what lacks what its type must have, has what it must not, or is not a server's, is discarded.
#[test]
fn discarded() {
    let mut lab = Lab::new(config());
    let bare = |kind: u8, codes: &[u16]| {
        let mut out = Builder::message(kind, XID);
        for code in codes {
            let id = if *code == code::SERVER_ID { server_id() } else { cpe(1).duid };
            out.duid(*code, id.as_duid());
        }
        out.ia(NA, 1, [0, 0], |_| {});
        cpe(1).relayed(&out.finish().unwrap())
    };
    for (kind, codes) in [
        (kind::SOLICIT, &[code::SERVER_ID][..]),
        (kind::SOLICIT, &[code::CLIENT_ID, code::SERVER_ID]),
        (kind::REQUEST, &[code::CLIENT_ID]),
        (kind::RENEW, &[code::SERVER_ID]),
        (kind::REBIND, &[code::CLIENT_ID, code::SERVER_ID]),
        (kind::RELEASE, &[code::CLIENT_ID]),
        (kind::ADVERTISE, &[code::CLIENT_ID, code::SERVER_ID]),
        (kind::REPLY, &[code::CLIENT_ID, code::SERVER_ID]),
        (99, &[code::CLIENT_ID]),
    ] {
        assert!(lab.send(RELAY, &bare(kind, codes)).is_none(), "type {kind} with {codes:?}");
    }
    assert_eq!(lab.server.status().counters.unexpected, 9);
    // Two IAs of one name, a length that lies.
    let twice = cpe(1).message(kind::SOLICIT, &[(NA, 1, &[]), (NA, 1, &[])], |_| {});
    let mut lies = cpe(1).message(kind::SOLICIT, &[(NA, 1, &[])], |_| {});
    lies.pop();
    for octets in [twice, lies] {
        assert!(lab.send(RELAY, &cpe(1).relayed(&octets)).is_none());
    }
    assert_eq!(lab.server.status().counters.malformed, 2);
    let foreign = Cpe { link: "2001:db8:77::1".parse().unwrap(), ..cpe(1) };
    assert!(lab.ask(&foreign, kind::SOLICIT, &[(NA, 1, &[])]).is_none());
    assert_eq!(lab.server.status().counters.no_subnet, 1);
}

/// A client that chooses another server frees what was advertised to it.
#[test]
fn another_server() {
    let mut lab = Lab::new(config());
    let (first, second) = (cpe(1), cpe(2));
    let offered = lab.ask(&first, kind::SOLICIT, &[(NA, 1, &[])]).unwrap().lease(NA, 1).unwrap();
    let other = DuidBuf::link_layer([9; 6]);
    let message = Builder::message(kind::REQUEST, XID)
        .duid(code::CLIENT_ID, first.duid.as_duid())
        .duid(code::SERVER_ID, other.as_duid())
        .ia(NA, 1, [0, 0], |_| {})
        .finish()
        .unwrap();
    assert!(lab.send(RELAY, &first.relayed(&message)).is_none());
    assert_eq!(lab.ask(&second, kind::SOLICIT, &[(NA, 1, &[offered])]).unwrap().lease(NA, 1), Some(offered));
}

/// One client can't take a pool for itself with ever more IAs.
#[test]
fn leases_of_one_client() {
    let mut lab = Lab::new(config());
    lab.config.max_leases_per_client = 3;
    lab.crash();
    let got: Vec<bool> = (0..6).map(|iaid| lab.login(&cpe(1), &[(NA, iaid)])[0].is_some()).collect();
    assert_eq!(got, [true, true, true, false, false, false]);
    assert!(lab.login(&cpe(2), &[(NA, 1)])[0].is_some());
}

/// A server that runs while its wall clock is set writes its leases anew, so that a restart believes what is meant, as DHCPv4's does.
#[test]
fn a_wall_clock_that_is_set() {
    const MINUTE: Duration = Duration::from_secs(60);
    for forward in [true, false] {
        let mut lab = Lab::new(config());
        let past = lab.dual(&cpe(1));
        lab.rest(121 * MINUTE);
        lab.tidy();
        let (address, prefix) = lab.dual(&cpe(2));
        lab.rest(60 * MINUTE);
        lab.tidy();
        lab.unix = if forward { lab.unix + 90 * MINUTE } else { lab.unix - 90 * MINUTE };
        lab.server.watch_clock(lab.now, lab.unix);
        lab.server.handle_timeout(lab.now, lab.unix);
        while let Some(command) = lab.server.poll_command() {
            let Command::Persist { key, value } = command else { panic!("{command:?}") };
            lab.disk.insert(key, value);
        }
        lab.crash();
        assert_eq!(lab.active(), 2, "{forward}");
        let renewed =
            lab.ask(&cpe(2), kind::RENEW, &[(IaKind::Na, 1, &[address]), (IaKind::Pd, 1, &[prefix])]).unwrap();
        assert_eq!((renewed.lease(IaKind::Na, 1), renewed.lease(IaKind::Pd, 1)), (Some(address), Some(prefix)));
        // What had expired is its client's again, and was nobody's meanwhile.
        assert_eq!(lab.dual(&cpe(1)), past);
    }
}
