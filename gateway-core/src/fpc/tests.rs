//! Line cards as transcripts: what happens, and what is then to be done.

use hashbrown::HashMap;
use proptest::prelude::*;

use super::record::{self, Record};
use super::*;
use crate::line::{FpcId, PortId};
use crate::scope::Epoch;
use crate::time::{Duration, Instant, WallClock};

/// Unix time at boot, in seconds.
const BOOT: u64 = 1_700_000_000;
const FPC: FpcId = FpcId(0);

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn card() -> FpcConfig {
    FpcConfig {
        name: "fpc0".into(),
        policy: Policy::Logout,
        hold_down: Duration::from_secs(2),
        schedule: None,
        trigger: Trigger::AllPorts,
    }
}

fn clock() -> WallClock {
    WallClock::new(Instant::ZERO, BOOT * 1_000_000_000)
}

fn start(card: FpcConfig, records: &HashMap<Vec<u8>, Vec<u8>>, ports: usize) -> Fpcs {
    let port = PortConfig { name: String::new(), fpc: FPC, max_clients: None };
    Fpcs::new(vec![card], &vec![port; ports], records, Duration::from_secs(5), clock(), at(0))
}

/// A card that has been in service with epoch 7.
fn running(card: FpcConfig, ports: usize) -> Fpcs {
    let record = record::encode(&Record { epoch: Epoch(7), restarting: None, ended: None });
    let mut fpcs = start(card, &HashMap::from_iter([(record::key("fpc0"), record)]), ports);
    for port in 0..ports {
        fpcs.handle_link(PortId(port as u16), LinkEvent::Up, at(0));
    }
    assert_eq!(commands(&mut fpcs), [Command::Thaw { fpc: FPC, epoch: Epoch(7) }]);
    fpcs
}

fn commands(fpcs: &mut Fpcs) -> Vec<Command> {
    core::iter::from_fn(|| fpcs.poll_command()).collect()
}

/// What a restart at this time with this cut-off must look like: durable first, then the decision.
fn restart(cutoff: u32, millis: u64, cause: Cause) -> Vec<Command> {
    let epoch = Epoch((BOOT + millis / 1000) as u32);
    let record = Record { epoch, restarting: Some((Epoch(cutoff), BOOT * 1000 + millis)), ended: None };
    vec![
        Command::Persist { key: record::key("fpc0"), value: record::encode(&record) },
        Command::Restart(Restart { fpc: FPC, cutoff: Epoch(cutoff), decided_at: at(millis), cause }),
        Command::Thaw { fpc: FPC, epoch },
    ]
}

/// BR-19, BR-21, BR-22, H-BR-6, H-BR-9: a link lost for longer than hold_down is a restart: the new epoch is persisted
/// before the logout is begun and before anybody logs in with it, and the logout covers the epoch before.
#[test]
fn a_link_that_stays_down_is_a_restart() {
    let mut fpcs = running(card(), 1);
    fpcs.handle_link(PortId(0), LinkEvent::Down, at(10_000));
    assert_eq!(commands(&mut fpcs), [Command::Lost { fpc: FPC }]);
    assert_eq!(fpcs.poll_timeout(), Some(at(12_000)));
    fpcs.handle_timeout(at(11_999));
    assert_eq!(commands(&mut fpcs), []);
    fpcs.handle_timeout(at(12_000));
    assert_eq!(commands(&mut fpcs), restart(7, 12_000, Cause::LinkDown));
    assert_eq!(fpcs.poll_timeout(), None);
    fpcs.handle_link(PortId(0), LinkEvent::Up, at(60_000));
    assert_eq!(commands(&mut fpcs), []);
    assert_eq!(fpcs.state(FPC), State::Up);
}

#[test]
fn a_flap_shorter_than_hold_down_is_nothing() {
    let mut fpcs = running(card(), 1);
    for second in 0..5 {
        fpcs.handle_link(PortId(0), LinkEvent::Down, at(10_000 + second * 2000));
        fpcs.handle_link(PortId(0), LinkEvent::Up, at(11_999 + second * 2000));
        let flap = [Command::Lost { fpc: FPC }, Command::Returned { fpc: FPC }];
        assert_eq!(commands(&mut fpcs), flap);
    }
    assert_eq!(fpcs.poll_timeout(), None);
    assert_eq!(fpcs.epoch(FPC), Epoch(7));
}

/// BR-19: an interface that is gone is a restart at once.
#[test]
fn a_removed_interface_is_a_restart_at_once() {
    let mut fpcs = running(card(), 1);
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_000));
    let told = commands(&mut fpcs);
    assert_eq!(told[0], Command::Lost { fpc: FPC });
    assert_eq!(told[1..], restart(7, 10_000, Cause::Removed));
    // Netlink says down first, more often than not.
    let mut fpcs = running(card(), 1);
    fpcs.handle_link(PortId(0), LinkEvent::Down, at(10_000));
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_001));
    assert_eq!(commands(&mut fpcs)[1..], restart(7, 10_001, Cause::Removed));
    fpcs.handle_link(PortId(0), LinkEvent::Up, at(20_000));
    fpcs.handle_timeout(at(20_000));
    assert_eq!(commands(&mut fpcs), [], "once");
}

#[test]
fn a_card_is_lost_with_its_last_port_or_with_its_first_as_configured() {
    let mut fpcs = running(card(), 2);
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_000));
    fpcs.handle_timeout(at(60_000));
    assert_eq!(commands(&mut fpcs), []);
    fpcs.handle_link(PortId(1), LinkEvent::Down, at(61_000));
    fpcs.handle_timeout(at(63_000));
    assert_eq!(commands(&mut fpcs)[1..], restart(7, 63_000, Cause::LinkDown));

    let mut fpcs = running(FpcConfig { trigger: Trigger::AnyPort, ..card() }, 2);
    fpcs.handle_link(PortId(0), LinkEvent::Down, at(10_000));
    fpcs.handle_timeout(at(12_000));
    assert_eq!(commands(&mut fpcs)[1..], restart(7, 12_000, Cause::LinkDown));
    fpcs.handle_link(PortId(0), LinkEvent::Up, at(13_000));
    assert_eq!(fpcs.state(FPC), State::Up);
}

/// BR-20, H-BR-9: an operator announces the restart; nobody logs in until all are logged out or restart_hold is over.
#[test]
fn an_announced_restart_freezes_the_card() {
    let mut fpcs = running(card(), 1);
    assert!(fpcs.handle_operator(FPC, None, at(10_000)));
    let mut expected = vec![Command::Freeze { fpc: FPC }];
    expected.extend(restart(7, 10_000, Cause::Operator));
    let thaw = expected.pop();
    assert_eq!(commands(&mut fpcs), expected);
    assert_eq!(fpcs.poll_timeout(), Some(at(16_000)));
    fpcs.handle_may_proceed(FPC, Epoch(7));
    assert_eq!(commands(&mut fpcs), thaw.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(fpcs.poll_timeout(), None);

    let mut fpcs = running(card(), 1);
    fpcs.handle_operator(FPC, None, at(10_000));
    commands(&mut fpcs);
    fpcs.handle_timeout(at(16_000));
    assert_eq!(commands(&mut fpcs), thaw.into_iter().collect::<Vec<_>>(), "whatever became of the logout");
    assert!(!fpcs.handle_operator(FpcId(9), None, at(0)));
}

/// BR-20: the trigger may be a schedule, by the clock or after a set period.
#[test]
fn a_schedule_restarts_the_card_every_time() {
    // The clock shows 22:13:20 UTC at boot; 03:00 is 17 200 seconds away.
    let due = 17_200_000;
    let mut fpcs = running(FpcConfig { schedule: Some(Schedule::Daily { second: 3 * 3600 }), ..card() }, 1);
    assert_eq!(fpcs.poll_timeout(), Some(at(due)));
    fpcs.handle_timeout(at(due));
    let decided = |told: &[Command]| {
        told.iter().filter(|c| matches!(c, Command::Restart(r) if r.cause == Cause::Schedule)).count()
    };
    assert_eq!(decided(&commands(&mut fpcs)), 1);
    fpcs.handle_timeout(at(due + 6_000));
    assert_eq!(fpcs.poll_timeout(), Some(at(due + 86_400_000)));

    let hourly = Schedule::Every(Duration::from_secs(3600));
    let mut fpcs = running(FpcConfig { schedule: Some(hourly), ..card() }, 1);
    fpcs.handle_timeout(at(3_600_000));
    fpcs.handle_timeout(at(7_200_000));
    assert_eq!(decided(&commands(&mut fpcs)), 2);
}

/// BR-20: a daily schedule is at a time of the clock on the wall. On the days when summer time begins and ends it is due
/// once, and from then on at its new time of the UTC day.
#[test]
fn a_schedule_follows_local_time() {
    const HOUR: u64 = 3_600_000;
    // The clock shows 22:13:20 UTC at boot; it is 01:00 UTC when local time changes.
    let change = 10_000_000;
    let night = |moved: i64, utc_minute: u32| {
        let schedule = Some(Schedule::Daily { second: utc_minute * 60 });
        let mut fpcs = running(FpcConfig { schedule, ..card() }, 1);
        fpcs.handle_timeout(at(change - HOUR / 2));
        fpcs.handle_timeout(at(change));
        fpcs.handle_local_time(moved, at(change + 500));
        fpcs.handle_timeout(at(change + 500));
        fpcs.handle_timeout(at(change + 10_000)); // ends the freeze
        (fpcs.restarts(FPC), fpcs.poll_timeout())
    };
    let then = |minutes: u64| Some(at(change + minutes * HOUR / 60));
    // Forward from one hour ahead of UTC to two. 01:00 was before the change,
    assert_eq!(night(3600, 0), (1, then(22 * 60)));
    // 02:00 was the change, and there is no 02:30 that night: it is due at once.
    assert_eq!(night(3600, 60), (1, then(23 * 60)));
    assert_eq!(night(3600, 90), (1, then(23 * 60 + 30)));
    // 03:00 comes with the change, 06:00 later and an hour earlier than it was.
    assert_eq!(night(3600, 120), (1, then(24 * 60)));
    assert_eq!(night(3600, 300), (0, then(3 * 60)));
    // Back from two hours to one: 02:30 comes twice that night and is done once; 06:00 is an hour later.
    assert_eq!(night(-3600, 30), (1, then(24 * 60 + 30)));
    assert_eq!(night(-3600, 240), (0, then(4 * 60)));
}

#[test]
fn a_maintained_card_keeps_logins_and_epoch() {
    let mut fpcs = running(FpcConfig { policy: Policy::Maintain, ..card() }, 1);
    fpcs.handle_link(PortId(0), LinkEvent::Down, at(10_000));
    fpcs.handle_timeout(at(12_000));
    assert_eq!(commands(&mut fpcs)[1..], [Command::Maintain { fpc: FPC, cause: Cause::LinkDown }]);
    assert_eq!(fpcs.epoch(FPC), Epoch(7));
    fpcs.handle_operator(FPC, Some(Policy::Logout), at(20_000));
    assert_ne!(fpcs.epoch(FPC), Epoch(7), "unless the operator says otherwise");
}

/// H-BR-6: a card that flaps during its own release starts a later one, which covers the earlier.
#[test]
fn a_card_that_flaps_during_its_own_release() {
    let mut fpcs = running(card(), 1);
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_000));
    commands(&mut fpcs);
    let between = fpcs.epoch(FPC);
    fpcs.handle_link(PortId(0), LinkEvent::Up, at(10_500));
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_900));
    let told = commands(&mut fpcs);
    let Some(Command::Restart(second)) = told.iter().find(|c| matches!(c, Command::Restart(_))) else {
        panic!("{told:?}");
    };
    assert_eq!(second.cutoff, between);
    assert!(fpcs.epoch(FPC) > between, "twice within one second, and still greater");
    fpcs.handle_finished(FPC, Epoch(7));
    assert_eq!(commands(&mut fpcs), [], "the first one's end is not the second one's");
    fpcs.handle_finished(FPC, between);
    assert!(matches!(&commands(&mut fpcs)[..], [Command::Persist { .. }]));
}

/// H-BR-8: a lost store, a clock that went back, a server that knows better: the epoch only ever grows.
#[test]
fn the_epoch_only_grows() {
    let mut fpcs = start(card(), &HashMap::new(), 1);
    let first = Record { epoch: Epoch(BOOT as u32), restarting: None, ended: None };
    let persisted = Command::Persist { key: record::key("fpc0"), value: record::encode(&first) };
    let told = commands(&mut fpcs);
    assert_eq!(told, [persisted, Command::Thaw { fpc: FPC, epoch: Epoch(BOOT as u32) }]);
    fpcs.handle_clock(WallClock::new(at(0), 5_000_000_000), at(0));
    fpcs.handle_operator(FPC, None, at(1000));
    assert_eq!(fpcs.epoch(FPC), Epoch(BOOT as u32 + 1));
    commands(&mut fpcs);
    assert!(fpcs.handle_epoch_known(FPC, Epoch(BOOT as u32 + 1), at(1000)));
    assert_eq!(commands(&mut fpcs), [], "it heard our own");
    assert!(!fpcs.handle_epoch_known(FPC, Epoch(BOOT as u32 + 50), at(1000)), "not by such a clock");
    fpcs.handle_clock(WallClock::new(at(0), BOOT * 1_000_000_000), at(1000));
    assert!(fpcs.handle_epoch_known(FPC, Epoch(BOOT as u32 + 50), at(1000)));
    assert_eq!(fpcs.epoch(FPC), Epoch(BOOT as u32 + 51));
    assert!(matches!(&commands(&mut fpcs)[..], [Command::Persist { .. }]), "still frozen");
}

/// H-BR-8: an epoch that is far ahead of the clock is nobody's that we were, whichever server has been told it. It is not
/// followed, up to the last one there is.
#[test]
fn an_epoch_that_can_not_be() {
    let day = 86_400;
    for (ahead, followed) in [(day, true), (day + 1, false), (u32::MAX - BOOT as u32, false)] {
        let mut fpcs = running(card(), 1);
        let before = fpcs.epoch(FPC);
        let known = Epoch(BOOT as u32 + ahead);
        assert_eq!(fpcs.handle_epoch_known(FPC, known, at(0)), followed, "{ahead}");
        assert_eq!(fpcs.epoch(FPC), if followed { Epoch(known.0 + 1) } else { before });
        assert_eq!(commands(&mut fpcs).is_empty(), !followed);
    }
}

/// H-BR-9: the last epoch there is has none above it. Logins after a logout up to it would be taken for those before, so there
/// is none: that is told, and nobody is kept out.
#[test]
fn no_epoch_is_left() {
    let last = Record { epoch: Epoch(u32::MAX), restarting: None, ended: None };
    let records = HashMap::from_iter([(record::key("fpc0"), record::encode(&last))]);
    let mut fpcs = start(card(), &records, 1);
    fpcs.handle_link(PortId(0), LinkEvent::Up, at(0));
    commands(&mut fpcs);
    assert!(fpcs.is_exhausted(FPC));
    let kept = |cause| [Command::Exhausted { fpc: FPC }, Command::Maintain { fpc: FPC, cause }];
    assert!(fpcs.handle_operator(FPC, Some(Policy::Logout), at(1000)));
    assert_eq!(commands(&mut fpcs), kept(Cause::Operator));
    assert_eq!((fpcs.frozen(FPC), fpcs.epoch(FPC)), (None, Epoch(u32::MAX)));
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(2000));
    assert_eq!(commands(&mut fpcs)[1..], kept(Cause::Removed));
    assert!(!fpcs.has_cut_off(FPC, Epoch(u32::MAX), at(0)), "and none comes back as one that was logged out");
    // The one before it has one above.
    let records =
        HashMap::from_iter([(record::key("fpc0"), record::encode(&Record { epoch: Epoch(u32::MAX - 1), ..last }))]);
    let mut fpcs = start(card(), &records, 1);
    commands(&mut fpcs);
    fpcs.handle_operator(FPC, Some(Policy::Logout), at(1000));
    assert_eq!((fpcs.epoch(FPC), fpcs.frozen(FPC).is_some()), (Epoch(u32::MAX), true));
}

/// H-BR-20: a restart that was decided and not finished is decided again after a restart of the controller, with its
/// old cut-off and its old time; a finished one is not.
#[test]
fn an_unfinished_restart_is_resumed() {
    let mut fpcs = running(card(), 1);
    fpcs.handle_link(PortId(0), LinkEvent::Removed, at(10_000));
    let Some(Command::Persist { key, value }) = commands(&mut fpcs).into_iter().nth(1) else { panic!("persisted") };
    let mut again = start(card(), &HashMap::from_iter([(key, value)]), 1);
    let epoch = fpcs.epoch(FPC);
    let resumed = Restart { fpc: FPC, cutoff: Epoch(7), decided_at: at(10_000), cause: Cause::Resumed };
    assert_eq!(commands(&mut again), [Command::Thaw { fpc: FPC, epoch }, Command::Restart(resumed)]);

    fpcs.handle_finished(FPC, Epoch(7));
    let Some(Command::Persist { key, value }) = commands(&mut fpcs).pop() else { panic!("persisted") };
    let mut again = start(card(), &HashMap::from_iter([(key, value)]), 1);
    assert_eq!(commands(&mut again), [Command::Thaw { fpc: FPC, epoch }]);
}

proptest! {
    /// H-BR-6, H-BR-9: whatever happens, epochs only grow; each cut-off is less than the epoch that follows; and nobody
    /// is let in with an epoch that was not persisted before.
    #[test]
    fn nobody_logs_in_with_an_epoch_that_is_not_durable(
        events in prop::collection::vec((0..7u8, 1..4000u64), 1..60),
    ) {
        let mut fpcs = running(FpcConfig { hold_down: Duration::from_millis(1500), ..card() }, 2);
        let (mut now, mut durable, mut last_cutoff) = (0, Epoch(7), Epoch(0));
        for (event, wait) in events {
            now += wait;
            match event {
                0 => fpcs.handle_operator(FPC, None, at(now)).then_some(()).expect("known"),
                1 => fpcs.handle_finished(FPC, last_cutoff),
                2 => fpcs.handle_may_proceed(FPC, last_cutoff),
                3 => fpcs.handle_link(PortId(0), LinkEvent::Down, at(now)),
                4 => fpcs.handle_link(PortId(1), LinkEvent::Removed, at(now)),
                5 => (0..2).for_each(|port| fpcs.handle_link(PortId(port), LinkEvent::Up, at(now))),
                _ => _ = fpcs.handle_epoch_known(FPC, Epoch(fpcs.epoch(FPC).0 + (wait % 3) as u32), at(now)),
            }
            fpcs.handle_timeout(at(now));
            for command in commands(&mut fpcs) {
                match command {
                    Command::Persist { value, .. } => {
                        let epoch = record::decode(&value).expect("ours").epoch;
                        prop_assert!(epoch >= durable);
                        durable = epoch;
                    }
                    Command::Restart(restart) => {
                        prop_assert!(restart.cutoff < durable && restart.cutoff > last_cutoff);
                        last_cutoff = restart.cutoff;
                    }
                    Command::Thaw { epoch, .. } => prop_assert!(epoch == durable && epoch > last_cutoff),
                    _ => {}
                }
            }
            prop_assert_eq!(fpcs.epoch(FPC), durable);
        }
    }

    #[test]
    fn records_survive_and_garbage_does_not(
        epoch: u32,
        restarting: Option<(u32, u64)>,
        ended: Option<(u32, u64)>,
        garbage: Vec<u8>,
    ) {
        let logout = |(cutoff, decided)| (Epoch(cutoff), decided);
        let (restarting, ended) = (restarting.map(logout), ended.map(logout));
        let record = Record { epoch: Epoch(epoch), restarting, ended };
        prop_assert_eq!(record::decode(&record::encode(&record)), Some(record));
        let _ = record::decode(&garbage);
    }
}
