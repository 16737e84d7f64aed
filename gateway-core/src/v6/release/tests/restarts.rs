//! Releases of whole line cards.

use super::*;

/// RR-1, RR-58: everything of the card up to the cut-off is released, and nothing else: not another card's, not a newer
/// epoch's.
#[test]
fn a_card_and_no_more() {
    let mut bench = Bench::with(ReleaseConfig::default(), 200);
    bench.log_in(900, 1, CUTOFF.0, &[address(900)]);
    bench.log_in(901, 0, CUTOFF.0 + 1, &[address(901)]);
    bench.wait(10);
    bench.restart(CUTOFF.0);
    assert_eq!(bench.store.len(), 1);
    bench.serve(|_| status::SUCCESS);
    let left: Vec<_> = bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect();
    assert_eq!(left, [address(900), address(901)]);
    assert_eq!((bench.sent.len(), bench.proceeded.clone(), bench.store.len()), (20, vec![true], 0));
    let view = bench.releases.releases().pop().unwrap();
    assert_eq!((view.servers[0].0, view.servers[0].1.released, view.servers[0].1.total), (server(), 400, 400));
}

/// the card may go on after the hold, though not everything is released; the release continues.
#[test]
fn the_hold() {
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    bench.restart(CUTOFF.0);
    bench.wait(4_900);
    assert_eq!(bench.proceeded, []);
    bench.wait(200);
    assert_eq!(bench.proceeded, [false]);
    let reply = answer(&bench.sent.last().unwrap().inner.clone(), |_| status::SUCCESS);
    bench.hears(&reply);
    assert_eq!((bench.table.count(), bench.proceeded), (0, vec![false]));
}

/// H-RR-6: a client that speaks is not released, and is in no repetition; the others of its message are released by another
/// one. An answer to the message that is given up has no effect.
#[test]
fn a_client_that_speaks() {
    let mut bench = Bench::with(ReleaseConfig::default(), 3);
    bench.restart(CUTOFF.0);
    let first = bench.sent[0].clone();
    assert_eq!(first.clients().len(), 3);
    bench.wait(500);
    bench.spoke(1, 0);
    assert_eq!(bench.releases.counters().cancelled, 1);
    let [.., second] = &bench.sent[..] else { panic!() };
    let second = second.clone();
    assert_eq!(second.clients(), [client(0), client(2)]);
    assert_ne!(second.xid(), first.xid());
    assert!(!bench.hears(&answer(&first.inner, |_| status::SUCCESS)));
    assert_eq!(bench.table.count(), 6);
    bench.hears(&answer(&second.inner, |_| status::SUCCESS));
    assert_eq!(bench.table.count(), 2);
    assert!(bench.table.get(address(1)).is_some_and(|(lease, _)| !lease.orphaned));
    bench.wait(100_000);
    assert_eq!(bench.sent.len(), 2);
    assert!(matches!(bench.finished(), Some(Event::Finished { released: 4, kept: 0, silent: 0, .. })));
    assert_eq!(bench.proceeded, [true]);
}

/// H-RR-6: one that waits for its turn is taken out as well; and one whose lease was extended since the decision is not
/// asked for, nor repeated, though nobody said that it spoke.
#[test]
fn renewed_since_the_decision() {
    let mut bench = Bench::with(ReleaseConfig { window: 1, ..ReleaseConfig::default() }, 12);
    bench.wait(10);
    bench.restart(CUTOFF.0);
    assert_eq!(bench.sent.len(), 1);
    bench.spoke(11, 0);
    bench.wait(200);
    bench.log_in(0, 0, CUTOFF.0, &[address(0), delegated(0)]);
    bench.serve(|_| status::SUCCESS);
    // the first message had client 0 in it before it was heard of: what the server did to it, it will be told itself
    let asked: Vec<_> = bench.sent.iter().flat_map(Sent::clients).collect();
    assert!(!asked.contains(&client(11)));
    let left: Vec<_> = bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect();
    assert!([0, 11].iter().all(|number| left.contains(&address(*number)) && left.contains(&delegated(*number))));
    assert_eq!(left.len(), 4);

    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    bench.restart(CUTOFF.0);
    bench.wait(10);
    bench.log_in(0, 0, CUTOFF.0 + 1, &[address(0), delegated(0)]);
    bench.wait(2_000);
    assert_eq!(bench.sent[1].clients(), [client(1)], "not the same message again");
}

/// A later restart takes over what an earlier one has not finished; the same once more only tries again.
#[test]
fn taken_over() {
    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    bench.restart(CUTOFF.0);
    bench.log_in(50, 0, CUTOFF.0 + 1, &[address(50)]);
    bench.wait(100);
    bench.restart(CUTOFF.0 + 1);
    assert_eq!(bench.sent.last().unwrap().clients().len(), 3);
    bench.serve(|_| status::SUCCESS);
    assert_eq!((bench.table.count(), bench.store.len()), (0, 0));
    let views = bench.releases.releases();
    assert_eq!(views.iter().map(|view| view.cutoff).collect::<Vec<_>>(), [CUTOFF, Epoch(CUTOFF.0 + 1)]);
}

/// RR-4, RR-5: without the cause nothing is sent and nothing ends; the card is not held up.
#[test]
fn switched_off() {
    let causes = Causes { restart: false, ..Causes::default() };
    let mut bench = Bench::with(ReleaseConfig { causes, ..ReleaseConfig::default() }, 2);
    bench.restart(CUTOFF.0);
    assert_eq!((bench.sent.len(), bench.table.count(), bench.proceeded), (0, 4, vec![true]));
    assert!(bench.store.is_empty());
}
