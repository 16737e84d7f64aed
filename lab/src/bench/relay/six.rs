//! The same for DHCPv6: Kea answers, and ISC dhcrelay -6 is the peer.
//!
//! A rate may be more than the peer can do. Its figure there is what it spends for each login that it completes, beside how
//! many these are, and says so by its name; and both relays are compared once more at the highest rate below which it
//! completes nearly all.

use anyhow::{Context, Result, ensure};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::perfdhcp::{self, Load};
use gateway_tests::plan::Plan;
use gateway_tests::relay;
use gateway_tests::server::{Kind, Server, Service};

use super::{ATTEMPTS, COMPLETED, LIMIT, Measured, Options, cost, measure_again};
use crate::bench::report::Report;

const UNIT: &str = "us CPU/login";
/// Part of the offered logins that the peer completes at a rate that is fair to it.
const FAIR: f64 = 0.99;

/// Who relays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Gateway,
    Dhcrelay,
}

/// What several loads at one rate came to.
#[derive(Default)]
struct Samples {
    costs: Vec<f64>,
    /// Parts of the offered logins.
    completed: Vec<f64>,
}

impl Samples {
    fn push(&mut self, measured: &Measured) {
        self.costs.push(measured.cost);
        self.completed.push(measured.completed);
    }

    fn complete(&self, part: f64) -> bool {
        self.completed.iter().all(|completed| *completed >= part)
    }
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut report = Report::new("relay", options.repetitions);
    let mut unfair = Vec::new();
    for &rate in &options.rate {
        let (mut dhcrelay, mut gateway) = (Samples::default(), Samples::default());
        for _ in 0..options.repetitions {
            if !options.alone {
                // What it can't do at all is not tried again and again.
                let attempts = if dhcrelay.complete(COMPLETED) { ATTEMPTS } else { 1 };
                dhcrelay.push(&most(Who::Dhcrelay, load(options, rate), COMPLETED, attempts)?);
            }
            gateway.push(&whole(load(options, rate), COMPLETED)?);
        }
        if options.alone {
            report.add(&format!("relay6/{rate}"), UNIT, &gateway.costs, None);
        } else if dhcrelay.complete(COMPLETED) {
            compare(&mut report, rate, &dhcrelay.costs, &gateway.costs);
        } else {
            incomplete(&mut report, rate, &dhcrelay, &gateway);
            match common(options, rate)? {
                Some((rate, dhcrelay, gateway)) => compare(&mut report, rate, &dhcrelay.costs, &gateway.costs),
                None => unfair.push(rate.to_string()),
            }
        }
    }
    report.print(options.json)?;
    let unfair = unfair.join(", ");
    ensure!(unfair.is_empty(), "dhcrelay -6 completes {FAIR} of the logins at no rate down to half of {unfair}");
    report.hold(
        |row| row.ratio.is_none_or(|ratio| ratio <= LIMIT),
        &format!("at most {LIMIT} of dhcrelay's CPU per login"),
    )
}

fn load(options: &Options, rate: u32) -> Load {
    Load { rate, seconds: options.seconds, clients: 1_000_000 }
}

/// Both completed what was offered.
fn compare(report: &mut Report, rate: u32, dhcrelay: &[f64], gateway: &[f64]) {
    let reference = format!("relay6/{rate}/dhcrelay/reference");
    report.add(&reference, UNIT, dhcrelay, None);
    report.add(&format!("relay6/{rate}"), UNIT, gateway, Some(&reference));
}

/// The peer did not: its figure is no reference for what was offered.
fn incomplete(report: &mut Report, rate: u32, dhcrelay: &Samples, gateway: &Samples) {
    let percent = |samples: &Samples| samples.completed.iter().map(|part| part * 100.0).collect::<Vec<_>>();
    report.add(&format!("relay6/{rate}/dhcrelay/completed"), "% of logins", &percent(dhcrelay), None);
    report.add(&format!("relay6/{rate}/completed"), "% of logins", &percent(gateway), None);
    let incomplete = format!("relay6/{rate}/dhcrelay/incomplete");
    report.add(&incomplete, "us CPU/completed", &dhcrelay.costs, None);
    report.add(&format!("relay6/{rate}"), UNIT, &gateway.costs, Some(&incomplete));
}

/// The highest rate below this one that is fair to the peer, and both there; `None` when there is none down to half of it.
fn common(options: &Options, above: u32) -> Result<Option<(u32, Samples, Samples)>> {
    for rate in below(above) {
        let (mut dhcrelay, mut gateway) = (Samples::default(), Samples::default());
        for _ in 0..options.repetitions {
            dhcrelay.push(&most(Who::Dhcrelay, load(options, rate), FAIR, ATTEMPTS)?);
            if !dhcrelay.complete(FAIR) {
                break;
            }
            gateway.push(&whole(load(options, rate), FAIR)?);
        }
        if dhcrelay.complete(FAIR) {
            return Ok(Some((rate, dhcrelay, gateway)));
        }
    }
    Ok(None)
}

/// The rates that are tried below one.
fn below(rate: u32) -> impl Iterator<Item = u32> {
    (4..8).rev().map(move |eighths| rate / 8 * eighths)
}

/// The gateway's, which completes as much as this or is no figure.
fn whole(load: Load, part: f64) -> Result<Measured> {
    measure_again(load, part, |load| measure(Who::Gateway, load))
        .with_context(|| format!("gateway at {} logins/s", load.rate))
}

/// What completed most in so many attempts, or the first that completed as much as `enough`.
fn most(who: Who, load: Load, enough: f64, attempts: usize) -> Result<Measured> {
    let mut best = measure(who, load)?;
    for _ in 1..attempts {
        if best.completed >= enough {
            break;
        }
        let again = measure(who, load)?;
        if again.completed > best.completed {
            best = again;
        }
    }
    if best.completed < enough {
        eprintln!(
            "dhcrelay -6 completes {:.1} % at {} logins/s: {:?}",
            best.completed * 100.0,
            load.rate,
            best.outcome
        );
    }
    Ok(best)
}

fn measure(who: Who, load: Load) -> Result<Measured> {
    let lab = Lab::up(Plan { fpcs: 1, ipv6: true, ..Plan::default() })?;
    let mut service = Service::relayed(&lab.plan, 0);
    for subnet in service.six.iter_mut().flat_map(|six| &mut six.subnets) {
        // Every login is a new client's, and no pool may run dry in one measurement.
        subnet.pool.1 = std::net::Ipv6Addr::from_bits(subnet.network.to_bits() | 0x3_ffff);
    }
    let _kea = Server::start(Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    if who == Who::Dhcrelay {
        let process = relay::start6(&lab)?;
        return cost(&lab, process.pid(), load, perfdhcp::run6);
    }
    let mut configuration = Configuration::new(&lab);
    // perfdhcp is one MAC's worth of clients; the limits against floods are not what is measured.
    configuration.tables += "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n";
    // To the gateway each of its clients takes the place of the one before, on the same line with the same MAC.
    configuration.dhcpv6 = "capacity = 262144\nmax_clients_per_mac = 0\n[dhcpv6.release]\ncauses = []\n".into();
    let gateway = Gateway::start(&lab, &configuration)?;
    cost(&lab, gateway.process.pid(), load, perfdhcp::run6)
}

#[cfg(test)]
mod tests {
    use super::{Samples, below, compare, incomplete};
    use crate::bench::report::Report;

    /// The search for a fair rate goes down to half of what was wanted, and ends there.
    #[test]
    fn rates_that_are_tried() {
        assert_eq!(below(4000).collect::<Vec<_>>(), [3500, 3000, 2500, 2000]);
    }

    /// A peer that did not complete what was offered is no reference by name, and how much it did is beside it.
    #[test]
    fn what_is_which() {
        let mut report = Report::new("relay", 2);
        let dhcrelay = Samples { costs: vec![90.0, 110.0], completed: vec![0.75, 0.875] };
        let gateway = Samples { costs: vec![40.0], completed: vec![1.0] };
        assert!(!dhcrelay.complete(0.95) && gateway.complete(0.99));
        incomplete(&mut report, 4000, &dhcrelay, &gateway);
        compare(&mut report, 3500, &[80.0], &[30.0]);
        let rows = report.rows.iter().map(|row| (row.name.as_str(), row.median, row.ratio)).collect::<Vec<_>>();
        let expected = [
            ("relay6/4000/dhcrelay/completed", 81.25, None),
            ("relay6/4000/completed", 100.0, None),
            ("relay6/4000/dhcrelay/incomplete", 100.0, None),
            ("relay6/4000", 40.0, Some(0.4)),
            ("relay6/3500/dhcrelay/reference", 80.0, None),
            ("relay6/3500", 30.0, Some(0.375)),
        ];
        assert_eq!(rows, expected);
    }
}
