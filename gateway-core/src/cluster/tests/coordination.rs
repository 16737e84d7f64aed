//! A coordinator in place of the election.

use super::bench::*;
use crate::cluster::*;
use crate::member::Term;
use crate::wire::cluster::*;

fn said(master: u8, term: u32, members: &[u8]) -> Option<Coordinated> {
    Some(Coordinated {
        master: Some(id(master)),
        term: Term(term),
        members: members.iter().map(|member| id(*member)).collect(),
    })
}

fn coordinated(me: u8) -> Bench {
    Bench::new(ClusterConfig { coordination: Coordination::External, ..config(me, 3, Quorum::Majority, PRODUCTION) })
}

/// Nobody offers itself; who is said to be master is, who is said to be a member joins it.
#[test]
fn the_coordinator_elects() {
    let mut bench = coordinated(1);
    bench.pass(3000);
    assert!(bench.said().iter().all(|(.., body)| matches!(body, Body::JoinRequest(_))));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2]), now));
    assert_eq!((bench.cluster.role(), bench.cluster.view().term), (Role::Master, Term(9)));
    bench.hear(3, 9, support(1, 3));
    assert!(!bench.cluster.view().members[2].member, "not one whose lease has ended");
    bench.hear(2, 9, support(1, 2));
    assert!(bench.cluster.view().members[1].member);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1]), now));
    assert!(bench.told().contains(&Event::MemberWent { member: id(2), why: Why::Coordinator }));

    let mut bench = coordinated(2);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2]), now));
    assert!(bench.said().contains(&(to(1), 9, support(1, 2))));
    bench.hear(1, 9, Body::JoinOk { members: 2, watchdog_ms: 200 });
    assert_eq!(bench.cluster.master(), Some(id(1)));
    bench.act(|cluster, now| cluster.handle_coordination(said(2, 10, &[1, 2]), now));
    assert_eq!((bench.cluster.role(), bench.cluster.view().term), (Role::Master, Term(10)));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 11, &[1]), now));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.done().contains(&Command::Fence), "its lease has ended");
}

/// Without the coordinator the data plane goes on, no unit moves, and the operator sees it; a master goes on while a majority
/// hears it.
#[test]
fn an_unreachable_coordinator_moves_nothing() {
    let mut bench = coordinated(1);
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2, 3]), now));
    bench.hear(2, 9, support(1, 2));
    bench.pass_with(200, &[2]);
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    assert!(bench.told().contains(&Event::CoordinatorUnreachable));
    bench.pass_with(3000, &[2]);
    assert_eq!(bench.cluster.role(), Role::Master);
    assert_eq!(bench.cluster.counters().assigned, 0, "no unit moves");
    assert!(!bench.done().contains(&Command::Fence));
    bench.act(|cluster, now| cluster.handle_coordination(said(1, 9, &[1, 2]), now));
    assert!(bench.told().contains(&Event::CoordinatorBack));
    bench.pass_with(1000, &[2]);
    assert!(bench.cluster.counters().assigned > 0);
    bench.act(|cluster, now| cluster.handle_coordination(None, now));
    bench.pass(400);
    assert_eq!(bench.cluster.role(), Role::Joining, "nobody hears it either");
}
