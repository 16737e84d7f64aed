//! `cargo xtask bench takeover`: three gateways of the release build in the lab, as one cluster.
//!
//! How long a killed member's units are nobody's, how fast all sessions reach a member that joins, and what it costs that
//! every member has every session.

mod filled;
mod joining;
mod served;
mod sharing;

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::lab::Lab;
use gateway_tests::plan::Plan;
use gateway_tests::server::{Kind, Server, Service};
use std::net::Ipv4Addr;

use super::report::Report;

/// Milliseconds until all of a killed member's units are served: three watchdog intervals.
const SERVED: f64 = 600.0;
/// Thousands of sessions that reach a joining member in a second.
const JOINING: f64 = 100.0;
/// Microseconds of CPU for each login at each member.
const SHARING: f64 = 20.0;

/// Sessions there is room for.
const CAPACITY: u32 = 131_072;

/// Options of `bench takeover`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How often a member is killed, and how often the master.
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// How often a member joins, and how often CPU is measured.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Sessions that there are when a member joins.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sessions: u32,
    /// Logins per second while CPU is measured.
    #[arg(long, default_value_t = 1500)]
    rate: u32,
    /// Seconds of that load.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Only these parts: `served`, `joining`, `sharing`.
    #[arg(long)]
    only: Vec<String>,
}

/// Measure, print, and fail where a limit is missed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut report = Report::new("takeover", options.repetitions);
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    if wanted("served") {
        served::measure(&mut report, options).context("a member is killed")?;
    }
    if wanted("joining") {
        joining::measure(&mut report, options).context("a member joins")?;
    }
    if wanted("sharing") {
        sharing::measure(&mut report, options).context("members share their state")?;
    }
    report.print(options.json)?;
    report.hold(|row| row.unit != "ms" || row.max <= SERVED, &format!("at most {SERVED} ms, each time"))?;
    report.hold(
        |row| row.unit != "ksessions/s" || row.median >= JOINING,
        &format!("at least {JOINING},000 sessions/s"),
    )?;
    report.hold(|row| row.name != "sharing/cost" || row.median <= SHARING, &format!("at most {SHARING} us"))
}

/// Kea with room for every client there can be.
fn server(lab: &Lab) -> Result<Server> {
    let mut service = Service::relayed(&lab.plan, 0);
    for subnet in &mut service.subnets {
        let [a, b, ..] = subnet.network.octets();
        subnet.pool = (Ipv4Addr::new(a, b, 1, 0), Ipv4Addr::new(a, b, 255, 250));
    }
    Server::start(Kind::Kea, &lab.servers[0], &service, lab.directory())
}

/// Three members, with limits out of the way: perfdhcp is one port's worth of clients, in frames from one address.
fn stage(fpcs: u8) -> Result<(Lab, Configuration)> {
    let lab = Lab::up(Plan { fpcs, members: 3, ..Plan::default() })?;
    let mut configuration = Configuration::new(&lab);
    configuration.gateway = format!("capacity = {CAPACITY}\n");
    configuration.tables += "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n";
    Ok((lab, configuration))
}
