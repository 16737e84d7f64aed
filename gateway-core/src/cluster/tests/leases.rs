//! Who stops acting when, so that another may begin.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;

/// H-CL-6: a master that a majority no longer hears stops 300 ms after what it last heard it say, and all know.
#[test]
fn a_master_without_a_majority_stops() {
    let mut bench = Bench::elected(5, &[2, 3, 4, 5], |_| {});
    bench.pass_with(1000, &[2, 3, 4, 5]);
    bench.pass_with(1000, &[4, 5]);
    assert_eq!(bench.cluster.role(), Role::Master, "three of five");
    bench.done();
    bench.pass_with(200, &[5]);
    assert_eq!(bench.cluster.role(), Role::Master);
    bench.pass_with(100, &[5]);
    assert_ne!(bench.cluster.role(), Role::Master);
    let done = bench.done();
    let fence = done.iter().position(|command| *command == Command::Fence).expect("fenced");
    let told = done.iter().position(|command| matches!(command, Command::Send { body: Body::Exit { reason: 0 }, .. }));
    assert!(told.is_some_and(|told| fence < told), "first it stops, then it says so");
    assert!(events(&done).iter().any(|event| matches!(event, Event::SteppedDown { why: Why::Quorum, .. })));
    assert!((0..1024).all(|unit| bench.rule(unit).1 == Disposition::Foreign));
}

/// H-CL-6: what members hear counts, not that they are heard: who hears nothing of the master supports it no more.
#[test]
fn support_is_what_members_have_heard() {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    let heard = bench.cluster.keepalive_seq;
    for _ in 0..7 {
        bench.pass(50);
        [2, 3].into_iter().for_each(|member| bench.live_with(member, |keepalive| keepalive.heard = heard));
    }
    assert_ne!(bench.cluster.role(), Role::Master);
}

/// Member 2, which owns unit 7, and for so many twentieths of a second has heard its master say that it hears nothing of it any more;
/// and what that said.
fn unheard(times: u32) -> (Bench, Body) {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.confirm(4, &[1, 2, 3]);
    let Body::MasterKeepalive(mut said) = keepalive(99, &[1, 2, 3]) else { unreachable!() };
    said.members[1].heard = bench.cluster.keepalive_seq;
    for _ in 0..times {
        bench.pass(50);
        bench.hear(1, 4, Body::MasterKeepalive(said.clone()));
    }
    (bench, Body::MasterKeepalive(said))
}

/// H-CL-6, H-CL-20: a member's time ends while the next master is found: it acts no more, and goes on with the offer that it makes
/// or supports.
#[test]
fn an_election_goes_on_when_time_is_over() {
    let left_late = || {
        let (mut bench, _) = unheard(9);
        bench.hear(1, 4, exit(0));
        assert_eq!((bench.cluster.role(), bench.rule(7).0), (Role::Joining, Disposition::Own));
        bench
    };
    let mut bench = left_late();
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.hear(3, 5, support(2, 3));
    bench.pass_until(|bench| bench.rule(7).0 == Disposition::Foreign);
    assert_eq!(bench.cluster.role(), Role::Offering);
    bench.pass(100);
    assert_eq!((bench.cluster.role(), bench.cluster.term.0), (Role::Master, 5));

    let mut bench = left_late();
    bench.hear(3, 5, offer(3, 3));
    bench.pass_until(|bench| bench.rule(7).0 == Disposition::Foreign);
    bench.done();
    bench.pass(200);
    let said = bench.said();
    let supports_3 = |body: &Body| matches!(body, Body::JoinRequest(JoinRequest { supports: Some(to), holds: 0, .. }) if *to == id(3));
    assert!(said.iter().any(|(.., body)| supports_3(body)), "it says that it owns nothing: {said:?}");
    assert!(!said.iter().any(|(.., body)| matches!(body, Body::MasterOffer(_))), "while that one may count on it");
}

/// H-CL-20: a member of whom the master does not say that it hears it stops 500 ms after its last keepalive that was heard, although it
/// hears the master all the while.
#[test]
fn a_member_that_is_not_heard_fences_itself() {
    let (mut bench, said) = unheard(8);
    assert_eq!(bench.rule(7).0, Disposition::Own);
    bench.done();
    for _ in 0..2 {
        bench.pass(50);
        bench.hear(1, 4, said.clone());
    }
    assert_eq!(bench.rule(7).0, Disposition::Foreign);
    let done = bench.done();
    assert!(done.contains(&Command::Fence));
    assert!(done.contains(&Command::Tell(Event::Fenced(Why::Silence))));
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// CL-5, H-CL-20: a member that lost its master goes on for as long as its units are sure to be its own, and no longer.
#[test]
fn a_member_without_master_goes_on_for_a_while() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.confirm(4, &[1, 2, 3]);
    bench.pass(300);
    assert_ne!(bench.cluster.role(), Role::Member);
    assert_eq!(bench.rule(7).1, Disposition::Own);
    bench.pass(250);
    assert_eq!(bench.rule(7), (Disposition::Foreign, Disposition::Foreign, None));
}

/// H-CL-20: a dead member's units wait until it is sure to have stopped; one that left, or was started again, has stopped.
#[test]
fn units_wait_until_their_owner_has_stopped() {
    for (how, waits) in [("dies", true), ("leaves", false), ("restarts", false)] {
        let mut bench = settled();
        let its = (0..1024).find(|unit| bench.rule(*unit).2 == Some(3)).expect("it has some");
        let died = bench.now;
        match how {
            "leaves" => bench.hear(3, 1, exit(0)),
            "restarts" => bench.hear(3, 1, Body::JoinRequest(request(3))),
            _ => {}
        }
        bench.done();
        let mut assigned = None;
        while bench.now < died + crate::time::Duration::from_millis(600) {
            bench.pass(10);
            bench.live(2);
            let here = |body: &Body| match body {
                Body::UnitAssign { units, .. } => units.iter().any(|assignment| assignment.unit == unit(its)),
                _ => false,
            };
            let mine = bench.rule(its).2 == Some(1) && bench.rule(its).0 == Disposition::Own;
            if mine || bench.said().iter().any(|(.., body)| here(body)) {
                assigned = assigned.or(Some(bench.now.since(died).as_millis()));
            }
        }
        let assigned = assigned.expect("served by others within 600 ms");
        assert_eq!(assigned >= 500, waits, "{how}: {assigned} ms");
    }
}

/// Three members with a third of the units each.
fn settled() -> Bench {
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    for _ in 0..100 {
        bench.pass(10);
        for (to, term, body) in bench.said() {
            let (Destination::Member(owner), Body::UnitAssign { units, .. }) = (to, body) else { continue };
            bench.hear(owner.get(), term, Body::UnitAssignAck(units));
        }
        [2, 3].into_iter().for_each(|member| bench.live(member));
    }
    let counts: Vec<_> = bench.cluster.view().members.iter().map(|member| member.units).collect();
    assert_eq!(counts.iter().sum::<u16>(), 1024);
    assert!(counts.iter().all(|count| (341..=342).contains(count)), "{counts:?}");
    bench
}

/// H-CL-27: a process that stood still for longer than the watchdog stops before it does anything else: as a master, and as a
/// member that was an owner.
#[test]
fn a_pause_fences_before_anything_else() {
    for pause in [190, 250] {
        let mut bench = settled();
        bench.now = bench.now + crate::time::Duration::from_millis(pause);
        bench.live(2);
        let done = bench.done();
        assert_eq!(done.first() == Some(&Command::Fence), pause > 200, "{pause}");
        assert_eq!(bench.cluster.role() == Role::Master, pause < 200);

        let mut bench = Bench::member(2, 3, 4, |_| {});
        bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
        bench.done();
        bench.now = bench.now + crate::time::Duration::from_millis(pause);
        bench.confirm(4, &[1, 2, 3]);
        assert_eq!(bench.done().first() == Some(&Command::Fence), pause > 200);
        assert_eq!(bench.rule(7).0 == Disposition::Own, pause < 200);
    }
}

/// H-CL-20, H-CL-6, CL-71: a new master gives away what nobody claims when everyone who might own it has stopped: at once what
/// the dead master owned, which no majority supports; after the fencing time what a silent member may own.
#[test]
fn a_new_master_waits_for_the_silent() {
    for (supporters, ruled, waits) in [(&[3, 4, 5][..], 4, false), (&[3, 4][..], 4, true), (&[3, 4, 5][..], 5, true)] {
        let mut bench = Bench::member(2, 5, 4, |_| {});
        for _ in 0..12 {
            bench.pass(50); // of what came before its time with this master it knows nothing
            bench.confirm(4, &[1, 2, 3, 4, 5]);
        }
        bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
        bench.pass(90);
        let term = bench.cluster.offered.0;
        for other in supporters {
            // Of term 5 this one has not heard: who was its master, and who a member?
            let ruled = crate::member::Term(ruled);
            let request = JoinRequest { supports: Some(id(2)), ruled, ..request(*other) };
            bench.hear(*other, term, Body::JoinRequest(request));
        }
        bench.pass_until(|bench| bench.cluster.role() == Role::Master);
        let elected = bench.now;
        while bench.cluster.counters().assigned == 0 {
            bench.pass(10);
            supporters.iter().for_each(|other| bench.live(*other));
        }
        let waited = bench.now.since(elected).as_millis();
        assert!(if waits { (510..=530).contains(&waited) } else { waited <= 110 }, "{waited} ms");
    }
}

/// H-CL-20, H-CL-27: the data plane can know until when it may act even if this process stands still: as a master 300 ms after
/// what a majority has heard, as a member 500 ms after what its master has heard.
#[test]
fn the_data_plane_can_know_when_to_stop() {
    let millis = crate::time::Duration::from_millis;
    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.pass(50);
    let said = bench.now;
    bench.live(2);
    let until = bench.cluster.acts_until();
    assert!(until > said + millis(240) && until <= said + millis(300), "{:?}", until.since(said));

    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.pass(100);
    let said = bench.now; // its keepalive
    bench.pass(20);
    bench.confirm(4, &[1, 2, 3]);
    assert_eq!(bench.cluster.acts_until(), said + millis(500));

    // As in the source document: a dead one is dead when its watchdog has run out, however long its data plane is pinned.
    let mut bench = Bench::document_master(2);
    for _ in 0..10 {
        bench.pass(100);
        let rest = bench.cluster.acts_until().since(bench.now);
        assert!(rest > millis(90) && rest <= millis(200), "{rest:?}");
    }
}
