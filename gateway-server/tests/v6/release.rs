//! RELEASE-REQUEST: draft-gandhewar-dhc-v6-relay-initiated-release-01, section 4.3.

use std::net::Ipv6Addr;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::release::{
    Batch, Budget, Outcome, Outcomes, ReleaseClient, ReleaseHead, ReleaseIa, ReleaseReply, ReleaseTypes,
};
use gateway_core::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, code, kind, relay_forward, status};
use gateway_server::v6::{Event, Refusal, Refuse, Registered};

use crate::lab::*;

const NA: IaKind = IaKind::Na;
const PD: IaKind = IaKind::Pd;

fn na(iaid: u32, binding: Binding) -> ReleaseIa {
    let Binding::Address(address) = binding else { unreachable!("an address") };
    ReleaseIa::Addresses { iaid, addresses: vec![address] }
}

fn pd(iaid: u32, binding: Binding) -> ReleaseIa {
    let Binding::Prefix(prefix) = binding else { unreachable!("a prefix") };
    ReleaseIa::Prefixes { iaid, prefixes: vec![prefix] }
}

fn of(cpe: &Cpe, ias: Vec<ReleaseIa>) -> ReleaseClient<'_> {
    ReleaseClient { client_id: cpe.duid.as_duid(), interface_id: None, ias }
}

/// A request, not yet wrapped, decided `elapsed` hundredths of a second ago.
fn request(relay: &DuidBuf, clients: &[ReleaseClient<'_>], elapsed: u16) -> Vec<u8> {
    let server = server_id();
    let (types, server_id, relay_id) = (ReleaseTypes::default(), server.as_duid(), relay.as_duid());
    let head = ReleaseHead { types, xid: XID, server_id, relay_id, interface_id: None, elapsed };
    let mut batch = Batch::new(head, Budget { request: 60_000, reply: 60_000 });
    for client in clients {
        batch.push(client);
    }
    batch.finish().unwrap()
}

/// As a relay sends it: in a RELAY-FORW of its own, whose peer-address is its own.
fn wrapped(relay: Ipv6Addr, request: &[u8]) -> Vec<u8> {
    relay_forward(request, LINK, relay, &[]).unwrap()
}

fn ask(lab: &mut Lab, clients: &[ReleaseClient<'_>]) -> Reply {
    lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), clients, 0))).expect("an answer")
}

fn outcomes(reply: &Reply, client: &ReleaseClient<'_>) -> Outcomes {
    let types = ReleaseTypes::default();
    ReleaseReply::parse(&reply.inner, types, XID, server_id().as_duid()).unwrap().outcomes(client)
}

fn refusals(lab: &Lab) -> Vec<Refusal> {
    let reasons = lab.events.iter().filter_map(|event| match event {
        Event::ReleaseRefused { reason, .. } => Some(*reason),
        _ => None,
    });
    reasons.collect()
}

/// RR-48, RR-49, RR-50, RR-51, RR-53, RR-54, RR-55: every client and IA is looked at; what was assigned is assignable
/// again, durably; the answer is Success with the server's DUID, and lists what there was nothing of.
#[test]
fn released() {
    let mut lab = Lab::new(config());
    let (one, two, nobody) = (cpe(1), cpe(2), cpe(3));
    let ((na1, pd1), (na2, _)) = (lab.dual(&one), lab.dual(&two));
    let clients = [of(&one, vec![na(1, na1), pd(1, pd1)]), of(&two, vec![na(1, na2), pd(9, pd1)]), of(&nobody, vec![])];
    let reply = ask(&mut lab, &clients);
    assert_eq!((reply.kind(), reply.status(), lab.written), (241, status::SUCCESS, 3));
    assert_eq!(reply.message().server_id().unwrap(), Some(server_id().as_duid()));
    assert_eq!(outcomes(&reply, &clients[0]), Outcomes::Listed(vec![Outcome::Released; 2]));
    assert_eq!(outcomes(&reply, &clients[1]), Outcomes::Listed(vec![Outcome::Released, Outcome::NoBinding]));
    let Outcomes::Everything { rest, except } = outcomes(&reply, &clients[2]) else { panic!("nothing was listed") };
    assert_eq!((rest, except.len()), (Outcome::NoBinding, 0), "at the client's level");
    // RR-52, RR-55: only who something failed for, by name, and nothing in the IA but its status.
    let listed: Vec<_> = reply.message().options().all(code::CLIENT_DATA).collect();
    assert_eq!(listed.len(), 2);
    let (_, options) = listed[0].container::<0>().unwrap();
    assert_eq!(options.duid(code::CLIENT_ID).unwrap(), Some(two.duid.as_duid()));
    let ias = options.ias().unwrap();
    assert_eq!((ias.len(), ias[0].kind, ias[0].iaid, ias[0].options.iter().count()), (1, PD, 9, 1));
    lab.crash();
    assert_eq!(lab.active(), 1, "the second one's prefix");
    assert_eq!(lab.ask(&cpe(7), kind::SOLICIT, &[(NA, 1, &[na1])]).unwrap().lease(NA, 1), Some(na1));
}

/// H-RR-1, H-RR-2, H-RR-9, H-RR-16, RR-19, RR-25: no IA is everything; an IA without leases all of it; bare leases
/// wherever they are; the second of a client is told NoBinding, and so is a repetition; another client's stays.
#[test]
fn forms_of_a_request() {
    let mut lab = Lab::new(config());
    let (one, two) = (cpe(1), cpe(2));
    let (na1, pd1) = lab.dual(&one);
    let (na2, _) = lab.dual(&two);
    let mut message = Builder::message(240, XID);
    message.duid(code::SERVER_ID, server_id().as_duid()).duid(code::RELAY_ID, relay_id().as_duid());
    message.nest(code::CLIENT_DATA, &[], |out| {
        out.duid(code::CLIENT_ID, one.duid.as_duid()).ia(NA, 1, [0, 0], |_| {});
        out.lease(pd1, [0, 0], |_| {}).lease(na2, [0, 0], |_| {});
        out.ia(IaKind::Ta, 3, [0, 0], |_| {}); // H-RR-20
    });
    let reply = lab.send(RELAY, &wrapped(RELAY, &message.finish().unwrap())).unwrap();
    assert_eq!((lab.written, lab.active()), (2, 2), "what is another's stays");
    let data = reply.message().options().find(code::CLIENT_DATA).unwrap();
    let (_, options) = data.container::<0>().unwrap();
    let bare = options.bare_leases().unwrap();
    assert_eq!((bare.len(), bare[0].binding, bare[0].status.unwrap().code), (1, na2, status::NO_BINDING));
    assert_eq!(options.ias().unwrap().iter().map(|ia| ia.kind).collect::<Vec<_>>(), [IaKind::Ta]);

    assert_eq!(lab.dual(&one).0, na1);
    // Batch itself puts nobody in twice.
    let everything = |out: &mut Builder| {
        out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, one.duid.as_duid());
        });
    };
    let mut twice = request(&relay_id(), &[of(&one, vec![])], 0);
    let mut more = Builder::options();
    everything(&mut more);
    twice.extend(more.finish().unwrap());
    for expected in [1, 2] {
        let reply = lab.send(RELAY, &wrapped(RELAY, &twice)).unwrap();
        assert_eq!(reply.message().options().all(code::CLIENT_DATA).count(), expected);
        assert_eq!(
            outcomes(&reply, &of(&one, vec![])),
            Outcomes::Everything { rest: Outcome::NoBinding, except: vec![] }
        );
        assert_eq!(lab.active(), 2);
    }
}

/// H-RR-6: what had a transaction since the relay decided stays, and is told as newer.
#[test]
fn newer_leases() {
    let mut lab = Lab::new(config());
    let (one, two) = (cpe(1), cpe(2));
    let (na1, pd1) = lab.dual(&one);
    let (na2, _) = lab.dual(&two);
    lab.wait(Duration::from_secs(10));
    lab.ask(&one, kind::RENEW, &[(NA, 1, &[na1])]).unwrap();
    lab.wait(Duration::from_millis(3000));
    let clients = [of(&one, vec![na(1, na1), pd(1, pd1)]), of(&two, vec![na(1, na2)])];
    let reply = lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), &clients, 301))).unwrap();
    let kept = Outcome::Kept(status::UNSPEC_FAIL);
    assert_eq!(outcomes(&reply, &clients[0]), Outcomes::Listed(vec![kept, Outcome::Released]));
    assert_eq!(outcomes(&reply, &clients[1]), Outcomes::Listed(vec![Outcome::Released]));
    assert!(reply.inner.windows(5).any(|text| text == b"newer"));
    lab.crash(); // the time of a transaction is on disk
    let everything = [of(&one, vec![])];
    for elapsed in [u16::MAX, 301] {
        let reply = lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), &everything, elapsed))).unwrap();
        assert!(matches!(outcomes(&reply, &everything[0]), Outcomes::Everything { rest, .. } if rest == kept));
    }
    let reply = lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), &everything, 299))).unwrap();
    assert!(matches!(outcomes(&reply, &everything[0]), Outcomes::Everything { rest: Outcome::Released, .. }));
    assert_eq!(lab.active(), 1);
}

/// H-RR-7: the client has moved; the relay that it left has no say any more, unless that is not minded. On disk, too.
#[test]
fn moved_clients() {
    let mut lab = Lab::new(config());
    let there = Cpe { relay: OTHER_RELAY, relay_id: Some(DuidBuf::link_layer([7; 6])), ..cpe(1) };
    let (na1, pd1) = lab.dual(&cpe(1));
    lab.ask(&there, kind::REBIND, &[(NA, 1, &[na1])]).unwrap();
    lab.crash();
    let listed = [of(&there, vec![na(1, na1), pd(1, pd1)])];
    let reply = ask(&mut lab, &listed);
    let moved = Outcome::Kept(status::NOT_ALLOWED);
    assert_eq!(outcomes(&reply, &listed[0]), Outcomes::Listed(vec![moved, Outcome::Released]));
    let reply = ask(&mut lab, &[of(&there, vec![])]);
    assert!(matches!(outcomes(&reply, &of(&there, vec![])), Outcomes::Everything { rest, .. } if rest == moved));
    let untold = Cpe { relay_id: None, ..cpe(2) };
    let (na2, _) = lab.dual(&untold);
    let reply = ask(&mut lab, &[of(&untold, vec![na(1, na2)])]);
    assert_eq!(outcomes(&reply, &of(&untold, vec![na(1, na2)])), Outcomes::Listed(vec![moved]));
    lab.config.release.require_relay_match = false;
    lab.crash();
    ask(&mut lab, &[of(&there, vec![]), of(&untold, vec![])]);
    assert_eq!(lab.active(), 0);
}

/// RR-7, RR-45, RR-46, RR-47, RR-59, RR-61, RR-63: off, an unknown relay, another's DUID: said or not, as configured,
/// and nothing is released.
#[test]
fn policies() {
    let mut lab = Lab::new(config());
    lab.dual(&cpe(1));
    let client = cpe(1);
    let clients = [of(&client, vec![])];
    let good = wrapped(RELAY, &request(&relay_id(), &clients, 0));
    let unknown = wrapped(OTHER_RELAY, &request(&relay_id(), &clients, 0));
    let other_id = wrapped(RELAY, &request(&DuidBuf::link_layer([7; 6]), &clients, 0));
    for refuse in [Refuse::WithStatus, Refuse::Silently] {
        lab.config.release.refuse = refuse;
        for (enabled, octets, status) in [
            (false, &good, status::NOT_CONFIGURED),
            (true, &unknown, status::NOT_ALLOWED),
            (true, &other_id, status::NOT_ALLOWED),
        ] {
            lab.config.release.enabled = enabled;
            lab.crash();
            let said = lab.send(RELAY, octets).map(|reply| reply.status());
            assert_eq!(said, (refuse == Refuse::WithStatus).then_some(status));
            assert_eq!((lab.active(), lab.written), (2, 0));
        }
    }
    assert_eq!(refusals(&lab)[..3], [Refusal::Off, Refusal::Relay, Refusal::RelayId]);
    assert!(lab.send(RELAY, &good).is_some());
    assert_eq!(lab.active(), 0);
}

/// RR-59, RR-63, H-RR-8: addresses in headers are what the sender wrote. Who is no configured relay is refused with
/// those of one, and with the Relay-Id of one; who is, may pass on what another says.
#[test]
fn another_hosts_datagram() {
    let mut lab = Lab::new(config());
    lab.dual(&cpe(1));
    let client = cpe(1);
    let good = wrapped(RELAY, &request(&relay_id(), &[of(&client, vec![])], 0));
    let twice = relay_forward(&good, LINK, RELAY, &[]).unwrap();
    let subscriber = "2001:db8:1::1".parse().unwrap();
    for source in [OTHER_RELAY, subscriber] {
        for octets in [&good, &twice] {
            assert_eq!(lab.send(source, octets).unwrap().status(), status::NOT_ALLOWED);
            let last = lab.events.last().unwrap();
            assert_eq!(*last, Event::ReleaseRefused { peer: source, reason: Refusal::Source });
        }
    }
    assert_eq!((lab.active(), lab.server.status().counters.release_request_refused), (2, 4));
    lab.config.release.relays.push(Registered { address: OTHER_RELAY, relay_id: None });
    lab.crash();
    assert_eq!(lab.send(OTHER_RELAY, &good).unwrap().status(), status::SUCCESS);
    assert_eq!(lab.active(), 0);
}

/// H-RR-8: a client's request, that a legacy relay passed on: the innermost header has the client's link-local address.
/// An outer header of a configured relay makes it no better; a bare message counts by its source.
#[test]
fn a_clients_request() {
    let mut lab = Lab::new(config());
    lab.dual(&cpe(1));
    let client = cpe(1);
    let clients = [of(&client, vec![])];
    let bare = request(&relay_id(), &clients, 0);
    let from_client = cpe(1).relayed(&bare);
    assert!(lab.send(RELAY, &from_client).is_none());
    assert!(lab.send(RELAY, &wrapped(RELAY, &from_client)).is_none());
    assert!(lab.send("fe80::5".parse().unwrap(), &bare).is_none());
    assert_eq!(lab.send(OTHER_RELAY, &bare).unwrap().status(), status::NOT_ALLOWED);
    assert_eq!(
        (refusals(&lab), lab.active()),
        (vec![Refusal::LinkLocal, Refusal::LinkLocal, Refusal::LinkLocal, Refusal::Relay], 2)
    );
    let reply = lab.send(RELAY, &bare).unwrap();
    assert_eq!((reply.to.port(), reply.octets[0], lab.active()), (546, 241, 0));
}

/// RR-34, RR-35, RR-36, RR-37, RR-38, RR-44: incomplete or another server's: no answer. Nor to an answer.
#[test]
fn discarded() {
    let mut lab = Lab::new(config());
    lab.dual(&cpe(1));
    let build = |leave: u16, server: DuidBuf, named: bool| {
        let mut out = Builder::message(240, XID);
        if leave != code::SERVER_ID {
            out.duid(code::SERVER_ID, server.as_duid());
        }
        if leave != code::RELAY_ID {
            out.duid(code::RELAY_ID, relay_id().as_duid());
        }
        if leave != code::CLIENT_DATA {
            out.nest(code::CLIENT_DATA, &[], |out| {
                if named {
                    out.duid(code::CLIENT_ID, cpe(1).duid.as_duid());
                } else {
                    out.ia(NA, 1, [0, 0], |_| {});
                }
            });
        }
        out.finish().unwrap()
    };
    let requests = [
        build(code::RELAY_ID, server_id(), true),
        build(code::CLIENT_DATA, server_id(), true),
        build(0, server_id(), false),
        build(code::SERVER_ID, server_id(), true),
        build(0, relay_id(), true),
    ];
    for request in requests {
        assert!(lab.send(RELAY, &wrapped(RELAY, &request)).is_none());
    }
    assert_eq!(refusals(&lab), [Refusal::Malformed; 5]);
    let mut answer = request(&relay_id(), &[of(&cpe(1), vec![])], 0);
    answer[0] = 241;
    assert!(lab.send(RELAY, &wrapped(RELAY, &answer)).is_none());
    assert_eq!(lab.active(), 2);
}

/// RR-31, H-RR-3: Interface-Id within the message is accepted and comes back.
#[test]
fn interface_id() {
    let mut lab = Lab::new(config());
    let mut request = request(&relay_id(), &[of(&cpe(1), vec![])], 0);
    request.extend(Builder::options().option(code::INTERFACE_ID, b"fpc3").finish().unwrap());
    let reply = lab.send(RELAY, &wrapped(RELAY, &request)).unwrap();
    assert_eq!(reply.message().options().value(code::INTERFACE_ID).unwrap(), Some(&b"fpc3"[..]));
}

/// H-RR-10, H-RR-11: an answer that would not fit one packet with its relay headers says so, and no client is taken for
/// released by silence.
#[test]
fn an_answer_within_its_budget() {
    let mut lab = Lab::new(config());
    let cpes: Vec<Cpe> = (0..300).map(cpe).collect();
    let clients: Vec<_> = cpes.iter().map(|cpe| of(cpe, vec![])).collect();
    let octets = relay_forward(&wrapped(RELAY, &request(&relay_id(), &clients, 0)), LINK, RELAY, &[]).unwrap();
    let reply = lab.send(RELAY, &octets).unwrap();
    assert!(reply.octets.len() <= Budget::UDP_PAYLOAD, "{} octets", reply.octets.len());
    assert_eq!(reply.status(), status::UNSPEC_FAIL);
}

/// H-RR-18: what was released rests for the quarantine, for everybody but who had it; over a restart, too.
#[test]
fn quarantine() {
    let mut lab = Lab::new(config());
    lab.config.release.quarantine = Duration::from_secs(60);
    lab.crash();
    let (na1, _) = lab.dual(&cpe(1));
    ask(&mut lab, &[of(&cpe(1), vec![])]);
    lab.crash();
    let wanted = |lab: &mut Lab, number| lab.ask(&cpe(number), kind::SOLICIT, &[(NA, 1, &[na1])]).unwrap().lease(NA, 1);
    assert_ne!(wanted(&mut lab, 2), Some(na1));
    lab.rest(Duration::from_secs(61));
    assert_eq!(wanted(&mut lab, 3), Some(na1));
}

/// RR-57: one status tells of an IA, and a failure makes the relay keep all of it. So nothing of an IA is released of which
/// one lease is newer than the relay's decision (H-RR-6): the rest could be given to somebody while the relay holds it.
#[test]
fn an_ia_is_released_as_a_whole() {
    let mut lab = Lab::new(config());
    let one = cpe(1);
    let (_, older) = lab.dual(&one);
    let divide = |lab: &mut Lab, length| {
        lab.config.subnets[0].prefixes[0].delegated = length;
        lab.crash();
    };
    divide(&mut lab, 57);
    lab.rest(Duration::from_secs(2));
    let shorter = [delegated("::/60")];
    let newer = lab.ask(&one, kind::REQUEST, &[(PD, 1, &shorter)]).unwrap().lease(PD, 1).expect("one of another pool");
    divide(&mut lab, 56);
    assert_ne!(older, newer);
    let (everything, listed) = (of(&one, vec![]), of(&one, vec![pd(1, older)]));
    let spared = lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), &[everything], 100))).unwrap();
    assert_eq!(lab.written, 1, "the address, which is an IA of its own");
    let Outcomes::Everything { except, .. } = outcomes(&spared, &of(&one, vec![])) else {
        panic!("nothing was listed")
    };
    assert_eq!(except.len(), 1, "{except:?}");
    let other = lab.ask(&cpe(2), kind::SOLICIT, &[(PD, 1, &[older])]).unwrap();
    assert_ne!(other.lease(PD, 1), Some(older), "it is still leased");
    let reply = lab.send(RELAY, &wrapped(RELAY, &request(&relay_id(), &[listed], 100))).unwrap();
    assert_eq!((reply.status(), lab.written), (status::SUCCESS, 1), "named alone, it is older than the decision");
}
