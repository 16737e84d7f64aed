//! The controller is killed: forwarding goes on, and nothing is forgotten.

use anyhow::Result;
use gateway_tests::client;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::{Echo, Flow};
use gateway_tests::wait;
use std::collections::BTreeSet;
use std::time::Duration;

/// SIGKILL and a new start under traffic: no datagram is lost, all sessions are back, and releases still work.
#[test]
fn a_killed_controller_loses_nothing() -> Result<()> {
    let stage = &mut Stage::up(server::Kind::Embedded)?;
    let (_first, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let (mut second, other) = stage.log_in(client::Kind::Dhclient, 1)?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    assert!(stage.reaches(0) && stage.reaches(1));
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let flow = Flow::start(&stage.lab.subscribers[0], address, Duration::from_millis(1))?;
    let go_on = |flow: &Flow| {
        let before = flow.returned();
        wait::until_true("five hundred more echoes", LIMIT, || flow.returned() > before + 500)
    };
    go_on(&flow)?;
    stage.gateway.kill()?;
    go_on(&flow)?;
    assert_eq!(stage.gateway.routes()?.len(), 2, "the maps are read without the controller");
    stage.gateway.restart()?;
    stage.gateway.wait_for("status", LIMIT, |status| status["adopted"] == true && status["sessions"] == 2)?;
    go_on(&flow)?;
    let (sent, returned) = flow.finish();
    assert_eq!(sent, returned, "datagrams were lost");
    for address in [address, other] {
        let session = stage.gateway.session(address)?.unwrap_or_default();
        assert_eq!(session["state"], "live", "{address}: {session}");
    }
    second.release()?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    stage.server.wait_held(other, false, LIMIT)
}

/// What README lists is enough where a bpffs is mounted: to start, and to go on with what is pinned.
#[test]
fn the_listed_capabilities_are_enough() -> Result<()> {
    const LISTED: [&str; 5] = ["net_admin", "net_raw", "bpf", "perfmon", "net_bind_service"];
    let stage = &mut Stage::up(server::Kind::Embedded)?;
    let (_client, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let flow = Flow::start(&stage.lab.subscribers[0], address, Duration::from_millis(1))?;
    stage.gateway.restart_with(&LISTED)?;
    let status = stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 1)?;
    assert_eq!(status["adopted"], true);
    let log = stage.gateway.process.log();
    assert!(!log.contains("can't be adopted"), "{log}");
    stage.log_in(client::Kind::Udhcpc, 1)?;
    let (sent, returned) = flow.finish();
    assert_eq!(sent, returned, "datagrams were lost");
    Ok(())
}

/// Killed before the kernel had the routes and neighbours of the last logins, which follow the ACKs a little later: the
/// next start writes those that are missing, and those that lead to whoever had the address before.
#[test]
fn kernel_routes_are_made_good() -> Result<()> {
    let stage = &mut Stage::up(server::Kind::Embedded)?;
    let (_first, missing) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let (_second, changed) = stage.log_in(client::Kind::Udhcpc, 1)?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    let space = stage.lab.gateway.clone();
    let kernel = || -> Result<_> {
        let lines = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let routes = lines(space.ip("route show proto 67")?);
        Ok((routes, lines(space.ip("neighbour show nud permanent")?)))
    };
    wait::until_true("two routes and neighbours", LIMIT, || {
        kernel().is_ok_and(|(routes, neighbours)| routes.len() == 2 && neighbours.len() == 2)
    })?;
    let before = kernel()?;
    stage.gateway.kill()?;
    space.ip(&format!("route del {missing}/32 proto 67"))?;
    space.ip(&format!("neighbour del {missing} dev fpc0"))?;
    let stranger = format!("{changed} lladdr 02:00:00:00:00:99 dev fpc1");
    space.ip(&format!("neighbour replace {stranger} nud permanent protocol 67"))?;
    assert_ne!(kernel()?, before);
    stage.gateway.restart()?;
    assert_eq!(kernel()?, before);
    Ok(())
}

/// The same with three hundred subscribers behind two VLAN tags each, all sending: nothing is lost, and each is back.
#[test]
fn a_crowd_does_not_notice() -> Result<()> {
    let stage = &mut Stage::with(server::Kind::Embedded, Plan { fpcs: 1, ..Plan::default() }, |_| {}, |_| {})?;
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: 300, tagging, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(300, LIMIT)?;
    let plan = TrafficPlan { rate: 3000, duration: Duration::from_secs(12), size: 100 };
    let report = std::thread::scope(|scope| -> Result<_> {
        let traffic = scope.spawn(|| fleet.traffic(plan));
        stage.gateway.kill()?;
        stage.gateway.restart()?;
        stage.gateway.wait_sessions(300, LIMIT)?;
        assert!(!traffic.is_finished(), "the traffic ended before the controller was back");
        traffic.join().expect("the fleet's thread")
    })?;
    assert_eq!((report.senders, report.sent, report.silent), (300, 36_000, 0));
    assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0));
    assert_eq!(stage.gateway.routes()?.len(), 300);
    fleet.release_all(LIMIT)?;
    stage.gateway.wait_sessions(0, LIMIT)
}

/// Killed in the middle of a logout that the server can't answer: the next start finishes it (H-BR-20).
#[test]
fn an_unfinished_logout_is_resumed() -> Result<()> {
    let stage = &mut Stage::with(server::Kind::Embedded, Plan { fpcs: 1, ..Plan::default() }, |_| {}, |_| {})?;
    let (_client, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    stage.lab.core.ip("link set srv0 down")?;
    stage.lab.carrier(0, false)?;
    stage.gateway.wait_for("releases", LIMIT, |releases| releases[0]["single_logouts"].as_u64() >= Some(1))?;
    stage.gateway.kill()?;
    stage.lab.core.ip("link set srv0 up")?;
    assert!(stage.server.holds(address)?, "nothing has told the server yet");
    stage.gateway.restart()?;
    stage.server.wait_held(address, false, LIMIT)?;
    stage.gateway.wait_sessions(0, LIMIT)
}
