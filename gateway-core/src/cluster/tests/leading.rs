//! A master and its members.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;

/// The keepalives it said, with their times since the last look.
fn keepalives(bench: &mut Bench) -> Vec<MasterKeepalive> {
    let said = bench.said().into_iter().filter_map(|(to, _, body)| match body {
        Body::MasterKeepalive(keepalive) => {
            assert_eq!(to, Destination::Group);
            Some(keepalive)
        }
        _ => None,
    });
    said.collect()
}

/// CL-28, H-CL-4: the master's keepalives say who is a member, the interval, and what each has; four in a watchdog interval, or
/// more where a member loses more.
#[test]
fn the_master_lives() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass_with(1000, &[2, 3]);
    bench.done();
    bench.pass(50);
    let said = keepalives(&mut bench);
    let said = said.last().expect("one in 50 ms");
    assert_eq!((said.n, said.watchdog_ms), (2, 200));
    assert_eq!(said.members.iter().map(|member| member.id).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert_eq!(said.table_version, bench.cluster.table.version());
    assert_eq!(said.table_digest, bench.cluster.table.digest());

    let mut bench = Bench::document_master(1);
    bench.pass(1000);
    let count = keepalives(&mut bench).len();
    assert!((20..=21).contains(&count), "{count}");
}

/// H-CL-29: every tenth carries a part of the table, even if nothing changed.
#[test]
fn every_tenth_carries_a_part_of_the_table() {
    let mut bench = Bench::document_master(1);
    bench.pass(4000);
    let said = keepalives(&mut bench);
    let parts: Vec<_> =
        said.iter().filter_map(|keepalive| keepalive.table.as_ref()).map(|part| part.first.index()).collect();
    assert_eq!(parts.len(), said.len() / 10);
    let all: std::collections::BTreeSet<_> = parts.into_iter().collect();
    assert_eq!(all.len(), 8, "all in turn");
}

/// CL-29: a unit that is no member and says that it lives is told to exit.
#[test]
fn strangers_are_told_to_exit() {
    let mut bench = Bench::elected(3, &[2], |_| {});
    bench.live(3);
    assert_eq!(bench.said(), [(to(3), 1, exit(1))]);
}

/// CL-30, CL-31, CL-36: a member that is not heard for 200 ms is removed; each keepalive begins them anew, and one that is
/// doubled or late does not.
#[test]
fn the_member_watchdog() {
    let mut bench = Bench::document_master(3);
    bench.hear(2, 1, Body::JoinRequest(request(2)));
    bench.live_with(2, |keepalive| keepalive.keepalive_seq = 100);
    bench.pass(150);
    bench.live_with(2, |keepalive| keepalive.keepalive_seq = 101);
    bench.pass(199);
    assert!(bench.cluster.view().members[1].member);
    bench.live_with(2, |keepalive| keepalive.keepalive_seq = 101);
    bench.pass(1);
    assert!(!bench.cluster.view().members[1].member);
    assert!(bench.told().contains(&Event::MemberWent { member: id(2), why: Why::Silence }));
}

/// CL-30, CL-72, CL-77: lost keepalives are counted by their numbers; the interval that all are told gets shorter.
#[test]
fn loss_makes_the_interval_shorter() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    let mut seq = 1000;
    for _ in 0..400 {
        bench.pass(10);
        seq += 2; // every other is lost
        bench.live_with(2, |keepalive| keepalive.keepalive_seq = seq);
        bench.live(3);
    }
    let view = bench.cluster.view();
    let loss = view.members[1].loss.expect("a member's");
    assert!((0.45..0.5).contains(&loss), "{loss}");
    assert_eq!(view.n, 20);
    bench.done();
    bench.pass(100);
    let count = keepalives(&mut bench).len();
    assert!(count >= 10, "{count}: the master's own follow");
}

/// H-CL-5: while the interval changes, a member may still keep the old one: the master waits an interval longer.
#[test]
fn patience_while_the_interval_changes() {
    let mut bench = Bench::document_master(3);
    bench.hear(2, 1, Body::JoinRequest(request(2)));
    for seq in [1, 2, 3] {
        bench.pass(100);
        bench.live_with(2, |keepalive| keepalive.keepalive_seq = seq);
    }
    assert_eq!(bench.cluster.view().n, 2);
    bench.pass(100);
    bench.live_with(2, |keepalive| keepalive.keepalive_seq = 60);
    assert!(bench.cluster.view().n > 2);
    bench.pass(299); // 200, and the 100 of the old interval
    assert!(bench.cluster.view().members[1].member);
    bench.pass(2);
    assert!(!bench.cluster.view().members[1].member);
}

/// H-CL-2: a member that was started again counts from the beginning: that is no loss.
#[test]
fn a_restarted_member_counts_anew() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.live_with(3, |keepalive| keepalive.keepalive_seq = 5000);
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    assert!(bench.told().contains(&Event::MemberWent { member: id(3), why: Why::Restarted }));
    bench.live_with(3, |keepalive| keepalive.keepalive_seq = 1);
    bench.live_with(3, |keepalive| keepalive.keepalive_seq = 2);
    assert_eq!(bench.cluster.view().members[2].loss, Some(0.0));
}
