//! `cargo xtask bench relay`: CPU per login through the gateway, beside ISC dhcrelay and dnsmasq as relays.
//!
//! perfdhcp makes new broadcasting clients at a fixed rate on one access port, Kea answers, and the relay's own CPU
//! time (user and system, all threads, from the scheduler) is divided by the logins that were completed. CPU per login
//! falls with the rate, so relays are compared at equal rates, in turn, in one run.

mod six;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::namespace::Namespace;
use gateway_tests::perfdhcp::{self, Load, Outcome};
use gateway_tests::plan::Plan;
use gateway_tests::process::cpu_time;
use gateway_tests::relay;
use gateway_tests::server::{Kind, Server, Service};

use super::report::Report;

/// Logins per second at which the relays are compared.
const RATES: [u32; 2] = [1000, 4000];
/// What the gateway may cost, as a part of what each peer costs at the same rate.
const LIMIT: f64 = 0.5;
/// Part of the offered logins that must complete for a figure to count.
const COMPLETED: f64 = 0.95;
/// How often one figure is tried: near the server's own limit a moment's hiccup of the host loses a burst, whoever relays.
const ATTEMPTS: usize = 3;

/// Options of `bench relay`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How often each figure is measured.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Seconds of load for each figure.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Only at these logins per second.
    #[arg(long, default_values_t = RATES)]
    rate: Vec<u32>,
    /// Only the gateway, without the relays beside it and without a limit: for a profile.
    #[arg(long)]
    alone: bool,
    /// DHCPv6, beside ISC dhcrelay -6.
    #[arg(long)]
    v6: bool,
}

/// The relays, each with the name its rows carry after the rate.
#[derive(Clone, Copy)]
enum Relay {
    Gateway,
    Other(relay::Kind),
}

const RELAYS: [(Relay, &str); 3] = [
    (Relay::Other(relay::Kind::Dhcrelay), "dhcrelay"),
    (Relay::Other(relay::Kind::Dnsmasq), "dnsmasq"),
    (Relay::Gateway, "gateway"),
];

/// Measure, print, and fail where the gateway costs more than its limit.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.v6 {
        return six::run(options);
    }
    let mut report = Report::new("relay", options.repetitions);
    for &rate in &options.rate {
        let mut samples = [const { Vec::new() }; RELAYS.len()];
        for _ in 0..options.repetitions {
            for ((relay, name), samples) in RELAYS.into_iter().zip(&mut samples) {
                if options.alone && matches!(relay, Relay::Other(_)) {
                    continue;
                }
                let load = Load { rate, seconds: options.seconds, clients: 1_000_000 };
                let measured = measure_again(load, COMPLETED, |load| measure(relay, load))
                    .with_context(|| format!("{name} at {rate} logins/s"))?;
                samples.push(measured.cost);
            }
        }
        let [dhcrelay, dnsmasq, gateway] = &samples;
        let unit = "us CPU/login";
        if options.alone {
            report.add(&format!("relay/{rate}"), unit, gateway, None);
            continue;
        }
        report.add(&format!("relay/{rate}/dhcrelay/reference"), unit, dhcrelay, None);
        report.add(&format!("relay/{rate}/dnsmasq/reference"), unit, dnsmasq, None);
        report.add(&format!("relay/{rate}"), unit, gateway, Some(&format!("relay/{rate}/dhcrelay/reference")));
        report.add(&format!("relay/{rate}/dnsmasq"), unit, gateway, Some(&format!("relay/{rate}/dnsmasq/reference")));
    }
    report.print(options.json)?;
    report.hold(
        |row| row.ratio.is_none_or(|ratio| ratio <= LIMIT),
        &format!("at most {LIMIT} of each peer's CPU per login"),
    )
}

/// [`measure`] until this part of the logins completed. Every attempt that did not count is said.
fn measure_again(load: Load, part: f64, measure: impl Fn(Load) -> Result<Measured>) -> Result<Measured> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let measured = measure(load)?;
        if measured.completed >= part {
            return Ok(measured);
        }
        eprintln!("too few logins completed for a figure: {:?}", measured.outcome);
        last = Some(measured.outcome);
    }
    bail!("too few logins completed in {ATTEMPTS} attempts, at last {last:?}")
}

/// What one load came to.
struct Measured {
    /// Microseconds of the relay's CPU for one login.
    cost: f64,
    /// Part of the offered logins that completed.
    completed: f64,
    outcome: Outcome,
}

fn measure(relay: Relay, load: Load) -> Result<Measured> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let mut service = Service::relayed(&lab.plan, 0);
    for subnet in &mut service.subnets {
        // Every login is a new client's, and no pool may run dry in one measurement.
        let [a, b, ..] = subnet.network.octets();
        subnet.pool = (Ipv4Addr::new(a, b, 1, 0), Ipv4Addr::new(a, b, 255, 250));
    }
    let _kea = Server::start(Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    match relay {
        Relay::Gateway => {
            let mut configuration = Configuration::new(&lab);
            // perfdhcp is one port's worth of clients, in frames from one address; the limits against floods are not
            // what is measured.
            configuration.tables += "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n";
            let gateway = Gateway::start(&lab, &configuration)?;
            cost(&lab, gateway.process.pid(), load, perfdhcp::run)
        }
        Relay::Other(kind) => {
            let process = relay::start(kind, &lab, lab.plan.server(0))?;
            cost(&lab, process.pid(), load, perfdhcp::run)
        }
    }
}

/// Runs perfdhcp as one version of IP has it.
type Run = fn(&Namespace, &str, Load, &Path) -> Result<Outcome>;

fn cost(lab: &Lab, pid: u32, load: Load, run: Run) -> Result<Measured> {
    // The first exchange resolves neighbours and warms caches.
    run(&lab.subscribers[0], "sub0", Load { rate: 50, seconds: 1, clients: 50 }, lab.directory())?;
    let before = cpu_time(pid)?;
    let outcome = run(&lab.subscribers[0], "sub0", load, lab.directory())?;
    let used: Duration = cpu_time(pid)? - before;
    let Outcome { acks: (_, completed), .. } = outcome;
    let offered = f64::from(load.rate) * f64::from(load.seconds);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 logins")]
    let logins = completed as f64;
    Ok(Measured { cost: used.as_secs_f64() * 1e6 / logins, completed: logins / offered, outcome })
}
