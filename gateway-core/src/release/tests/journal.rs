//! kill -9, power cuts, and a card that flaps while it is released.

use super::server::Draft;
use super::*;
use crate::release::journal;
use crate::wire::agent::AgentInformation;
use crate::wire::bulk_release::{BulkRelease, CodePoints};
use proptest::prelude::*;

fn identity(sent: &Sent) -> (u64, u32, Epoch) {
    let message = sent.message();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    let release = BulkRelease::decode(&agent, &CodePoints::default()).unwrap().unwrap();
    (release.transaction.unwrap().txid, message.xid(), release.scopes[0].epoch)
}

/// The gateway is killed before the reply comes, or its host reboots: the same txid, the old cut-off, and an age that
/// counts on; logins made meanwhile stay. H-BR-6, H-BR-20
#[test]
fn killed_before_the_reply() {
    for reboot in [false, true] {
        let mut world = World::capable(config());
        world.table.log_in(0, 100, 7, address_scope(), world.now);
        let mut server = BulkServer::with(&world.table);
        world.now = world.now + Duration::from_secs(60);
        world.restart(7);
        world.pass(1.5);
        assert_eq!(world.sent.len(), 2);

        world.crash(config(), 90, reboot);
        world.table.log_in(1, 5, 8, address_scope(), world.now);
        for (address, (login, _)) in world.table.logins.range(Ipv4Addr::new(100, 65, 0, 0)..) {
            server.bind(*address, login.hardware, address_scope(), login.epoch, world.now);
        }
        assert_eq!(identity(&world.sent[2]), identity(&world.sent[0]));
        assert_eq!(world.sent[2].message().secs(), 91);
        assert!(world.events.iter().any(|event| matches!(event, Event::Started { resumed: true, logins: 100, .. })));
        if !reboot {
            let reply = server.handle(&world.sent[2].payload, world.now).unwrap();
            world.deliver(SERVER, &reply);
            assert_eq!(server.active(), 5);
        } else {
            world.deliver(SERVER, &Draft::to(&world.sent[2].payload, 1, 100).octets());
        }
        assert_eq!(world.table.logins.len(), 5);
        assert!(world.store.is_empty());
    }
}

/// Killed in the middle of the individual way: it goes on with what is left, and neither repeats what was confirmed nor
/// touches who logged in since. H-BR-6, H-BR-20
#[test]
fn killed_on_the_individual_way() {
    let mut world = World::new(config());
    world.table.log_in(0, 1000, 7, None, world.now);
    world.now = world.now + Duration::from_secs(60);
    let mut server = BulkServer::with(&world.table);
    world.restart(7);
    let first = world.sent.clone();
    first.iter().for_each(|sent| drop(server.handle(&sent.payload, sent.at)));
    world.pass_with(4.0, |sent| server.handle(&sent.payload, sent.at));
    let confirmed = 1000 - world.table.logins.len();
    assert!((300..500).contains(&confirmed), "{confirmed}");
    let before = world.sent.len();

    let left: Vec<_> = world.table.logins.keys().copied().collect();
    world.crash(config(), 10, false);
    let again = *left.last().unwrap();
    let (login, _) = world.table.logins.get_mut(&again).unwrap();
    (login.epoch, login.last_transaction) = (Epoch(8), world.now);
    server.bind(again, login.hardware, None, Epoch(8), world.now);
    let first = world.sent[before..].to_vec();
    first.iter().for_each(|sent| drop(server.handle(&sent.payload, sent.at)));
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert!(world.finished() && world.store.is_empty());
    assert_eq!(world.table.logins.keys().collect::<Vec<_>>(), [&again]);
    assert_eq!(server.active(), 1);
    let released_after: Vec<_> =
        world.sent[before..].iter().filter(|sent| sent.is_release()).map(|sent| sent.message().ciaddr()).collect();
    assert!(released_after.iter().all(|address| left.contains(address) && *address != again));
}

/// Orphaned logins stay orphaned over a restart of the gateway, and are not tried again at once. H-BR-19, H-BR-20
#[test]
fn killed_while_logins_are_orphaned() {
    let mut config = config();
    config.servers.insert(SERVER, ServerConfig { verify: Verify::Leasequery, ..ServerConfig::default() });
    let mut world = World::new(config.clone());
    world.table.log_in(0, 10, 7, None, world.now);
    world.restart(7);
    world.pass(75.0);
    assert_eq!(world.table.orphaned(), 10);
    let before = world.sent.len();
    world.crash(config, 5, false);
    world.pass(50.0);
    assert_eq!((world.sent.len(), world.progress().orphaned), (before, 10));
    world.pass(20.0);
    assert_eq!(world.sent.len(), before + 10 + 1, "one RELEASE each, and a leasequery");
}

/// The card restarts again while it is released: the new cut-off covers the old one too, nothing is lost, and a late
/// reply to the old message ends nothing. H-BR-6, H-BR-9
#[test]
fn a_flap_during_the_release() {
    let mut world = World::capable(config());
    world.table.log_in(0, 100, 7, address_scope(), world.now);
    world.now = world.now + Duration::from_secs(30);
    world.restart(7);
    world.table.log_in(1, 10, 8, address_scope(), world.now);
    let mut server = BulkServer::with(&world.table);
    world.pass(2.0);
    let old = world.sent.len();
    world.now = world.now + Duration::from_secs(2);
    world.restart(8);
    let (txid, xid, cutoff) = identity(&world.sent[old]);
    assert_eq!(cutoff, Epoch(8));
    assert!((txid, xid) != (identity(&world.sent[0]).0, identity(&world.sent[0]).1));
    assert_eq!(world.store.len(), 1);

    let late = server.clone().handle(&world.sent[0].payload, world.now).unwrap();
    world.deliver(SERVER, &late);
    assert_eq!((world.table.logins.len(), world.releases.counters().unmatched), (110, 1));
    let reply = server.handle(&world.sent[old].payload, world.now).unwrap();
    world.deliver(SERVER, &reply);
    assert_eq!((world.table.logins.len(), server.active(), world.store.len()), (0, 0, 0));
    assert_eq!(world.proceeded, [(world.now, Epoch(8), true)]);
}

/// The same on the individual way, and with a kill between: those of the earlier epoch are released with the later.
#[test]
fn a_flap_on_the_individual_way() {
    let mut world = World::new(config());
    world.table.log_in(0, 300, 7, None, world.now);
    world.now = world.now + Duration::from_secs(30);
    let mut server = BulkServer::with(&world.table);
    world.restart(7);
    world.pass_with(1.0, |sent| server.handle(&sent.payload, sent.at));
    world.table.log_in(1, 50, 8, None, world.now);
    for (address, (login, _)) in world.table.logins.range(Ipv4Addr::new(100, 65, 0, 0)..) {
        server.bind(*address, login.hardware, None, login.epoch, world.now);
    }
    world.now = world.now + Duration::from_secs(3);
    world.restart(8);
    world.crash(config(), 1, false);
    world.pass_with(60.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!((world.table.logins.len(), server.active(), world.store.len()), (0, 0, 0));
}

/// A plan that adds nothing does not start over what is under way.
#[test]
fn the_same_cut_off_twice() {
    let mut world = World::capable(config());
    world.table.log_in(0, 100, 7, address_scope(), world.now);
    world.restart(7);
    let first = identity(&world.sent[0]);
    world.synced = true;
    let plan = RestartPlan { fpc: FPC, cutoff: Epoch(7), decided_at: world.now };
    world.call(|releases, context, now| releases.handle_restart(plan, context, now));
    assert_eq!(world.sent.len(), 1);
    world.pass(2.0);
    assert_eq!(identity(&world.sent[1]), first);
}

/// A card that was renumbered in the configuration is found by its name; an unknown one is left alone.
#[test]
fn the_record_names_the_card() {
    let mut world = World::capable(config());
    world.table.log_in(0, 100, 7, address_scope(), world.now);
    world.restart(7);
    let (key, value) = world.store.pop_first().unwrap();
    assert_eq!(key, b"release/fpc0");
    let mut renumbered = config();
    renumbered.fpcs.reverse();
    world.releases = Releases::new(renumbered);
    assert!(world.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
    assert!(world.releases.is_releasing(FpcId(1)) && !world.releases.is_releasing(FPC));
    world.releases = Releases::new(ReleaseConfig { fpcs: Vec::new(), ..config() });
    assert!(!world.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
}

proptest! {
    /// No record makes the gateway fail to start.
    #[test]
    fn damaged_records(cut in 0..200usize, at in 0..200usize, bits: u8) {
        let mut world = World::capable(config());
        world.table.log_in(0, 2, 7, address_scope(), world.now);
        world.restart(7);
        let (key, mut value) = world.store.pop_first().unwrap();
        prop_assert!(journal::decode(&key, &value, BOOT, world.now).is_some());
        let cut = cut % value.len();
        prop_assert!(journal::decode(&key, &value[..cut], BOOT, world.now).is_none());
        let at = at % value.len();
        value[at] ^= bits;
        let mut world = World::capable(config());
        world.table.log_in(0, 2, 7, address_scope(), world.now);
        world.synced = true;
        world.call(|releases, context, now| releases.handle_restored(&key, &value, context, now));
        world.pass(100.0);
    }
}
