//! Several gateways, one address: logins, traffic, and a member that dies.

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use serde_json::json;
use std::time::Duration;

const SUBSCRIBERS: u32 = 120;
/// Packets per second where members change: four of each flow, so that a busy host, which wakes a member late, is not taken for a
/// member that goes on.
const RATE: u32 = 4 * SUBSCRIBERS;

fn stage(delivery: Delivery) -> Result<(Lab, Server, Echo, Members, Fleet)> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    let echo = Echo::start(&lab.servers[0])?;
    let members = Members::start(&lab, &Configuration::new(&lab), delivery, 3)?;
    let config = FleetConfig { count: SUBSCRIBERS, ..FleetConfig::default() };
    let fleet = Fleet::start(&lab.subscribers[0], "sub0", config)?;
    Ok((lab, server, echo, members, fleet))
}

fn everybody_logs_in_and_is_served_once(delivery: Delivery) -> Result<()> {
    let (_lab, _server, _echo, members, fleet) = stage(delivery)?;
    fleet.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    let plan = TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 100 };
    let report = members.steady_traffic(&fleet, plan)?;
    assert_eq!((report.lost(), report.duplicates, report.misdelivered, report.silent), (0, 0, 0, 0), "{report:?}");
    Ok(())
}

/// CL-1, CL-3, CL-48, CL-69
#[test]
fn through_the_master() -> Result<()> {
    everybody_logs_in_and_is_served_once(Delivery::Forward)
}

/// CL-49, CL-69
#[test]
fn at_a_shared_mac() -> Result<()> {
    everybody_logs_in_and_is_served_once(Delivery::Unicast)
}

/// CL-50, CL-69
#[test]
fn at_a_multicast_mac() -> Result<()> {
    everybody_logs_in_and_is_served_once(Delivery::Multicast)
}

/// CL-70, CL-71: whichever member is killed, its subscribers keep their sessions and are served by the others.
#[test]
fn a_member_dies() -> Result<()> {
    let (_lab, _server, _echo, mut members, fleet) = stage(Delivery::Unicast)?;
    fleet.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    members.kill(0)?;
    members.wait_balanced(LIMIT)?;
    let plan = TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 100 };
    let report = members.steady_traffic(&fleet, plan)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    fleet.renew_all(LIMIT)?;
    Ok(())
}

/// CL-34, H-CL-19: a member is drained under traffic. Nobody logs out, and of no flow more than a packet is lost or doubled.
#[test]
fn a_member_is_drained() -> Result<()> {
    let (_lab, _server, _echo, members, fleet) = stage(Delivery::Unicast)?;
    fleet.login_all(LIMIT)?;
    fleet.start_traffic(TrafficPlan { rate: RATE, duration: Duration::from_secs(4), size: 100 })?;
    members.master()?.ask(&json!({ "request": "drain", "member": "gw-b" }))?;
    let empty = |counts: Vec<Vec<usize>>| counts.iter().all(|counts| counts[2] == 0 && counts[0] == 0);
    wait::until_true("a member without units", LIMIT, || members.units().is_ok_and(empty))?;
    let report = fleet.finish_traffic()?;
    assert!(report.worst <= 1, "of a flow more than a packet was lost or doubled: {report:?}");
    assert_eq!((report.misdelivered, report.silent), (0, 0), "{report:?}");
    let gateway = members.gateways[1].as_ref().context("it runs")?;
    gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    let view = gateway.show("members")?;
    assert_eq!(
        (&view["members"][1]["state"], &view["members"][1]["units"]),
        (&json!("draining"), &json!(0)),
        "{view:#}"
    );
    members.master()?.ask(&json!({ "request": "drain", "member": "gw-b", "end": true }))?;
    members.wait_balanced(LIMIT)
}

/// CL-34, CL-71: a member that is told to end, the master even, gives its units away first: of no flow more than a packet is
/// lost or doubled, and nobody has to notice that it is gone.
#[test]
fn a_member_is_stopped() -> Result<()> {
    let (lab, _server, _echo, mut members, fleet) = stage(Delivery::Unicast)?;
    fleet.login_all(LIMIT)?;
    fleet.start_traffic(TrafficPlan { rate: RATE, duration: Duration::from_secs(5), size: 100 })?;
    let master = usize::from(members.master_place()?);
    let mut gateway = members.gateways[master].take().context("it runs")?;
    let status = gateway.process.terminate(Duration::from_secs(4))?;
    let log = gateway.process.log();
    assert!(status.success() && log.contains("has left the cluster"), "{log}");
    members.wait_balanced(LIMIT)?;
    let report = fleet.finish_traffic()?;
    assert!(report.worst <= 1, "of a flow more than a packet was lost or doubled: {report:?}");
    assert_eq!((report.misdelivered, report.silent), (0, 0), "{report:?}");
    // Leaving is no drain: it gets its part when it is back.
    members.launch(&lab, u8::try_from(master)?)?;
    members.wait_balanced(LIMIT)
}

/// Ends a member as an operator does, and starts it again with the lines that members have by now.
fn restart(members: &mut Members, lab: &Lab, member: u8) -> Result<()> {
    let mut gateway = members.gateways[usize::from(member)].take().context("it runs")?;
    let status = gateway.process.terminate(Duration::from_secs(8))?;
    anyhow::ensure!(status.success(), "{}", gateway.process.log());
    members.launch(lab, member)
}

/// H-CL-11: another configuration makes another cluster, which the members change to one after the other, as the guide says: the
/// first waits, with the second they are the majority, and the third joins. They have all sessions, those of logins meanwhile too,
/// and nobody logs in again.
#[test]
fn a_configuration_is_changed() -> Result<()> {
    let (lab, _server, _echo, mut members, fleet) = stage(Delivery::Unicast)?;
    fleet.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    members.lines += "version = 2\nsync = 1\n";
    restart(&mut members, &lab, 2)?;
    let refused = "its configuration is not the cluster's";
    let log = |members: &Members, member: u8| members.at(member).map(|gateway| gateway.process.log());
    wait::until_true("a refusal", LIMIT, || log(&members, 2).is_ok_and(|log| log.contains(refused)))?;
    let units = |members: &Members, member: u8| -> Result<Vec<u64>> {
        let view = members.at(member)?.show("members")?;
        let rows = view["members"].as_array().context("no members")?;
        Ok(rows.iter().filter_map(|row| row["units"].as_u64()).collect())
    };
    let has = |member, wanted: [u64; 3]| units(&members, member).is_ok_and(|units| units == wanted);
    wait::until_true("the others to serve", LIMIT, || has(0, [512, 512, 0]) && has(1, [512, 512, 0]))?;

    let late = FleetConfig { count: SUBSCRIBERS, fleet: 1, ..FleetConfig::default() };
    let late = Fleet::start(&lab.subscribers[0], "sub0", late)?;
    late.login_all(LIMIT)?;
    let logins = [&fleet, &late].map(|fleet| fleet.stats().map(|stats| stats.counters.discovers));

    restart(&mut members, &lab, 1)?;
    let has = |member, wanted: [u64; 3]| units(&members, member).is_ok_and(|units| units == wanted);
    wait::until_true("the new ones to serve", LIMIT, || has(1, [0, 512, 512]) && has(2, [0, 512, 512]))?;
    for member in [1, 2] {
        members.at(member)?.wait_sessions(2 * u64::from(SUBSCRIBERS), LIMIT)?;
    }
    restart(&mut members, &lab, 0)?;
    members.wait_balanced(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(2 * u64::from(SUBSCRIBERS), LIMIT)?;
    }
    let report =
        members.steady_traffic(&fleet, TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 100 })?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
    for (fleet, before) in [&fleet, &late].into_iter().zip(logins) {
        assert_eq!(fleet.renew_all(LIMIT)?.counters.discovers, before?);
    }
    Ok(())
}

/// All members are gone at once, and come back: they have all sessions in their stores, and nobody logs in again.
#[test]
fn all_members_start_again() -> Result<()> {
    let (lab, _server, _echo, mut members, fleet) = stage(Delivery::Unicast)?;
    fleet.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    let logins = fleet.stats()?.counters.discovers;
    for member in 0..3 {
        members.kill(member)?;
    }
    members.launch_all(&lab, 3)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    let report =
        members.steady_traffic(&fleet, TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 100 })?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
    assert_eq!(fleet.renew_all(LIMIT)?.counters.discovers, logins);
    Ok(())
}
