//! The state on disk is lost: what the servers leased through this gateway comes back by bulk leasequery.

use anyhow::{Context, Result};
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use serde_json::{Value, json};
use std::time::Duration;

const COUNT: u32 = 120;

/// The result of each server, by address, once all have one.
fn results(stage: &Stage) -> Result<[Value; 2]> {
    let over = |all: &Value| {
        all.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|one| !one["outcome"].is_null()))
    };
    let all = stage.gateway.wait_for("recoveries", LIMIT, over)?;
    let of = |server: String| -> Result<Value> {
        let found = all.as_array().into_iter().flatten().find(|one| one["server"] == json!(server));
        found.cloned().with_context(|| format!("nothing of {server} in {all}"))
    };
    Ok([of(stage.lab.plan.server(0).to_string())?, of(stage.lab.plan.server6(0).to_string())?])
}

/// Killed, its state deleted, the secret of the Interface-Id with it, and started again: all subscribers, each behind two
/// VLAN tags with an address by both versions of IP and a prefix, have their sessions and routes, with their lines and no
/// more than the rest of their leases; traffic goes on, and a comparison finds no difference. They renew, and log out.
#[test]
fn what_was_lost_comes_back() -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let stage = &mut Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let _echoes = (Echo::start(&stage.lab.servers[0])?, Echo::start6(&stage.lab.servers[0])?);
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: COUNT, tagging, client_id: true, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    let everybody = |status: &Value| {
        let wanted = [json!(COUNT), json!(COUNT), json!(2 * COUNT)];
        [&status["sessions"], &status["subscribers"], &status["leases6"]].into_iter().eq(wanted.iter())
    };
    stage.gateway.wait_for("status", LIMIT, everybody)?;
    let rows = |stage: &Stage| -> Result<Vec<Value>> {
        let mut rows = stage.gateway.sessions()?;
        rows.sort_by_key(|row| row["address"].to_string());
        Ok(rows)
    };
    let (before, routes) = (rows(stage)?, stage.gateway.routes()?.len());

    stage.gateway.kill()?;
    std::fs::remove_dir_all(stage.lab.directory().join("state"))?;
    stage.gateway.restart()?;
    stage.gateway.wait_for("status", LIMIT, everybody).with_context(|| stage.gateway.process.log_end())?;
    let log = stage.gateway.process.log();
    assert!(log.contains("there is no state on disk"), "it says why it asks:\n{log}");
    assert_eq!(stage.gateway.routes()?.len(), routes);
    for (was, is) in before.iter().zip(rows(stage)?) {
        for key in ["address", "mac", "client_id", "fpc", "port", "vlan", "server", "scope", "state"] {
            assert_eq!(was[key], is[key], "{key} of {}", was["address"]);
        }
        let left = |row: &Value| row["expires_in"].as_u64().unwrap_or_default();
        assert!(left(&is) <= left(was) && left(&is) + 30 > left(was), "{} of {}", left(&is), left(was));
        for (was, is) in
            [(was, &is)].into_iter().flat_map(|(was, is)| (0..2).map(move |n| (was, is, n))).map(|(was, is, n)| {
                let of = |row: &Value| {
                    let mut leases = row["leases6"].as_array().cloned().unwrap_or_default();
                    leases.sort_by_key(|lease| lease["prefix"].to_string());
                    leases.get(n).cloned().unwrap_or_default()
                };
                (of(was), of(is))
            })
        {
            for key in ["prefix", "kind", "iaid", "duid", "server"] {
                assert_eq!(was[key], is[key], "{key} of {was}");
            }
            assert!(left(&is) <= left(&was), "{is} of {was}");
        }
    }
    for (result, leases) in results(stage)?.into_iter().zip([COUNT, 2 * COUNT]) {
        let told = ["told", "only_there", "restored"].map(|key| result[key].clone());
        assert_eq!(told, [json!(leases), json!(leases), json!(leases)], "{result}");
        assert_eq!((&result["outcome"], &result["unreadable"]), (&json!("complete"), &json!(0)), "{result}");
    }

    let plan = TrafficPlan { rate: 1500, duration: Duration::from_secs(2), size: 100 };
    let report = fleet.traffic(plan)?;
    assert_eq!((report.senders, report.silent, report.lost()), (COUNT, 0, 0));
    let text = stage.gateway.command(&["recover", "--compare"])?;
    assert!(text.contains("complete") && !text.contains("DIFFERS"), "{text}");
    fleet.renew_all(LIMIT)?;
    fleet.release_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 0 && status["leases6"] == 0).map(drop)
}

/// The view of differences: what only the server has, what only the gateway has, and that looking changes nothing. What is
/// missing is restored when an operator says so.
#[test]
fn differences_are_shown() -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let off = |configuration: &mut gateway_tests::daemon::Configuration| configuration.gateway += "recover = \"off\"\n";
    let stage = &mut Stage::with(server::Kind::Embedded, plan, |_| {}, off)?;
    let config = FleetConfig { count: 3, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 3 && status["leases6"] == 6)?;
    stage.gateway.kill()?;
    std::fs::remove_dir_all(stage.lab.directory().join("state"))?;
    stage.gateway.restart()?;
    assert_eq!(stage.gateway.show("recoveries")?, json!([]), "nobody is asked when it is off");
    let text = stage.gateway.command(&["recover", "--compare"])?;
    assert_eq!(text.matches("only-there").count(), 9, "{text}");
    assert_eq!(text.matches("left alone").count(), 9, "{text}");
    assert_eq!(stage.gateway.show("status")?["sessions"], 0, "looking changes nothing");
    let text = stage.gateway.command(&["recover"])?;
    assert_eq!(text.matches("only-there").count(), 9, "{text}");
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 3 && status["leases6"] == 6)?;
    for result in results(stage)? {
        assert_eq!((&result["restored"], &result["only_there"]), (&result["told"], &result["told"]), "{result}");
    }
    Ok(())
}

/// A server that tells nothing in bulk, like those of Debian: it is said, and clients come back by themselves.
#[test]
fn a_server_that_tells_nothing() -> Result<()> {
    let stage = &mut Stage::with(server::Kind::Kea, Plan { fpcs: 1, ..Plan::default() }, |_| {}, |_| {})?;
    let config = FleetConfig { count: 2, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    stage.gateway.kill()?;
    std::fs::remove_dir_all(stage.lab.directory().join("state"))?;
    stage.gateway.restart()?;
    let over = |all: &Value| all[0]["outcome"].as_str().is_some_and(|outcome| outcome.contains("no connection to it"));
    stage.gateway.wait_for("recoveries", Duration::from_secs(60), over)?;
    fleet.rebind_all(LIMIT)?;
    stage.gateway.wait_sessions(2, LIMIT)
}
