//! Subscribers that are silent, and some that are gone.

use core::net::Ipv4Addr;

use gateway_common::vlan::VlanTags;

use super::*;
use crate::line::{FpcId, Line, PortId};
use crate::time::{Duration, Instant};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn subscriber(number: u16) -> Subscriber {
    let [a, b] = number.to_be_bytes();
    Subscriber {
        fpc: FpcId(0),
        line: Line { port: PortId(0), tags: VlanTags::NONE },
        mac: [2, 0, 0, 0, a, b],
        target: Ipv4Addr::new(10, 0, a, b).into(),
    }
}

fn on() -> LivenessConfig {
    LivenessConfig { fpcs: vec![Some(Watch::default())], ..LivenessConfig::default() }
}

/// Wakes when asked to until `until`; tells what is to be done, with the time.
fn run(liveness: &mut Liveness, until: Instant) -> Vec<(Instant, Command)> {
    let (mut done, mut random) = (Vec::new(), 7u64);
    let mut now = Instant::ZERO;
    for _ in 0..100_000 {
        let Some(wanted) = liveness.poll_timeout().filter(|wanted| *wanted <= until) else { return done };
        now = now.max(wanted);
        let mut next = || {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            random >> 20
        };
        liveness.handle_timeout(&mut next, now);
        done.extend(core::iter::from_fn(|| liveness.poll_command()).map(|command| (now, command)));
    }
    panic!("it never rests");
}

fn probes(done: &[(Instant, Command)]) -> usize {
    done.iter().filter(|(_, command)| matches!(command, Command::Probe(_))).count()
}

/// RR-8: nobody is watched unless the operator wants it, FPC by FPC.
#[test]
fn off_by_default() {
    let mut liveness = Liveness::new(LivenessConfig::default(), at(0));
    liveness.handle_seen(subscriber(1), at(0), at(10_000));
    assert_eq!((liveness.poll_timeout(), liveness.suspects()), (None, 0));
    let mut liveness = Liveness::new(on(), at(0));
    liveness.handle_seen(Subscriber { fpc: FpcId(1), ..subscriber(1) }, at(0), at(10_000));
    assert_eq!(liveness.suspects(), 0);
    assert_eq!(run(&mut liveness, at(61)), [(at(30), Command::Sweep), (at(60), Command::Sweep)]);
}

/// Whoever the data plane has seen is not asked; who is silent is asked three times, looked up once more, and only then gone.
#[test]
fn only_the_silent_are_asked() {
    let mut liveness = Liveness::new(LivenessConfig { period: Duration::from_secs(10_000), ..on() }, at(0));
    liveness.handle_seen(subscriber(1), at(701), at(1000));
    liveness.handle_seen(subscriber(2), at(700), at(1000));
    assert_eq!(liveness.suspects(), 1);
    let silent = subscriber(2);
    let done = run(&mut liveness, at(1006));
    let asked = |seconds| (at(seconds), Command::Probe(silent));
    assert_eq!(done, [asked(1000), asked(1002), asked(1004), (at(1006), Command::Look(silent))]);
    liveness.handle_seen(silent, at(700), at(1006));
    assert_eq!(liveness.poll_command(), Some(Command::Gone(silent)));
    assert_eq!((liveness.suspects(), liveness.counters().gone), (0, 1));
}

/// An answer, a packet that the data plane counted meanwhile, or one at the last look: alive.
#[test]
fn signs_of_life() {
    let suspected = || {
        let mut liveness = Liveness::new(LivenessConfig { period: Duration::from_secs(10_000), ..on() }, at(0));
        liveness.handle_seen(subscriber(2), at(700), at(1000));
        liveness
    };
    let mut liveness = suspected();
    run(&mut liveness, at(1001));
    liveness.handle_answer(subscriber(2).line, subscriber(2).mac);
    assert_eq!((run(&mut liveness, at(2000)), liveness.counters().alive), (vec![], 1));
    let mut liveness = suspected();
    run(&mut liveness, at(1006));
    liveness.handle_seen(subscriber(2), at(1005), at(1006));
    assert_eq!((run(&mut liveness, at(2000)), liveness.counters().alive), (vec![], 1));
    // nobody looks: nobody is gone
    let mut liveness = suspected();
    run(&mut liveness, at(1006));
    assert_eq!((run(&mut liveness, at(2000)), liveness.suspects()), (vec![], 0));
    assert_eq!(liveness.counters().gone, 0);
}

/// Behind a card without links nobody can answer, so nobody there is judged.
#[test]
fn a_card_that_is_down() {
    let mut liveness = Liveness::new(LivenessConfig { period: Duration::from_secs(10_000), ..on() }, at(0));
    liveness.handle_seen(subscriber(2), at(700), at(1000));
    liveness.handle_card(FpcId(0), false);
    liveness.handle_seen(subscriber(3), at(700), at(1000));
    assert_eq!((run(&mut liveness, at(2000)), liveness.suspects()), (vec![], 0));
    liveness.handle_card(FpcId(0), true);
    liveness.handle_seen(subscriber(3), at(700), at(2000));
    assert_eq!(liveness.suspects(), 1);
}

/// However many are silent, probes per second and memory are bounded.
#[test]
fn bounded() {
    let config = LivenessConfig { period: Duration::from_secs(10_000), suspects: 1000, ..on() };
    let mut liveness = Liveness::new(config, at(0));
    (0..2000).for_each(|number| liveness.handle_seen(subscriber(number), at(0), at(1000)));
    assert_eq!((liveness.suspects(), liveness.counters().postponed), (1000, 1000));
    let mut done = Vec::new();
    for second in 1000..1010 {
        let now = run(&mut liveness, at(second + 1) - Duration::from_nanos(1));
        assert!(probes(&now) <= 112, "{} in one second", probes(&now));
        done.extend(now);
    }
    let sent = probes(&done);
    assert!((980..=1020).contains(&sent), "{sent} in ten seconds");
}
