//! A cluster whose subscribers have both versions of IP.

use anyhow::{Context, Result};
use gateway_tests::capture::Capture6;
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp6::kind;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::Plan;
use gateway_tests::process;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use serde_json::Value;
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
        let report = self.members.steady_traffic(&self.fleet, plan)?;
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

/// What reaches the server is seen on its wire, but not heard by it.
fn deafen(server: &Namespace) -> Result<()> {
    let rules = "add table ip6 deaf; add chain ip6 deaf input { type filter hook input priority 0; }; \
                 add rule ip6 deaf input udp dport 547 drop";
    process::output(server.command("nft").arg(rules)).map(drop)
}

fn let_hear(server: &Namespace) -> Result<()> {
    process::output(server.command("nft").arg("delete table ip6 deaf")).map(drop)
}

fn wait_leases(members: &Members, count: u32) -> Result<()> {
    let all = |status: &Value| status["leases6"] == count;
    members.running().try_for_each(|gateway| gateway.wait_for("status", LIMIT, all).map(drop))
}

/// A card restarts; when its release is on the wire, and its server has not heard it, the keeper of the journal is killed with -9.
/// Its successor finishes it: the server releases every lease, and each once.
fn the_keeper_dies_during_a_release(single: bool) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 2, members: 3, ipv6: true, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let wire = Capture6::start(&lab.servers[0], "srv0")?;
    let mut configuration = Configuration::new(&lab);
    configuration.dhcpv6 = format!("bulk_release = {single}\n");
    let mut members = Members::start(&lab, &configuration, Delivery::Unicast, 3)?;
    let config = |fleet| FleetConfig { count: SUBSCRIBERS, fleet, ipv6: true, ..FleetConfig::default() };
    let start = |fpc: u8| Fleet::start(&lab.subscribers[usize::from(fpc)], "sub0", config(fpc));
    let (gone, other) = (start(0)?, start(1)?);
    gone.login_all(LIMIT)?;
    other.login_all(LIMIT)?;
    wait_leases(&members, 4 * SUBSCRIBERS)?;

    deafen(&lab.servers[0])?;
    let keeper = members.keeper_place()?;
    members.at(keeper)?.restart_fpc(0)?;
    wire.wait_for("a RELEASE-REQUEST", LIMIT, |seen| seen.kind == kind::RELEASE_REQUEST)?;
    let killed = Instant::now();
    members.kill(keeper)?;
    let took = members.wait_served(killed, LIMIT)?;
    assert!(took <= IN_TIME, "served after {took:?}");
    let successor = members.keeper_place()?;
    assert_ne!(successor, keeper);
    let_hear(&lab.servers[0])?;

    wait_leases(&members, 2 * SUBSCRIBERS)?;
    let is_over = |row: &Value| row["fpc"] == Lab::port(0) && !row["took"].is_null();
    let over = |rows: &Value| rows.as_array().is_some_and(|rows| rows.iter().any(is_over));
    let rows = members.at(successor)?.wait_for("releases", LIMIT, over)?;
    let row = rows.as_array().into_iter().flatten().find(|row| is_over(row)).context("it is over")?;
    let six = &row["leases6"];
    assert_eq!((&six["released"], &six["orphaned"]), (&(2 * SUBSCRIBERS).into(), &0.into()), "{row:#}");
    let told = |name: &str| six[name].as_u64().unwrap_or_default() > 0;
    assert_eq!((told("single_logouts"), told("requests"), told("individual")), (single, !single, false), "{row:#}");

    let seen = wire.messages();
    let replies = seen.iter().filter(|seen| seen.kind == kind::RELEASE_REQUEST_REPLY);
    let answered: BTreeSet<u32> = replies.clone().map(|reply| reply.xid).collect();
    assert!(replies.clone().all(|reply| reply.clients == 0), "something was not released: {seen:?}");
    let asked = seen.iter().filter(|seen| seen.kind == kind::RELEASE_REQUEST && answered.contains(&seen.xid));
    let asked: BTreeSet<(u32, usize)> = asked.map(|request| (request.xid, request.clients)).collect();
    let clients: usize = asked.iter().map(|(_, clients)| clients).sum();
    let expected = if single { (1, 0) } else { (asked.len(), SUBSCRIBERS as usize) };
    assert_eq!((asked.len(), clients), expected, "{asked:?}");

    let before = other.stats()?.counters.heard6;
    other.renew_all(LIMIT)?;
    other.wait_for_all("renewed", LIMIT, |stats, count| stats.counters.heard6 >= before + u64::from(count))?;
    gone.power_off()?;
    gone.login_all(LIMIT)?;
    wait_leases(&members, 4 * SUBSCRIBERS)
}

/// RR-24, RR-56, RR-58, CL-70, CL-71, X-7: the rest of a release in batches.
#[test]
fn the_keeper_dies_during_a_release_in_batches() -> Result<()> {
    the_keeper_dies_during_a_release(false)
}

/// BR-24, CL-70, CL-71, X-7: one message for all.
#[test]
fn the_keeper_dies_during_a_single_logout() -> Result<()> {
    the_keeper_dies_during_a_release(true)
}
