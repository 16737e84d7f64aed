//! A server that answers late, twice, or never. It is stopped like a process that swaps: what is sent to it waits in its
//! socket, and is answered when it goes on.

use anyhow::Result;
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Stats, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server::Kind;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use nix::sys::signal::Signal;
use std::net::UdpSocket;
use std::time::Duration;

const COUNT: u32 = 20;
const ALL: u64 = COUNT as u64;

fn stage(servers: u8) -> Result<(Stage, Echo, Fleet)> {
    let stage = Stage::with(Kind::Embedded, Plan { fpcs: 1, servers, ..Plan::default() }, |_| {}, |_| {})?;
    let echo = Echo::start(&stage.lab.servers[0])?;
    let config = FleetConfig { count: COUNT, tagging: Tagging::Single { first: 100 }, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    Ok((stage, echo, fleet))
}

fn is_ready(stats: &Stats, count: u32) -> bool {
    stats.ready == count
}

fn gets_through(fleet: &Fleet) -> Result<()> {
    let report = fleet.traffic(TrafficPlan { rate: 500, duration: Duration::from_millis(500), size: 100 })?;
    assert_eq!((report.senders, report.silent, report.lost()), (COUNT, 0, 0), "{report:?}");
    Ok(())
}

fn wait_on_wire(stage: &Stage, what: u8, least: usize) -> Result<()> {
    let seen = || stage.wire.count(what) >= least;
    wait::until_true(&format!("{least} messages of type {what} to the server"), LIMIT, seen)
}

/// The card loses its carrier, the restart is noticed, and it comes back.
fn flap(stage: &Stage) -> Result<()> {
    stage.lab.carrier(0, false)?;
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["restarts"] == 1)?;
    stage.lab.carrier(0, true)?;
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["state"] == "up").map(drop)
}

fn wait_released(stage: &Stage) -> Result<()> {
    stage.gateway.wait_for("releases", LIMIT, |releases| !releases[0]["took"].is_null()).map(drop)
}

fn counter(stage: &Stage, name: &str) -> Result<u64> {
    Ok(stage.gateway.show("status")?["counters"][name].as_u64().unwrap_or_default())
}

/// Offers come late and twice: each subscriber has one session. The reply to the single logout comes late and twice: the
/// second changes nothing, least of all for those who have logged in again (BR-27, H-BR-6).
#[test]
fn late_and_twice() -> Result<()> {
    let (stage, _echo, fleet) = stage(1)?;
    stage.server.process.signal(Signal::SIGSTOP)?;
    fleet.tell_all(Action::Start)?;
    wait_on_wire(&stage, kind::DISCOVER, 2 * COUNT as usize)?;
    assert_eq!(fleet.stats()?.counters.offers, 0);
    stage.server.process.signal(Signal::SIGCONT)?;
    fleet.wait_for_all("logged in", LIMIT, is_ready)?;
    fleet.wait_for_all("ignoring a second offer", LIMIT, |stats, _| stats.counters.ignored >= ALL)?;
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    gets_through(&fleet)?;

    fleet.power_off()?;
    stage.server.process.signal(Signal::SIGSTOP)?;
    flap(&stage)?;
    stage.gateway.wait_for("releases", LIMIT, |releases| releases[0]["single_logouts"] == 2)?;
    fleet.tell_all(Action::Start)?;
    wait_on_wire(&stage, kind::DISCOVER, 3 * COUNT as usize)?;
    stage.server.process.signal(Signal::SIGCONT)?;
    wait_released(&stage)?;
    wait_on_wire(&stage, kind::BULK_RELEASE_REPLY, 2)?;
    fleet.wait_for_all("logged in again", LIMIT, is_ready)?;
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    let second = counter(&stage, "release-duplicate")? + counter(&stage, "release-unmatched")?;
    assert_eq!(second, 1, "the second reply was not looked at");
    assert_eq!(counter(&stage, "logouts-logged-out")?, ALL);
    gets_through(&fleet)
}

/// ACKs to requests of before the card's restart come after it, with the single logout right behind them: nobody gets
/// such an ACK, and whoever asks again has a login that the logout does not touch (H-BR-6, H-BR-9).
#[test]
fn after_the_restart() -> Result<()> {
    let (stage, _echo, fleet) = stage(1)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    fleet.power_off()?;
    stage.wire.clear();
    stage.server.process.signal(Signal::SIGSTOP)?;
    fleet.tell_all(Action::Reboot)?;
    wait_on_wire(&stage, kind::REQUEST, COUNT as usize)?;
    flap(&stage)?;
    wait_on_wire(&stage, kind::RELEASE, 1)?;
    stage.server.process.signal(Signal::SIGCONT)?;
    wait_released(&stage)?;
    fleet.wait_for_all("logged in again", LIMIT, is_ready)?;
    assert!(counter(&stage, "relay-stale-epoch")? >= ALL);
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    for address in fleet.addresses()?.into_iter().flatten() {
        assert!(stage.server.holds(address)?, "{address} is logged in and not leased");
    }
    gets_through(&fleet)
}

/// No reply to any single logout or RELEASE: the logins are orphaned and stay. When the server is back, its late replies
/// still end them (BR-28).
#[test]
fn never_and_then_after_all() -> Result<()> {
    let (stage, _echo, fleet) = stage(1)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    stage.server.process.signal(Signal::SIGSTOP)?;
    flap(&stage)?;
    stage.gateway.wait_for("status", 2 * LIMIT, |status| status["orphaned"] == ALL && status["sessions"] == ALL)?;
    let release = &stage.gateway.show("releases")?[0];
    assert_eq!((&release["single_logouts"], &release["released"]), (&4.into(), &0.into()), "{release}");
    gets_through(&fleet)?;
    stage.server.process.signal(Signal::SIGCONT)?;
    stage.gateway.wait_sessions(0, LIMIT)?;
    assert_eq!(stage.gateway.show("status")?["orphaned"], 0);
    Ok(())
}

/// One of two servers never says a word: everybody logs in at the other one, and the card's single logout is done as soon
/// as that one has answered (BR-24).
#[test]
fn one_of_two_never() -> Result<()> {
    let (stage, _echo, fleet) = stage(2)?;
    let silent = stage.lab.servers[1].run(|| UdpSocket::bind((stage.lab.plan.server(1), 67)))??;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(ALL, LIMIT)?;
    silent.set_read_timeout(Some(LIMIT))?;
    let mut message = [0; 1500];
    assert!(silent.recv(&mut message)? > 240, "the other server was not asked");
    gets_through(&fleet)?;
    flap(&stage)?;
    wait_released(&stage)?;
    stage.gateway.wait_sessions(0, LIMIT)?;
    let release = &stage.gateway.show("releases")?[0];
    assert_eq!((&release["released"], &release["individual"]), (&ALL.into(), &0.into()), "{release}");
    Ok(())
}
