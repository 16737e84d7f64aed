//! An address server and its hosts: what of a subnet can be in use, and until when.

use std::collections::BTreeMap;

use crate::delegation::Usage;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

const HOST_LEASE: Duration = Duration::from_secs(3600);

/// A subnet as the address server knows it. It survives the process, as leases do.
#[derive(Debug)]
pub(super) struct Held {
    /// No host's lease is longer.
    pub(super) until: Instant,
    /// New hosts are taken.
    pub(super) open: bool,
    /// The ends of hosts' leases.
    pub(super) hosts: Vec<Instant>,
    high_water: u64,
}

impl Held {
    /// Until when somebody may use an address of it.
    pub(super) fn busy_until(&self) -> Instant {
        if self.open { self.until } else { self.hosts.iter().copied().max().unwrap_or(Instant::ZERO) }
    }
}

/// All subnets of a server.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) held: BTreeMap<Subnet, Held>,
    /// How many hosts there should be.
    pub(super) target: usize,
}

impl Hosts {
    pub(super) fn assign(&mut self, subnet: Subnet, until: Instant) {
        let held = self.held.entry(subnet).or_insert(Held { until, open: true, hosts: Vec::new(), high_water: 0 });
        (held.until, held.open) = (until, true);
    }

    pub(super) fn stop(&mut self, subnet: &Subnet) {
        if let Some(held) = self.held.get_mut(subnet) {
            held.open = false;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.held.values().map(|held| held.hosts.len()).sum()
    }

    /// Hosts come, stay and go; how many found no address.
    pub(super) fn tick(&mut self, now: Instant) -> usize {
        let mut surplus = self.count().saturating_sub(self.target);
        for held in self.held.values_mut() {
            held.hosts.retain(|end| *end > now);
            let leaving = surplus.min(held.hosts.len());
            if held.open {
                // Their leases are released, and the rest is renewed.
                held.hosts.truncate(held.hosts.len() - leaving);
                surplus -= leaving;
                let end = (now + HOST_LEASE).min(held.until);
                held.hosts.iter_mut().for_each(|host| *host = end.max(*host));
            }
        }
        let mut lacking = self.target.saturating_sub(self.count());
        for (subnet, held) in &mut self.held {
            let end = (now + HOST_LEASE).min(held.until);
            if held.open && end > now + Duration::from_secs(60) {
                let room = (subnet.capacity() as usize).saturating_sub(held.hosts.len()).min(lacking);
                held.hosts.extend(std::iter::repeat_n(end, room));
                lacking -= room;
            }
            held.high_water = held.high_water.max(held.hosts.len() as u64);
        }
        lacking
    }

    /// What the core is told of each subnet.
    pub(super) fn usage(&self) -> Vec<(Subnet, Usage)> {
        let usage = |held: &Held| Usage { in_use: held.hosts.len() as u64, high_water: held.high_water, unusable: 0 };
        self.held.iter().filter(|(_, held)| held.open).map(|(subnet, held)| (*subnet, usage(held))).collect()
    }

    /// What was in use before a start, and is still.
    pub(super) fn in_force(&self, now: Instant) -> Vec<(Subnet, Usage)> {
        let in_use = |held: &Held| held.hosts.iter().filter(|end| **end > now).count() as u64;
        let usage = |held: &Held| Usage { in_use: in_use(held), high_water: held.high_water, unusable: 0 };
        self.held.iter().map(|(subnet, held)| (*subnet, usage(held))).collect()
    }

    /// Subnets that are closed, and whose last host has gone.
    pub(super) fn drained(&mut self, now: Instant) -> Vec<Subnet> {
        let done = |held: &Held| !held.open && held.hosts.iter().all(|end| *end <= now);
        let drained: Vec<Subnet> = self.held.iter().filter(|(_, held)| done(held)).map(|(subnet, _)| *subnet).collect();
        drained.iter().for_each(|subnet| drop(self.held.remove(subnet)));
        drained
    }
}
