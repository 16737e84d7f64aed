//! Planned moves: make before break for data, and one at a time for logins.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;
use Disposition::{Foreign, Forward, Held, Own};

fn owner() -> Bench {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.confirm(4, &[1, 2, 3]);
    bench.done();
    bench
}

/// CL-34, H-CL-19: the old owner stops its logins, then says its last change of state, again if asked again; its data
/// it gives up when the new owner has it.
#[test]
fn the_old_owners_side() {
    let mut bench = owner();
    let order = Body::UnitDeassign(vec![assignment(7, 9, 3)]);
    bench.hear(1, 4, order.clone());
    assert_eq!(bench.rule(7), (Own, Foreign, None));
    let done = bench.done();
    let flush = Command::Flush { unit: unit(7), version: crate::member::UnitVersion(9) };
    assert_eq!(done.last(), Some(&flush), "after its rule: nothing comes after it");
    bench.hear(1, 4, order.clone());
    assert_eq!(bench.said(), [], "not yet");
    bench.act(|cluster, now| cluster.handle_flushed(unit(7), 41, now));
    let Body::UnitDeassignAck { units, last_seq } = bench.said().remove(0).2 else { panic!("an acknowledgement") };
    assert_eq!((units[0].unit, units[0].version.0, last_seq), (unit(7), 9, 41));
    bench.hear(1, 4, order);
    assert!(matches!(bench.said()[..], [(_, _, Body::UnitDeassignAck { last_seq: 41, .. })]));
    assert_eq!(bench.rule(7).0, Own);
    bench.hear(3, 4, Body::UnitAssignAck(vec![assignment(7, 10, 3)]));
    assert_eq!((bench.rule(7).0, bench.rule(7).1), (Foreign, Foreign));
    // It is over: what was said of it before is not heeded any more.
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    assert_eq!(bench.rule(7).0, Foreign);
}

/// H-CL-19: the new owner waits until it has applied what the old one did; it says so to all.
#[test]
fn the_new_owners_side() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    let after = Some(StateMark { origin: id(3), seq: 41 });
    let order = Body::UnitAssign { units: vec![assignment(7, 10, 2)], after };
    bench.hear(1, 4, order.clone());
    bench.act(|cluster, now| cluster.handle_applied(id(3), 40, now));
    assert_eq!((bench.rule(7).0, bench.said()), (Foreign, vec![]));
    bench.act(|cluster, now| cluster.handle_applied(id(3), 41, now));
    assert_eq!((bench.rule(7).0, bench.rule(7).1), (Own, Own));
    let ack = (Destination::Group, 4, Body::UnitAssignAck(vec![assignment(7, 10, 2)]));
    assert_eq!(bench.said(), core::slice::from_ref(&ack));
    bench.hear(1, 4, order);
    assert_eq!(bench.said(), [ack], "again, since it was asked again");
}

/// H-CL-19, H-CL-20: changes that nobody can bring any more, or not in time, are not waited for; the operator hears of it.
#[test]
fn a_predecessor_that_is_gone_is_not_waited_for() {
    for lost in [true, false] {
        let mut bench = Bench::member(2, 3, 4, |_| {});
        let after = Some(StateMark { origin: id(3), seq: 41 });
        bench.hear(1, 4, Body::UnitAssign { units: vec![assignment(7, 10, 2)], after });
        if lost {
            bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Lost, now));
        } else {
            for _ in 0..20 {
                assert_eq!(bench.rule(7).0, Foreign);
                bench.pass(50);
                bench.confirm(4, &[1, 2, 3]);
            }
        }
        assert_eq!(bench.rule(7).0, Own);
        assert!(bench.told().contains(&Event::HandoverIncomplete { unit: unit(7), origin: id(3) }));
    }
}

/// A master with all units, and two members without any.
fn master() -> Bench {
    let mut bench = Bench::elected(3, &[2, 3], |config| {
        config.constants.freeze = crate::time::Duration::from_secs(4);
    });
    for _ in 0..20 {
        bench.pass(50);
        [2, 3].into_iter().for_each(|member| bench.live_with(member, |keepalive| keepalive.ready = false));
    }
    assert_eq!(bench.cluster.view().members[0].units, 1024);
    bench.done();
    bench
}

/// What has begun to move since the last look, in the order of the flushes.
fn flushed(bench: &mut Bench) -> Vec<u16> {
    let flushes = bench.done().into_iter().filter_map(|command| match command {
        Command::Flush { unit, .. } => Some(unit.index() as u16),
        _ => None,
    });
    flushes.collect()
}

/// CL-32, CL-34, H-CL-22: every two seconds, 32 moves at most, and none for a while after somebody came.
#[test]
fn rebalancing_is_paced() {
    let mut bench = master();
    bench.pass_with(2900, &[2, 3]);
    assert_eq!(flushed(&mut bench), [], "frozen");
    bench.pass_with(1000, &[2, 3]);
    let moved = flushed(&mut bench);
    assert_eq!(moved.len(), 32);
    assert!(!moved.contains(&0), "the keeper's last");
    bench.pass_with(1000, &[2, 3]);
    assert_eq!(flushed(&mut bench), []);
}

/// H-CL-19, X-1: the master's side of a move: logins wait here from the order on; the new owner gets a greater version and the old one's last
/// change; then it gets the packets.
#[test]
fn the_masters_side() {
    let mut bench = master();
    bench.pass_with(4900, &[2, 3]);
    let [first, ..] = flushed(&mut bench)[..] else { panic!("moves") };
    assert_eq!(bench.rule(first), (Own, Held, Some(1)));
    let old = bench.cluster.view().units[usize::from(first)].version;
    bench.act(|cluster, now| cluster.handle_held(unit(first), frame(1), now));
    bench.act(|cluster, now| cluster.handle_flushed(unit(first), 8, now));
    let Some((Destination::Member(new), _, Body::UnitAssign { units, after })) = bench.said().pop() else {
        panic!("an assignment")
    };
    assert_eq!(after, Some(StateMark { origin: id(1), seq: 8 }));
    assert!(units[0].version > old);
    assert_eq!(bench.rule(first), (Own, Held, Some(1)), "its data stays where it is");
    bench.hear(new.get(), 1, Body::UnitAssignAck(units));
    assert_eq!(bench.rule(first), (Forward, Forward, Some(new.get())));
    let packet = Body::ForwardedPacket { unit: unit(first), port: Some(0), frame: frame(1).frame };
    let said = bench.said();
    assert!(said.contains(&(Destination::Member(new), 1, packet)));
    assert!(
        said.iter().any(|(.., body)| matches!(body, Body::MasterKeepalive(keepalive) if keepalive.table.is_some()))
    );
}

/// CL-35: in the document's profile the test is repeated until it is false, in one evaluation.
#[test]
fn the_document_moves_all_at_once() {
    let mut bench = Bench::document_master(2);
    (0..100).for_each(|number| bench.act(|cluster, now| cluster.handle_held(unit(number), frame(1), now)));
    bench.hear(2, 1, Body::JoinRequest(request(2)));
    bench.done();
    bench.pass_with(2000, &[2]);
    assert_eq!(flushed(&mut bench).len(), 50);
}

/// H-CL-19: the table takes away what it gives to others by a version that is not less, and what it has always said does not.
#[test]
fn a_table_takes_away() {
    let mut bench = owner();
    let say = |bench: &mut Bench, owner, version| {
        let Body::MasterKeepalive(mut said) = keepalive(9, &[1, 2, 3]) else { unreachable!() };
        let entry = TableEntry { owner, version: crate::member::UnitVersion(version) };
        said.table = Some(TableChunk { first: unit(7), entries: vec![entry] });
        bench.hear(1, 4, Body::MasterKeepalive(said));
    };
    say(&mut bench, None, 8);
    say(&mut bench, Some(id(3)), 8);
    assert_eq!(bench.rule(7).0, Own, "from before it was ours");
    say(&mut bench, Some(id(2)), 12);
    say(&mut bench, Some(id(3)), 11);
    assert_eq!(bench.rule(7).0, Own, "renewed since");
    say(&mut bench, Some(id(3)), 13);
    assert_eq!(bench.rule(7).0, Foreign);
    say(&mut bench, Some(id(2)), 14);
    assert_eq!(bench.rule(7).0, Foreign, "a table confers nothing");
}

/// H-CL-19: a master that goes on to assign by a version that is over learns better: the member joins again, and says which
/// versions it knows.
#[test]
fn a_master_that_does_not_know_better_is_told() {
    let mut bench = owner();
    bench.hear(1, 4, Body::UnitDeassign(vec![assignment(7, 9, 3)]));
    bench.act(|cluster, now| cluster.handle_flushed(unit(7), 41, now));
    bench.hear(3, 4, Body::UnitAssignAck(vec![assignment(7, 10, 3)]));
    bench.done();
    for _ in 0..12 {
        bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
        bench.pass(20);
        bench.confirm(4, &[1, 2, 3]);
    }
    assert!(bench.told().contains(&Event::LostMaster { master: id(1), why: Why::OutOfDate }));
    bench.pass(30);
    let highest = bench.said().into_iter().find_map(|(.., body)| match body {
        Body::JoinRequest(request) => Some(request.highest.0),
        _ => None,
    });
    assert_eq!(highest, Some(9));

    let mut master = Bench::elected(3, &[2, 3], |_| {});
    for _ in 0..20 {
        master.pass(10);
        [2, 3].into_iter().for_each(|member| master.live(member));
    }
    let assigned = |bench: &mut Bench| {
        let said = bench.said().into_iter().rev();
        let mut units = said.filter_map(|(to, _, body)| match body {
            Body::UnitAssign { units, .. } if to == Destination::Member(id(3)) => units.first().copied(),
            _ => None,
        });
        units.next().expect("assigned, and not acknowledged")
    };
    let before = assigned(&mut master);
    let known = JoinRequest { highest: crate::member::UnitVersion(9000), ..request(3) };
    master.hear(3, 1, Body::JoinRequest(known));
    master.pass(30);
    let after = assigned(&mut master);
    assert!(before.version.0 < 9000 && after.version.0 > 9000, "{before:?} {after:?}");
}

/// H-CL-19: somebody knows of newer assignments than those by which a member owns its units, by a master that hardly anybody
/// followed. The member gives up what is older, and joins again with what it has learnt, so that it is assigned anew.
#[test]
fn an_owner_by_versions_that_are_over() {
    let mut bench = owner();
    bench.hear(1, 4, assign(&[assignment(8, 30, 2)]));
    bench.done();
    bench.act(|cluster, now| cluster.handle_outdated(unit(7), crate::member::UnitVersion(9), now));
    assert_eq!((bench.said(), bench.rule(7).1), (vec![], Own), "it has that one");
    bench.act(|cluster, now| cluster.handle_outdated(unit(7), crate::member::UnitVersion(20), now));
    assert_eq!((bench.rule(7).1, bench.rule(8).1), (Foreign, Own));
    bench.hear(1, 4, keepalive(7, &[1, 3]));
    let mut requests = bench.said().into_iter().filter_map(|(_, _, body)| match body {
        Body::JoinRequest(request) => Some((request.highest.0, request.holds)),
        _ => None,
    });
    assert_eq!(requests.next_back(), Some((30, 1)));
}

/// H-CL-19: a master gives its own units greater versions at once, and those who speak for them are told.
#[test]
fn a_master_by_versions_that_are_over() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass_with(2000, &[2, 3]);
    let own = (0..1024).find(|number| bench.rule(*number).1 == Own).expect("it has some");
    bench.done();
    bench.act(|cluster, now| cluster.handle_outdated(unit(own), crate::member::UnitVersion(70_000), now));
    let told = bench
        .done()
        .into_iter()
        .any(|command| matches!(command, Command::SetUnits(rules) if rules.iter().any(|rule| rule.unit == unit(own))));
    assert!(told);
    assert!(bench.cluster.owns(unit(own)).is_some_and(|version| version.0 > 70_000));
    assert_eq!(bench.rule(own).1, Own, "without a break");
}
