//! Planned moves where frames reach all members: of the two owners one serves each frame.

use super::bench::*;
use crate::cluster::*;
use crate::member::UnitVersion;
use crate::wire::cluster::*;
use Disposition::{Foreign, Held, Own};

fn member() -> Bench {
    Bench::member(2, 3, 4, |config| config.delivery = Delivery::UnicastMac)
}

/// Member 2, which owned unit 7 and has stopped its logins; member 3 is to have it.
fn old_owner() -> Bench {
    let mut bench = member();
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.hear(1, 4, Body::UnitDeassign(vec![assignment(7, 9, 3)]));
    bench.act(|cluster, now| cluster.handle_flushed(unit(7), 0, now));
    bench.confirm(4, &[1, 2, 3]);
    bench.done();
    assert_eq!(bench.rule(7), (Own, Foreign, None));
    bench
}

/// Member 2, which is to have unit 7 of member 3, and has all that this one did.
fn new_owner() -> Bench {
    let mut bench = member();
    bench.confirm(4, &[1, 2, 3]);
    bench.done();
    let after = Some(StateMark { origin: id(3), seq: 0 });
    bench.hear(1, 4, Body::UnitAssign { units: vec![assignment(7, 10, 2)], after });
    bench
}

fn stop() -> Body {
    Body::UnitStop(vec![assignment(7, 10, 3)])
}

fn held(bench: &mut Bench, number: u8) -> Vec<Command> {
    bench.act(|cluster, now| cluster.handle_held(unit(7), frame(number), now));
    bench.done()
}

fn left(bench: &mut Bench, name: u64) -> Vec<Command> {
    bench.hear(3, 4, Body::FrameLeft { unit: unit(7), version: UnitVersion(10), name });
    bench.done()
}

/// What the old owner calls a frame.
fn name(number: u8) -> u64 {
    let mut bench = old_owner();
    bench.hear(3, 4, stop());
    let told = held(&mut bench, number).into_iter().find_map(|command| match command {
        Command::Send { body: Body::FrameLeft { name, .. }, .. } => Some(name),
        _ => None,
    });
    told.expect("it says which frames it leaves alone")
}

fn inject(number: u8) -> Command {
    Command::Inject { unit: unit(7), frame: frame(number) }
}

/// CL-34, H-CL-19: asked to, the old owner leaves the unit's frames alone, then says so, again if asked again; it names
/// each frame that it left alone, also those that it hears of when the unit is another's already.
#[test]
fn the_old_owner_stops_and_says_what_it_left() {
    let mut bench = old_owner();
    bench.hear(3, 4, stop());
    let done = bench.done();
    let said =
        Command::Send { to: to(3), term: crate::member::Term(4), body: Body::UnitStopped(vec![assignment(7, 10, 3)]) };
    assert!(matches!(done[0], Command::SetUnits(_)), "before it says so: {done:?}");
    assert_eq!((done.len(), &done[1]), (2, &said));
    assert_eq!(bench.rule(7), (Held, Foreign, None));
    bench.hear(3, 4, stop());
    assert_eq!(bench.done(), [said], "once more");
    let tells = |bench: &mut Bench, number| {
        let body = Body::FrameLeft { unit: unit(7), version: UnitVersion(10), name: name(number) };
        assert_eq!(held(bench, number), [Command::Send { to: to(3), term: crate::member::Term(4), body }]);
    };
    tells(&mut bench, 1);
    bench.hear(3, 4, Body::UnitAssignAck(vec![assignment(7, 10, 3)]));
    assert_eq!(bench.rule(7).0, Foreign);
    bench.done();
    tells(&mut bench, 2);
    bench.hear(3, 4, stop());
    assert_eq!(bench.said(), [(to(3), 4, Body::UnitStopped(vec![assignment(7, 10, 3)]))], "late, and true");
    assert_ne!(name(1), name(2));
    for _ in 0..12 {
        bench.pass(50);
        bench.confirm(4, &[1, 2, 3]);
    }
    bench.done();
    assert_eq!(held(&mut bench, 1), [], "that is over");
}

/// H-CL-19: who asks by what is over, under another master, or for somebody else stops nothing.
#[test]
fn not_everybody_may_ask() {
    let mut bench = old_owner();
    bench.hear(3, 4, Body::UnitStop(vec![assignment(7, 9, 3)]));
    bench.hear(3, 4, Body::UnitStop(vec![assignment(7, 10, 1)]));
    bench.hear(3, 3, stop());
    assert_eq!((bench.rule(7).0, bench.said()), (Own, vec![]));
}

/// CL-34, H-CL-19: the new owner holds the unit's frames before it asks the old one to stop; it begins when that one has, and
/// of what it held it serves what the old one left alone, in whatever order it hears of the two: no other, and none twice.
#[test]
fn the_new_owner_serves_what_the_old_one_left() {
    let mut bench = new_owner();
    let done = bench.done();
    assert!(matches!(done[0], Command::SetUnits(_)), "{done:?}");
    let asked = Body::UnitStop(vec![assignment(7, 10, 2)]);
    assert_eq!(done[1..], [Command::Send { to: to(3), term: crate::member::Term(4), body: asked }]);
    assert_eq!(bench.rule(7), (Held, Foreign, None));

    assert_eq!(held(&mut bench, 1), [], "it may have been served");
    assert_eq!(held(&mut bench, 2), []);
    assert_eq!(left(&mut bench, name(2)), [], "not ours yet");
    bench.hear(1, 4, Body::UnitStopped(vec![assignment(7, 10, 2)]));
    assert_eq!(bench.rule(7).0, Held, "somebody else");
    bench.hear(3, 4, Body::UnitStopped(vec![assignment(7, 10, 2)]));
    let done = bench.done();
    assert!(matches!(done[0], Command::SetUnits(_)), "served before it is said: {done:?}");
    let ack = Body::UnitAssignAck(vec![assignment(7, 10, 2)]);
    assert!(matches!(&done[1], Command::Send { to: Destination::Group, body, .. } if *body == ack));
    assert_eq!(done[2..], [inject(2)]);
    assert_eq!((bench.rule(7).0, bench.rule(7).1), (Own, Own));

    // What comes out of the data plane late.
    assert_eq!(left(&mut bench, name(3)), []);
    assert_eq!(held(&mut bench, 3), [inject(3)]);
    assert_eq!(held(&mut bench, 4), []);
    assert_eq!(left(&mut bench, name(4)), [inject(4)]);
    // Two that are alike.
    assert_eq!((held(&mut bench, 5), held(&mut bench, 5)), (vec![], vec![]));
    assert_eq!(left(&mut bench, name(5)), [inject(5)], "the old owner has served the other one");
    assert_eq!(left(&mut bench, name(6)), [], "served as it came");
    let other = Body::FrameLeft { unit: unit(7), version: UnitVersion(9), name: name(1) };
    bench.hear(3, 4, other);
    assert_eq!(bench.done(), [], "of another move");
    assert_eq!(bench.cluster.counters().held_dropped, 0, "the first was served by the old owner");
}

/// H-CL-19: within 64 of a unit, for 500 ms.
#[test]
fn what_is_held_between_is_bounded() {
    let mut bench = new_owner();
    (0..70).for_each(|number| drop(held(&mut bench, number)));
    bench.hear(3, 4, Body::UnitStopped(vec![assignment(7, 10, 2)]));
    bench.done();
    assert_eq!(left(&mut bench, name(5)), [], "the oldest went first");
    assert_eq!(left(&mut bench, name(6)), [inject(6)]);
    for _ in 0..10 {
        bench.pass(50);
        bench.confirm(4, &[1, 2, 3]);
    }
    bench.done();
    assert_eq!(left(&mut bench, name(7)), []);

    let mut bench = old_owner();
    bench.hear(3, 4, stop());
    bench.done();
    let told = (0..100).filter(|number| !held(&mut bench, *number).is_empty()).count();
    assert_eq!(told, 64);
}

/// H-CL-20: an old owner that does not answer is asked again, and after the time in which it has fenced itself it is not
/// waited for: what was held meanwhile it may have served.
#[test]
fn an_old_owner_that_is_silent() {
    let mut bench = new_owner();
    bench.done();
    held(&mut bench, 1);
    let mut asked = 0;
    for _ in 0..50 {
        assert_eq!(bench.rule(7).0, Held);
        bench.pass(10);
        bench.confirm(4, &[1, 2, 3]);
        asked += bench.said().iter().filter(|(.., body)| matches!(body, Body::UnitStop(_))).count();
    }
    assert!((20..=25).contains(&asked), "asked {asked} times");
    bench.pass(10);
    assert_eq!(bench.rule(7).0, Own);
    let done = bench.done();
    assert!(!done.contains(&inject(1)), "{done:?}");
}

/// CL-36, H-CL-19: who was to have it asks no more: under the next master the unit's data goes on where it was.
#[test]
fn the_master_is_lost_meanwhile() {
    let mut bench = old_owner();
    bench.hear(3, 4, stop());
    bench.pass_until(|bench| bench.cluster.role() != Role::Member);
    assert_eq!(bench.rule(7).0, Own);
    let mut bench = new_owner();
    bench.pass_until(|bench| bench.cluster.role() != Role::Member);
    assert_eq!(bench.rule(7).0, Foreign);
}

/// CL-36, CL-61: a unit that nobody serves is begun at once, and so is any where the master alone decides about frames.
#[test]
fn nobody_is_to_be_stopped() {
    let mut bench = member();
    bench.hear(1, 4, assign(&[assignment(7, 10, 2)]));
    assert_eq!(bench.rule(7).0, Own);
    let mut bench = Bench::member(2, 3, 4, |_| {});
    let after = Some(StateMark { origin: id(3), seq: 0 });
    bench.hear(1, 4, Body::UnitAssign { units: vec![assignment(7, 10, 2)], after });
    assert_eq!(bench.rule(7).0, Own);
}

/// CL-34, H-CL-19: at a master that is itself the old owner logins wait for the new one, and data is named to it.
#[test]
fn a_master_tells_data_from_logins() {
    let mut bench = Bench::elected(3, &[2, 3], |config| {
        config.delivery = Delivery::MulticastMac;
        config.constants.freeze = crate::time::Duration::ZERO;
    });
    for _ in 0..20 {
        bench.pass(50);
        [2, 3].into_iter().for_each(|member| bench.live(member));
    }
    bench.act(|cluster, now| cluster.handle_operator(Request::Drain(id(1)), now)).unwrap();
    bench.pass_until(|bench| (0..1024).any(|number| bench.rule(number) == (Own, Held, Some(1))));
    let number = (0..1024).find(|number| bench.rule(*number) == (Own, Held, Some(1))).unwrap();
    bench.done();
    bench.act(|cluster, now| cluster.handle_flushed(unit(number), 0, now));
    let Some((Destination::Member(new), _, Body::UnitAssign { units, after: Some(mark) })) = bench.said().pop() else {
        panic!("an assignment, after who had it")
    };
    assert_eq!(mark, StateMark { origin: id(1), seq: 0 });
    bench.hear(new.get(), 1, Body::UnitStop(units.clone()));
    assert_eq!(bench.rule(number), (Held, Held, Some(1)));
    bench.done();
    let login = HeldFrame { port: Some(0), frame: dhcp() };
    bench.act(|cluster, now| cluster.handle_held(unit(number), login.clone(), now));
    assert_eq!((bench.said(), bench.cluster.counters().held), (vec![], 1));
    bench.act(|cluster, now| cluster.handle_held(unit(number), frame(1), now));
    let version = units[0].version;
    let told = Body::FrameLeft { unit: unit(number), version, name: name(1) };
    assert_eq!(bench.said(), [(Destination::Member(new), 1, told)]);
    bench.hear(new.get(), 1, Body::UnitAssignAck(units));
    let packet = Body::ForwardedPacket { unit: unit(number), port: Some(0), frame: login.frame };
    assert_eq!(bench.said()[0], (Destination::Member(new), 1, packet));
    assert_eq!(bench.rule(number), (Foreign, Foreign, Some(new.get())));
}
