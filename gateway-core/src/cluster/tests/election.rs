//! Offers, masters, and masters that meet.

use super::bench::*;
use crate::cluster::*;
use crate::wire::cluster::*;

/// CL-17, CL-19, CL-1: no OK, so it offers itself; nobody objects for 100 ms, so it answers for the cluster and announces that.
#[test]
fn silence_makes_a_master() {
    let mut bench = Bench::document(2, 3);
    bench.pass(100);
    assert!(bench.said().contains(&(Destination::Group, 1, offer(2, 3))));
    bench.pass(99);
    assert_eq!(bench.cluster.role(), Role::Offering);
    bench.pass(1);
    assert_eq!(bench.cluster.role(), Role::Master);
    let done = bench.done();
    assert!(done.contains(&Command::AnswerForCluster(true)));
    assert!(done.contains(&Command::Announce));
    assert!(done.iter().any(|command| matches!(command, Command::Send { body: Body::MasterKeepalive(_), .. })));
}

/// CL-18: "other master exists" while offering: back to the request.
#[test]
fn another_master_ends_an_offer() {
    let mut bench = Bench::document(2, 3);
    bench.pass(150);
    assert_eq!(bench.cluster.role(), Role::Offering);
    bench.done();
    bench.hear(1, 4, Body::OtherMasterExists { master: id(1), ip: ip(1), members: 2 });
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.said().contains(&(to(1), 4, support(1, 2))));
    let mut bench = Bench::document(2, 3);
    bench.pass(150);
    bench.hear(1, 4, keepalive(1, &[1]));
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// CL-18, CL-27: a master says so to whoever offers itself.
#[test]
fn a_master_objects_to_offers() {
    let mut bench = Bench::document_master(3);
    bench.hear(3, 1, offer(3, 3));
    let body = Body::OtherMasterExists { master: id(1), ip: ip(1), members: 1 };
    assert_eq!(bench.said(), [(to(3), 1, body)]);
}

/// H-CL-8: of two offers the better goes on: of the same term and as many members, the lower address.
#[test]
fn the_better_offer_goes_on() {
    let mut bench = Bench::production(2, 3);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.hear(3, 1, offer(3, 3));
    assert_eq!(bench.cluster.role(), Role::Offering);
    bench.pass(15);
    bench.done();
    bench.hear(1, 1, offer(1, 3));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.said().contains(&(to(1), 1, support(1, 2))), "it supports that one");
}

/// H-CL-6, H-CL-8: who gives way to a better offer frees those who support it, also one whose support comes later. They support
/// the better one at once, although it has the same term.
#[test]
fn an_offer_that_gives_way_frees_its_supporters() {
    const WITHDRAWN: u8 = 4;
    let mut bench = Bench::production(2, 3);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.done();
    bench.hear(1, 1, offer(1, 3));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.said().contains(&(Destination::Group, 1, exit(WITHDRAWN))));
    bench.hear(3, 1, support(2, 3));
    assert!(bench.said().contains(&(to(3), 1, exit(WITHDRAWN))));

    let mut bench = Bench::production(3, 5);
    bench.pass(320);
    bench.hear(2, 1, offer(2, 5));
    bench.done();
    let supports_1 = |bench: &mut Bench| bench.said().contains(&(to(1), 1, support(1, 3)));
    bench.hear(1, 1, offer(1, 5));
    bench.hear(4, 1, exit(WITHDRAWN));
    bench.hear(2, 2, exit(WITHDRAWN));
    assert!(!supports_1(&mut bench), "the other may count on it");
    bench.hear(2, 1, exit(WITHDRAWN));
    assert!(supports_1(&mut bench));
    bench.hear(2, 1, offer(2, 5));
    bench.hear(1, 1, exit(WITHDRAWN));
    assert_eq!(bench.cluster.backed, None, "it has supported nobody who may have been master");
}

/// H-CL-6, H-CL-8: an offer's term is nobody's until a majority supports it: who was told of it by those that support it, or is
/// supported itself, supports another one by the same term.
#[test]
fn a_wish_is_no_term() {
    let mut bench = Bench::production(3, 5);
    bench.pass(320);
    bench.hear(2, 1, offer(2, 5));
    bench.done();
    bench.hear(4, 1, support(3, 4));
    let refused =
        |(_, term, body): &(Destination, u32, Body)| matches!(body, Body::JoinRefused { .. }).then_some(*term);
    assert_eq!(bench.said().iter().filter_map(refused).collect::<Vec<_>>(), [0]);

    let mut bench = Bench::production(2, 5);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    let Body::JoinRequest(request) = support(2, 3) else { unreachable!() };
    bench.hear(3, 1, Body::JoinRequest(JoinRequest { holds: 1, ..request }));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(7, 9, 3)]));
    bench.pass(15);
    bench.done();
    bench.hear(1, 1, offer(1, 5));
    assert!(bench.said().contains(&(to(1), 1, support(1, 2))));
}

/// H-CL-8: offers begin after a random time, so that not all begin at once.
#[test]
fn offers_begin_at_random_times() {
    let begins = |seed| {
        let now = crate::time::Instant::ZERO;
        let mut cluster = Cluster::new(config(1, 1, Quorum::Majority, PRODUCTION), seed, now);
        let mut at = now;
        while cluster.role() == Role::Joining {
            at = cluster.poll_timeout().expect("it goes on").max(at);
            cluster.handle_timeout(at);
        }
        at.since(now).as_millis()
    };
    let times: std::collections::BTreeSet<_> = (0..20).map(begins).collect();
    assert!(times.len() > 10 && times.iter().all(|time| (300..=350).contains(time)), "{times:?}");
}

/// H-CL-6: an offer needs a majority of the configured members; a member supports one at a time.
#[test]
fn a_majority_makes_a_master() {
    let mut bench = Bench::production(1, 5);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.pass(110);
    bench.hear(2, 1, support(1, 2));
    bench.hear(2, 1, support(1, 2));
    bench.hear(3, 1, support(4, 3));
    bench.hear(3, 0, support(1, 3));
    assert_eq!(bench.cluster.role(), Role::Offering, "itself and member 2");
    bench.hear(5, 1, support(1, 5));
    assert_eq!(bench.cluster.role(), Role::Master);
    assert!(bench.told().contains(&Event::BecameMaster { term: crate::member::Term(1), members: 3 }));

    let mut bench = Bench::production(3, 5);
    bench.pass(320);
    bench.done();
    bench.hear(1, 1, offer(1, 5));
    assert!(bench.said().contains(&(to(1), 1, support(1, 3))));
    bench.hear(2, 2, offer(2, 5));
    bench.pass(100);
    let supported = |(to, ..): &(Destination, u32, Body)| *to == Destination::Member(id(2));
    assert!(!bench.said().iter().any(supported), "not while the first may count on it");
}

/// H-CL-6: a member that has just started, or has just heard its master, supports nobody: the master may count on it.
#[test]
fn support_is_a_promise_in_time() {
    let mut bench = Bench::production(2, 3);
    bench.pass(300);
    bench.hear(1, 1, offer(1, 3));
    assert!(!bench.said().contains(&(to(1), 1, support(1, 2))));
    bench.pass(11);
    assert!(bench.said().contains(&(to(1), 1, support(1, 2))));

    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.pass(205);
    assert_eq!(bench.cluster.role(), Role::Joining);
    bench.done();
    while bench.now < crate::time::Instant::ZERO + crate::time::Duration::from_millis(1300) {
        bench.hear(3, 5, offer(3, 3));
        bench.pass(5);
    }
    assert!(!bench.said().contains(&(to(3), 5, support(3, 2))));
    bench.hear(3, 5, offer(3, 3));
    bench.pass(15);
    let said = bench.said();
    assert!(said.contains(&(to(3), 5, support(3, 2))) || bench.cluster.role() == Role::Offering, "{said:?}");
}

/// H-CL-6: who is in touch with too few does not even offer, and says why.
#[test]
fn nobody_offers_without_a_majority_in_touch() {
    let mut bench = Bench::production(1, 5);
    for other in [2, 3, 4] {
        bench.act(|cluster, now| cluster.handle_peer(id(other), PeerEvent::Lost, now));
    }
    bench.pass(2000);
    let done = bench.done();
    assert_eq!(events(&done), [Event::NoQuorum { members: 2 }], "once");
    assert!(!done.iter().any(|command| matches!(command, Command::Send { body: Body::MasterOffer(_), .. })));
}

/// H-CL-6: two members without a witness: the one that is left goes on, and its applications know. It logs nobody out,
/// whom the other may serve, until that one is back.
#[test]
fn two_members_may_run_degraded() {
    let mut bench = Bench::new(config(1, 2, Quorum::Degraded, PRODUCTION));
    bench.pass(700);
    assert_eq!(bench.cluster.role(), Role::Master);
    assert!(bench.done().contains(&Command::Degraded(true)));
    bench.pass(600);
    assert_eq!(bench.cluster.view().members[0].units, 1024, "it takes over");
    assert!(!bench.done().iter().any(|command| matches!(command, Command::Keeper(_))), "nobody keeps");
    bench.hear(2, 1, Body::JoinRequest(request(2)));
    let done = bench.done();
    assert!(done.contains(&Command::Degraded(false)) && done.contains(&Command::Keeper(Some(id(1)))));
}

/// CL-21: a master's own keepalive, come back to it, is nothing.
#[test]
fn its_own_keepalive_is_ignored() {
    let mut bench = Bench::document_master(3);
    bench.hear(1, 9, keepalive(1, &[1, 2, 3]));
    assert_eq!(bench.done(), []);
    assert_eq!(bench.cluster.role(), Role::Master);
}

/// CL-22, CL-23, CL-24, CL-26, CL-27: a master that meets one with fewer members, or with as many and a higher address, says
/// that it exists, and announces itself again.
#[test]
fn the_better_master_stays() {
    let mut bench = Bench::document_master(3);
    bench.hear(2, 7, keepalive(1, &[2]));
    let done = bench.done();
    let body = Body::OtherMasterExists { master: id(1), ip: ip(1), members: 1 };
    assert!(done.contains(&Command::Send { to: to(2), term: crate::member::Term(1), body }));
    assert!(done.contains(&Command::Announce));
    assert_eq!(bench.cluster.role(), Role::Master);
}

/// CL-22, CL-25, CL-20: a master that meets one with more members leaves, and asks it to join.
#[test]
fn the_lesser_master_leaves_and_joins() {
    let mut bench = Bench::document_master(3);
    bench.hear(2, 1, keepalive(1, &[2, 3]));
    let done = bench.done();
    assert!(done.contains(&Command::AnswerForCluster(false)));
    assert!(done.contains(&Command::Fence));
    assert!(done.contains(&Command::Send { to: to(2), term: crate::member::Term(1), body: support(2, 1) }));
    assert_eq!(bench.cluster.role(), Role::Joining);
    bench.hear(2, 1, Body::JoinOk { members: 3, watchdog_ms: 200 });
    assert_eq!(bench.cluster.master(), Some(id(2)));
}

/// H-CL-7: with terms, the later master is the better one, whatever its members.
#[test]
fn the_later_term_wins() {
    let mut bench = Bench::elected(5, &[2, 3], |_| {});
    bench.hear(4, 2, keepalive(1, &[4]));
    assert_eq!(bench.cluster.role(), Role::Joining);
    let mut bench = Bench::elected(5, &[2, 3], |_| {});
    bench.hear(4, 0, keepalive(1, &[1, 2, 3, 4, 5]));
    assert_eq!(bench.cluster.role(), Role::Master);
}

/// H-CL-8: OTHER-MASTER-EXISTS is compared by what it carries: a lesser master's is not obeyed.
#[test]
fn a_master_obeys_only_a_better_one() {
    let exists = |members| Body::OtherMasterExists { master: id(2), ip: ip(2), members };
    let mut bench = Bench::document_master(3);
    bench.hear(2, 1, exists(1));
    assert_eq!(bench.cluster.role(), Role::Master);
    bench.hear(2, 1, exists(2));
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// CL-20, CL-16: a master that is told to exit by one that comes before it joins again.
#[test]
fn a_master_told_to_exit_joins_again() {
    let mut bench = Bench::document_master(3);
    bench.hear(2, 1, exit(2));
    assert_eq!(bench.cluster.role(), Role::Joining);
    assert!(bench.told().iter().any(|event| matches!(event, Event::SteppedDown { why: Why::Told(2), .. })));
    let mut bench = Bench::elected(3, &[2], |_| {});
    bench.hear(3, 1, exit(2));
    assert_eq!(bench.cluster.role(), Role::Master, "not one that comes after it (H-CL-10)");
}

/// H-CL-12: the announcements go on while it is master.
#[test]
fn the_address_is_announced_again_and_again() {
    let mut bench = Bench::document_master(1);
    bench.pass(63_000);
    let announced = bench.done().into_iter().filter(|command| *command == Command::Announce).count();
    assert_eq!(announced, 5, "after the first, which made it master");
}

/// H-CL-6: who supports an offer says which mastership it knew before: then the new master knows whether there was one that
/// it has not heard of. Who has just started does not know.
#[test]
fn supporters_bear_witness() {
    let mut bench = Bench::production(3, 5);
    bench.pass(320);
    bench.hear(1, 1, offer(1, 5));
    assert_eq!(bench.ruled.0, u32::MAX);

    let mut bench = Bench::member(2, 5, 4, |_| {});
    bench.hear(1, 4, exit(0));
    bench.hear(3, 5, offer(3, 5));
    assert_eq!(bench.ruled.0, 4);
    bench.pass(320); // that one was not elected
    bench.hear(4, 7, offer(4, 5));
    bench.pass(5);
    bench.hear(4, 7, offer(4, 5));
    assert_eq!((bench.cluster.backed, bench.ruled.0), (Some((id(4), crate::member::Term(7))), 5), "or was it?");
}
