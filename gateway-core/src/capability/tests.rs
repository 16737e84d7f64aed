use core::net::Ipv4Addr;

use super::{Capabilities, CapabilityConfig, Command, Observation, State};
use crate::time::{Duration, Instant};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const CAPABLE: Observation = Observation::Capable { max_scopes: 8, will_reply: true };
const BOOT: Duration = Duration::from_secs(1_700_000_000);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn believing_all() -> Capabilities {
    Capabilities::new(CapabilityConfig::default())
}

/// Hears the observations at seconds 1, 2, … and returns the state after each.
fn states(capabilities: &mut Capabilities, heard: &[(Observation, bool)]) -> Vec<State> {
    (1u64..)
        .zip(heard)
        .map(|(second, &(observation, authenticated))| {
            capabilities.handle_heard(SERVER, observation, authenticated, BOOT, at(second));
            capabilities.state(SERVER, at(second))
        })
        .collect()
}

/// Every state under every observation. BR-9, BR-23, H-BR-2, H-BR-3.
#[test]
fn transition_table() {
    use Observation::{AuthenticationFailed, CapMissing, EchoedVerbatim, NoOption82, Refused};
    use State as S;
    let ways: [(S, &[Observation]); 5] = [
        (S::Unknown, &[]),
        (S::Capable, &[CAPABLE]),
        (S::Refused, &[Refused]),
        (S::Incapable, &[EchoedVerbatim]),
        (S::Stripped, &[NoOption82, NoOption82, NoOption82]),
    ];
    for (from, way) in ways {
        // A first NoOption82 changes nothing; in STRIPPED it confirms.
        let table = [
            (CAPABLE, S::Capable),
            (Refused, S::Refused),
            (EchoedVerbatim, S::Incapable),
            (CapMissing, S::Incapable),
            (NoOption82, from),
            (AuthenticationFailed, from),
        ];
        for (observation, to) in table {
            let mut capabilities = believing_all();
            let way: Vec<_> = way.iter().map(|&o| (o, false)).collect();
            assert_eq!(states(&mut capabilities, &way).last().copied().unwrap_or_default(), from);
            capabilities.handle_heard(SERVER, observation, false, BOOT, at(10));
            assert_eq!(capabilities.state(SERVER, at(10)), to, "{from:?} hears {observation:?}");
        }
    }
}

/// H-BR-3: only three strips in a row count; any reply with option 82 starts the count again.
#[test]
fn three_consecutive_strips() {
    let strip = (Observation::NoOption82, false);
    let echo = (Observation::EchoedVerbatim, false);
    let seen = states(&mut believing_all(), &[strip, strip, echo, strip, strip, strip, (CAPABLE, false)]);
    use State::{Capable, Incapable, Stripped, Unknown};
    assert_eq!(seen, [Unknown, Unknown, Incapable, Incapable, Incapable, Stripped, Capable]);
}

/// BR-6, H-BR-2: a flag that came back as it was sent is no evidence.
#[test]
fn a_verbatim_echo_is_incapable() {
    let mut capabilities = believing_all();
    assert_eq!(states(&mut capabilities, &[(Observation::EchoedVerbatim, true)]), [State::Incapable]);
    assert_eq!(capabilities.max_scopes(SERVER, at(1)), 0);
}

#[test]
fn knowledge_ages() {
    let mut capabilities = believing_all();
    capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(0));
    let day = 24 * 3600;
    assert_eq!(capabilities.state(SERVER, at(day - 1)), State::Capable);
    assert_eq!(capabilities.max_scopes(SERVER, at(day - 1)), 8);
    assert_eq!(capabilities.state(SERVER, at(day)), State::Unknown);
    assert_eq!(capabilities.max_scopes(SERVER, at(day)), 0);
    // Strips heard before it aged out do not count afterwards.
    capabilities.handle_heard(SERVER, Observation::NoOption82, false, BOOT, at(day - 3));
    capabilities.handle_heard(SERVER, Observation::NoOption82, false, BOOT, at(day - 2));
    capabilities.handle_heard(SERVER, Observation::NoOption82, false, BOOT, at(day));
    assert_eq!(capabilities.state(SERVER, at(day)), State::Unknown);
    // A confirmation starts the day again.
    capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(day + 1));
    capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(2 * day));
    assert_eq!(capabilities.state(SERVER, at(3 * day - 1)), State::Capable);
}

/// H-BR-13: when only authenticated replies count, a forged one neither grants nor takes the capability.
#[test]
fn authenticated_only() {
    let config = CapabilityConfig { authenticated_only: true, ..CapabilityConfig::default() };
    let mut capabilities = Capabilities::new(config);
    let heard = [
        (CAPABLE, false),
        (Observation::EchoedVerbatim, false),
        (Observation::Refused, false),
        (CAPABLE, true),
        (Observation::EchoedVerbatim, false),
        (Observation::Refused, false),
        (Observation::NoOption82, false),
        (Observation::NoOption82, false),
        (Observation::NoOption82, false),
        (Observation::AuthenticationFailed, false),
        (Observation::Refused, true),
    ];
    let seen = states(&mut capabilities, &heard);
    use State::{Capable as C, Incapable as I, Refused as R, Unknown as U};
    assert_eq!(seen, [U, I, I, C, C, C, C, C, C, C, R]);
    assert_eq!(capabilities.servers().map(|(_, s)| s.disbelieved()).sum::<u64>(), 8);
}

#[test]
fn a_record_survives_and_ages_by_unix_time() {
    let mut capabilities = believing_all();
    capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(1000));
    let Some(Command::Persist { key, value }) = capabilities.poll_command() else { panic!("not stored") };
    let changed = Command::Changed { server: SERVER, from: State::Unknown, to: State::Capable };
    assert_eq!(capabilities.poll_command(), Some(changed));
    assert!(key.starts_with(super::RECORD_PREFIX));

    // The host rebooted 500 s later: its clock since boot starts at zero again.
    let rebooted = BOOT + Duration::from_secs(1500);
    let mut after = believing_all();
    assert!(after.restore(&key, &value, rebooted));
    assert_eq!(after.state(SERVER, at(5)), State::Capable);
    assert_eq!(after.max_scopes(SERVER, at(5)), 8);
    // The boot lay 500 s after the confirmation, and those count.
    let day = 24 * 3600;
    assert_eq!(after.state(SERVER, at(day - 501)), State::Capable);
    assert_eq!(after.state(SERVER, at(day - 500)), State::Unknown);

    // Nor under another configuration, nor damaged.
    let mut other = Capabilities::new(CapabilityConfig { configuration: 7, ..CapabilityConfig::default() });
    assert!(!other.restore(&key, &value, rebooted));
    for cut in 0..value.len() {
        assert!(!believing_all().restore(&key, &value[..cut], rebooted));
    }
    assert!(!believing_all().restore(b"capability/", &value, rebooted));
}

#[test]
fn a_confirmation_is_stored_hourly() {
    let mut capabilities = believing_all();
    for second in 0..3599 {
        capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(second));
    }
    let stored = |c: &mut Capabilities| {
        core::iter::from_fn(|| c.poll_command()).filter(|c| matches!(c, Command::Persist { .. })).count()
    };
    assert_eq!(stored(&mut capabilities), 1);
    capabilities.handle_heard(SERVER, CAPABLE, false, BOOT, at(3598 + 3600));
    assert_eq!(stored(&mut capabilities), 1);
}

/// What was found out about leasequery outlives the controller, for a day and under the same configuration. H-BR-1
#[test]
fn leasequery_is_remembered() {
    let mut capabilities = believing_all();
    assert_eq!(capabilities.leasequery(SERVER, at(5)), None);
    capabilities.handle_leasequery(SERVER, false, BOOT, at(10));
    let Some(Command::Persist { key, value }) = capabilities.poll_command() else { panic!("stored") };
    // Booted an hour ago when the other controller starts, ten hours after the trial.
    let boot = BOOT + Duration::from_secs(10 + 9 * 3600);
    let other = CapabilityConfig { configuration: 1, ..CapabilityConfig::default() };
    assert!(!Capabilities::new(other).restore(&key, &value, boot));
    for cut in 0..value.len() {
        assert!(!believing_all().restore(&key, &value[..cut], boot));
    }
    let mut next = believing_all();
    assert!(next.restore(&key, &value, boot));
    let found = next.leasequery(SERVER, at(3600)).expect("remembered");
    assert_eq!((found.answers, found.age(at(3600))), (false, Duration::from_secs(10 * 3600)));
    assert_eq!(next.leasequery(SERVER, at(15 * 3600)), None, "a day later it is tried again");
    next.handle_leasequery(SERVER, true, boot, at(15 * 3600));
    assert!(next.leasequery(SERVER, at(15 * 3600)).is_some_and(|found| found.answers));
}
