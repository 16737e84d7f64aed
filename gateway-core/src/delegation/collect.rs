//! Asking holders to renew before their time (SN-50, SN-51, SN-57, SN-60).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Delegation;
use super::block::Use;
use super::command::Proof;
use super::words::ServerId;
use crate::subnet::Subnet;
use crate::time::Instant;
use crate::wire::subnet_allocation::Block;

impl Delegation {
    /// Space is scarce: holders of what is little used are asked how much they use, each once in a while (H-SN-25). A
    /// holder that has not said anything yet uses all of it (SN-67).
    pub(super) fn collect(&mut self, now: Instant) {
        let mut holders: BTreeMap<Ipv4Addr, (ServerId, Vec<Subnet>)> = BTreeMap::new();
        for (subnet, used) in self.space.used() {
            let Use::Leased(lease) = used else { continue };
            if lease.asked_back > 0 {
                continue; // it knows, and what is left of its patience is for its hosts
            }
            if self.config.policy.collect(lease.in_use(subnet.size()), u64::from(subnet.size())) {
                let holder = holders.entry(lease.at).or_insert_with(|| (lease.lessee.clone(), Vec::new()));
                holder.1.push(subnet);
            }
        }
        let every = self.config.constants.force_renew_every;
        self.asked.retain(|_, asked| now.since(*asked) < every);
        for (at, (who, subnets)) in holders {
            if let Entry::Vacant(asked) = self.asked.entry(at) {
                asked.insert(now);
                self.ask_to_renew(at, &who, &subnets);
            }
        }
    }

    /// What was said of a root holds for all below it: they hear of it when they ask, and they ask now (H-SN-6).
    pub(super) fn pass_on(&mut self, root: &Subnet) {
        for (subnet, who) in self.lessees_in(root) {
            if let Some(Use::Leased(lease)) = self.space.get(&subnet) {
                self.ask_to_renew(lease.at, &who, &[subnet]);
            }
        }
    }

    pub(super) fn ask_to_renew(&mut self, at: Ipv4Addr, who: &ServerId, subnets: &[Subnet]) {
        for subnets in subnets.chunks(super::discover::MOST) {
            let blocks: Vec<_> = subnets.iter().map(|subnet| Block::plain(*subnet)).collect();
            let xid = self.xid();
            let message = self.force_renew(xid, &blocks);
            self.send(at, Some(who.clone()), message, Proof::Signed);
        }
    }
}
