//! Subnets that come and go.

use core::net::Ipv4Addr;

use gateway_core::time::{Duration, Instant};

use super::request::Request;
use super::{Command, Server};
use crate::config::area;
use crate::config::delegated::{AssignError, Loan, Occupancy, Overlap, Tenure};
use crate::config::{Admits, Subnet};
use crate::leases::{Client, Slot, State};
use crate::record::{self, Now};

/// In use is so many times what is free when more is wanted.
const LOW: u32 = 16;

impl Server {
    /// Leases from a subnet from now on, until then; said again, it replaces what was said before. `relay`: to its clients
    /// only.
    ///
    /// # Errors
    /// When it has addresses in common with another one that the server leases from, when there are as many as there can be, and
    /// when the server was not told what to tell clients of such subnets. Nothing of it is leased then.
    pub fn assign(
        &mut self,
        prefix: Ipv4Addr,
        length: u8,
        until: Instant,
        relay: Option<Ipv4Addr>,
    ) -> Result<(), AssignError> {
        let Some(delegated) = &self.config.delegated else { return Err(AssignError::Unconfigured) };
        let subnet = delegated.subnet(prefix, length, relay, Tenure::Until(until));
        let last = Ipv4Addr::from(u32::from(prefix) | !u32::from(subnet.mask()));
        let is_same = |other: &Subnet| other.tenure != Tenure::Kept && (other.prefix, other.length) == (prefix, length);
        let overlaps = |other: &&Subnet| {
            let other_last = Ipv4Addr::from(u32::from(other.prefix) | !u32::from(other.mask()));
            !other.pools.is_empty() && !is_same(other) && other.prefix <= last && prefix <= other_last
        };
        if let Some(other) = self.config.subnets.iter().find(overlaps) {
            return Err(Overlap(other.prefix, other.length).into());
        }
        let known = self.numbers(prefix, length);
        for index in &known {
            let there = &mut self.config.subnets[usize::from(*index)];
            there.tenure = subnet.tenure;
            there.relays.clone_from(&subnet.relays);
        }
        if known.is_empty() {
            let vacant = |subnet: &Subnet| subnet.tenure != Tenure::Kept && subnet.pools.is_empty();
            let areas = area::areas(subnet, &self.reservations, &self.config.excluded);
            let subnets = &mut self.config.subnets;
            let reused = subnets.iter().filter(|subnet| vacant(subnet)).count().min(areas.len());
            if subnets.len() + areas.len() - reused > usize::from(u16::MAX) {
                return Err(AssignError::TooMany);
            }
            for area in areas {
                let index = subnets.iter().position(vacant).unwrap_or(subnets.len());
                let Ok(number) = u16::try_from(index) else { return Err(AssignError::TooMany) };
                self.leases.put_pool(number, &area);
                match subnets.get_mut(index) {
                    Some(place) => *place = area,
                    None => subnets.push(area),
                }
            }
        }
        Ok(())
    }

    /// What else there is to know of a subnet that was assigned.
    pub fn set_loan(&mut self, prefix: Ipv4Addr, length: u8, loan: Loan) {
        for index in self.numbers(prefix, length) {
            self.config.subnets[usize::from(index)].loan = loan;
        }
    }

    /// Whether an address may be a client's that this server has forgotten.
    pub(super) fn is_recovered(&self, address: Ipv4Addr) -> bool {
        let subnet = self.config.delegated.as_ref().and_then(|_| self.leases.subnet_of(address));
        subnet.is_some_and(|subnet| self.config.subnets[usize::from(subnet)].loan.recovered)
    }

    /// The slot of an address that a client calls its own, if this server may have forgotten that it is, and nobody else has it
    /// (H-SN-3).
    pub(super) fn remember(
        &mut self,
        candidates: &[u16],
        request: &Request<'_>,
        address: Ipv4Addr,
        now: &Now,
    ) -> Option<Slot> {
        if !self.is_recovered(address) {
            return None;
        }
        let slot = self.claim(candidates, request, address, now)?;
        self.counters.remembered += 1;
        Some(slot)
    }

    /// Leases nothing more from a subnet; [`Tenure::Draining`] or [`Tenure::Gone`].
    pub fn stop_assigning(&mut self, prefix: Ipv4Addr, length: u8, tenure: Tenure) {
        for index in self.numbers(prefix, length) {
            self.config.subnets[usize::from(index)].tenure = tenure;
        }
    }

    /// Forgets a subnet with all of its leases.
    pub fn remove(&mut self, prefix: Ipv4Addr, length: u8) {
        for index in self.numbers(prefix, length) {
            let nothing = Subnet { pools: Vec::new(), tenure: Tenure::Gone, ..Subnet::nowhere() };
            for address in self.leases.clear_pool(index, &nothing) {
                self.commands.push_back(Command::Forget { key: record::lease_key(address) });
                self.forget_nonce(address);
            }
            self.config.subnets[usize::from(index)] = nothing;
        }
    }

    /// Where subnets come and go, leases of one that has gone while they lasted are kept that long, and then forgotten.
    pub(super) fn forget_lost(&mut self, over: Vec<Ipv4Addr>) {
        if self.config.delegated.is_none() {
            return; // a subnet of the configuration may come back with its leases
        }
        for address in over {
            if !self.config.subnets.iter().any(|subnet| subnet.contains(address)) {
                self.commands.push_back(Command::Forget { key: record::lease_key(address) });
                self.forget_nonce(address);
            }
        }
    }

    /// A subnet of the configuration that this one has addresses in common with.
    pub fn conflict(&self, prefix: Ipv4Addr, length: u8) -> Option<Overlap> {
        let mut kept = self.config.subnets.iter().filter(|subnet| subnet.tenure == Tenure::Kept);
        let shared = length.min(32);
        let covers = |subnet: &&Subnet| {
            let length = subnet.length.min(shared);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (u32::from(subnet.prefix) ^ u32::from(prefix)) & mask == 0
        };
        kept.find(covers).map(|subnet| Overlap(subnet.prefix, subnet.length))
    }

    /// Tells the clients of a subnet, as far as they believe it, to renew now (SN-45, H-SN-11).
    pub fn hurry(&mut self, prefix: Ipv4Addr, length: u8, now: Instant, unix: Duration) {
        let addresses: Vec<Ipv4Addr> =
            self.numbers(prefix, length).into_iter().flat_map(|index| self.leases.active_in(index)).collect();
        for address in addresses {
            // Whoever has no nonce hears of it when it renews.
            let _ = self.force_renew(address, now, unix);
        }
    }

    /// Whether a client was refused since [`Server::lacking`] last found an address free.
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// How a subnet that was assigned from is used; `None` when there is none.
    pub fn occupancy(&self, prefix: Ipv4Addr, length: u8) -> Option<Occupancy> {
        let parts = self.numbers(prefix, length).into_iter().map(|index| self.leases.occupancy(index));
        parts.reduce(Occupancy::and)
    }

    /// How many addresses are lacking where clients get theirs from subnets that come and go, or will be shortly. What is set
    /// apart, for a device's clients or by reservation, is of no use to the others.
    pub fn lacking(&mut self, now: Instant) -> u32 {
        let Some(delegated) = &self.config.delegated else { return 0 };
        let open = self.config.subnets.iter().zip(0..).filter(|(subnet, _)| {
            matches!(subnet.tenure, Tenure::Until(_))
                && subnet.tenure.is_open(now)
                && !subnet.pools.is_empty()
                && subnet.admits == Admits::Anyone
                && subnet.relays == delegated.terms.relays
        });
        let parts = open.map(|(_, index): (_, u16)| self.leases.occupancy(index));
        let sum = parts.reduce(Occupancy::and).unwrap_or_default();
        if sum.free > 0 {
            self.refused.clear();
        }
        (sum.in_use / LOW).saturating_sub(sum.free).max(self.refused.count(now))
    }

    /// Nothing was left for a client.
    pub(super) fn miss(&mut self, link: Ipv4Addr, client: &Client<'_>, now: Instant) {
        let Some(delegated) = &self.config.delegated else { return };
        let relays = &delegated.terms.relays;
        let coming = |subnet: &Subnet| {
            subnet.tenure != Tenure::Kept && subnet.relays == *relays && !subnet.pools.is_empty() && subnet.serves(link)
        };
        if relays.contains(&link) || self.config.subnets.iter().any(coming) {
            self.refused.note(client, now);
        }
    }

    /// Whether clients of this link may get addresses when subnets come.
    pub(super) fn may_be_served(&self, link: Ipv4Addr) -> bool {
        self.config.delegated.as_ref().is_some_and(|delegated| delegated.terms.relays.contains(&link))
    }

    /// Whether nothing may be said of an address now.
    pub(super) fn is_unconfirmed(&self, address: Ipv4Addr) -> bool {
        self.config.delegated.is_some()
            && self
                .leases
                .subnet_of(address)
                .is_some_and(|subnet| self.config.subnets[usize::from(subnet)].tenure == Tenure::Unconfirmed)
    }

    /// Whether a subnet, which serves this client's link, has an address for it: a new one, or in one that drains its own.
    pub(super) fn has_room(&mut self, subnet: u16, request: &Request<'_>, now: &Now) -> bool {
        match self.config.subnets[usize::from(subnet)].tenure {
            Tenure::Draining => {
                let known = self.leases.by_client(subnet, request.client(), now);
                known.is_some_and(|slot| self.leases.get(slot).state == State::Active)
            }
            tenure => tenure.is_open(now.at),
        }
    }

    /// How long the client may have this address: what it gets by [`Server::lease_time`], but no longer than the subnet
    /// is the server's (SN-58, H-SN-5).
    pub(super) fn term(&self, request: &Request<'_>, subnet: &Subnet, address: Ipv4Addr, now: &Now) -> Duration {
        let lease = self.lease_time(request, subnet);
        let end = match subnet.tenure {
            Tenure::Kept => return lease,
            Tenure::Until(end) => end,
            Tenure::Draining => self.leases.expires(address).unwrap_or(now.at),
            Tenure::Gone | Tenure::Unconfirmed => now.at,
        };
        lease.min(end.since(now.at)).min(subnet.loan.longest.unwrap_or(Duration::MAX))
    }

    fn numbers(&self, prefix: Ipv4Addr, length: u8) -> Vec<u16> {
        let is = |subnet: &Subnet| {
            subnet.tenure != Tenure::Kept
                && !subnet.pools.is_empty()
                && (subnet.prefix, subnet.length) == (prefix, length)
        };
        self.config.subnets.iter().zip(0..).filter(|(subnet, _)| is(subnet)).map(|(_, index)| index).collect()
    }
}
