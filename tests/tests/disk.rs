//! The gateway's own disk is full, or that of one member of a cluster.

use anyhow::{Context, Result, ensure};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::disk::SmallDisk;
use gateway_tests::fleet::cpe::Backoff;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, Members};
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
fn fleet(lab: &Lab, number: u8, count: u32) -> Result<Fleet> {
    let tagging = Tagging::Double { first: 100 * u16::from(number) };
    let config = FleetConfig { count, fleet: number, tagging, ..FleetConfig::default() };
    let backoff = Backoff { most: Duration::from_secs(2), ..config.backoff };
    Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { backoff, ..config })
}

/// All CPEs that have an address send, and everything comes back.
fn gets_through(fleet: &Fleet) -> Result<()> {
    let online = fleet.stats()?.online();
    let report = fleet.traffic(TrafficPlan { rate: 1000, duration: Duration::from_millis(300), size: 100 })?;
    ensure!(report.senders >= online && (report.silent, report.lost()) == (0, 0), "{online} online: {report:?}");
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
    let old = fleet(&stage.lab, 1, 50)?;
    old.login_all(LIMIT)?;
    stage.gateway.wait_sessions(50, LIMIT)?;
    let full = disk.fill()?;
    // Some still find room in the last block of a file.
    let late = fleet(&stage.lab, 2, 50)?;
    late.tell_all(Action::Start)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["store"]["errors"].as_u64() >= Some(3))?;
    let acknowledged = late.stats()?.counters.acks;
    assert!(acknowledged < 50, "the disk was not full");
    let new = fleet(&stage.lab, 3, 10)?;
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

/// In a cluster only those wait whose unit is that member's, as long as it is. Who was acknowledged by the others is known to it
/// all the same: when one of those dies, it serves what it takes over. With room again it lets in all who wait.
#[test]
fn a_members_disk_is_full() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let full_one = 1;
    let state = lab.directory().join(Plan::member_name(full_one)).join("state");
    let disk = SmallDisk::mount(&lab.members[usize::from(full_one)], &state, 16)?;
    let _server = Server::start(Kind::Embedded, &lab.servers[0], &Service::relayed(&lab.plan, 0), lab.directory())?;
    let _echo = Echo::start(&lab.servers[0])?;
    let mut members = Members::prepare(&lab, &Configuration::new(&lab), Delivery::Unicast)?;
    // Were it fenced once, the others would let in who waits.
    members.forbearance = 5;
    members.launch_all(&lab, 3)?;
    let old = fleet(&lab, 1, 60)?;
    old.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(60, LIMIT)?;
    }

    let full = disk.fill()?;
    let new = fleet(&lab, 2, 120)?;
    new.tell_all(Action::Start)?;
    new.wait_for_all("asking again", LIMIT, |stats, _| stats.ready >= 60 && stats.counters.retransmissions >= 120)?;
    let in_vain = new.stats()?;
    assert!(in_vain.ready < 120, "nobody waited: {in_vain:?}");
    let gateway = members.at(full_one)?;
    gateway.wait_for("status", LIMIT, |status| status["store"]["errors"].as_u64() > Some(0))?;
    assert!(gateway.command(&["status"])?.contains("new logins are refused: No space left on device"));
    old.renew_all(LIMIT)?;
    members.steady(|| gets_through(&old))?;
    members.steady(|| gets_through(&new))?;

    members.kill(0)?;
    members.wait_balanced(LIMIT)?;
    for fleet in [&old, &new] {
        members.steady(|| gets_through(fleet))?;
        has_sessions(members.at(full_one)?, fleet)?;
    }
    let still = new.stats()?;
    assert!(still.ready < 120, "nobody waits any more: {still:?}");

    drop(full);
    new.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count)?;
    for gateway in members.running() {
        gateway.wait_sessions(180, LIMIT)?;
    }
    members.steady(|| gets_through(&new))
}
