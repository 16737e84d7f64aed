//! The operator.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;

/// Two seconds in which the master and both others do what they are told.
fn serve(bench: &mut Bench) {
    for _ in 0..200 {
        bench.pass(10);
        for command in bench.done() {
            match command {
                Command::Flush { unit, .. } => bench.act(|cluster, now| cluster.handle_flushed(unit, 0, now)),
                Command::Send { to: Destination::Member(to), term, body: Body::UnitAssign { units, .. } } => {
                    bench.hear(to.get(), term.0, Body::UnitAssignAck(units));
                }
                Command::Send { to: Destination::Member(to), term, body: Body::UnitDeassign(units) } => {
                    bench.hear(to.get(), term.0, Body::UnitDeassignAck { units, last_seq: 0 });
                }
                _ => {}
            }
        }
        [2, 3].into_iter().for_each(|member| bench.live(member));
    }
}

fn units(bench: &Bench) -> Vec<u16> {
    bench.cluster.view().members.iter().map(|member| member.units).collect()
}

/// A drained member gets nothing and gives away what it has, and the members show it.
#[test]
fn a_drained_member_is_emptied() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass_with(1000, &[2, 3]);
    let drain = |cluster: &mut Cluster, now| cluster.handle_operator(Request::Drain(id(1)), now);
    assert_eq!(bench.act(drain), Ok(()));
    bench.done();
    serve(&mut bench);
    assert_eq!(units(&bench), [0, 512, 512]);
    assert!(bench.cluster.view().members[0].draining);

    let mut member = Bench::member(2, 3, 4, |_| {});
    let Body::MasterKeepalive(mut said) = keepalive(2, &[1, 2, 3]) else { unreachable!() };
    said.drained = vec![id(3)];
    member.hear(1, 4, Body::MasterKeepalive(said));
    assert!(member.cluster.view().members[2].draining);
    assert_eq!(member.act(drain), Err(OperatorError::NotMaster(Some(id(1)))));
    let unknown = |cluster: &mut Cluster, now| cluster.handle_operator(Request::Drain(id(9)), now);
    assert_eq!(bench.act(unknown), Err(OperatorError::Unknown(id(9))));
}

/// A drain is not the end of the service: where all are drained, each keeps what it has, and they share what nobody has.
#[test]
fn where_all_are_drained_nobody_is() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    [1, 2, 3].into_iter().for_each(|member| drain(&mut bench, member));
    serve(&mut bench);
    let shared = units(&bench);
    assert!(shared.iter().all(|units| (341..=342).contains(units)), "{shared:?}");
    let end = |cluster: &mut Cluster, now| cluster.handle_operator(Request::Undrain(id(2)), now);
    assert_eq!(bench.act(end), Ok(()));
    serve(&mut bench);
    assert_eq!(units(&bench), [0, 1024, 0]);
}

fn drain(bench: &mut Bench, member: u8) {
    let asked = bench.act(|cluster, now| cluster.handle_operator(Request::Drain(id(member)), now));
    assert_eq!(asked, Ok(()));
}

/// These support what this member has offered.
fn elect(bench: &mut Bench, candidate: u8, supporters: &[u8]) {
    let offered = bench.said().into_iter().rev().find(|(_, _, body)| matches!(body, Body::MasterOffer(_)));
    let (_, term, _) = offered.expect("an offer");
    supporters.iter().for_each(|member| bench.hear(*member, term, support(candidate, *member)));
    assert_eq!(bench.cluster.role(), Role::Master);
}

/// CL-34: the list tells whom an operator drains, members or not, from who is about to leave.
#[test]
fn the_list_tells_drains_apart() {
    let mut bench = Bench::elected(5, &[2, 3, 4], |_| {});
    bench.pass_with(1000, &[2, 3, 4]);
    bench.live(2);
    [3, 4].into_iter().for_each(|member| bench.live_with(member, |said| said.leaving = true));
    [2, 3, 5].into_iter().for_each(|member| drain(&mut bench, member));
    bench.pass(1);
    let said = bench.said().into_iter().rev().find_map(|(_, _, body)| match body {
        Body::MasterKeepalive(said) => Some(said),
        _ => None,
    });
    let said = said.expect("a keepalive");
    let mut list: Vec<_> = said.members.iter().map(|member| (member.id.get(), member.leaving)).collect();
    list.sort_by_key(|(member, _)| *member);
    assert_eq!(list, [(1, false), (2, false), (3, true), (4, true)]);
    assert_eq!(said.drained, [id(2), id(3), id(5)]);
}

/// CL-34: a master that is none any more and is elected again goes on with its drains.
#[test]
fn a_master_that_is_back_goes_on_with_drains() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass_with(1000, &[2, 3]);
    drain(&mut bench, 3);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.pass(100);
    elect(&mut bench, 1, &[2, 3]);
    let draining: Vec<_> = bench.cluster.view().members.iter().map(|member| member.draining).collect();
    assert_eq!(draining, [false, false, true]);
}

/// CL-34: an operator's drain goes on under the next master, of a member that is away just then, too. That the last one, or
/// another, was about to leave does not: it may be back by then.
#[test]
fn the_next_master_goes_on_with_drains() {
    let mut bench = Bench::member(2, 5, 4, |_| {});
    let Body::MasterKeepalive(mut said) = keepalive(2, &[1, 2, 3, 4]) else { unreachable!() };
    said.drained = vec![id(3), id(5)];
    [0, 3].into_iter().for_each(|place: usize| said.members[place].leaving = true);
    bench.hear(1, 4, Body::MasterKeepalive(said));
    let draining =
        |bench: &Bench| bench.cluster.view().members.iter().map(|member| member.draining).collect::<Vec<_>>();
    assert_eq!(draining(&bench), [true, false, true, true, true]);
    bench.hear(1, 4, exit(0));
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.pass(100);
    elect(&mut bench, 2, &[3, 4]);
    assert_eq!(draining(&bench), [false, false, true, false, true]);
}

/// Who is about to leave and has lost its master becomes none itself: it supports another, which gets what it has, and leaves at
/// once where there is nobody.
#[test]
fn who_leaves_becomes_no_master() {
    for others in [true, false] {
        let mut bench = Bench::member(2, 3, 4, |_| {});
        bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
        bench.confirm(4, &[1, 2, 3]);
        assert_eq!(bench.act(|cluster, now| cluster.handle_operator(Request::Exit, now)), Ok(()));
        if !others {
            [1, 3]
                .into_iter()
                .for_each(|member| bench.act(|cluster, now| cluster.handle_peer(id(member), PeerEvent::Lost, now)));
        }
        bench.hear(1, 4, exit(0));
        bench.said();
        bench.pass(3000);
        let offered = bench.said().iter().any(|(.., body)| matches!(body, Body::MasterOffer(_)));
        assert!(!offered, "it offers nothing");
        if others {
            assert_eq!(bench.cluster.role(), Role::Joining);
            bench.hear(3, 6, offer(3, 2));
            bench.pass(100);
            let supported =
                |(.., body): &(_, _, Body)| matches!(body, Body::JoinRequest(said) if said.supports == Some(id(3)));
            assert!(bench.said().iter().any(supported), "it supports who does");
        } else {
            assert_eq!(bench.cluster.role(), Role::Left);
        }
    }
}

/// A drain is as fast as is set: so many units on their way at a time.
#[test]
fn a_drain_has_a_bound() {
    for drain_moves in [1, 10, 64] {
        let constants = Constants { drain_moves, ..PRODUCTION };
        let mut bench = Bench::elected(3, &[2, 3], |config| config.constants = constants.clone());
        let moving = |bench: &Bench| bench.cluster.view().units.iter().filter(|unit| unit.moving).count();
        for _ in 0..40 {
            bench.pass_with(50, &[2, 3]);
            for (_, term, body) in bench.said() {
                let Body::UnitAssign { units, .. } = body else { continue };
                bench.hear(units[0].owner.get(), term, Body::UnitAssignAck(units));
            }
        }
        assert_eq!(moving(&bench), 0);
        bench.act(|cluster, now| cluster.handle_operator(Request::Drain(id(1)), now)).unwrap();
        bench.pass_with(500, &[2, 3]);
        assert_eq!(moving(&bench), drain_moves, "and no more before these have arrived");
    }
}

/// A member that shall leave says so in its keepalives, and leaves when it owns nothing more.
#[test]
fn a_member_leaves_when_it_is_empty() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.confirm(4, &[1, 2, 3]);
    assert_eq!(bench.act(|cluster, now| cluster.handle_operator(Request::Exit, now)), Ok(()));
    bench.pass(1);
    assert!(bench.said().iter().any(|(.., body)| matches!(body, Body::MemberKeepalive(said) if said.leaving)));
    assert_eq!(bench.cluster.role(), Role::Member);
    bench.hear(1, 4, Body::UnitDeassign(vec![assignment(7, 9, 3)]));
    bench.act(|cluster, now| cluster.handle_flushed(unit(7), 3, now));
    bench.hear(3, 4, Body::UnitAssignAck(vec![assignment(7, 10, 3)]));
    bench.confirm(4, &[1, 2, 3]);
    bench.pass(150);
    let done = bench.done();
    assert_eq!(done.last(), Some(&Command::Left), "{done:?}");
    assert!(done.contains(&Command::Send { to: to(1), term: crate::member::Term(4), body: exit(0) }));
    assert_eq!((bench.cluster.role(), bench.cluster.poll_timeout()), (Role::Left, None));
}

/// What the operator sees: members with state, loss, load and units; units with owner, age and moves.
#[test]
fn the_view() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass_with(1000, &[2, 3]);
    bench.live_with(2, |keepalive| keepalive.load = 77);
    let view = bench.cluster.view();
    assert_eq!((view.role, view.master, view.term.0, view.n), (Role::Master, Some(id(1)), 1, 2));
    assert_eq!(view.members.len(), 3);
    assert_eq!(
        (view.members[1].load, view.members[1].loss, view.members[1].name.as_str()),
        (Some(77), Some(0.0), "gw2")
    );
    assert_eq!(view.units.len(), 1024);
    let own = view.units.iter().find(|unit| unit.owner == Some(id(1))).expect("some");
    assert_eq!((own.moves, own.moving), (1, false));
    for command in bench.done() {
        if let Command::Tell(event) = command {
            assert!(!event.to_string().is_empty());
        }
    }
}
