//! Members that are gone: their last words, and their streams.

use super::bench::*;
use crate::cluster::*;
use crate::member::UnitVersion;
use crate::wire::cluster::*;
use Disposition::{Foreign, Held, Own};

/// H-CL-19, H-CL-20: a unit of the pool is taken when all that is left of the lost ones' changes is here: what one has told
/// another must not be missing. That is not waited for longer than for any predecessor.
#[test]
fn the_last_words_come_first() {
    for settles in [true, false] {
        let mut bench = Bench::member(2, 3, 4, |_| {});
        bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Lost, now));
        bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
        assert_eq!((bench.rule(7).0, bench.said()), (Foreign, vec![]));
        if settles {
            bench.act(|cluster, now| cluster.handle_settled(id(3), now));
        } else {
            for _ in 0..20 {
                assert_eq!(bench.rule(7).0, Foreign);
                bench.pass(50);
                bench.confirm(4, &[1, 2]);
            }
        }
        assert_eq!(bench.rule(7).0, Own);
        let incomplete = Event::HandoverIncomplete { unit: unit(7), origin: id(3) };
        assert_eq!(bench.told().contains(&incomplete), !settles);
    }
}

/// H-CL-19: one whose stream stands again tells us itself what it did.
#[test]
fn one_that_is_back_is_not_waited_for() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Lost, now));
    bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Connected, now));
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    assert_eq!(bench.rule(7).0, Own);
}

/// H-CL-20: the stream of a host without power stands until TCP gives up. It is closed when the member can't come back with
/// its units, and not before; at once when they are given away.
#[test]
fn a_stream_does_not_outlive_its_member() {
    let parted = |bench: &mut Bench| bench.done().contains(&Command::Disconnect(id(3)));
    let listed = || {
        let mut bench = Bench::member(2, 3, 4, |_| {});
        bench.confirm(4, &[1, 2, 3]);
        bench.confirm(4, &[1, 2]);
        assert!(!parted(&mut bench), "it may come back");
        bench
    };
    let pass = |bench: &mut Bench, members: &[u8]| {
        for _ in 0..6 {
            bench.pass(50);
            bench.confirm(4, members);
        }
    };
    let mut bench = listed();
    pass(&mut bench, &[1, 2]);
    assert!(parted(&mut bench));
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    assert_eq!(bench.rule(7).0, Foreign, "not settled");

    let mut bench = listed();
    pass(&mut bench, &[1, 2, 3]);
    assert!(!parted(&mut bench), "it came back");

    let mut bench = listed();
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    assert!(parted(&mut bench));
    assert_eq!(bench.rule(7).0, Foreign, "not settled");

    let mut master = Bench::elected(3, &[2, 3], |_| {});
    master.live(3);
    master.pass_with(600, &[2]);
    assert!(parted(&mut master));
}

/// H-CL-19: a member whose changes others discard holds units that are not its own: it asks to join again and says which it
/// holds. One that holds none has nothing to learn.
#[test]
fn who_is_discarded_asks_whose_its_units_are() {
    let lost = Event::LostMaster { master: id(1), why: Why::OutOfDate };
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.act(|cluster, now| cluster.handle_discarded(id(3), now));
    assert_eq!(bench.told(), []);
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    bench.done();
    bench.act(|cluster, now| cluster.handle_discarded(id(3), now));
    assert_eq!(bench.told(), [Event::Discarded(id(3)), lost]);
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// A master that assigns only what is asked for, and has just given up member 3, which owned unit 9.
fn given_up(delivery: Delivery) -> Bench {
    let mut bench = Bench::elected(3, &[2, 3], |config| {
        config.delivery = delivery;
        config.constants.pool_per_tick = 0;
    });
    bench.pass_with(600, &[2, 3]);
    let its = JoinRequest { holds: 1, highest: UnitVersion(3000), ..request(3) };
    bench.hear(3, 1, Body::JoinRequest(its));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(9, 3000, 3)]));
    bench.pass_with(400, &[2]);
    assert!(!bench.cluster.view().members[2].member, "given up");
    bench
}

/// H-CL-19, H-CL-20: while a silent member's data plane may still serve its units, what reaches all members is not held for the
/// next owner, who would serve it again; what reaches the master only is. As soon as it has surely stopped, everything is.
#[test]
fn nothing_is_held_that_may_be_served() {
    for (delivery, data) in [(Delivery::UnicastMac, Foreign), (Delivery::Forward, Held)] {
        let mut bench = given_up(delivery);
        assert_eq!(bench.rule(9), (data, Foreign, None), "{delivery:?}: it may still serve");
        bench.pass_with(200, &[2]);
        assert_eq!(bench.rule(9), (Held, Held, None), "{delivery:?}: it has stopped");
    }
}

/// H-CL-20: the same when it comes back meanwhile, without its units.
#[test]
fn what_it_came_back_without_is_held_too() {
    let mut bench = given_up(Delivery::MulticastMac);
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    assert_eq!(bench.rule(9), (Foreign, Foreign, None));
    bench.pass_with(200, &[2, 3]);
    assert_eq!(bench.rule(9), (Held, Held, None));
}
