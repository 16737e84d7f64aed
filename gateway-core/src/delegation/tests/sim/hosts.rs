//! An address server and its hosts: what of a subnet can be in use, and until when.

use std::collections::BTreeMap;

use crate::delegation::{Assignment, Usage};
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
    /// For hosts behind a device.
    reserved: bool,
    /// Hosts may be there that are not known.
    recovered: bool,
    /// The ends of hosts' leases.
    pub(super) hosts: Vec<Instant>,
    high_water: u64,
}

impl Held {
    /// Until when somebody may use an address of it.
    fn busy_until(&self) -> Instant {
        if self.open { self.until } else { self.hosts.iter().copied().max().unwrap_or(Instant::ZERO) }
    }
}

/// All subnets of a server.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) held: BTreeMap<Subnet, Held>,
    /// How many hosts there should be, and how many behind devices.
    pub(super) target: usize,
    pub(super) reserved_target: usize,
    /// Hosts whose leases were lost with the disk: where they are, and until when.
    pub(super) forgotten: Vec<(Subnet, Instant)>,
}

impl Hosts {
    pub(super) fn assign(&mut self, assignment: &Assignment) {
        let Assignment { subnet, until, reserved, recovered, .. } = assignment;
        let held = self.held.entry(*subnet).or_insert(Held {
            until: *until,
            open: true,
            reserved: reserved.is_some(),
            recovered: *recovered,
            hosts: Vec::new(),
            high_water: 0,
        });
        (held.until, held.open, held.recovered) = (*until, true, *recovered);
        held.reserved = reserved.is_some();
    }

    pub(super) fn stop(&mut self, subnet: &Subnet) {
        // One that was emptied before is said to be empty again.
        let (until, hosts) = (Instant::ZERO, Vec::new());
        let empty = Held { until, open: false, reserved: false, recovered: false, hosts, high_water: 0 };
        self.held.entry(*subnet).or_insert(empty).open = false;
    }

    /// The disk is lost: nobody knows any more who has which address.
    pub(super) fn forget(&mut self) {
        for (subnet, held) in core::mem::take(&mut self.held) {
            self.forgotten.extend(held.hosts.into_iter().map(|end| (subnet, end)));
        }
    }

    /// Until when somebody may use an address of a subnet, whether the address server knows it or not.
    pub(super) fn busy(&self) -> impl Iterator<Item = (Subnet, Instant)> {
        let known = self.held.iter().map(|(subnet, held)| (*subnet, held.busy_until()));
        known.chain(self.forgotten.iter().copied())
    }

    /// Hosts stay and go.
    pub(super) fn stay_or_go(&mut self, now: Instant) {
        self.forgotten.retain(|(_, end)| *end > now);
        for reserved in [false, true] {
            let target = if reserved { self.reserved_target } else { self.target };
            let mut surplus = self.count(reserved).saturating_sub(target);
            for (subnet, held) in self.held.iter_mut().filter(|(_, held)| held.reserved == reserved) {
                held.hosts.retain(|end| *end > now);
                if held.recovered && held.open {
                    // Half of those that were forgotten renew, and are known from then on; the others let their leases end.
                    let mut other = false;
                    self.forgotten.retain(|(place, end)| {
                        other = !other;
                        let renews = subnet.contains(place) && other;
                        held.hosts.extend(renews.then_some(*end));
                        !renews
                    });
                }
                let leaving = surplus.min(held.hosts.len());
                if held.open {
                    // Their leases are released, and the rest is renewed.
                    held.hosts.truncate(held.hosts.len() - leaving);
                    surplus -= leaving;
                    let end = (now + HOST_LEASE).min(held.until);
                    held.hosts.iter_mut().for_each(|host| *host = end.max(*host));
                }
            }
        }
    }

    /// Hosts come; how many of the server's own found no address.
    pub(super) fn come(&mut self, now: Instant) -> usize {
        let mut lacking = [false, true].map(|reserved| {
            let target = if reserved { self.reserved_target } else { self.target };
            target.saturating_sub(self.count(reserved))
        });
        for (subnet, held) in &mut self.held {
            let end = (now + HOST_LEASE).min(held.until);
            let lacking = &mut lacking[usize::from(held.reserved)];
            if held.open && *lacking > 0 && end > now + Duration::from_secs(60) {
                // Addresses that somebody answers at are not given.
                let taken = self.forgotten.iter().filter(|(place, end)| place.overlaps(subnet) && *end > now).count();
                let room = (subnet.capacity() as usize).saturating_sub(held.hosts.len() + taken).min(*lacking);
                held.hosts.extend(std::iter::repeat_n(end, room));
                *lacking -= room;
            }
            held.high_water = held.high_water.max(held.hosts.len() as u64);
        }
        lacking[0]
    }

    fn count(&self, reserved: bool) -> usize {
        self.held.values().filter(|held| held.reserved == reserved).map(|held| held.hosts.len()).sum()
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

    /// Subnets that are closed, and whose last host has gone, as far as is known.
    pub(super) fn drained(&mut self, now: Instant) -> Vec<Subnet> {
        let done = |held: &Held| !held.open && held.hosts.iter().all(|end| *end <= now);
        let drained: Vec<Subnet> = self.held.iter().filter(|(_, held)| done(held)).map(|(subnet, _)| *subnet).collect();
        drained.iter().for_each(|subnet| drop(self.held.remove(subnet)));
        drained
    }
}
