//! The subscriber fleet on the lab's wire.

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig, FloodPlan, Tagging, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::plan::Plan;
use gateway_tests::server::{Kind, Server, Service};
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use gateway_tests::{relay, server};
use std::time::Duration;

const TRAFFIC: TrafficPlan = TrafficPlan { rate: 3000, duration: Duration::from_secs(2), size: 100 };

/// Without the gateway, behind another relay and the kernel's own forwarding: what the fleet sees is the wire's doing,
/// not ours. All log in, traffic comes back whole, all log out.
#[test]
fn behind_another_relay() -> Result<()> {
    let lab = Lab::up(Plan::default())?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let _relay = relay::start(relay::Kind::Dhcrelay, &lab, lab.plan.server(0))?;
    let _echo = Echo::start(&lab.servers[0])?;
    let fleet = Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count: 300, ..FleetConfig::default() })?;
    let stats = fleet.login_all(LIMIT)?;
    assert_eq!((stats.counters.conflicts, stats.counters.naks), (0, 0));
    let report = fleet.traffic(TRAFFIC)?;
    assert_eq!((report.senders, report.sent, report.silent), (300, 6000, 0));
    assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0));
    fleet.renew_all(LIMIT)?;
    fleet.release_all(LIMIT)?;
    assert_eq!(fleet.stats()?.counters.releases, 300);
    Ok(())
}

/// Through the gateway, behind two VLAN tags each: log in, send, renew, reboot, log out; the gateway has as many sessions
/// as there are subscribers at each step (BR-1, BR-4).
#[test]
fn through_the_gateway_behind_two_tags() -> Result<()> {
    let stage = Stage::up(server::Kind::Embedded)?;
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: 400, tagging, client_id: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(400, LIMIT)?;
    let report = fleet.traffic(TRAFFIC)?;
    assert_eq!((report.senders, report.silent, report.lost()), (400, 0, 0));
    assert_eq!((report.duplicates, report.misdelivered), (0, 0));
    fleet.renew_all(LIMIT)?;
    fleet.power_off()?;
    fleet.reboot_all(LIMIT)?;
    stage.gateway.wait_sessions(400, LIMIT)?;
    let stats = fleet.release_all(LIMIT)?;
    assert_eq!((stats.counters.option_82, stats.counters.misdelivered, stats.counters.conflicts), (0, 0, 0));
    stage.gateway.wait_sessions(0, LIMIT)
}

/// One MAC floods, then ten thousand do, from a line of their own: everybody else logs in as if nothing were. The first
/// meets the bucket of its MAC, the others meet that of their line.
#[test]
fn a_flood_costs_its_sender_only() -> Result<()> {
    for macs in [1, 10_000] {
        let limits = |configuration: &mut Configuration| {
            configuration.tables = "[limits]\nline_rate = 20\nline_burst = 20\n".into();
        };
        let stage = Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, limits)?;
        let tagging = Tagging::Single { first: 100 };
        let config = FleetConfig { count: 200, tagging, login_rate: 100, ..FleetConfig::default() };
        let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
        let plan = FloodPlan { macs, rate: 10_000, duration: Duration::from_secs(6), line: 3000 };
        fleet.start_flood(plan)?;
        let stats = fleet.login_all(Duration::from_secs(6)).with_context(|| format!("{macs} MACs"))?;
        let flood = fleet.flood_so_far()?;
        assert!(flood.sent > 15_000, "the flood was no flood: {flood:?}");
        assert!(flood.answered < flood.sent / 10, "the flood was served: {flood:?}");
        assert!(stats.counters.discovers < 260, "many had to ask again: {stats:?}");
    }
    Ok(())
}
