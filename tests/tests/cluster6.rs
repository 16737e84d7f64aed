//! A cluster whose subscribers have both versions of IP.

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Three watchdog intervals of 200 ms.
const IN_TIME: Duration = Duration::from_millis(600);
const SUBSCRIBERS: u32 = 60;

/// These tests take the time: one must not slow the other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Stage {
    members: Members,
    fleet: Fleet,
    _echoes: (Echo, Echo),
    _server: Server,
    _lab: Lab,
}

impl Stage {
    /// Three members, and everybody logged in by both versions.
    fn up(delivery: Delivery, tagging: Tagging) -> Result<Self> {
        let lab = Lab::up(Plan { fpcs: 1, members: 3, ipv6: true, ..Plan::default() })?;
        let service = Service::relayed(&lab.plan, 0);
        let server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
        let echoes = (Echo::start(&lab.servers[0])?, Echo::start6(&lab.servers[0])?);
        let members = Members::start(&lab, &Configuration::new(&lab), delivery, 3)?;
        let config = FleetConfig { count: SUBSCRIBERS, ipv6: true, tagging, ..FleetConfig::default() };
        let fleet = Fleet::start(&lab.subscribers[0], "sub0", config)?;
        fleet.login_all(LIMIT)?;
        let stage = Stage { members, fleet, _echoes: echoes, _server: server, _lab: lab };
        stage.wait_complete()?;
        Ok(stage)
    }

    /// Every member has everybody's session and both leases.
    fn wait_complete(&self) -> Result<()> {
        let all = |status: &serde_json::Value| {
            (&status["sessions"], &status["leases6"], &status["subscribers"])
                == (&SUBSCRIBERS.into(), &(2 * SUBSCRIBERS).into(), &SUBSCRIBERS.into())
        };
        self.members.running().try_for_each(|gateway| gateway.wait_for("status", LIMIT, all).map(drop))
    }

    /// Addresses and prefixes that each member has routes for.
    fn routes(&self) -> Result<Vec<BTreeSet<String>>> {
        let destination =
            |row: &serde_json::Value| Some(row["address"].as_str().or(row["prefix"].as_str())?.to_owned());
        let of = |rows: Vec<serde_json::Value>| rows.iter().filter_map(destination).collect();
        self.members.running().map(|gateway| Ok(of(gateway.routes()?))).collect()
    }

    fn nothing_is_lost(&self) -> Result<()> {
        let plan = TrafficPlan { rate: 1500, duration: Duration::from_secs(2), size: 100 };
        let report = self.fleet.traffic(plan)?;
        assert_eq!((report.lost(), report.duplicates, report.misdelivered, report.silent), (0, 0, 0, 0), "{report:?}");
        Ok(())
    }

    /// Everybody extends both, at whichever member.
    fn renew(&self) -> Result<()> {
        let before = self.fleet.stats()?.counters.heard6;
        self.fleet.renew_all(LIMIT)?;
        let all = |stats: &gateway_tests::fleet::Stats, count: u32| stats.counters.heard6 >= before + u64::from(count);
        self.fleet.wait_for_all("renewed by DHCPv6", LIMIT, all).map(drop)
    }
}

/// CL-1, CL-2, CL-48, CL-66, CL-69, CL-70, CL-71, H-CL-12: everybody logs in by both versions and is served once. The master is
/// killed with -9 while everybody sends; within three watchdog intervals the others serve, nobody is logged out, nobody's
/// router is another one, and renewals are answered.
fn the_master_dies(delivery: Delivery, tagging: Tagging) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = Stage::up(delivery, tagging)?;
    stage.nothing_is_lost()?;
    let before = stage.routes()?;
    assert_eq!(before[0].len() as u32, 3 * SUBSCRIBERS);
    assert!(before.iter().all(|routes| *routes == before[0]), "each member has all routes");

    stage.fleet.start_traffic(TrafficPlan { rate: 1500, duration: Duration::from_secs(2), size: 100 })?;
    std::thread::sleep(Duration::from_millis(300));
    let master = stage.members.master_place()?;
    let killed = Instant::now();
    stage.members.kill(master)?;
    let took = stage.members.wait_served(killed, LIMIT)?;
    let report = stage.fleet.finish_traffic()?;
    println!("{delivery:?}, {tagging:?}: served after {took:?}: {report:?}");
    assert!(took <= IN_TIME, "served after {took:?}");
    // As with IPv4: a third is the master's for the time that nobody served it; where it forwards, all goes through it.
    let share = if delivery == Delivery::Forward { 1 } else { 2 };
    assert!(report.lost() <= 1500 * 600 / 1000 / share, "{report:?}");
    assert!(report.duplicates <= 5, "{report:?}");
    assert_eq!((report.misdelivered, report.silent), (0, 0), "{report:?}");

    stage.wait_complete()?;
    assert!(stage.routes()?.iter().all(|routes| *routes == before[0]), "somebody was logged out");
    stage.nothing_is_lost()?;
    stage.renew()?;
    stage.members.wait_balanced(LIMIT)?;
    stage.nothing_is_lost()?;
    let gateway = stage.members.running().next().context("two run")?;
    let shown = gateway.command(&["sessions"])?;
    assert!(shown.contains("2001:db8:"), "{shown}");
    stage.fleet.release_all(LIMIT)?;
    stage.members.running().try_for_each(|gateway| {
        let none = |status: &serde_json::Value| status["subscribers"] == 0 && status["leases6"] == 0;
        gateway.wait_for("status", LIMIT, none).map(drop)
    })
}

/// The master forwards what is others': its successor tells everybody its own MAC.
#[test]
fn through_the_master() -> Result<()> {
    the_master_dies(Delivery::Forward, Tagging::None)
}

/// CL-19, CL-27: also those who hear only frames with two tags.
#[test]
fn through_the_master_behind_tags() -> Result<()> {
    the_master_dies(Delivery::Forward, Tagging::Double { first: 100 })
}

#[test]
fn at_a_shared_mac() -> Result<()> {
    the_master_dies(Delivery::Unicast, Tagging::Double { first: 100 })
}

#[test]
fn at_a_multicast_mac() -> Result<()> {
    the_master_dies(Delivery::Multicast, Tagging::None)
}
