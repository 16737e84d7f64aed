//! Subscribers that are silent, and some that are gone.

use std::cell::RefCell;
use std::collections::BTreeMap;

use gateway_common::vlan::VlanTags;

use super::*;
use crate::line::{FpcId, Line, PortId};
use crate::time::{Duration, Instant};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn subscriber(number: u16) -> Subscriber {
    let [a, b] = number.to_be_bytes();
    let line = Line { port: PortId(0), tags: VlanTags::NONE };
    Subscriber { fpc: FpcId(0), line, mac: [2, 0, 0, 0, a, b], ipv4: Some([10, 0, a, b].into()), ipv6: None }
}

fn on() -> LivenessConfig {
    LivenessConfig {
        fpcs: vec![Some(Watch::default())],
        period: Duration::from_secs(10_000),
        ..LivenessConfig::default()
    }
}

/// Liveness, and when the data plane has seen whom.
struct World {
    liveness: Liveness,
    seen: RefCell<BTreeMap<[u8; 6], Instant>>,
    now: Instant,
    random: u64,
}

impl World {
    fn new(config: LivenessConfig) -> Self {
        Self { liveness: Liveness::new(config, at(0)), seen: RefCell::default(), now: at(0), random: 7 }
    }

    /// At second 1000 a sweep finds those who were last seen at second 0.
    fn with_suspects(config: LivenessConfig, count: u16) -> Self {
        let mut world = Self::new(config);
        for number in 0..count {
            world.seen.get_mut().insert(subscriber(number).mac, at(0));
            world.liveness.handle_seen(subscriber(number), at(0), at(1000));
        }
        world.now = at(1000);
        world
    }

    fn sees(&mut self, number: u16, when: Instant) {
        self.seen.get_mut().insert(subscriber(number).mac, when);
    }

    /// Wakes when asked to until `until`; tells what is to be done, with the time.
    fn run(&mut self, until: Instant) -> Vec<(Instant, Command)> {
        let mut done = Vec::new();
        for _ in 0..100_000 {
            let Some(wanted) = self.liveness.poll_timeout().filter(|wanted| *wanted <= until) else { return done };
            self.now = self.now.max(wanted);
            let Self { liveness, seen, now, random } = self;
            let mut next = || {
                *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *random >> 20
            };
            liveness.handle_timeout(|subscriber| seen.borrow().get(&subscriber.mac).copied(), &mut next, *now);
            done.extend(core::iter::from_fn(|| liveness.poll_command()).map(|command| (*now, command)));
        }
        panic!("it never rests");
    }
}

fn probes(done: &[(Instant, Command)]) -> usize {
    done.iter().filter(|(_, command)| matches!(command, Command::Probe(_))).count()
}

/// RR-8: nobody is watched unless the operator wants it, FPC by FPC.
#[test]
fn off_by_default() {
    let mut world = World::new(LivenessConfig::default());
    world.liveness.handle_seen(subscriber(1), at(0), at(10_000));
    assert_eq!((world.liveness.poll_timeout(), world.liveness.suspects()), (None, 0));
    let mut world = World::new(LivenessConfig { period: Duration::from_secs(30), ..on() });
    world.liveness.handle_seen(Subscriber { fpc: FpcId(1), ..subscriber(1) }, at(0), at(10_000));
    assert_eq!(world.liveness.suspects(), 0);
    assert_eq!(world.run(at(61)), [(at(30), Command::Sweep), (at(60), Command::Sweep)]);
}

/// Whoever the data plane has seen is not asked; who is silent is asked three times, and is only then gone. One who has not
/// ended by then is asked again when the same time has passed; one who has is forgotten.
#[test]
fn only_the_silent_are_asked() {
    let mut world = World::with_suspects(on(), 0);
    for (number, seen) in [(1, 701), (2, 700)] {
        world.sees(number, at(seen));
        world.liveness.handle_seen(subscriber(number), at(seen), at(1000));
    }
    assert_eq!(world.liveness.suspects(), 1);
    let done = world.run(at(1305));
    let asked = |seconds| (at(seconds), Command::Probe(subscriber(2)));
    let gone = |seconds, again| (at(seconds), Command::Gone { subscriber: subscriber(2), again });
    assert_eq!(done[..4], [asked(1000), asked(1002), asked(1004), gone(1006, false)]);
    assert_eq!((world.liveness.suspects(), world.liveness.counters().gone), (0, 1));
    assert_eq!(done.len(), 4, "told once");
    assert_eq!(world.run(at(1313)), [asked(1306), asked(1308), asked(1310), gone(1312, true)]);
    world.seen.get_mut().clear();
    assert_eq!((world.run(at(9000)), world.liveness.suspects()), (vec![], 0));
    assert_eq!(world.liveness.counters().gone, 2);
}

/// An answer, or a packet that the data plane counted meanwhile: alive, and not asked again.
#[test]
fn signs_of_life() {
    let mut world = World::with_suspects(on(), 1);
    assert_eq!(probes(&world.run(at(1001))), 1);
    world.liveness.handle_answer(subscriber(0).line, subscriber(0).mac);
    assert_eq!((world.run(at(2000)), world.liveness.counters().alive), (vec![], 1));
    // between two probes, and after the last one
    for (until, asked) in [(1001, 1), (1005, 3)] {
        let mut world = World::with_suspects(on(), 1);
        assert_eq!(probes(&world.run(at(until))), asked);
        world.sees(0, at(until));
        assert_eq!((world.run(at(2000)), world.liveness.counters().alive), (vec![], 1));
    }
}

/// CL-52: where it becomes known late who was seen, an answer to the last probe is waited for as long.
#[test]
fn what_is_known_late() {
    let late = || LivenessConfig { lag: Duration::from_secs(10), ..on() };
    let mut world = World::with_suspects(late(), 1);
    let gone = Command::Gone { subscriber: subscriber(0), again: false };
    assert_eq!(world.run(at(1020)).last(), Some(&(at(1016), gone)));
    let mut world = World::with_suspects(late(), 1);
    assert_eq!(probes(&world.run(at(1015))), 3);
    world.sees(0, at(1005));
    assert_eq!((world.run(at(2000)), world.liveness.counters().alive), (vec![], 1));
}

/// Behind a port without a carrier nobody can answer, so nobody there is judged.
#[test]
fn a_port_that_is_down() {
    let mut world = World::with_suspects(on(), 1);
    world.liveness.handle_port(PortId(0), false);
    world.liveness.handle_seen(subscriber(3), at(700), at(1000));
    assert_eq!((world.run(at(2000)), world.liveness.suspects()), (vec![], 0));
    world.liveness.handle_port(PortId(0), true);
    world.liveness.handle_seen(subscriber(3), at(700), at(2000));
    assert_eq!(world.liveness.suspects(), 1);
}

/// However many are silent, probes per second and memory are bounded; who is gone takes nobody's turn.
#[test]
fn bounded() {
    let mut world = World::with_suspects(LivenessConfig { suspects: 1000, ..on() }, 2000);
    assert_eq!((world.liveness.suspects(), world.liveness.counters().postponed), (1000, 1000));
    let mut done = Vec::new();
    for second in 1000..1010 {
        let now = world.run(at(second + 1) - Duration::from_nanos(1));
        assert!(probes(&now) <= 112, "{} in one second", probes(&now));
        done.extend(now);
    }
    let sent = probes(&done);
    assert!((980..=1020).contains(&sent), "{sent} in ten seconds");
    for round in 0..3 {
        world.run(world.now + Duration::from_secs(40));
        for number in 0..2000 {
            world.liveness.handle_seen(subscriber(number), at(0), world.now);
        }
        assert!(world.liveness.suspects() <= 1000, "round {round}");
        assert!(world.liveness.suspects.len() <= 2000, "round {round}");
    }
    assert!(world.liveness.counters().gone > 1000, "{:?}", world.liveness.counters());
}
