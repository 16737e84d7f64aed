//! The gateway's own disk is full.

use anyhow::{Context, Result};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::disk::SmallDisk;
use gateway_tests::fleet::cpe::Backoff;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::plan::Plan;
use gateway_tests::server::{Kind, Server, Service};
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use std::time::Duration;

/// The usual stage with the gateway's state on a disk of its own.
fn stage() -> Result<(Stage, SmallDisk)> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let disk = SmallDisk::mount(&lab.gateway, &lab.directory().join("state"), 16)?;
    let server = Server::start(Kind::Embedded, &lab.servers[0], &Service::relayed(&lab.plan, 0), lab.directory())?;
    let wire = Capture::start(&lab.servers[0], "srv0")?;
    let gateway = Gateway::start(&lab, &Configuration::new(&lab))?;
    Ok((Stage { gateway, server, wire, lab }, disk))
}

/// CPEs that ask again soon.
fn fleet(stage: &Stage, number: u8, count: u32) -> Result<Fleet> {
    let tagging = Tagging::Double { first: 100 * u16::from(number) };
    let config = FleetConfig { count, fleet: number, tagging, ..FleetConfig::default() };
    let backoff = Backoff { most: Duration::from_secs(2), ..config.backoff };
    Fleet::start(&stage.lab.subscribers[0], "sub0", FleetConfig { backoff, ..config })
}

/// All CPEs that have an address send, and everything comes back.
fn gets_through(fleet: &Fleet) -> Result<()> {
    let online = fleet.stats()?.online();
    let report = fleet.traffic(TrafficPlan { rate: 1000, duration: Duration::from_millis(300), size: 100 })?;
    assert_eq!((report.senders, report.silent, report.lost()), (online, 0, 0), "{report:?}");
    Ok(())
}

/// Every CPE that has an address has a live session.
fn has_sessions(gateway: &Gateway, fleet: &Fleet) -> Result<()> {
    for address in fleet.addresses()?.into_iter().flatten() {
        let session = gateway.session(address)?.with_context(|| format!("{address} is forgotten"))?;
        assert_eq!(session["state"], "live", "{address}");
    }
    Ok(())
}

/// While it is, nobody new gets an ACK, and whoever has one sends and renews as before; the status says what is wrong.
/// A crash meanwhile loses nobody who got an ACK. With room again all log in by themselves (H-BR-6).
#[test]
fn a_full_disk_lets_nobody_in_and_nobody_down() -> Result<()> {
    let (mut stage, disk) = stage()?;
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let old = fleet(&stage, 1, 50)?;
    old.login_all(LIMIT)?;
    stage.gateway.wait_sessions(50, LIMIT)?;
    let full = disk.fill()?;
    // Some still find room in the last block of a file.
    let late = fleet(&stage, 2, 50)?;
    late.tell_all(Action::Start)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["store"]["errors"].as_u64() >= Some(3))?;
    let acknowledged = late.stats()?.counters.acks;
    assert!(acknowledged < 50, "the disk was not full");
    let new = fleet(&stage, 3, 10)?;
    new.tell_all(Action::Start)?;
    new.wait_for_all("asking again", LIMIT, |stats, count| stats.counters.retransmissions >= 2 * u64::from(count))?;
    let heard = new.stats()?.counters;
    assert_eq!((heard.offers, heard.acks, late.stats()?.counters.acks), (0, 0, acknowledged));
    let told = stage.gateway.command(&["status"])?;
    for part in ["FAILS: No space left on device", "new logins are refused: No space left on device"] {
        assert!(told.contains(part), "{part:?} is not in:\n{told}");
    }
    gets_through(&old)?;
    old.renew_all(LIMIT)?;

    stage.gateway.kill()?;
    stage.gateway.restart()?;
    has_sessions(&stage.gateway, &old)?;
    has_sessions(&stage.gateway, &late)?;
    gets_through(&old)?;

    drop(full);
    for fleet in [&late, &new] {
        fleet.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count)?;
    }
    stage.gateway.wait_sessions(110, LIMIT)?;
    stage.gateway.kill()?;
    stage.gateway.restart()?;
    stage.gateway.wait_sessions(110, LIMIT)?;
    for fleet in [&old, &late, &new] {
        has_sessions(&stage.gateway, fleet)?;
        gets_through(fleet)?;
    }
    Ok(())
}
