//! A plain member.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;

fn member() -> Bench {
    Bench::member(2, 4, 4, |_| {})
}

/// CL-14, CL-15, CL-45, CL-47: a master that is not heard for 200 ms is gone, and the member asks to join again; each keepalive
/// begins the 200 ms anew.
#[test]
fn the_master_watchdog() {
    let mut bench = member();
    bench.pass(199);
    bench.confirm(4, &[1, 2]);
    bench.pass(199);
    assert_eq!(bench.cluster.role(), Role::Member);
    bench.done();
    bench.pass(1);
    assert_eq!(bench.cluster.role(), Role::Joining);
    let done = bench.done();
    assert_eq!(events(&done), [Event::LostMaster { master: id(1), why: Why::Silence }]);
    assert!(done.iter().any(|command| matches!(command, Command::Send { body: Body::JoinRequest(_), .. })));
}

/// CL-16: told to exit, it asks to join again.
#[test]
fn told_to_exit_it_joins_again() {
    let mut bench = member();
    bench.hear(1, 4, exit(1));
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// H-CL-10: only the master of this term is heard.
#[test]
fn only_the_master_commands() {
    let mut bench = member();
    for (from, term) in [(3, 4), (1, 3)] {
        bench.hear(from, term, exit(1));
        bench.hear(from, term, assign(&[assignment(1, 9, 2)]));
        bench.hear(from, term, keepalive(9, &[1]));
    }
    assert_eq!((bench.cluster.role(), bench.rule(1).0), (Role::Member, Disposition::Foreign));
    assert_eq!(bench.cluster.counters().stale, 6);
    let header = Header { cluster: 1, sender: id(1), term: crate::member::Term(4), seq: 9 };
    bench.act(|cluster, now| cluster.handle_datagram(ip(3), &header, &exit(1), now));
    assert_eq!((bench.cluster.role(), bench.cluster.counters().strangers), (Role::Member, 1), "from elsewhere");
}

/// CL-42, CL-46, CL-77: it says that it lives, with growing numbers, at the interval that the master distributes.
#[test]
fn keepalives_at_the_adaptive_interval() {
    let mut bench = member();
    let mut heard = 10;
    for (n, period) in [(2, 100), (20, 10), (4, 50)] {
        let mut seqs = Vec::new();
        for step in 0..60 {
            let Body::MasterKeepalive(mut said) = keepalive(heard + 1, &[1, 2]) else { unreachable!() };
            (said.n, said.members[1].heard) = (n, bench.cluster.keepalive_seq);
            heard += 1;
            bench.hear(1, 4, Body::MasterKeepalive(said));
            bench.pass(5);
            for (to, _, body) in bench.said() {
                let Body::MemberKeepalive(keepalive) = body else { continue };
                assert_eq!((to, keepalive.heard), (Destination::Member(id(1)), heard));
                // The change takes a moment.
                seqs.extend((step >= 20).then_some(keepalive.keepalive_seq));
            }
        }
        assert_eq!(seqs.len() as u64, 200 / period, "n = {n}");
        assert!(seqs.is_sorted_by(|a, b| a < b));
    }
}

/// CL-43, CL-44: who came and who went is told to the applications.
#[test]
fn members_that_come_and_go() {
    let mut bench = member();
    bench.confirm(4, &[1, 2, 3]);
    assert_eq!(bench.told(), [Event::MemberCame(id(3))]);
    bench.confirm(4, &[1, 2, 4]);
    let went = Event::MemberWent { member: id(3), why: Why::NotListed };
    assert_eq!(bench.told(), [went, Event::MemberCame(id(4))]);
    bench.confirm(4, &[1, 2, 4]);
    assert_eq!(bench.told(), []);
}

/// H-CL-30: a list without itself is as good as an EXIT.
#[test]
fn not_listed_is_gone() {
    let mut bench = member();
    bench.confirm(4, &[1, 3]);
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.told().contains(&Event::LostMaster { master: id(1), why: Why::NotListed }));
}

/// CL-71: a master that says that it leaves need not be waited for.
#[test]
fn a_leaving_master_is_succeeded_at_once() {
    let mut bench = member();
    bench.hear(1, 4, exit(0));
    bench.done();
    bench.hear(3, 5, offer(3, 4));
    assert!(bench.cluster.role() == Role::Joining);
    assert!(bench.said().contains(&(to(3), 5, support(3, 2))));
}

/// H-CL-7: a master of a later term was elected without us: we follow it.
#[test]
fn a_later_master_is_followed() {
    let mut bench = member();
    bench.hear(3, 5, keepalive(1, &[3, 4]));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.said().contains(&(to(3), 5, support(3, 2))));
    bench.hear(3, 5, Body::JoinOk { members: 3, watchdog_ms: 200 });
    assert_eq!(bench.cluster.master(), Some(id(3)));
}
