//! What no provider confirms after a start although our lease of it can't have ended: it is renewed. By this a provider that has lost its
//! table learns of it, as it does of what is renewed without a start (H-SN-3).
//!
//! That the lease has not ended follows from leases within it: hosts' by the time of day, as the address server says after the
//! start, and lessees' by what they say. Without such a witness it may have ended while we were down, and be another's.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::Delegation;
use super::discover::MOST;
use super::origin::Root;
use crate::subnet::Subnet;
use crate::time::Instant;

impl Delegation {
    /// Renews what is not confirmed, as far as our lease is in force still.
    pub(super) fn claim(&mut self, unconfirmed: Vec<Subnet>, now: Instant) {
        let mut claimed: BTreeMap<Ipv4Addr, Vec<Subnet>> = BTreeMap::new();
        for subnet in unconfirmed {
            if let Some(root) = self.roots.get(&subnet).filter(|root| root.in_force)
                && let Some(contract) = root.contract()
            {
                claimed.entry(contract.server).or_default().push(subnet);
            }
        }
        for (server, subnets) in claimed {
            for subnets in subnets.chunks(MOST) {
                self.renew_together(server, false, subnets, now);
            }
            for subnet in &subnets {
                if let Some(contract) = self.roots.get_mut(subnet).and_then(Root::contract_mut) {
                    contract.renew_at = Instant::NEVER; // it is said again with the question
                }
            }
        }
    }

    /// Somebody has a lease of a part of a root, which ends before ours does (H-SN-4, H-SN-6): so ours has not ended.
    pub(super) fn see_in_force(&mut self, subnet: &Subnet) {
        if let Some(root) = self.space.root_of(subnet).and_then(|root| self.roots.get_mut(&root)) {
            root.in_force = true;
        }
    }
}
