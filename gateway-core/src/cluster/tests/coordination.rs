//! A coordinator in place of the election.

use super::bench::*;
use crate::cluster::*;
use crate::member::{Term, UnitVersion};
use crate::time::{Duration, Instant};
use crate::wire::cluster::*;

fn said(master: u8, term: u32, members: &[u8], now: Instant) -> Option<Coordinated> {
    Some(Coordinated {
        master: Some(id(master)),
        term: Term(term),
        members: members.iter().map(|member| id(*member)).collect(),
        until: now + Duration::from_secs(2),
        rival_until: Instant::ZERO,
        highest: UnitVersion(0),
    })
}

fn coordinated(me: u8, quorum: Quorum) -> Bench {
    Bench::new(ClusterConfig { coordination: Coordination::External, ..config(me, 3, quorum, PRODUCTION) })
}

/// A coordinator that keeps what it is asked to.
fn keep(bench: &mut Bench) -> Vec<Assignment> {
    let asked = bench.done().into_iter().filter_map(|command| match command {
        Command::Record { units, .. } => Some(units),
        _ => None,
    });
    let asked: Vec<_> = asked.flatten().collect();
    bench.act(|cluster, now| cluster.handle_recorded(&asked, now));
    asked
}

/// Time passes: members live, the coordinator says again what it said, and keeps what it is asked to.
fn reign(bench: &mut Bench, millis: u64, members: &[u8]) {
    for _ in 0..millis / 50 {
        bench.pass_with(50, members);
        let said = bench
            .cluster
            .coordinated
            .clone()
            .map(|said| Coordinated { until: bench.now + Duration::from_secs(2), ..said });
        bench.act(|cluster, now| cluster.handle_coordination(said, now));
        keep(bench);
    }
}

/// Nobody offers itself; who is said to be master is, who is said to be a member joins it.
#[test]
fn the_coordinator_elects() {
    let mut bench = coordinated(1, Quorum::Majority);
    bench.pass(3000);
    assert!(bench.said().iter().all(|(.., body)| matches!(body, Body::JoinRequest(_))));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2], now), now));
    assert_eq!((bench.cluster.role(), bench.cluster.view().term), (Role::Master, Term(9)));
    bench.hear(3, 9, support(1, 3));
    assert!(!bench.cluster.view().members[2].member, "not one whose lease has ended");
    bench.hear(2, 9, support(1, 2));
    assert!(bench.cluster.view().members[1].member);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1], now), now));
    assert!(bench.told().contains(&Event::MemberWent { member: id(2), why: Why::Coordinator }));

    let mut bench = coordinated(2, Quorum::Majority);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2], now), now));
    assert!(bench.said().contains(&(to(1), 9, support(1, 2))));
    bench.hear(1, 9, Body::JoinRefused { reason: JoinRefusal::NotMaster, retry_ms: 25 });
    bench.pass(25);
    assert!(bench.said().contains(&(to(1), 9, support(1, 2))), "that one does not know yet");
    bench.hear(1, 9, Body::JoinOk { members: 2, watchdog_ms: 200 });
    assert_eq!((bench.cluster.master(), bench.cluster.stand()), (Some(id(1)), Stand::Following(Term(9))));
    bench.act(|cluster, now| cluster.handle_coordination(said(2, 10, &[1, 2], now), now));
    assert_eq!((bench.cluster.role(), bench.cluster.stand()), (Role::Master, Stand::Ruling(Term(10))));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 11, &[1], now), now));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.done().contains(&Command::Fence), "its lease has ended");
}

/// Without the coordinator the data plane goes on, no unit moves, and the operator sees it; a master goes on while a majority
/// hears it, even when its lease at the coordinator has ended.
#[test]
fn an_unreachable_coordinator_moves_nothing() {
    let mut bench = coordinated(1, Quorum::Majority);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3], now), now));
    bench.hear(2, 9, support(1, 2));
    bench.pass_with(200, &[2]);
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    assert!(bench.told().contains(&Event::CoordinatorUnreachable));
    bench.pass_with(5000, &[2]);
    assert_eq!(bench.cluster.role(), Role::Master);
    assert_eq!(bench.cluster.counters().assigned, 0, "no unit moves");
    assert!(!bench.done().contains(&Command::Fence));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2], now), now));
    assert!(bench.told().contains(&Event::CoordinatorBack));
    reign(&mut bench, 1000, &[2]);
    assert!(bench.cluster.counters().assigned > 0);
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    bench.pass(1900);
    assert_eq!(bench.cluster.role(), Role::Master, "nobody else can have been elected yet");
    bench.pass(200);
    assert_eq!(bench.cluster.role(), Role::Joining, "nobody hears it either");
}

/// The coordinator was away, and has nobody elected when it is back: a master that is heard goes on meanwhile.
#[test]
fn nobody_elected_is_no_reason_to_stop() {
    let mut bench = coordinated(1, Quorum::Majority);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3], now), now));
    bench.hear(2, 9, support(1, 2));
    reign(&mut bench, 1000, &[2]);
    let assigned = bench.cluster.counters().assigned;
    let nobody = |now| said(1, 9, &[1, 2, 3], now).map(|said| Coordinated { master: None, ..said });
    bench.act(|cluster, now| cluster.handle_coordination(nobody(now), now));
    bench.pass_with(3000, &[2]);
    assert_eq!((bench.cluster.role(), bench.cluster.counters().assigned), (Role::Master, assigned));
    bench.pass(400);
    assert_eq!(bench.cluster.role(), Role::Joining, "until it is not heard");
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3], now), now));
    assert_eq!(bench.cluster.role(), Role::Joining, "that mastership is over");
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 10, &[1, 2, 3], now), now));
    assert_eq!(bench.cluster.role(), Role::Master);
}

/// H-CL-6, H-CL-20: who is elected leaves alone what others may own until so many have joined it that the rest can't go on
/// without the coordinator, and until those have stopped. Where the coordinator alone is the quorum, one is enough.
#[test]
fn who_is_elected_takes_over_when_the_rest_has_stopped() {
    let mut bench = coordinated(1, Quorum::Majority);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3], now), now));
    reign(&mut bench, 3000, &[]);
    assert_eq!(bench.cluster.counters().assigned, 0, "2 may be master, and 3 hear it");
    bench.hear(2, 9, support(1, 2));
    reign(&mut bench, 800, &[2]);
    assert_eq!(bench.cluster.counters().assigned, 0, "3 may have heard that until just now");
    reign(&mut bench, 500, &[2]);
    assert!(bench.cluster.counters().assigned > 0);

    let mut bench = coordinated(1, Quorum::None);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1], now), now));
    reign(&mut bench, 800, &[]);
    assert_eq!(bench.cluster.counters().assigned, 0);
    reign(&mut bench, 100, &[]);
    assert!(bench.cluster.counters().assigned > 0);
    // But then all have to hear it when the coordinator is away.
    bench.hear(2, 9, support(1, 2));
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    bench.pass_with(2100, &[2]);
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// Keepalives are lost while the coordinator is away: the member asks the master that it had, not any that calls itself one.
#[test]
fn a_member_finds_its_master_without_the_coordinator() {
    let mut bench = coordinated(2, Quorum::Majority);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3], now), now));
    bench.hear(1, 9, Body::JoinOk { members: 2, watchdog_ms: 200 });
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    bench.pass(400);
    assert_eq!(bench.cluster.role(), Role::Joining);
    bench.done();
    bench.hear(3, 9, keepalive(1, &[3]));
    bench.hear(3, 8, keepalive(2, &[3]));
    assert!(!bench.said().iter().any(|(to, ..)| *to == super::bench::to(3)), "nobody elected that one");
    bench.hear(1, 9, keepalive(1, &[1, 3]));
    assert!(bench.said().contains(&(to(1), 9, support(1, 2))));
    bench.hear(1, 9, Body::JoinOk { members: 2, watchdog_ms: 200 });
    assert_eq!(bench.cluster.stand(), Stand::Following(Term(9)));
    // Whoever has a greater term was elected behind our back.
    bench.hear(3, 10, keepalive(1, &[2, 3]));
    assert!(bench.said().contains(&(to(3), 10, support(3, 2))));
}

/// A master in the place of one that was deposed waits until that one knows, or its lease has ended.
#[test]
fn who_deposes_waits_for_the_deposed() {
    let mut bench = coordinated(1, Quorum::None);
    let deposing =
        |now| said(1, 9, &[1], now).map(|said| Coordinated { rival_until: now + Duration::from_secs(2), ..said });
    bench.act(|cluster, now| cluster.handle_coordination(deposing(now), now));
    reign(&mut bench, 2800, &[]);
    assert_eq!(bench.cluster.counters().assigned, 0);
    reign(&mut bench, 200, &[]);
    assert!(bench.cluster.counters().assigned > 0);
}

/// H-CL-19: nobody hears of an assignment that the coordinator does not keep: it keeps none of a former master.
#[test]
fn an_assignment_is_kept_before_it_is_said() {
    let mut bench = coordinated(1, Quorum::None);
    let higher = |now| said(1, 9, &[1, 2], now).map(|said| Coordinated { highest: UnitVersion(7000), ..said });
    bench.act(|cluster, now| cluster.handle_coordination(higher(now), now));
    bench.hear(2, 9, support(1, 2));
    let mut asked = Vec::new();
    for _ in 0..30 {
        bench.pass_with(50, &[2]);
        for command in bench.done() {
            match command {
                Command::Record { term, units } => {
                    assert_eq!(term, Term(9));
                    asked.extend(units);
                }
                Command::Send { body: Body::UnitAssign { .. }, .. } => panic!("it was not kept"),
                _ => {}
            }
        }
    }
    assert_eq!(asked.len(), 1024, "each is asked for once");
    assert!(asked.iter().all(|unit| unit.version > UnitVersion(7000)), "versions only grow");
    assert!((0..1024).all(|unit| bench.cluster.owns(super::bench::unit(unit)).is_none()));
    let (ours, theirs): (Vec<_>, Vec<_>) = asked.iter().copied().partition(|unit| unit.owner == id(1));
    bench.act(|cluster, now| cluster.handle_recorded(&asked, now));
    let told = bench.said().into_iter().filter_map(|(_, _, body)| match body {
        Body::UnitAssign { units, .. } => Some(units),
        _ => None,
    });
    assert_eq!(told.flatten().count(), theirs.len());
    assert!(ours.iter().all(|assignment| bench.cluster.owns(assignment.unit) == Some(assignment.version)));
}

/// A member knows whose silence it is that it suffers from.
#[test]
fn a_lost_master_is_known_by_its_term() {
    let mut bench = coordinated(2, Quorum::Majority);
    let seeking = |lost, heeded| Stand::Seeking { lost, heeded: Term(heeded) };
    assert_eq!(bench.cluster.stand(), seeking(None, 0));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2], now), now));
    assert_eq!(bench.cluster.stand(), seeking(None, 9), "it did not hear it yet");
    bench.hear(1, 9, Body::JoinOk { members: 2, watchdog_ms: 200 });
    bench.pass(1000);
    assert_eq!(bench.cluster.stand(), seeking(Some(Term(9)), 9));
}
