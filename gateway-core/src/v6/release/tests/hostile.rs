//! Answers that lie.

use proptest::prelude::*;

use super::*;

/// RR-39, RR-40: another transaction, no status, another server's: no effect but a count, and the request is sent again.
#[test]
fn answers_to_nothing() {
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    bench.restart(CUTOFF.0);
    let inner = bench.sent[0].inner.clone();
    let good = answer(&inner, |_| status::SUCCESS);
    let mut other_xid = good.clone();
    other_xid[3] ^= 1;
    assert!(!bench.hears(&other_xid));
    assert_eq!(bench.releases.counters().unmatched, 1);
    let build = |server: &DuidBuf, with_status: bool| {
        let mut out = Builder::message(241, Message::parse(&inner).unwrap().xid());
        out.duid(code::SERVER_ID, server.as_duid());
        if with_status {
            out.status(status::SUCCESS, "");
        }
        out.finish().unwrap()
    };
    bench.hears(&build(&server_id(), false));
    assert_eq!(bench.releases.counters().no_status, 1);
    bench.hears(&build(&relay_id(), true));
    assert_eq!(bench.releases.counters().unmatched, 2);
    let mut reply = good.clone();
    reply[0] = kind::REPLY;
    assert!(!bench.hears(&reply), "that is no answer to a request");
    assert_eq!(bench.table.count(), 2);
    bench.wait(1_200);
    assert_eq!(bench.sent.len(), 2);
    assert!(bench.hears(&good));
    assert_eq!(bench.table.count(), 0);
    assert!(!bench.hears(&good), "a second one finds nothing");
}

/// A status for a client that was not asked about has no effect on it.
#[test]
fn a_client_that_was_not_asked_about() {
    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    bench.release(0, Cause::Admin);
    let mut out = Builder::message(241, Message::parse(&bench.sent[0].inner).unwrap().xid());
    out.duid(code::SERVER_ID, server_id().as_duid()).status(status::SUCCESS, "");
    out.nest(code::CLIENT_DATA, &[], |out| {
        out.duid(code::CLIENT_ID, client(1).as_duid()).status(status::NO_BINDING, "");
    });
    assert!(bench.hears(&out.finish().unwrap()));
    assert_eq!((bench.table.count(), bench.releases.counters().unasked), (2, 1));
    assert!(bench.table.get(address(1)).is_some());
}

proptest! {
    /// Whatever comes back, nothing ends that was not asked about, and nothing goes wrong.
    #[test]
    fn any_answer(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bench = Bench::with(ReleaseConfig::default(), 4);
        bench.release(0, Cause::Admin);
        bench.release(1, Cause::Admin);
        let mut reply = answer(&bench.sent[0].inner, |_| status::UNSPEC_FAIL);
        for (place, octet) in flips {
            let place = place.index(reply.len());
            reply[place] = octet;
        }
        reply.truncate(cut.index(reply.len()) + 1);
        bench.hears(&reply);
        bench.wait(100_000);
        prop_assert!([2, 3].iter().all(|number| bench.table.get(address(*number)).is_some()));
        prop_assert!(bench.store.is_empty());
    }
}
