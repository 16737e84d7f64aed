//! What `top` knows: the last look, and rates from the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::control::protocol::{Event, Fpc, Members, Release, Server, Status, SubnetsView, Units};

/// One look at the gateway.
#[derive(Clone, Default, Debug)]
pub(super) struct Snapshot {
    pub(super) status: Status,
    pub(super) fpcs: Vec<Fpc>,
    pub(super) servers: Vec<Server>,
    pub(super) releases: Vec<Release>,
    pub(super) units: Units,
    /// Present in a cluster.
    pub(super) members: Option<Members>,
    pub(super) events: Vec<Event>,
    /// Present where the embedded server has subnets from or for others.
    pub(super) subnets: Option<SubnetsView>,
}

/// How often a verdict was given, by both programs together.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rate {
    pub(super) verdict: String,
    pub(super) fate: String,
    pub(super) packets: u64,
    /// Packets per second since the last look.
    pub(super) per_second: f64,
    /// Bits per second since the last look.
    pub(super) bits: f64,
}

/// What is shown.
#[derive(Default, Debug)]
pub(super) struct Model {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) rates: Vec<Rate>,
    /// Logins per second since the last look.
    pub(super) logins: f64,
    /// Units that another owns than at the last look, or that are on their way.
    pub(super) transit: BTreeSet<u16>,
    pub(super) paused: bool,
    /// Why the last look failed.
    pub(super) error: Option<String>,
    seen: Option<Duration>,
    before: BTreeMap<String, (u64, u64)>,
    logins_before: u64,
}

impl Model {
    /// Takes a look at `now`, a time since some start.
    pub(super) fn update(&mut self, snapshot: Snapshot, now: Duration) {
        let passed = self.seen.map(|seen| now.saturating_sub(seen).as_secs_f64()).filter(|passed| *passed > 0.0);
        let mut sums: BTreeMap<String, (String, u64, u64)> = BTreeMap::new();
        for verdict in &snapshot.status.verdicts {
            let sum = sums.entry(verdict.verdict.clone()).or_insert((verdict.fate.clone(), 0, 0));
            sum.1 += verdict.packets;
            sum.2 += verdict.octets;
        }
        // A counter that went down belongs to a gateway that was restarted: no rate for one look.
        let rate = |after: u64, before: u64| match (after.checked_sub(before), passed) {
            (Some(more), Some(passed)) => more as f64 / passed,
            _ => 0.0,
        };
        self.rates = sums
            .iter()
            .map(|(verdict, (fate, packets, octets))| {
                let before = self.before.get(verdict).copied().unwrap_or((*packets, *octets));
                Rate {
                    verdict: verdict.clone(),
                    fate: fate.clone(),
                    packets: *packets,
                    per_second: rate(*packets, before.0),
                    bits: rate(*octets, before.1) * 8.0,
                }
            })
            .filter(|rate| rate.packets > 0)
            .collect();
        self.rates.sort_by(|a, b| b.per_second.total_cmp(&a.per_second).then(b.packets.cmp(&a.packets)));
        let logins = snapshot.status.counters.get("logins").copied().unwrap_or(0);
        self.logins = rate(logins, self.logins_before);
        self.logins_before = logins;
        self.before = sums.into_iter().map(|(verdict, (_, packets, octets))| (verdict, (packets, octets))).collect();
        self.transit = snapshot.units.moving.iter().copied().collect();
        if let Some(before) = &self.snapshot {
            let owners = before.units.owners.iter().zip(&snapshot.units.owners);
            self.transit.extend((0..).zip(owners).filter(|(_, (before, after))| before != after).map(|(unit, _)| unit));
        }
        self.seen = Some(now);
        self.error = None;
        self.snapshot = Some(snapshot);
    }
}
