//! The same for DHCPv6: Kea answers, and ISC dhcrelay -6 is the peer.

use anyhow::{Context, Result};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::perfdhcp::{self, Load};
use gateway_tests::plan::Plan;
use gateway_tests::relay;
use gateway_tests::server::{Kind, Server, Service};

use super::{LIMIT, Measured, Options, cost, measure_again};
use crate::bench::report::Report;

pub(super) fn run(options: &Options) -> Result<()> {
    let mut report = Report::new("relay", options.repetitions);
    let unit = "us CPU/login";
    for &rate in &options.rate {
        let mut samples = [const { Vec::new() }; 2];
        for _ in 0..options.repetitions {
            for (gateway, samples) in [false, true].into_iter().zip(&mut samples) {
                if options.alone && !gateway {
                    continue;
                }
                let load = Load { rate, seconds: options.seconds, clients: 1_000_000 };
                let name = if gateway { "gateway" } else { "dhcrelay -6" };
                let cost = measure_again(load, |load| measure(gateway, load));
                samples.push(cost.with_context(|| format!("{name} at {rate} logins/s"))?);
            }
        }
        let [dhcrelay, gateway] = &samples;
        if options.alone {
            report.add(&format!("relay6/{rate}"), unit, gateway, None);
            continue;
        }
        let reference = format!("relay6/{rate}/dhcrelay/reference");
        report.add(&reference, unit, dhcrelay, None);
        report.add(&format!("relay6/{rate}"), unit, gateway, Some(&reference));
    }
    report.print(options.json)?;
    report.hold(
        |row| row.ratio.is_none_or(|ratio| ratio <= LIMIT),
        &format!("at most {LIMIT} of dhcrelay's CPU per login"),
    )
}

fn measure(gateway: bool, load: Load) -> Result<Measured> {
    let lab = Lab::up(Plan { fpcs: 1, ipv6: true, ..Plan::default() })?;
    let mut service = Service::relayed(&lab.plan, 0);
    for subnet in service.six.iter_mut().flat_map(|six| &mut six.subnets) {
        // Every login is a new client's, and no pool may run dry in one measurement.
        subnet.pool.1 = std::net::Ipv6Addr::from_bits(subnet.network.to_bits() | 0x3_ffff);
    }
    let _kea = Server::start(Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    if !gateway {
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
