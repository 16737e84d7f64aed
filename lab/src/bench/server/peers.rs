//! Logins per second and CPU per login, beside Kea and ISC dhcpd: the same load for all, in turn.

use std::time::Duration;

use anyhow::{Context, Result};
use gateway_tests::perfdhcp::{self, Load, Outcome};
use gateway_tests::process::cpu_time;
use gateway_tests::server::{Kea, Kind};

use super::Options;
use super::wire::{RELAY, SERVER, Wire};
use crate::bench::report::{Bound, Report};

/// Addresses in the pool, and different clients.
const ADDRESSES: u32 = 100_000;
/// Part of the offered logins that must complete for CPU per login to count.
const COMPLETED: f64 = 0.95;
/// Part of the offered logins that must complete for a rate to be sustained.
const SUSTAINED: f64 = 0.99;
/// Logins per second from which the highest rate is searched upward, and where the search ends.
const SEARCH: (u32, u32) = (125, 64_000);
/// How often the gap between a rate that is sustained and one that is not is halved.
const HALVINGS: u32 = 4;
/// How often a rate is tried before it is not sustained: a hiccup of the host loses a burst, whoever serves.
const ATTEMPTS: usize = 2;

/// Logins per second, as a multiple of Kea's that writes its leases to a file.
const THROUGHPUT: f64 = 2.0;
/// CPU per login, as a part of the same.
const COST: f64 = 0.5;

/// Who is measured: its name in the rows, what it is, and how it is configured if it is Kea.
struct Peer {
    name: &'static str,
    kind: Kind,
    persist: bool,
}

const KEA: &str = "kea-persist";
const DHCPD: &str = "dhcpd";
const GATEWAY: &str = "gateway";

/// The one that the gateway is held against comes first; where [`DHCPD`] keeps up, which waits for the disk as the gateway does
/// and Kea does not, it is that.
const PEERS: [Peer; 4] = [
    Peer { name: KEA, kind: Kind::Kea, persist: true },
    Peer { name: "kea-memory", kind: Kind::Kea, persist: false },
    Peer { name: DHCPD, kind: Kind::Dhcpd, persist: true },
    Peer { name: GATEWAY, kind: Kind::Embedded, persist: true },
];

/// The row of the highest rates, where Kea is ahead of dhcpd.
const HIGHEST: &str = "server/highest";

/// What one load came to.
struct Measured {
    /// Microseconds of the server's CPU for one login.
    cost: f64,
    /// Part of the offered logins that completed.
    completed: f64,
    outcome: Outcome,
}

/// Measures and adds the rows.
pub(super) fn measure(report: &mut Report, options: &Options) -> Result<()> {
    let mut costs: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); PEERS.len()]; options.rate.len()];
    for _ in 0..options.repetitions {
        for (&rate, costs) in options.rate.iter().zip(&mut costs) {
            for (peer, costs) in chosen(options).zip(costs) {
                let load = Load { rate, seconds: options.seconds, clients: ADDRESSES };
                let Measured { cost, completed, outcome } = peer.bear(load)?;
                if completed >= COMPLETED {
                    costs.push(cost);
                } else {
                    eprintln!("{} completes {:.0} of {rate} logins/s: {outcome:?}", peer.name, outcome.rate);
                }
            }
        }
    }
    for (&rate, costs) in options.rate.iter().zip(&costs) {
        for (peer, costs) in chosen(options).zip(costs) {
            if !costs.is_empty() {
                add(report, (&format!("server/{rate}"), "us CPU/login"), peer, costs, Bound::RatioAtMost(COST));
            }
        }
    }
    if !options.no_search {
        for peer in chosen(options) {
            let highest = peer.highest(options.seconds)?;
            add(report, (HIGHEST, "logins/s"), peer, &[f64::from(highest)], Bound::RatioAtLeast(THROUGHPUT));
        }
    }
    Ok(())
}

/// Part of the offered logins that completed. An OFFER that comes in the last moment is answered no more: what is missing is
/// an answer, not the login.
fn completed(load: Load, outcome: &Outcome) -> f64 {
    let offered = f64::from(load.rate) * f64::from(load.seconds);
    let acknowledged = count(outcome.acks.1) / count(outcome.acks.0).max(1.0);
    (count(outcome.offers.1) / offered * acknowledged).min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 messages")]
fn count(messages: u64) -> f64 {
    messages as f64
}

fn chosen(options: &Options) -> impl Iterator<Item = &'static Peer> {
    PEERS.iter().filter(|peer| !options.alone || peer.name == GATEWAY)
}

fn add(report: &mut Report, (name, unit): (&str, &'static str), peer: &Peer, samples: &[f64], bound: Bound) {
    let is_equal = peer.name == GATEWAY && report.has(&format!("{name}/{DHCPD}")) && name != HIGHEST;
    let reference = format!("{name}/{}", if is_equal { DHCPD } else { KEA });
    let is_held = peer.name == GATEWAY && report.has(&reference);
    let against = (peer.name != KEA && report.has(&reference)).then_some(reference.as_str());
    report.add(&format!("{name}/{}", peer.name), unit, samples, against);
    if is_held {
        report.limit(bound);
    }
}

impl Peer {
    /// A server without leases bears a load.
    fn bear(&self, load: Load) -> Result<Measured> {
        let wire = Wire::up()?;
        let kea = Kea { persist: self.persist, threads: true, log_leases: false };
        let server = wire.start(self.kind, kea, ADDRESSES)?;
        let run = |load| perfdhcp::run_relayed(&wire.relay, (RELAY, SERVER), load, wire.directory());
        // The first exchange resolves neighbours and warms caches.
        run(Load { rate: 50, seconds: 1, clients: 50 })?;
        let before = cpu_time(server.process.pid())?;
        let outcome = run(load).with_context(|| format!("{} at {} logins/s", self.name, load.rate))?;
        let used: Duration = cpu_time(server.process.pid())? - before;
        Ok(Measured {
            cost: used.as_secs_f64() * 1e6 / count(outcome.acks.1).max(1.0),
            completed: completed(load, &outcome),
            outcome,
        })
    }

    fn sustains(&self, rate: u32, seconds: u32) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Measured { completed, outcome, .. } = self.bear(Load { rate, seconds, clients: ADDRESSES })?;
            let sent = count(outcome.offers.0) / (f64::from(rate) * f64::from(seconds));
            let limit = if sent < SUSTAINED { "; perfdhcp makes no more" } else { "" };
            eprintln!("{} at {rate} logins/s: {:.1} % complete{limit}", self.name, completed * 100.0);
            if completed >= SUSTAINED {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The highest rate that is sustained: doubled until one is not, then the gap is halved a few times.
    fn highest(&self, seconds: u32) -> Result<u32> {
        let (mut good, mut bad) = (0, SEARCH.0);
        while bad <= SEARCH.1 && self.sustains(bad, seconds)? {
            (good, bad) = (bad, bad * 2);
        }
        for _ in 0..HALVINGS {
            let middle = good.midpoint(bad);
            if self.sustains(middle, seconds)? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Ok(good)
    }
}
