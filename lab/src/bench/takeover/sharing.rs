//! What it costs a member that it tells the others of its logins, and hears of theirs.
//!
//! Each of three members relays a third of the logins and takes in the rest. A gateway without a cluster that relays as many
//! as such a third, at the same pace, is what it is held against; the rest is what the cluster costs.

use anyhow::{Context, Result, ensure};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::perfdhcp::{self, Load};
use gateway_tests::plan::Plan;
use gateway_tests::process::cpu_time;

use super::super::report::Report;
use super::Options;

/// Part of the offered logins that must complete for a figure to count.
const COMPLETED: f64 = 0.95;

pub(super) fn measure(report: &mut Report, options: &Options) -> Result<()> {
    let (mut alone, mut together, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.repetitions {
        let (used, third) = one(options)?;
        let (sum, logins) = three(options)?;
        let (own, all) = (used / third, sum / logins);
        alone.push(own);
        together.push(all);
        // All members together do the work of one relay, and that of sharing three times.
        cost.push((all - own) / 3.0);
    }
    report.add("sharing/alone/reference", "us CPU/login", &alone, None);
    report.add("sharing/three", "us CPU/login", &together, Some("sharing/alone/reference"));
    report.add("sharing/cost", "us CPU/login and member", &cost, None);
    Ok(())
}

/// Microseconds of CPU of one gateway without a cluster, and the logins it relayed.
fn one(options: &Options) -> Result<(f64, f64)> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let _kea = super::server(&lab)?;
    let mut configuration = Configuration::new(&lab);
    configuration.tables += "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n";
    let gateway = Gateway::start(&lab, &configuration)?;
    load(&lab, &[gateway.process.pid()], options.rate / 3, options.seconds)
}

/// The same of all three members of a cluster.
fn three(options: &Options) -> Result<(f64, f64)> {
    let (lab, configuration) = super::stage(1)?;
    let _kea = super::server(&lab)?;
    let members = Members::start(&lab, &configuration, Delivery::Unicast, 3)?;
    let pids: Vec<u32> = members.running().map(|gateway| gateway.process.pid()).collect();
    let used = load(&lab, &pids, options.rate, options.seconds)?;
    let sessions = |gateway: &Gateway| gateway.show("status").map(|status| status["sessions"].clone());
    let first = sessions(members.running().next().context("it runs")?)?.as_u64().context("a number")?;
    for gateway in members.running() {
        gateway.wait_sessions(first, LIMIT)?;
    }
    Ok(used)
}

fn load(lab: &Lab, pids: &[u32], rate: u32, seconds: u32) -> Result<(f64, f64)> {
    // The first exchange resolves neighbours and warms caches.
    perfdhcp::run(&lab.subscribers[0], "sub0", Load { rate: 50, seconds: 1, clients: 50 }, lab.directory())?;
    let used = || pids.iter().map(|pid| Ok(cpu_time(*pid)?.as_secs_f64() * 1e6)).sum::<Result<f64>>();
    let before = used()?;
    let outcome =
        perfdhcp::run(&lab.subscribers[0], "sub0", Load { rate, seconds, clients: 1_000_000 }, lab.directory())?;
    let used = used()? - before;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 logins")]
    let completed = outcome.acks.1 as f64;
    let offered = f64::from(rate) * f64::from(seconds);
    ensure!(completed >= COMPLETED * offered, "only {completed} of {offered} logins completed: {outcome:?}");
    Ok((used, completed))
}
