//! Joining, from both sides.

use super::bench::*;
use crate::cluster::*;
use crate::member::UnitVersion;
use crate::wire::cluster::*;

/// CL-8, CL-9: at its start a unit asks whoever is master, and asks again.
#[test]
fn a_unit_that_starts_asks_to_join() {
    let mut bench = Bench::document(2, 3);
    bench.pass(60);
    let request = (Destination::Group, 0, Body::JoinRequest(request(2)));
    assert_eq!(bench.said(), [request.clone(), request]);
}

/// CL-11, CL-13, CL-17: with OK to join it is a member, and offers nothing.
#[test]
fn with_ok_it_is_a_member() {
    let mut bench = Bench::document(2, 3);
    bench.hear(1, 4, Body::JoinOk { members: 2, watchdog_ms: 200 });
    assert_eq!((bench.cluster.role(), bench.cluster.master()), (Role::Member, Some(id(1))));
    let done = bench.done();
    assert!(done.contains(&Command::Unfence));
    assert!(matches!(&done[..], [.., Command::Send { to: Destination::Member(master), .. }] if *master == id(1)));
}

/// CL-38: "in progress" means to wait: it asks that master, and offers nothing while the master lives.
#[test]
fn in_progress_means_to_wait() {
    let mut bench = Bench::document(2, 3);
    for _ in 0..10 {
        bench.hear(1, 4, Body::JoinRefused { reason: JoinRefusal::InProgress, retry_ms: 500 });
        bench.pass(100);
    }
    assert!(bench.said().iter().all(|(.., body)| matches!(body, Body::JoinRequest(_))));
    assert_eq!(bench.cluster.role(), Role::Joining);
}

/// CL-10, CL-40: a refusal is told to the operator, and the unit asks again when it was told to (H-CL-28).
#[test]
fn a_refused_unit_asks_again_later() {
    let mut bench = Bench::production(2, 3);
    bench.pass(10);
    bench.hear(1, 4, keepalive(1, &[1, 3]));
    bench.done();
    bench.hear(1, 4, Body::JoinRefused { reason: JoinRefusal::Objection, retry_ms: 500 });
    assert_eq!(bench.told(), [Event::Refused { master: id(1), reason: JoinRefusal::Objection }]);
    for n in 2..11 {
        bench.pass(49);
        bench.hear(1, 4, keepalive(n, &[1, 3]));
    }
    assert_eq!(bench.said(), []);
    bench.pass(100);
    assert!(bench.said().contains(&(to(1), 4, support(1, 2))));
}

/// CL-11, CL-38, CL-39, CL-41: the master says "in progress", asks its applications, and lets the unit in when they agree.
#[test]
fn applications_are_asked() {
    let mut bench = Bench::elected(3, &[2], |config| config.objectors = true);
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    let done = bench.done();
    let progress = Body::JoinRefused { reason: JoinRefusal::InProgress, retry_ms: 500 };
    assert!(done.contains(&Command::Send { to: to(3), term: crate::member::Term(1), body: progress }));
    assert!(done.contains(&Command::AskToJoin(id(3))));
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    assert!(!bench.done().contains(&Command::AskToJoin(id(3))), "once");

    bench.act(|cluster, now| cluster.handle_approval(id(3), true, now));
    let done = bench.done();
    let ok = Body::JoinOk { members: 3, watchdog_ms: 200 };
    assert!(done.contains(&Command::Send { to: to(3), term: crate::member::Term(1), body: ok }));
    assert_eq!(events(&done), [Event::MemberCame(id(3))]);
}

/// CL-40, H-CL-28: an objection refuses; and so do two seconds without an answer.
#[test]
fn applications_may_object_but_not_think_for_ever() {
    for objects in [true, false] {
        let mut bench = Bench::elected(3, &[2], |config| config.objectors = true);
        bench.hear(3, 1, Body::JoinRequest(request(3)));
        let refused = Event::RefusedMember { member: id(3), reason: JoinRefusal::Objection };
        if objects {
            bench.act(|cluster, now| cluster.handle_approval(id(3), false, now));
        } else {
            bench.pass_with(1950, &[2]);
            assert!(!bench.told().contains(&refused));
            bench.pass_with(100, &[2]);
        }
        let done = bench.done();
        assert!(events(&done).contains(&refused));
        let body = Body::JoinRefused { reason: JoinRefusal::Objection, retry_ms: 500 };
        assert!(done.contains(&Command::Send { to: to(3), term: crate::member::Term(1), body }));
    }
}

/// CL-10, CL-12, H-CL-9: who is not configured, or has no connection on which it proved who it is, is told that it failed.
#[test]
fn strangers_are_told() {
    let refused = |reason| Body::JoinRefused { reason, retry_ms: 500 };
    let mut bench = Bench::elected(3, &[2], |_| {});
    bench.hear(9, 1, Body::JoinRequest(request(9)));
    assert_eq!(bench.said(), [(to(9), 1, refused(JoinRefusal::UnknownCertificate))]);
    bench.act(|cluster, now| cluster.handle_peer(id(3), PeerEvent::Refused, now));
    assert_eq!(bench.told(), [Event::CertificateRefused(id(3))]);
    bench.hear(3, 1, Body::JoinRequest(request(3)));
    assert_eq!(bench.said(), [(to(3), 1, refused(JoinRefusal::NotAuthenticated))]);
    assert_eq!(bench.cluster.counters().strangers, 1);
}

/// CL-20, H-CL-11: an older configuration, or another one of the same version, is refused; a later one too, and the operator
/// hears that this member is behind.
#[test]
fn another_configuration_is_refused() {
    let refused = (to(3), 1, Body::JoinRefused { reason: JoinRefusal::Configuration, retry_ms: 500 });
    for (config_version, config_digest, behind) in [(4, 55, false), (5, 56, false), (6, 77, true)] {
        let mut bench = Bench::elected(3, &[2], |_| {});
        let other = JoinRequest { config_version, config_digest, ..request(3) };
        bench.hear(3, 1, Body::JoinRequest(other));
        let done = bench.done();
        let event = Event::ConfigurationBehind { member: id(3), version: 6 };
        assert_eq!(events(&done).contains(&event), behind);
        let Some(Command::Send { to, term, body }) = done.last() else { panic!("an answer") };
        assert_eq!((*to, term.0, body.clone()), refused);
    }
}

/// H-CL-11: nobody supports an offer with another configuration, and it is no support for ours.
#[test]
fn no_support_across_configurations() {
    let mut bench = Bench::production(3, 3);
    bench.pass(320);
    bench.done();
    let older = Body::MasterOffer(MasterOffer { ip: ip(1), config_version: 4, members: 3 });
    bench.hear(1, 1, older);
    assert_eq!(bench.said(), []);
    let later = Body::MasterOffer(MasterOffer { ip: ip(1), config_version: 6, members: 3 });
    bench.hear(1, 1, later);
    assert_eq!(bench.told(), [Event::ConfigurationBehind { member: id(1), version: 6 }]);

    let mut bench = Bench::production(1, 3);
    bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
    bench.pass(100);
    let other = JoinRequest { config_digest: 1, supports: Some(id(1)), ..request(2) };
    bench.hear(2, 1, Body::JoinRequest(other));
    assert_eq!(bench.cluster.role(), Role::Offering);
}

/// H-CL-6: what a unit still owns when it joins is taken over with its version; it is let in when it has said all of it.
#[test]
fn a_claim_is_taken_over_whole() {
    let mut bench = Bench::elected(3, &[2], |_| {});
    let claims = JoinRequest { holds: 3, highest: UnitVersion(8), supports: Some(id(1)), ..request(3) };
    bench.hear(3, 1, Body::JoinRequest(claims));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(4, 7, 3), assignment(5, 8, 3)]));
    assert!(!bench.cluster.view().members[2].member);
    bench.hear(3, 1, Body::JoinRequest(claims));
    bench.hear(3, 1, Body::UnitAssignAck(vec![assignment(6, 2, 3)]));
    let view = bench.cluster.view();
    assert!(view.members[2].member);
    assert_eq!((view.units[5].owner, view.units[5].version), (Some(id(3)), UnitVersion(8)));
    assert_eq!(view.members[2].units, 3);
}

/// H-CL-25: before its state is complete a member takes no unit; then it does.
#[test]
fn nothing_is_owned_before_the_state_is_complete() {
    let mut bench = Bench::member(2, 3, 4, |_| {});
    bench.act(|cluster, now| cluster.handle_synced(false, now));
    bench.hear(1, 4, assign(&[assignment(7, 9, 2)]));
    assert_eq!(bench.rule(7).0, Disposition::Foreign);
    bench.act(|cluster, now| cluster.handle_synced(true, now));
    assert_eq!(bench.rule(7).0, Disposition::Own);
    let ack = Body::UnitAssignAck(vec![assignment(7, 9, 2)]);
    assert!(bench.said().contains(&(Destination::Group, 4, ack)));

    let mut bench = Bench::elected(3, &[2, 3], |_| {});
    bench.live_with(3, |keepalive| keepalive.ready = false);
    for _ in 0..20 {
        bench.pass(50);
        bench.live(2);
        bench.live_with(3, |keepalive| keepalive.ready = false);
    }
    let assigned = bench.said().into_iter().filter(|(_, _, body)| matches!(body, Body::UnitAssign { .. }));
    let receivers: std::collections::BTreeSet<_> = assigned.map(|(to, ..)| format!("{to:?}")).collect();
    assert_eq!(receivers.len(), 1, "{receivers:?}");
}
