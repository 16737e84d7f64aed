//! What an operator sees of a cluster: units, members and events, through the command line.

use anyhow::{Context, Result};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::fleet::{Fleet, FleetConfig};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::wait;
use serde_json::Value;

const SUBSCRIBERS: u32 = 60;

fn json(gateway: &Gateway, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&gateway.command(&[arguments, &["--json"]].concat())?)?)
}

/// Sum of a number over all that own units, nobody included.
fn sum(units: &Value, what: &str) -> Option<u64> {
    units["members"].as_array()?.iter().map(|member| member[what].as_u64()).sum()
}

/// The words of the last event of a kind, once there is one that is meant.
fn event(gateway: &Gateway, kind: &str, is_meant: impl Fn(&str) -> bool) -> Result<String> {
    let mut last = Value::Null;
    let found = wait::until(&format!("an event {kind}"), LIMIT, || {
        last = json(gateway, &["events", "--brief"]).ok()?;
        let texts = last.as_array()?.iter().rev().filter(|event| event["kind"] == kind);
        texts.filter_map(|event| event["text"].as_str()).find(|text| is_meant(text)).map(str::to_owned)
    });
    found.with_context(|| format!("{last:#}\n{}", gateway.process.log_end()))
}

/// CL-7, CL-36, CL-43: every member shows all 1024 units and all sessions by owner; a drain shows as moves of just
/// the drained member's units, and as one event; a member's death is told with its name and the reason.
#[test]
fn units_members_and_events() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let mut members = Members::start(&lab, &Configuration::new(&lab), Delivery::Unicast, 3)?;
    let fleet =
        Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count: SUBSCRIBERS, ..FleetConfig::default() })?;
    fleet.login_all(LIMIT)?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
        let units = json(gateway, &["units"])?;
        assert_eq!((sum(&units, "units"), sum(&units, "sessions")), (Some(1024), Some(60)), "{units:#}");
        assert_eq!(units["moves"].as_u64(), sum(&units, "moves"), "{units:#}");
        assert!(units["members"][0]["oldest"].as_f64() >= units["members"][0]["newest"].as_f64(), "{units:#}");
        let list = json(gateway, &["units", "--list"])?;
        let sessions: Option<u64> =
            list.as_array().context("a list")?.iter().map(|unit| unit["sessions"].as_u64()).sum();
        assert_eq!((list.as_array().map(Vec::len), sessions), (Some(1024), Some(60)));
        assert!(json(gateway, &["members"])?["counted"]["changes_applied"].as_u64() > Some(0));
    }

    let master = members.master()?;
    let drained = (0..3).map(Plan::member_name).find(|name| !is_master(&members, name)).context("there are three")?;
    let before = json(master, &["units"])?;
    let its: Vec<u64> = numbers(&json(master, &["units", "--of", &drained])?);
    assert!(its.len() >= 341, "{before:#}");
    for gateway in members.running() {
        // How it came to its units is told before they go again.
        event(gateway, "units-moved", |text| text.contains(&format!(" → {drained}")))?;
    }
    master.command(&["cluster", "drain", &drained])?;
    wait::until_true("a member without units", LIMIT, || {
        json(master, &["units", "--of", &drained]).is_ok_and(|units| numbers(&units).is_empty())
    })?;
    let after = json(master, &["units"])?;
    assert_eq!(sum(&after, "units"), Some(1024), "{after:#}");
    let moved = after["moves"].as_u64().zip(before["moves"].as_u64()).map(|(after, before)| after - before);
    assert_eq!(moved, Some(its.len() as u64), "{before:#}\n{after:#}");
    let counted = json(master, &["members"])?;
    assert!(counted["counted"]["moved"].as_u64() >= moved, "{counted:#}");
    for gateway in members.running() {
        // All of them from the drained one; when the members started, they moved to the last of them.
        let from_it = |text: &str| text.matches(" → ").count() == text.matches(&format!(" {drained} → ")).count();
        let told = event(gateway, "units-moved", from_it)?;
        assert!(told.starts_with(&format!("{} work units have another owner, within ", its.len())), "{told}");
    }

    for gateway in members.running() {
        sends_to_the_keeper(gateway)?;
    }

    let place = (0..3).find(|place| Plan::member_name(*place) == drained).context("it has a place")?;
    members.kill(place)?;
    let told = event(members.master()?, "member-went", |text| text.starts_with(&drained))?;
    assert_eq!(told, format!("{drained} went: not heard in time"));
    Ok(())
}

/// What no client asks for is one member's: the others name it.
fn sends_to_the_keeper(gateway: &Gateway) -> Result<()> {
    let view = json(gateway, &["members"])?;
    let (me, keeper) = view["me"].as_str().zip(view["keeper"].as_str()).context("there is a keeper")?;
    let (done, _, error) = gateway.try_command(&["fpc", "restart", "fpc0", "--policy", "maintain"])?;
    let releases = gateway.command(&["releases"])?;
    let elsewhere = releases.starts_with(&format!("{keeper} releases for the cluster: ask it there\n"));
    assert_eq!((done, elsewhere), (me == keeper, me != keeper), "{error}{releases}");
    assert!(done || error.contains(&format!("{keeper} does that for the cluster")), "{error}");
    Ok(())
}

fn is_master(members: &Members, name: &str) -> bool {
    members.master_place().is_ok_and(|place| Plan::member_name(place) == name)
}

fn numbers(units: &Value) -> Vec<u64> {
    units.as_array().into_iter().flatten().filter_map(|unit| unit["unit"].as_u64()).collect()
}
