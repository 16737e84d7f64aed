//! The single logout.

use super::*;
use crate::wire::bulk_release::{BulkRelease, Capability, Operation, ScopeResult, Transaction};

/// Clients 0 to `count` at a capable server, and one at the same server that it has no scope of.
fn capable(count: u16) -> Bench {
    let mut bench = Bench::new(ReleaseConfig::default());
    (0..count).for_each(|number| {
        bench.log_in_tagged(number, 0, CUTOFF.0, &[address(number), delegated(number)], true);
    });
    bench.log_in(900, 0, CUTOFF.0, &[address(900)]);
    bench.wait(10);
    bench
}

fn elements(message: &[u8]) -> Option<BulkRelease> {
    let message = Message::parse(message).unwrap();
    let mut options = message.options().all(code::VENDOR_OPTS);
    options.find_map(|option| BulkRelease::decode_option_17(option.value, PEN).unwrap())
}

/// A capable server's reply.
fn released(inner: &[u8], change: impl FnOnce(&mut BulkRelease)) -> Vec<u8> {
    let asked = elements(inner).unwrap();
    let transaction = asked.transaction.unwrap();
    let count = transaction.count;
    let result = ScopeResult { index: 0, status: 0, released: count, skipped: 0, failed: 0, highest_epoch: CUTOFF.0 };
    let mut said = BulkRelease {
        capability: Some(Capability { flags: Capability::SERVER_CAPABLE, ..Capability::RELAY }),
        transaction: Some(Transaction { operation: Operation::Result, final_: true, ..transaction }),
        scopes: asked.scopes,
        results: vec![result],
    };
    change(&mut said);
    let message = Message::parse(inner).unwrap();
    let mut out = Builder::message(ReleaseTypes::default().reply(), message.xid());
    out.duid(code::SERVER_ID, server_id().as_duid()).status(status::SUCCESS, "");
    out.option(code::VENDOR_OPTS, &said.encode_option_17(PEN));
    out.finish().unwrap()
}

/// BR-24, BR-26, BR-27, H-BR-3, X-6: one message ends every lease of the card at a capable server, whatever their number;
/// those without our scope are released in batches beside it.
#[test]
fn one_message() {
    let mut bench = capable(300);
    bench.log_in_tagged(800, 0, CUTOFF.0 + 1, &[address(800)], true);
    bench.restart(CUTOFF.0);
    let [logout, batch] = &bench.sent.clone()[..] else { panic!("{}", bench.sent.len()) };
    let said = elements(&logout.inner).unwrap();
    let transaction = said.transaction.unwrap();
    assert_eq!((transaction.operation, transaction.count), (Operation::Release, 600));
    assert_eq!(said.scopes, [scope(relay_id().as_duid(), "fpc0", CUTOFF).unwrap()]);
    assert!(
        ReleaseRequest::parse(&logout.inner, ReleaseTypes::default()).is_err(),
        "nothing to a server that is not capable"
    );
    assert_eq!((elements(&batch.inner), batch.clients()), (None, vec![client(900)]));
    let at_server = |bench: &Bench| bench.releases.releases()[0].servers[0].1;
    assert!(at_server(&bench).logging_out);
    assert!(bench.hears(&released(&logout.inner, |_| ())));
    bench.hears(&answer(&batch.inner, |_| status::SUCCESS));
    let Progress { logging_out, single_logouts, requests, .. } = at_server(&bench);
    assert_eq!((logging_out, single_logouts, requests), (false, 1, 1));
    assert_eq!((bench.ended.clone(), bench.table.count(), bench.sent.len()), (vec![600], 1, 2));
    assert_eq!((bench.proceeded, bench.store.len()), (vec![true], 0));
}

/// H-BR-17, H-BR-23, BR-28: no reply, a refusal, a failure in part, or a server that knows far fewer: then batches do it.
#[test]
fn what_falls_back() {
    let play = |reply: fn(&[u8]) -> Option<Vec<u8>>| {
        let mut bench = capable(10);
        bench.restart(CUTOFF.0);
        match reply(&bench.sent[0].inner.clone()) {
            Some(reply) => assert!(bench.hears(&reply)),
            None => bench.wait(20_000),
        }
        assert_eq!(bench.ended, []);
        let told = Event::LogoutDone { fpc: FpcId(0), server: server(), released: None };
        assert!(bench.events.contains(&told));
        let mut logouts = bench.sent.clone();
        logouts.retain(|sent| elements(&sent.inner).is_some());
        bench.sent.retain(|sent| elements(&sent.inner).is_none());
        bench.serve(|_| status::SUCCESS);
        assert_eq!(bench.table.count(), 0);
        logouts.len()
    };
    assert_eq!(play(|_| None), 4);
    assert_eq!(play(|inner| Some(overall(inner, status::NOT_ALLOWED))), 1);
    assert_eq!(play(|inner| Some(released(inner, |said| said.results[0].status = 1))), 1);
    assert_eq!(play(|inner| Some(released(inner, |said| said.results[0].failed = 1))), 1);
    assert_eq!(play(|inner| Some(released(inner, |said| said.results[0].released = 9))), 1);
    assert_eq!(play(|inner| Some(released(inner, |said| said.results.clear()))), 1);
}

/// RR-39, H-BR-21: what names another transaction, scope or server, or says nothing about it, has no effect; an interim reply
/// only puts the repetition off.
#[test]
fn what_has_no_effect() {
    let mut bench = capable(10);
    bench.restart(CUTOFF.0);
    let inner = bench.sent[0].inner.clone();
    for reply in [
        released(&inner, |said| said.transaction.as_mut().unwrap().txid += 1),
        released(&inner, |said| said.scopes[0].epoch = Epoch(CUTOFF.0 + 1)),
        released(&inner, |said| said.scopes.clear()),
        released(&inner, |said| said.transaction.as_mut().unwrap().operation = Operation::Release),
        overall(&inner, status::SUCCESS),
    ] {
        assert!(!bench.hears(&reply));
    }
    assert!(bench.hears(&released(&inner, |said| said.transaction.as_mut().unwrap().final_ = false)));
    bench.wait(4_000);
    let logouts = bench.sent.iter().filter(|sent| elements(&sent.inner).is_some()).count();
    assert_eq!((logouts, bench.ended.len()), (1, 0));
    bench.wait(1_500);
    let again = bench.sent.last().unwrap().inner.clone();
    assert_eq!(elements(&again), elements(&inner));
    bench.hears(&released(&again, |_| ()));
    assert_eq!(bench.ended, [20]);
}

/// H-BR-20: after a crash it is the same single logout.
#[test]
fn the_same_after_a_crash() {
    let mut bench = capable(10);
    bench.restart(CUTOFF.0);
    let first = elements(&bench.sent[0].inner);
    let Bench { table, store, now, .. } = bench;
    let mut next = Bench { table, now, random: 77, ..Bench::new(ReleaseConfig::default()) };
    next.store = store.clone();
    for (key, value) in store {
        assert!(next.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
    }
    next.run_until(next.now);
    assert_eq!(elements(&next.sent[0].inner), first);
    next.hears(&released(&next.sent[0].inner.clone(), |_| ()));
    assert_eq!(next.ended, [20]);
}

/// H-BR-2: switched off, nobody is asked so, whatever the leases say.
#[test]
fn off() {
    let mut bench = capable(10);
    bench.releases = Releases::new(
        ReleaseConfig::default(),
        Identity {
            duid: relay_id(),
            types: ReleaseTypes::default(),
            single_logout: None,
            links: vec![link()],
            fpcs: vec!["fpc0".into()],
        },
    );
    bench.restart(CUTOFF.0);
    assert!(bench.sent.iter().all(|sent| elements(&sent.inner).is_none()));
}
