//! A crowd that speaks both versions of IP, each CPE behind two VLAN tags with an address and a prefix.

use anyhow::Result;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use std::time::Duration;

/// Everybody logs in by both, sends by both and from behind its prefix, and does not notice that the controller is killed
/// and started again; each is one subscriber, and all are gone after their RELEASEs.
#[test]
fn a_crowd_does_not_notice() -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let stage = &mut Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let _echoes = (Echo::start(&stage.lab.servers[0])?, Echo::start6(&stage.lab.servers[0])?);
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: 200, tagging, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 200 && status["leases6"] == 400)?;
    let plan = TrafficPlan { rate: 3000, duration: Duration::from_secs(4), size: 100 };
    let report = std::thread::scope(|scope| -> Result<_> {
        let traffic = scope.spawn(|| fleet.traffic(plan));
        stage.gateway.kill()?;
        stage.gateway.restart()?;
        traffic.join().expect("the fleet's thread")
    })?;
    assert_eq!((report.senders, report.sent, report.silent), (200, 12_000, 0));
    assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0));
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 200 && status["leases6"] == 400)?;
    assert_eq!(stage.gateway.routes()?.len(), 600);
    fleet.release_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 0 && status["leases6"] == 0).map(drop)
}

/// A line card whose restart is announced: by both versions of IP its subscribers are logged out at the server, in a few
/// messages, before it goes (X-6, RR-1, RR-2). The other card's stay.
#[test]
fn a_card_restarts() -> Result<()> {
    let plan = Plan { fpcs: 2, ipv6: true, ..Plan::default() };
    let stage = Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let fleets: Vec<_> = (0..2)
        .map(|fpc| {
            let config = FleetConfig { count: 60, fleet: fpc, ipv6: true, ..FleetConfig::default() };
            Fleet::start(&stage.lab.subscribers[usize::from(fpc)], "sub0", config)
        })
        .collect::<Result<_>>()?;
    fleets.iter().try_for_each(|fleet| fleet.login_all(LIMIT).map(drop))?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 120 && status["leases6"] == 240)?;
    stage.gateway.restart_fpc(0)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 60 && status["leases6"] == 120)?;
    let fpcs = stage.gateway.show("fpcs")?;
    assert_eq!((&fpcs[0]["leases6"], &fpcs[1]["leases6"]), (&0.into(), &120.into()));
    let servers = stage.gateway.show("servers")?;
    let at = |server: usize| (servers[server]["address"].clone(), servers[server]["sessions"].clone());
    assert_eq!(at(0), (stage.lab.plan.server(0).to_string().into(), 60.into()));
    assert_eq!(at(1), (stage.lab.plan.server6(0).to_string().into(), 120.into()));
    let log = stage.server.process.log();
    assert!(log.contains("release request"), "the server was told one by one:\n{log}");
    Ok(())
}
