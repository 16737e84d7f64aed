//! Which way a cohort takes, and when the restart may proceed.

use super::server::Draft;
use super::*;

fn individually(world: &World, reason: Fallback) {
    assert_eq!(world.fallbacks(), [reason]);
    assert_eq!(world.bulk_sent().len(), 0);
    assert!(!world.releases_sent().is_empty());
}

/// BR-23, BR-28, H-BR-2: whoever is not known to be capable gets one RELEASE per login.
#[test]
fn a_server_that_is_not_capable() {
    let heard = [None, Some(Observation::EchoedVerbatim), Some(Observation::CapMissing), Some(Observation::Refused)];
    for observation in heard {
        let mut world = World::new(config());
        if let Some(observation) = observation {
            world.hear(SERVER, observation);
        }
        world.table.log_in(0, 10, 7, address_scope(), world.now);
        world.restart(7);
        individually(&world, Fallback::NotCapable);
        assert_eq!(world.releases_sent().len(), 10);
    }
}

/// H-BR-3, H-BR-4: logins whose scope the server did not store go individually, the others by one message.
#[test]
fn untagged_logins_go_individually() {
    let mut world = World::capable(config());
    world.table.log_in(0, 500, 7, address_scope(), world.now);
    world.table.log_in(1, 5, 7, None, world.now);
    world.restart(7);
    assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (1, 5));
    assert_eq!(world.fallbacks(), [Fallback::Untagged]);
    let untagged = |sent: &&Sent| sent.message().ciaddr().octets()[1] == 65;
    assert!(world.releases_sent().iter().all(untagged));
}

/// BR-27, H-BR-10, H-BR-11: a scope in which another FPC has logins is no scope of this one.
#[test]
fn a_scope_shared_with_another_fpc_goes_individually() {
    let mut world = World::capable(config());
    world.table.shared = true;
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    individually(&world, Fallback::SharedScope);
}

/// H-BR-13: without a key no bulk release leaves, unless the operator insists.
#[test]
fn no_key() {
    for allowed in [false, true] {
        let mut config = ReleaseConfig { key: None, ..config() };
        config.allow_unauthenticated = allowed;
        let mut world = World::capable(config);
        world.table.log_in(0, 10, 7, address_scope(), world.now);
        world.restart(7);
        if !allowed {
            individually(&world, Fallback::NoKey);
            assert!(!world.call(|releases, context, now| releases.handle_probe(SERVER, GIADDR, context, now)));
            continue;
        }
        assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (1, 0));
        let reply = Draft { key: None, ..Draft::to(&world.sent[0].payload, 1, 10) }.octets();
        world.deliver(SERVER, &reply);
        assert!(world.table.logins.is_empty());
    }
}

/// A switch that turns the single logout off.
#[test]
fn disabled() {
    let mut world = World::capable(ReleaseConfig { enabled: false, ..config() });
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    individually(&world, Fallback::NotCapable);
}

/// BR-28, H-BR-13: the server understands and refuses; its reason is told, and each login is released on its own.
#[test]
fn a_refusal() {
    const NOT_ALLOWED: u8 = 4;
    for with_results in [false, true] {
        let mut world = World::capable(config());
        world.table.log_in(0, 10, 7, address_scope(), world.now);
        world.restart(7);
        let mut draft = Draft::to(&world.sent[0].payload, 1, 0);
        draft.status = Some(NOT_ALLOWED);
        if !with_results {
            draft.release.scopes.clear();
            draft.release.results.clear();
        }
        world.deliver(SERVER, &draft.octets());
        assert_eq!(world.fallbacks(), [Fallback::Status(NOT_ALLOWED)]);
        assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (1, 10));
        assert_eq!(world.table.logins.len(), 10);
    }
}

/// One scope of two is refused: the other ends at once. H-BR-17
#[test]
fn a_refusal_of_one_scope() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, group("a"), world.now);
    world.table.log_in(1, 10, 7, group("b"), world.now);
    world.restart(7);
    let mut draft = Draft::to(&world.sent[0].payload, 1, 10);
    draft.release.results[1].status = 1;
    world.deliver(SERVER, &draft.octets());
    assert_eq!(world.fallbacks(), [Fallback::Status(1)]);
    assert_eq!((world.table.logins.len(), world.releases_sent().len()), (10, 10));
    assert_eq!(world.progress().released, 10);
}

/// Some leases could not be freed: those few are found by leasequery and released, the others are not touched again.
/// H-BR-17
#[test]
fn the_remainder_of_a_partial_failure() {
    let mut world = World::capable(config());
    world.table.log_in(0, 300, 7, address_scope(), world.now);
    world.now = world.now + Duration::from_secs(60);
    let mut server = BulkServer { fails: 3, ..BulkServer::with(&world.table) };
    world.restart(7);
    let now = world.now;
    let reply = server.handle(&world.sent[0].payload, now).unwrap();
    world.deliver(SERVER, &reply);
    assert_eq!(world.fallbacks(), [Fallback::Remainder { failed: 3 }]);
    assert_eq!((world.table.logins.len(), server.active()), (300, 3));
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!(world.releases_sent().len(), 3);
    assert_eq!((world.table.logins.len(), server.active()), (0, 0));
    assert_eq!((world.progress().released, world.finished()), (300, true));
}

/// `secs` can say 18 hours. A decision older than that is not put into one message: the server could not tell who was
/// heard of since. H-BR-7, H-BR-20
#[test]
fn a_decision_too_old_for_secs() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    assert_eq!(world.bulk_sent().len(), 1);
    world.sent.clear();
    world.events.clear();
    world.crash(config(), 65_536, false);
    individually(&world, Fallback::TooOld);
}

/// The restart waits for the release, but not longer than `restart_hold`. H-BR-20
#[test]
fn restart_hold() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    let began = world.now;
    world.pass(4.9);
    assert_eq!(world.proceeded, []);
    world.pass(60.0);
    assert_eq!(world.proceeded, [(began + Duration::from_secs(5), Epoch(7), false)]);
}

/// Nothing behind the card: nothing is sent or stored, and the restart may proceed at once.
#[test]
fn an_empty_card() {
    let mut world = World::capable(config());
    world.restart(7);
    assert!(world.sent.is_empty() && world.store.is_empty() && world.finished());
    assert_eq!(world.proceeded, [(world.now, Epoch(7), true)]);
}

/// An unknown server may be asked first; it answers, so the same scopes follow in earnest, or it does not. BR-9
#[test]
fn probe_before_falling_back() {
    let mut world = World::new(ReleaseConfig { probe_unknown: true, ..config() });
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.now = world.now + Duration::from_secs(60);
    let mut server = BulkServer::with(&world.table);
    world.restart(7);
    assert_eq!((world.sent.len(), server.active()), (1, 10));
    let reply = server.handle(&world.sent[0].payload, world.now).unwrap();
    assert_eq!(server.active(), 10, "a PROBE changes nothing");
    world.deliver(SERVER, &reply);
    let reply = server.handle(&world.sent[1].payload, world.now).unwrap();
    world.deliver(SERVER, &reply);
    world.pass_with(5.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (2, 0));
    assert_eq!((world.table.logins.len(), server.active()), (0, 0));

    let mut world = World::new(ReleaseConfig { probe_unknown: true, ..config() });
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    world.pass(20.0);
    assert_eq!(world.fallbacks(), [Fallback::NotCapable]);
    assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (4, 10));
}

/// Both ways of several components at once do not disturb each other. BR-21, BR-27, BR-34
#[test]
fn two_cards_at_once() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, group("fpc0"), world.now);
    world.table.log_in(1, 20, 3, group("fpc1"), world.now);
    let other = FpcId(1);
    let cohort = world.table.cohort(other, SERVER, group("fpc1"));
    for (login, of) in world.table.logins.values_mut().filter(|(login, _)| login.epoch == Epoch(3)) {
        (login.fpc, *of) = (other, cohort);
    }
    world.restart(7);
    let plan = RestartPlan { fpc: other, cutoff: Epoch(3), decided_at: world.now };
    world.call(|releases, context, now| releases.handle_restart(plan, context, now));
    assert_eq!((world.sent.len(), world.store.len()), (2, 2));
    let reply = Draft::to(&world.sent[1].payload, 1, 20).octets();
    world.deliver(SERVER, &reply);
    assert!(world.table.logins.values().all(|(login, _)| login.fpc == FPC) && world.table.logins.len() == 10);
    let reply = Draft::to(&world.sent[0].payload, 2, 10).octets();
    world.deliver(SERVER, &reply);
    assert!(world.table.logins.is_empty() && world.store.is_empty());
}
