//! Units at the master: pool, assignment, held packets, what the data plane does.

use super::bench::*;
use crate::cluster::*;
use crate::member::UnitVersion;
use crate::wire::cluster::*;
use Disposition::{Foreign, Forward, Held, Own};

/// A master as in the document, with member 2.
fn two(delivery: Delivery) -> Bench {
    let mut bench = Bench::new(ClusterConfig { delivery, ..config(1, 3, Quorum::None, DOCUMENT) });
    bench.pass(200);
    bench.hear(2, 1, Body::JoinRequest(request(2)));
    bench.live(2);
    bench.done();
    bench
}

/// What was assigned since the last look.
fn assigned(bench: &mut Bench) -> Vec<(u8, Assignment)> {
    let mut found = Vec::new();
    for (to, _, body) in bench.said() {
        if let (Destination::Member(member), Body::UnitAssign { units, .. }) = (to, body) {
            found.extend(units.into_iter().map(|assignment| (member.get(), assignment)));
        }
    }
    found
}

/// CL-37, CL-61, CL-64: nobody's unit is assigned when a packet for it arrives, to the least loaded; the packet waits for the
/// acknowledgement, in every mode of delivery, and then goes to the owner.
#[test]
fn a_packet_assigns_its_unit() {
    for delivery in [Delivery::Forward, Delivery::UnicastMac, Delivery::MulticastMac] {
        let mut bench = two(delivery);
        bench.pass_with(500, &[2]);
        assert_eq!(assigned(&mut bench), [], "nothing by itself");
        assert_eq!(bench.rule(7), (Held, Held, None));
        // The first goes to member 1, which has as many and the lower number.
        bench.act(|cluster, now| cluster.handle_held(unit(6), frame(1), now));
        let done = bench.done();
        assert!(done.contains(&Command::Inject { unit: unit(6), frame: frame(1) }), "{done:?}");
        assert_eq!(bench.rule(6), (Own, Own, Some(1)));

        bench.act(|cluster, now| cluster.handle_held(unit(7), frame(1), now));
        bench.act(|cluster, now| cluster.handle_held(unit(7), frame(2), now));
        let [(2, assignment)] = assigned(&mut bench)[..] else { panic!("once, to member 2") };
        assert_eq!(bench.rule(7), (Held, Held, None));
        bench.hear(2, 1, Body::UnitAssignAck(vec![assignment]));
        let sent = |n| (to(2), 1, Body::ForwardedPacket { unit: unit(7), port: Some(0), frame: frame(n).frame });
        let said = bench.said();
        assert_eq!(said[..2], [sent(1), sent(2)]);
        let elsewhere = if delivery == Delivery::Forward { Forward } else { Foreign };
        assert_eq!(bench.rule(7), (elsewhere, elsewhere, Some(2)));
    }
}

/// CL-37, H-CL-19: logins for a unit wait here as soon as all who might own it have said that they don't.
#[test]
fn free_when_all_have_spoken() {
    let mut bench = two(Delivery::Forward);
    assert_eq!(bench.rule(7), (Held, Foreign, None), "member 3 may own it");
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    assert_eq!(bench.rule(7), (Held, Held, None));
}

/// CL-62, CL-63, CL-48, CL-49, CL-50: what others own the master forwards where only it is reached, and drops where all are.
#[test]
fn what_others_own() {
    for (delivery, what) in
        [(Delivery::Forward, Forward), (Delivery::UnicastMac, Foreign), (Delivery::MulticastMac, Foreign)]
    {
        let mut bench = two(delivery);
        let claims = JoinRequest { holds: 1, highest: UnitVersion(3), ..request(3) };
        bench.hear(3, 1, Body::JoinRequest(claims));
        bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(9, 3, 3)]));
        assert_eq!(bench.rule(9), (what, what, Some(3)));
    }
}

/// CL-59, CL-60, CL-3: a plain member processes its own units and drops all others.
#[test]
fn a_member_does_its_own_and_nothing_else() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(7, 9, 2), assignment(8, 9, 3)]));
    assert_eq!(bench.rule(7), (Own, Own, Some(2)));
    for number in (0..1024).filter(|number| *number != 7) {
        assert_eq!((bench.rule(number).0, bench.rule(number).1), (Foreign, Foreign));
    }
    let sent = |number| Body::ForwardedPacket { unit: unit(number), port: Some(3), frame: vec![1; 14] };
    bench.done();
    bench.hear(1, 4, sent(8));
    bench.hear(1, 4, sent(7));
    let frame = HeldFrame { port: Some(3), frame: vec![1; 14] };
    assert_eq!(bench.done(), [Command::Inject { unit: unit(7), frame }]);
    assert_eq!(bench.cluster.counters().misdirected, 1);
}

/// CL-64: an assignment that is not acknowledged is said again, until it is.
#[test]
fn assignments_are_repeated_until_acknowledged() {
    let mut bench = two(Delivery::Forward);
    bench.act(|cluster, now| cluster.handle_held(unit(6), frame(1), now));
    bench.act(|cluster, now| cluster.handle_held(unit(7), frame(1), now));
    bench.pass_with(250, &[2]);
    let [(2, assignment), ..] = assigned(&mut bench)[..] else { panic!("to member 2, when nobody else may own it") };
    bench.pass_with(200, &[2]);
    let again = assigned(&mut bench);
    assert!(again.len() >= 3 && again.iter().all(|(_, other)| *other == assignment), "{again:?}");
    let other = Assignment { version: UnitVersion(assignment.version.0 - 1), ..assignment };
    bench.hear(2, 1, Body::UnitAssignAck(vec![other]));
    assert_eq!(bench.rule(7).1, Held, "that is another assignment (H-CL-19)");
    bench.hear(2, 1, Body::UnitAssignAck(vec![assignment]));
    bench.pass_with(200, &[2]);
    assert_eq!(assigned(&mut bench), []);
}

/// CL-7, CL-36, CL-37: the units of a member that is gone are nobody's, by versions that only grow; who takes one over has
/// its last words first.
#[test]
fn a_dead_members_units_are_nobodys() {
    let mut bench = two(Delivery::Forward);
    let claims = JoinRequest { holds: 1, highest: UnitVersion(3000), ..request(3) };
    bench.hear(3, 1, Body::JoinRequest(claims));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(9, 3000, 3)]));
    bench.pass_with(250, &[2]);
    assert_eq!(bench.rule(9), (Held, Held, None));
    bench.done();
    bench.act(|cluster, now| cluster.handle_held(unit(9), frame(1), now));
    let version = |bench: &Bench| bench.cluster.view().units[9].version;
    assert_eq!(version(&bench), UnitVersion(3000));
    assert!(bench.done().contains(&Command::Disconnect(id(3))));
    bench.act(|cluster, now| cluster.handle_settled(id(3), now));
    assert!(version(&bench) > UnitVersion(3000), "{:?}", version(&bench));
}

/// CL-36, H-CL-19: a member that did not hear us let it in asks again, and says what it owned elsewhere. Its request is
/// lost, the rest arrives: what this master is taking, or has, stays its own.
#[test]
fn a_claim_takes_nothing_from_the_master() {
    let mut bench = two(Delivery::Forward);
    bench.pass_with(250, &[2]);
    bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Lost, now));
    bench.act(|cluster, now| cluster.handle_held(unit(6), frame(1), now));
    let claim = Body::UnitAssignAck(vec![assignment(6, 3000, 2)]);
    bench.hear(2, 1, claim.clone());
    assert_eq!(bench.rule(6), (Held, Held, None), "it waits for what the lost one said last");
    bench.act(|cluster, now| cluster.handle_settled(id(3), now));
    assert_eq!(bench.rule(6), (Own, Own, Some(1)));
    bench.hear(2, 1, claim);
    assert_eq!(bench.rule(6), (Own, Own, Some(1)));
}

/// CL-36, H-CL-19: the table gives a member a unit that it does not serve, by a claim that was out of date, say. What it says of
/// itself every time tells that; it is asked what it does own, and the rest goes to whoever serves it.
#[test]
fn a_member_that_owns_less_than_it_is_given() {
    let mut bench = two(Delivery::Forward);
    let claim = |holds| Body::JoinRequest(JoinRequest { holds, highest: UnitVersion(3000), ..request(3) });
    bench.hear(3, 1, claim(2));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(9, 3000, 3), assignment(10, 3000, 3)]));
    bench.done();
    assert_eq!((bench.rule(9).2, bench.rule(10).2), (Some(3), Some(3)));
    let asked = |bench: &mut Bench| {
        bench.said().iter().filter(|(to, _, body)| *to == Destination::Member(id(3)) && *body == exit(2)).count()
    };
    for _ in 0..4 {
        assert_eq!(asked(&mut bench), 0, "a message may be on its way");
        bench.live_with(3, |said| said.units = 1);
        bench.pass_with(50, &[2]);
    }
    bench.live_with(3, |said| said.units = 1);
    assert_eq!(asked(&mut bench), 1);
    bench.hear(3, 1, claim(1));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(10, 3000, 3)]));
    assert_eq!((bench.rule(9).2, bench.rule(10).2), (None, Some(3)));
    for _ in 0..10 {
        bench.live(3);
        bench.pass_with(50, &[2]);
    }
    assert_eq!(asked(&mut bench), 0, "and that was all");
}

/// H-CL-21: with nobody asking for them, at most 64 in each tick are assigned, in the background.
#[test]
fn orphans_are_assigned_in_the_background() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    let mut steps = Vec::new();
    for _ in 0..40 {
        let before = bench.cluster.counters().assigned;
        bench.pass(10);
        [2, 3].into_iter().for_each(|member| bench.live(member));
        steps.extend(Some(bench.cluster.counters().assigned - before).filter(|step| *step > 0));
    }
    assert_eq!(steps, [64; 16]);
}

/// H-CL-19: held packets are dropped after 500 ms, and all when this is no longer the master; both are counted.
#[test]
fn held_packets_do_not_wait_for_ever() {
    let mut bench = Bench::elected(3, &[2], |_| {}); // member 3 may own it
    bench.act(|cluster, now| cluster.handle_held(unit(6), frame(1), now));
    assert_eq!(bench.cluster.counters().held, 1);
    bench.pass_with(450, &[2]);
    assert_eq!(bench.cluster.counters().held, 1);
    bench.pass(50);
    assert_eq!((bench.cluster.counters().held, bench.cluster.counters().held_dropped), (0, 1));
    let mut member = Bench::member(2, 3, 4, |_| {});
    member.act(|cluster, now| cluster.handle_held(unit(6), frame(1), now));
    assert_eq!(member.cluster.counters().held_dropped, 1);
}

/// CL-4, CL-3: the keeper, who does what has no client, is the owner of unit 0.
#[test]
fn the_keeper_owns_unit_0() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(0, 9, 2)]));
    assert!(bench.done().contains(&Command::Keeper(Some(id(2)))));
    bench.hear(1, 4, Body::UnitDeassign(vec![assignment(0, 9, 3)]));
    assert!(bench.done().contains(&Command::Keeper(None)), "its logins are stopped");
}
