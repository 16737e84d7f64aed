//! What was begun is finished after a crash.

use super::super::journal::{Record, decode, encode_lease, encode_restart, lease_key, restart_key};
use super::*;
use crate::release::Decision;

/// A gateway that has died, with its table and its store, and a new one.
fn crashed(bench: Bench, config: ReleaseConfig) -> Bench {
    let Bench { table, store, now, .. } = bench;
    let mut next = Bench { table, now: now + Duration::from_secs(20), random: 77, ..Bench::new(config) };
    next.store = store.clone();
    for (key, value) in store {
        assert!(next.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
    }
    next
}

/// RR-58, X-6: the release of a card goes on with the old cut-off; what was released before is not asked for again, and the
/// elapsed time counts from the first decision (H-RR-6).
#[test]
fn a_restart_goes_on() {
    let mut bench = Bench::with(ReleaseConfig::default(), 30);
    bench.restart(CUTOFF.0);
    let reply = answer(&bench.sent[0].inner.clone(), |_| status::SUCCESS);
    bench.hears(&reply);
    assert_eq!(bench.table.count(), 40);
    bench.log_in(900, 0, CUTOFF.0 + 1, &[address(900)]);
    let mut next = crashed(bench, ReleaseConfig::default());
    assert_eq!(next.sent.len(), 0);
    next.run_until(next.now);
    let request = ReleaseRequest::parse(&next.sent[0].inner, ReleaseTypes::default()).unwrap();
    assert_eq!(request.elapsed, Some(2000));
    next.serve(|_| status::SUCCESS);
    assert_eq!((next.table.count(), next.store.len()), (1, 0));
    assert!(next.releases.releases()[0].resumed);
}

/// A client that is released on its own is asked for again, with all its leases in one message, and its records are gone
/// with the answer. So are records of leases that nobody has any more.
#[test]
fn a_client_goes_on() {
    let mut bench = Bench::with(ReleaseConfig::default(), 3);
    assert!(bench.release(1, Cause::Moved) && bench.release(2, Cause::Admin));
    assert_eq!(bench.store.len(), 4);
    bench.table.end(delegated(2), EndReason::Expired);
    while bench.table.poll_command().is_some() {}
    let mut next = crashed(bench, ReleaseConfig::default());
    next.run_until(next.now);
    assert_eq!(next.store.len(), 3, "of the lease that is gone there is none");
    let clients: Vec<_> = next.sent.iter().flat_map(Sent::clients).collect();
    assert_eq!(clients.iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert_eq!(clients.len(), 2);
    next.serve(|_| status::SUCCESS);
    assert_eq!((next.table.count(), next.store.len()), (2, 0));
    let told = Event::Client { client: client(1), cause: Cause::Moved, ending: Ending::Released };
    assert!(next.events.contains(&told));
}

/// H-RR-5: a long time after the decision the elapsed time stops at the most that still tells what is newer.
#[test]
fn an_old_decision() {
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    bench.restart(CUTOFF.0);
    let mut next = crashed(bench, ReleaseConfig::default());
    next.now = next.now + Duration::from_secs(100_000);
    next.run_until(next.now);
    let request = ReleaseRequest::parse(&next.sent[0].inner, ReleaseTypes::default()).unwrap();
    assert_eq!(request.elapsed, Some(u16::MAX - 1));
}

/// Whatever is cut, of another version, or of a card that nobody knows, is no record.
#[test]
fn records() {
    let decision = Decision::new(at(5_000));
    let (key, value) = (restart_key("fpc0"), encode_restart(CUTOFF, decision, 3, 9, UNIX));
    let record = Record::Restart { fpc: "fpc0".into(), cutoff: CUTOFF, decision, attempt: 3, txid: 9 };
    assert_eq!(decode(&key, &value, UNIX), Some(record));
    let (lease, of) = (lease_key(delegated(1)), encode_lease(Cause::Moved, decision, &client(1), UNIX));
    let record = Record::Lease { prefix: delegated(1), cause: Cause::Moved, decision, client: client(1) };
    assert_eq!(decode(&lease, &of, UNIX), Some(record));
    for length in 0..value.len() {
        assert_eq!(decode(&key, &value[..length], UNIX), None);
    }
    for length in 0..11 {
        assert_eq!(decode(&lease, &of[..length], UNIX), None);
    }
    for length in 0..lease.len() {
        assert_eq!(decode(&lease[..length], &of, UNIX), None);
    }
    let mut other = value.clone();
    other[0] = 9;
    assert_eq!(decode(&key, &other, UNIX), None);
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    let (key, value) = (restart_key("gone"), value);
    assert!(!bench.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
}
