//! What leaves, when, and what the answers do.

use super::*;
use crate::wire::dhcp6::release::Budget;

/// RR-1, RR-12, RR-13, RR-14, RR-16, RR-17, RR-18, RR-21, RR-22, RR-23, H-RR-1, H-RR-2, H-RR-3: a request names server,
/// relay and each client as it was at login, and just what is known of its IAs; it travels in a RELAY-FORW of our own.
#[test]
fn a_request() {
    let mut bench = Bench::with(ReleaseConfig::default(), 3);
    bench.restart(CUTOFF.0);
    let [sent] = &bench.sent[..] else { panic!("{:?}", bench.sent) };
    let relay = RelayMessage::parse(&sent.payload).unwrap();
    assert_eq!((relay.kind(), relay.hop_count()), (kind::RELAY_FORW, 0));
    assert_eq!((relay.link_address(), relay.peer_address()), (link(), link()));
    assert_eq!(relay.relay_id().unwrap(), Some(relay_id().as_duid()));
    let request = ReleaseRequest::parse_for(server_id().as_duid(), &sent.inner, ReleaseTypes::default()).unwrap();
    assert_eq!((request.relay_id, request.interface_id), (relay_id().as_duid(), None));
    assert_eq!(
        request.clients.iter().map(|asked| asked.client_id.to_owned()).collect::<Vec<_>>(),
        [client(0), client(1), client(2)]
    );
    for (number, asked) in (0..).zip(&request.clients) {
        let leases: Vec<_> = asked.ias.iter().flat_map(|ia| ia.leases().map(|lease| lease.binding.prefix())).collect();
        assert_eq!(leases, [address(number), delegated(number)]);
        assert!(asked.ias.iter().all(|ia| ia.iaid == 1 && (ia.t1, ia.t2) == (0, 0)));
    }
    let other = Bench::with(ReleaseConfig { wrap: Wrap::Never, ..ReleaseConfig::default() }, 1);
    let mut other = Bench { random: 99, ..other };
    other.restart(CUTOFF.0);
    assert_eq!(other.sent[0].payload, other.sent[0].inner, "not wrapped");
    assert_ne!(other.sent[0].xid(), sent.xid());
}

/// RR-19: without IAs everything that the client has is meant.
#[test]
fn everything_of_a_client() {
    let mut bench = Bench::with(ReleaseConfig { release_all: true, ..ReleaseConfig::default() }, 1);
    bench.restart(CUTOFF.0);
    let request = ReleaseRequest::parse(&bench.sent[0].inner, ReleaseTypes::default()).unwrap();
    assert!(request.clients[0].everything());
    let reply = overall(&bench.sent[0].inner, status::SUCCESS);
    assert!(bench.hears(&reply));
    assert_eq!(bench.table.count(), 0);
}

/// RR-24: sent at 0, 1, 3 and 7 s, given up at 15 s, each wait a tenth off at most; the same message but for its elapsed time,
/// which says how long ago the decision was (H-RR-6).
#[test]
fn retransmissions() {
    for seed in 1..20 {
        let mut bench = Bench::with(ReleaseConfig { fallback: Fallback::Never, ..ReleaseConfig::default() }, 1);
        bench.random = seed;
        let start = bench.now;
        bench.restart(CUTOFF.0);
        bench.run_until(start + Duration::from_secs(30));
        let times: Vec<_> = bench.sent.iter().map(|sent| sent.at.since(start).as_secs_f64()).collect();
        assert_eq!(times.len(), 4, "{times:?}");
        // RT1 = 1 s, RTn = 2 RTprev, each a tenth of the one before off at most (RFC 8415 section 15)
        let intervals: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((0.9..=1.1).contains(&intervals[0]), "{times:?}");
        assert!(intervals.windows(2).all(|pair| (1.899..=2.101).contains(&(pair[1] / pair[0]))), "{times:?}");
        let took = bench.events.iter().find_map(|event| match event {
            Event::Finished { took, silent: 2, .. } => Some(took.as_secs_f64()),
            _ => None,
        });
        assert!((12.0..18.5).contains(&took.unwrap()), "{took:?}");
        let requests: Vec<_> = bench
            .sent
            .iter()
            .map(|sent| ReleaseRequest::parse(&sent.inner, ReleaseTypes::default()).unwrap())
            .collect();
        for (request, sent) in requests.iter().zip(&bench.sent) {
            assert_eq!((request.xid, &request.clients), (requests[0].xid, &requests[0].clients));
            let hundredths = sent.at.since(start).as_millis() / 10;
            assert_eq!(u128::from(request.elapsed.unwrap()), hundredths);
        }
    }
}

/// RR-26, RR-56, RR-57, RR-58, H-RR-4, H-RR-12: a reply completes the transaction. Success and NoBinding clear, whatever
/// else is said of other clients; any other status keeps the lease until its end, unasked again. NoBinding is counted.
#[test]
fn statuses() {
    let mut bench = Bench::with(ReleaseConfig::default(), 4);
    bench.restart(CUTOFF.0);
    let rule = |name: &DuidBuf| match name {
        name if *name == client(1) => status::NO_BINDING,
        name if *name == client(2) => status::UNSPEC_FAIL,
        name if *name == client(3) => status::NOT_ALLOWED,
        _ => status::SUCCESS,
    };
    bench.serve(rule);
    let left: Vec<_> = bench.table.iter_from(0).map(|(_, lease, _)| (lease.prefix, lease.orphaned)).collect();
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|(_, orphaned)| *orphaned));
    assert!([2, 3].iter().all(|number| bench.table.get(address(*number)).is_some()));
    let Some(Event::Finished { released: 2, no_binding: 2, kept: 4, silent: 0, retry_in: None, .. }) = bench.finished()
    else {
        panic!("{:?}", bench.events)
    };
    assert_eq!((bench.sent.len(), bench.releases.counters().no_binding), (1, 2));
    assert_eq!(bench.proceeded, [false]);
    assert!(bench.store.is_empty());
    assert!(!bench.events.iter().any(|event| matches!(event, Event::MostlyUnknown { .. })));
    bench.wait(10_000_000);
    assert_eq!(bench.sent.len(), 1, "what a server keeps is not asked for again");
}

/// H-RR-12, RR-25: a server that knows nothing of most of a batch may be the wrong one; all the same it is done with.
#[test]
fn mostly_unknown() {
    let mut bench = Bench::with(ReleaseConfig::default(), 4);
    bench.restart(CUTOFF.0);
    bench.serve(|_| status::NO_BINDING);
    assert!(bench.events.contains(&Event::MostlyUnknown { server: server(), no_binding: 8, of: 8 }));
    assert_eq!((bench.table.count(), bench.proceeded), (0, vec![true]));
}

/// H-RR-5, RR-57: a failure of the whole without a word about any client has released nothing.
#[test]
fn a_failure_of_the_whole() {
    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    bench.restart(CUTOFF.0);
    let reply = overall(&bench.sent[0].inner, status::UNSPEC_FAIL);
    assert!(bench.hears(&reply));
    assert_eq!(bench.table.count(), 4);
    assert!(bench.table.iter_from(0).all(|(_, lease, _)| lease.orphaned));
    bench.wait(600_000);
    assert_eq!(bench.sent.len(), 1);
}

/// RR-46, RR-47, RR-57, H-RR-5, H-RR-13: a server that refuses keeps everything: for 300 s nothing goes there, not even one
/// by one, and whoever is to be released meanwhile is kept as well. Afterwards a request is tried again.
#[test]
fn a_refusal_keeps_everything() {
    for (code, fallback) in [
        (status::NOT_CONFIGURED, Fallback::default()),
        (status::NOT_ALLOWED, Fallback::default()),
        (10, Fallback::Never),
    ] {
        let mut bench = Bench::with(ReleaseConfig { fallback, ..ReleaseConfig::default() }, 30);
        bench.restart(CUTOFF.0);
        let reply = overall(&bench.sent[0].inner, code);
        bench.hears(&reply);
        let hold = Duration::from_secs(300);
        assert!(bench.events.contains(&Event::Refused { server: server(), status: code, hold }));
        let second = overall(&bench.sent[1].inner, code);
        bench.hears(&second);
        bench.wait(200_000);
        assert_eq!((bench.sent.len(), bench.table.count()), (2, 60));
        assert!(bench.table.iter_from(0).all(|(_, lease, _)| lease.orphaned));
        assert!(matches!(bench.finished(), Some(Event::Finished { kept: 60, silent: 0, retry_in: None, .. })));
        assert!(bench.release(9, Cause::Admin));
        let kept = Event::Client { client: client(9), cause: Cause::Admin, ending: Ending::Kept };
        assert!(bench.events.contains(&kept) && bench.store.is_empty());
        bench.wait(101_000);
        assert_eq!(bench.sent.len(), 2, "by nobody's own doing");
        assert!(bench.release(9, Cause::Admin));
        assert_eq!(bench.sent[2].clients(), [client(9)]);
    }
}

/// RR-45, RR-47, RR-63, H-RR-5: silence after a refusal does not make the server one that knows no requests: nobody is
/// released one by one. That holds while it refuses, for what was under way when it said so, as well as later.
#[test]
fn silence_after_a_refusal() {
    let is_single = |sent: &Sent| Message::parse(&sent.inner).unwrap().kind() == kind::RELEASE;
    let mut bench = Bench::with(ReleaseConfig::default(), 30);
    bench.restart(CUTOFF.0);
    let reply = overall(&bench.sent[0].inner, status::NOT_ALLOWED);
    bench.hears(&reply);
    bench.wait(100_000);
    assert_eq!((bench.sent.len(), bench.table.count()), (2, 60), "the other request is not sent again");
    assert!(matches!(bench.finished(), Some(Event::Finished { kept: 60, silent: 0, retry_in: None, .. })));

    let many: Vec<_> = (1000..1060).map(address).collect();
    bench.log_in(40, 0, CUTOFF.0, &many);
    assert!(bench.release(1000, Cause::Admin));
    let kept = Event::Client { client: client(40), cause: Cause::Admin, ending: Ending::Kept };
    assert!(bench.events.contains(&kept), "nor one that no request can hold");

    bench.wait(201_000);
    assert!(bench.release(9, Cause::Admin));
    bench.wait(60_000);
    assert_eq!(bench.sent[2].clients(), [client(9)]);
    assert!(bench.sent.len() > 5, "{}", bench.sent.len());
    assert!(!bench.sent.iter().any(is_single));
    assert!(!bench.events.iter().any(|event| matches!(event, Event::FellBack { .. })));
    assert_eq!(bench.table.count(), 120);
}

/// RR-46, RR-47, H-RR-13: where the operator says so, the clients of a server that refuses are released one by one, each with
/// the REPLY that it gets; requests are tried again after the hold.
#[test]
fn refusals_that_lead_to_single_releases() {
    for code in [status::NOT_CONFIGURED, status::NOT_ALLOWED] {
        let mut bench = Bench::with(ReleaseConfig { fallback: Fallback::Refused, ..ReleaseConfig::default() }, 3);
        bench.restart(CUTOFF.0);
        let reply = overall(&bench.sent[0].inner, code);
        bench.hears(&reply);
        assert_eq!(bench.table.count(), 6);
        let told = Event::FellBack { server: server(), reason: WhyIndividually::Status(code) };
        assert!(bench.events.contains(&told));
        bench.wait(100);
        let singles: Vec<_> = bench.sent[1..].iter().map(|sent| sent.inner.clone()).collect();
        assert_eq!(singles.len(), 3);
        for (number, inner) in (0..).zip(&singles) {
            let message = Message::parse(inner).unwrap();
            assert_eq!(message.kind(), kind::RELEASE);
            assert_eq!(message.client_id().unwrap(), Some(client(number).as_duid()));
            assert_eq!(message.server_id().unwrap(), Some(server_id().as_duid()));
            assert_eq!(message.ias().unwrap().len(), 2);
            bench.hears(&reply_to_release(inner, if number == 2 { status::UNSPEC_FAIL } else { status::SUCCESS }));
        }
        assert_eq!(bench.table.count(), 2, "the server keeps client 2");
        // Within the hold another client goes the same way; after it a request is tried again.
        bench.log_in(9, 0, CUTOFF.0, &[address(9)]);
        bench.wait(200_000);
        assert!(bench.release(9, Cause::Admin));
        assert_eq!(Message::parse(&bench.sent[4].inner).unwrap().kind(), kind::RELEASE);
        let reply = reply_to_release(&bench.sent[4].inner, status::SUCCESS);
        bench.hears(&reply);
        bench.log_in(10, 0, CUTOFF.0, &[address(10)]);
        bench.wait(200_000);
        assert!(bench.release(10, Cause::Admin));
        assert_eq!(bench.sent[5].clients(), [client(10)]);
    }
}

/// RR-45: a server that does not know the message drops it. When it has never answered one, its clients are released one by
/// one instead.
#[test]
fn a_server_that_knows_no_requests() {
    let mut bench = Bench::with(ReleaseConfig::default(), 40);
    bench.restart(CUTOFF.0);
    let mut seen = 0;
    for _ in 0..10_000 {
        while let Some(sent) = bench.sent.get(seen).cloned() {
            seen += 1;
            if Message::parse(&sent.inner).unwrap().kind() == kind::RELEASE {
                bench.hears(&reply_to_release(&sent.inner, status::SUCCESS));
            }
        }
        let Some(wanted) = bench.releases.poll_timeout() else { break };
        bench.run_until(wanted.max(bench.now));
    }
    assert_eq!(bench.table.count(), 0);
    assert!(bench.events.contains(&Event::FellBack { server: server(), reason: WhyIndividually::NoReply }));
    let view = bench.releases.releases().pop().unwrap();
    let (_, progress) = view.servers[0];
    assert_eq!((progress.released, progress.requests, progress.individual), (80, 8, 40));
    assert!(view.finished.unwrap().since(view.started) < Duration::from_secs(20));
}

/// H-RR-14: silence is never a success. The lease stays, marked, and is tried again; or it ends, if the operator wants that.
#[test]
fn silence() {
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    bench.restart(CUTOFF.0);
    bench.wait(40_000);
    assert_eq!(bench.table.count(), 2);
    let Some(Event::Finished { released: 0, no_binding: 0, silent: 2, retry_in: Some(_), .. }) = bench.finished()
    else {
        panic!("{:?}", bench.events)
    };
    assert_eq!((bench.proceeded.clone(), bench.store.len()), (vec![false], 1), "it is still to be done");
    bench.serve(|_| status::SUCCESS);
    assert_eq!((bench.table.count(), bench.store.len()), (0, 0));

    let config = ReleaseConfig { on_timeout: OnTimeout::Clear, ..ReleaseConfig::default() };
    let mut bench = Bench::with(config, 1);
    bench.restart(CUTOFF.0);
    bench.wait(40_000);
    assert_eq!((bench.table.count(), bench.releases.counters().cleared), (0, 2));
    assert!(matches!(bench.finished(), Some(Event::Finished { released: 0, no_binding: 0, silent: 2, .. })));
}

/// H-RR-15: at most two transactions of a server are open and 20 messages leave per second, whatever they are about: clients
/// of different cards and causes share them, by the server's DUID.
#[test]
fn window_and_pace() {
    let mut bench = Bench::with(ReleaseConfig::default(), 60);
    bench.log_in(100, 1, CUTOFF.0, &[address(100)]);
    bench.restart(CUTOFF.0);
    assert_eq!(bench.sent.len(), 2);
    bench.release(100, Cause::Admin);
    bench.wait(900);
    assert_eq!(bench.sent.len(), 2, "nothing is answered");
    let start = bench.now;
    bench.serve(|_| status::SUCCESS);
    assert_eq!(bench.table.count(), 0);
    for window in bench.sent[4..].windows(2) {
        let gap = window[1].at.since(window[0].at).as_millis();
        assert!(gap >= 44, "{gap} ms");
    }
    assert!(bench.now.since(start) < Duration::from_secs(3));
}

/// H-RR-10: request and longest reply pass in one piece; with addresses and prefixes ten clients share a message.
#[test]
fn no_fragments() {
    for (hops, each) in [(1, 10), (4, 9)] {
        let mut bench = Bench::with(ReleaseConfig { hops, ..ReleaseConfig::default() }, 100);
        bench.restart(CUTOFF.0);
        bench.serve(|_| status::SUCCESS);
        assert_eq!(bench.table.count(), 0);
        for sent in &bench.sent {
            assert!(sent.payload.len() + (hops - 1) * 38 <= Budget::UDP_PAYLOAD);
            let all_fail = answer(&sent.inner, |_| status::UNSPEC_FAIL);
            assert!(all_fail.len() + hops * 38 <= Budget::UDP_PAYLOAD);
        }
        assert_eq!(bench.sent[0].clients().len(), each);
    }
}

/// A client that no request can hold is released on its own.
#[test]
fn an_oversized_client() {
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    let many: Vec<_> = (1000..1060).map(address).collect();
    bench.log_in(1, 0, CUTOFF.0, &many);
    bench.restart(CUTOFF.0);
    bench.serve(|_| status::SUCCESS);
    let kinds: Vec<_> = bench.sent.iter().map(|sent| sent.inner[0]).collect();
    assert_eq!((kinds, bench.table.count()), (vec![240, kind::RELEASE], 0));
}

/// RR-57, RR-58, H-RR-16: one IA of a client can be kept while the other is cleared.
#[test]
fn a_status_for_one_ia() {
    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    bench.restart(CUTOFF.0);
    let inner = bench.sent[0].inner.clone();
    let request = ReleaseRequest::parse(&inner, ReleaseTypes::default()).unwrap();
    let mut reply = ReleaseAnswer::to(&request, ReleaseTypes::default());
    let parts = vec![(Part::Ia(IaKind::Pd, 1), Verdict::new(status::UNSPEC_FAIL))];
    reply.clients.push(ClientAnswer { client_id: request.clients[0].client_id, whole: Verdict::SUCCESS, parts });
    bench.hears(&reply.encode(1232));
    let left: Vec<_> = bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect();
    assert_eq!(left, [delegated(0)]);
}
