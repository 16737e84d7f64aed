//! Reserve mode (SN-63, SN-64): a device has a subnet, and its provider assigns the addresses, to hosts behind the device.
//!
//! ```text
//!  hosts ── DHCP ──▶ device ── relayed, giaddr R ──▶ provider: leases of the device's subnets, to hosts behind R
//!                      │  DISCOVER h = 0, option 118: R    │
//!                      │◀── OFFER ── REQUEST ── ACK ──────▶│  bound, with its initial group
//!                      │◀───────────── FORCERENEW ─────────│  seven eighths are in use
//!                      │─── renewal ──────────────────────▶│
//!                      │◀─────────────── ACK: there is more│
//!                      │─── DISCOVER of any size ─────────▶│
//! ```
//!
//! The device knows nothing of its hosts' leases: it keeps one subnet at least, and asks for more when it is told that there is
//! more. The relay agent that its hosts' messages come through need not have the address that the device itself speaks from; the
//! subnet selection option (RFC 3011) says which it is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Delegation;
use super::block::{Lease, Use};
use super::origin::{Root, Standing};
use super::words::{ServerId, Usage};
use crate::subnet::Subnet;
use crate::time::Instant;
use crate::wire::subnet_allocation::Origins;

impl Delegation {
    /// The device: what is leased to it so is nobody's here to assign or to hand on.
    pub(super) fn set_apart(&mut self, root: &Subnet) {
        if self.roots.get(root).is_some_and(|root| !root.is_delegated()) {
            drop(self.space.take(*root, Use::Away));
        }
    }

    /// The device: one subnet at least, from the beginning.
    pub(super) fn want_reserved(&mut self) {
        let is_kept = |root: &Root| {
            let stands = !matches!(root.standing, Standing::Deprecated | Standing::Refused);
            stands && root.contract().is_some_and(|contract| !contract.delegate)
        };
        let is_asking = self.wish.is_some() || self.exchange.is_some() || self.is_starting();
        if self.config.reserve.is_some() && !is_asking && !self.roots.values().any(is_kept) {
            self.wish = Some(self.config.policy.wish(self.config.policy.initial_group));
        }
    }

    /// The provider: the initial group is the device's, whether its hosts have come already or not.
    pub(super) fn initial_group(&self, subnet: &Subnet) -> Usage {
        let in_use = u64::from(self.config.policy.initial_group.min(subnet.capacity()));
        Usage { in_use, high_water: in_use, unusable: 0 }
    }

    /// The provider: whether it assigns the addresses of somebody's subnets.
    pub(super) fn is_device(&self, who: &ServerId) -> bool {
        self.space.used().any(|(_, used)| match used {
            Use::Leased(lease) => !lease.delegate && lease.lessee == *who,
            Use::Offered(offer) => !offer.delegate && offer.to == *who,
            _ => false,
        })
    }

    /// The provider: the use of such a subnet has changed.
    pub(super) fn see_device(&mut self, subnet: &Subnet, now: Instant) {
        if let Some(Use::Leased(Lease { delegate: false, lessee, .. })) = self.space.get(subnet)
            && self.config.policy.runs_out(&self.holdings(lessee))
        {
            self.devices_at = self.devices_at.min(now);
        }
    }

    /// The provider: a device that runs out of addresses is told so when it renews, and is asked to do that now; what we have not
    /// for it is asked for (SN-57, SN-66). Each once in a while (H-SN-25), until it has enough.
    pub(super) fn tend_devices(&mut self, now: Instant) {
        if self.devices_at > now {
            return;
        }
        let mut devices = BTreeMap::new();
        for (subnet, used) in self.space.used() {
            if let Use::Leased(Lease { delegate: false, lessee, at, asked_back: 0, .. }) = used {
                devices.insert(lessee.clone(), (*at, subnet));
            }
        }
        let every = self.config.constants.force_renew_every;
        self.asked.retain(|_, asked| now.since(*asked) < every);
        let mut any = false;
        for (who, (at, subnet)) in devices {
            if !self.config.policy.runs_out(&self.holdings(&who)) {
                continue;
            }
            any = true;
            let Entry::Vacant(asked) = self.asked.entry(at) else { continue };
            asked.insert(now);
            if self.has_more(&who, now) {
                self.ask_to_renew(at, &who, &[subnet]);
            } else {
                let prefix = subnet.prefix().max(self.config.policy.own_prefixes.1);
                self.short(Some((who, at, &Origins::new())), prefix, now);
            }
        }
        self.devices_at = if any { now + every } else { Instant::NEVER };
    }
}
