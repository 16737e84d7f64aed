//! What nobody uses goes back (SN-49; rule 3 of the policy).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::Delegation;
use super::block::{Own, Stage, Use};
use super::command::{Command, Proof};
use super::discover::MOST;
use super::event::Why;
use super::origin::Standing;
use crate::subnet::Subnet;
use crate::time::Instant;
use crate::wire::subnet_allocation::{Block, Statistics};

impl Delegation {
    pub(super) fn give_back(&mut self, now: Instant) {
        self.empty_own(now);
        self.see_idle(now);
        self.remove_withdrawn(now);
        self.release_idle(now);
    }

    /// Takes from the address server what it does not need.
    fn empty_own(&mut self, now: Instant) {
        if self.need.is_some() {
            return;
        }
        let idle_for = self.config.policy.idle_for;
        let mut assigning = Vec::new();
        let mut empty = Vec::new();
        for (subnet, used) in self.space.used().filter(|(subnet, _)| self.is_known(subnet, now)) {
            if let Use::Own(Own { stage: Stage::Assigning, usage: Some(usage), idle_since, since, .. }) = used {
                assigning.push((subnet, *usage, now.since(*since) >= idle_for));
                if idle_since.is_some_and(|idle| now.since(idle) >= idle_for && now.since(*since) >= idle_for) {
                    empty.push(subnet);
                }
            }
        }
        if empty.is_empty() {
            let all: Vec<_> = assigning.iter().map(|(subnet, usage, _)| (*subnet, *usage)).collect();
            let old = |subnet: &Subnet| assigning.iter().any(|(other, _, old)| other == subnet && *old);
            empty.extend(self.config.policy.dispensable(&all).filter(old));
        }
        for subnet in empty {
            if let Some(Use::Own(own)) = self.space.get_mut(&subnet) {
                own.stage = Stage::Draining;
                self.commands.push_back(Command::StopAssigning { subnet });
            }
        }
    }

    /// Operators' subnets that are to go, and in which nothing is left.
    fn remove_withdrawn(&mut self, now: Instant) {
        let gone = |(subnet, root): (&Subnet, &super::origin::Root)| {
            let withdrawn = root.contract().is_none() && root.standing == Standing::Deprecated;
            (withdrawn && self.space.is_free(subnet)).then_some(*subnet)
        };
        let gone: Vec<Subnet> = self.roots.iter().filter_map(gone).collect();
        gone.iter().for_each(|subnet| self.lose_root(subnet, Why::Removed, now));
    }

    /// Releases what is wholly in the pool: at once if it is wanted back, after a while if it is not used. Nothing inside is
    /// in use then, in any way (SN-49, H-SN-23).
    fn release_idle(&mut self, now: Instant) {
        let spare_for = self.config.policy.spare_for;
        let mut idle: BTreeMap<Ipv4Addr, Vec<Subnet>> = BTreeMap::new();
        for (subnet, root) in &self.roots {
            let (Some(contract), Some(since)) = (root.contract(), root.idle_since) else { continue };
            let ended = match root.standing {
                Standing::Deprecated | Standing::Refused => true,
                Standing::Active => now.since(since) >= spare_for,
                Standing::Unconfirmed | Standing::Uncertain { .. } => false,
            };
            if ended && root.is_known(now) && !self.is_recovering(contract.server) {
                idle.entry(contract.server).or_default().push(*subnet);
            }
        }
        for (server, subnets) in idle {
            for subnets in subnets.chunks(MOST) {
                self.release_together(server, subnets, now);
            }
        }
    }

    fn release_together(&mut self, server: Ipv4Addr, subnets: &[Subnet], now: Instant) {
        let grace = self.config.constants.expiry_grace;
        self.released.retain(|_, released| now.since(*released) < grace);
        let mut blocks = Vec::new();
        for subnet in subnets {
            self.released.insert(*subnet, now);
            let delegate = self.roots.get(subnet).is_some_and(super::origin::Root::is_delegated);
            let statistics = match delegate {
                true => Statistics { in_use: Some(0), ..self.usage_of(subnet).statistics() },
                false => Statistics::NONE,
            };
            blocks.push(Block { statistics, delegate, ..Block::plain(*subnet) });
            self.lose_root(subnet, Why::Released, now);
        }
        let xid = self.xid();
        let message = self.release(xid, server, &blocks);
        self.send(server, None, message, Proof::Welcome);
    }

    /// Whether a part of a root has no hosts that we have forgotten: else it stays as it is.
    fn is_known(&self, subnet: &Subnet, now: Instant) -> bool {
        let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
        root.is_none_or(|root| root.is_known(now))
    }

    /// When something has been idle for long enough. What waits for forgotten hosts is looked at when these are gone.
    pub(super) fn idle_deadline(&self) -> Option<Instant> {
        let policy = &self.config.policy;
        let known = |subnet: &Subnet| {
            let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
            root.is_none_or(|root| root.recovered.is_none())
        };
        let own = self.space.used().filter(|(subnet, _)| self.need.is_none() && known(subnet));
        let own = own.filter_map(|(_, used)| match used {
            Use::Own(Own { stage: Stage::Assigning, idle_since: Some(idle), since, .. }) => {
                Some(*idle.max(since) + policy.idle_for)
            }
            _ => None,
        });
        let roots = self.roots.values().filter(|root| {
            root.is_active()
                && root.recovered.is_none()
                && root.contract().is_some_and(|contract| !self.is_recovering(contract.server))
        });
        let roots = roots.filter_map(|root| root.idle_since).map(|idle| idle + policy.spare_for);
        own.chain(roots).min()
    }
}
