//! How many clients a port may have, and how often a client may log in and out.

use anyhow::Result;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::cpe::Backoff;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Tagging};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use std::time::{Duration, Instant};

fn stage(configure: impl FnOnce(&mut Configuration)) -> Result<Stage> {
    Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, configure)
}

/// CPEs behind an FPC that ask again soon.
fn fleet(stage: &Stage, fpc: u8, number: u8, count: u32) -> Result<Fleet> {
    let tagging = Tagging::Double { first: 100 * u16::from(number) };
    let config = FleetConfig { count, fleet: number, tagging, ..FleetConfig::default() };
    let backoff = Backoff { most: Duration::from_secs(1), ..config.backoff };
    Fleet::start(&stage.lab.subscribers[usize::from(fpc)], "sub0", FleetConfig { backoff, ..config })
}

/// Until three logins were refused for a reason.
fn wait_refused(gateway: &Gateway, reason: &str) -> Result<()> {
    let counter = format!("refused-{reason}");
    gateway.wait_for("status", LIMIT, |status| status["counters"][&counter].as_u64() >= Some(3)).map(drop)
}

/// Every CPE asked a few times more without an answer.
fn wait_unheard(fleet: &Fleet) -> Result<()> {
    let before = fleet.stats()?.counters;
    let stats = fleet.wait_for_all("asking again", LIMIT, |stats, count| {
        stats.counters.discovers >= before.discovers + 3 * u64::from(count)
    })?;
    assert_eq!((stats.counters.offers, stats.counters.acks), (before.offers, before.acks));
    Ok(())
}

/// What was on the servers' wire is counted no more. The wire is read behind time: its last message has to be there first.
fn forget(stage: &Stage, last: u8, count: usize) -> Result<()> {
    wait::until_true("the last of them on the wire", LIMIT, || stage.wire.count(last) >= count)?;
    stage.wire.clear();
    Ok(())
}

/// A port has as many clients as it may have, whoever is too many is not even asked about at a server, the other ports
/// have their own, and one that goes makes room for one that waits.
#[test]
fn a_port_that_is_full() -> Result<()> {
    let stage = stage(|configuration| configuration.fpc += "max_clients_per_port = 5\n")?;
    let first = fleet(&stage, 0, 1, 5)?;
    first.login_all(LIMIT)?;
    forget(&stage, kind::ACK, 5)?;
    let late = fleet(&stage, 0, 2, 1)?;
    late.tell_all(Action::Start)?;
    wait_unheard(&late)?;
    assert_eq!(stage.wire.count(kind::DISCOVER), 0, "{:?}", stage.wire.counts());
    wait_refused(&stage.gateway, "port-full")?;
    let events = stage.gateway.command(&["events"])?;
    assert!(events.contains("kept out: the port has all the clients it may have"), "{events}");
    fleet(&stage, 1, 3, 5)?.login_all(LIMIT)?;
    first.renew_all(LIMIT)?;

    first.tell(0, Action::Release)?;
    late.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count)?;
    stage.gateway.wait_sessions(10, LIMIT)
}

/// A client that logs in and out in short cycles waits as long as the configuration says, and its neighbours don't.
#[test]
fn a_client_that_comes_and_goes() -> Result<()> {
    let lockout = wait::scaled(Duration::from_secs(12));
    let stage = stage(|configuration| {
        let seconds = lockout.as_secs();
        configuration.tables += &format!("[limits.lockout]\ncycles = 3\nwithin = \"10m\"\nfor = \"{seconds}s\"\n");
    })?;
    let restless = fleet(&stage, 0, 1, 1)?;
    for _ in 0..2 {
        restless.login_all(LIMIT)?;
        restless.release_all(LIMIT)?;
    }
    restless.login_all(LIMIT)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    let before = Instant::now();
    restless.release_all(LIMIT)?;
    stage.gateway.wait_sessions(0, LIMIT)?;
    let after = Instant::now();
    forget(&stage, kind::RELEASE, 3)?;
    restless.tell_all(Action::Start)?;
    wait_unheard(&restless)?;
    let relayed = stage.wire.count(kind::DISCOVER);
    // Else it was asked too late to prove anything.
    assert!(after.elapsed() < lockout, "{:?}", after.elapsed());
    assert_eq!(relayed, 0, "{:?}", stage.wire.counts());
    wait_refused(&stage.gateway, "locked-out")?;
    let events = stage.gateway.command(&["events"])?;
    assert!(events.contains("kept out: locked out after logging in and out in short cycles"), "{events}");
    fleet(&stage, 0, 2, 5)?.login_all(LIMIT)?;

    wait::until_true("a login", LIMIT, || restless.stats().is_ok_and(|stats| stats.ready == 1))?;
    assert!(before.elapsed() >= lockout, "{:?}", before.elapsed());
    stage.gateway.wait_sessions(6, LIMIT)
}
