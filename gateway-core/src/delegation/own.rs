//! The address server beside us (SN-55 to SN-58): a lessee whose messages are function calls.

use super::Delegation;
use super::block::{Lease, Left, Own, Stage, Use};
use super::command::{Assignment, Command};
use super::origin::Standing;
use super::policy;
use super::words::Usage;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::subnet_allocation::PREFIX_MAX;

impl Delegation {
    /// The address server lacks so many addresses, or will shortly; 0: none any more. It gets them as soon as there are any. To
    /// be said whenever it lacks more than [`Delegation::need`], also when it has just been given some.
    pub fn handle_need(&mut self, addresses: u32, now: Instant) {
        if addresses > self.need() {
            self.need_asked = None; // it is asked for at once
        }
        self.need = (addresses > 0).then_some(addresses);
        if self.need.is_none() {
            self.smaller = 0;
        }
        self.settle(now);
    }

    /// Addresses that the address server is known to lack, less those that it has been given since.
    pub fn need(&self) -> u32 {
        self.need.unwrap_or(0)
    }

    /// How a subnet is used that the address server was told to assign from. To be said when it changed, at least once in a
    /// minute; and once after a start of each that it [has leases in](Delegation::held), also before it is told anything of it. What
    /// a subnet can't have is cut.
    pub fn handle_usage(&mut self, subnet: &Subnet, usage: Usage, now: Instant) {
        let size = u64::from(subnet.size());
        let in_use = usage.in_use.min(size);
        let usage = Usage {
            in_use,
            high_water: usage.high_water.clamp(in_use, size),
            unusable: usage.unusable.min(size - in_use),
        };
        let initial = self.initial_group(subnet).in_use;
        match self.space.get_mut(subnet) {
            Some(Use::Own(own)) => {
                own.idle_since = (in_use == 0).then(|| own.idle_since.unwrap_or(now));
                own.usage = Some(usage);
            }
            // The initial group is the device's, whether its hosts have come already or not (SN-63).
            Some(Use::Leased(Lease { delegate: false, usage: reported, .. })) => {
                let in_use = usage.in_use.max(initial);
                *reported = Some(Usage { in_use, high_water: usage.high_water.max(in_use), ..usage });
            }
            _ => return,
        }
        if in_use > 0 {
            self.see_in_force(subnet);
        }
        self.see_device(subnet, now);
        self.see_usage_around(subnet);
        self.settle(now);
    }

    /// After [`Command::StopAssigning`] or [`Command::Gone`]: no host has an address of this subnet any more.
    pub fn handle_drained(&mut self, subnet: &Subnet, now: Instant) {
        match self.space.get_mut(subnet) {
            Some(Use::Own(own)) if matches!(own.stage, Stage::Draining | Stage::Gone) => drop(self.space.free(subnet)),
            Some(Use::Resting(resting)) if resting.left == Left::Some => {
                resting.left = Left::Nobody;
                if resting.until <= now {
                    self.space.free(subnet);
                }
            }
            _ => return,
        }
        self.persist_block(subnet, now);
        self.see_usage_around(subnet);
        self.settle(now);
    }

    /// After [`Command::Assign`]: the address server can't, because hosts have leases of a subnet that was ours before and
    /// overlaps it. It is told again in a minute.
    pub fn handle_unassignable(&mut self, subnet: &Subnet, now: Instant) {
        let again = now + Duration::from_secs(60);
        match self.space.get_mut(subnet) {
            Some(Use::Own(own)) => (own.stage, own.extend_at) = (Stage::Untold, again),
            Some(Use::Leased(Lease { delegate: false, .. })) => drop(self.unassignable.insert(*subnet, again)),
            _ => {}
        }
    }

    /// What the address server could not assign from for a device is told again when that is due.
    pub(super) fn tell_again(&mut self, now: Instant) {
        let due: Vec<Subnet> =
            self.unassignable.iter().filter(|(_, again)| **again <= now).map(|(subnet, _)| *subnet).collect();
        for subnet in due {
            self.unassignable.remove(&subnet);
            if let Some(Use::Leased(lease)) = self.space.get_mut(&subnet) {
                lease.told = false;
            }
        }
    }

    /// Subnets that the address server leases from for good: nothing that overlaps them is taken from a provider, used or handed
    /// on.
    pub fn handle_kept(&mut self, kept: Vec<Subnet>, now: Instant) {
        self.kept = kept;
        let overlapping = |(subnet, used): &(Subnet, &Use)| matches!(used, Use::Own(_)) && self.is_kept(subnet);
        let overlapping: Vec<Subnet> = self.space.used().filter(overlapping).map(|(subnet, _)| subnet).collect();
        for subnet in overlapping {
            if let Some(Use::Own(own)) = self.space.get_mut(&subnet) {
                own.stage = Stage::Gone;
                self.commands.push_back(Command::Gone { subnet });
            }
        }
        self.settle(now);
    }

    /// Whether a subnet has addresses in common with one that the address server has for good.
    pub(super) fn is_kept(&self, subnet: &Subnet) -> bool {
        self.kept.iter().any(|kept| kept.overlaps(subnet))
    }

    /// Subnets that the address server may have leases in, from before our start.
    pub fn held(&self) -> impl Iterator<Item = Subnet> {
        let held = |used: &Use| match used {
            Use::Own(_) => true,
            Use::Leased(lease) => !lease.delegate,
            Use::Resting(resting) => resting.left != Left::Nobody,
            Use::Offered(_) | Use::Away => false,
        };
        self.space.used().filter(move |(_, used)| held(used)).map(|(subnet, _)| subnet)
    }

    /// After a start, the address server hears of a subnet when it is certain that it is still ours.
    pub(super) fn confirm_own(&mut self, now: Instant) {
        let is_due = |at: Instant| at == Instant::NEVER || at <= now;
        let untold: Vec<Subnet> = self
            .space
            .used()
            .filter(|(_, used)| match used {
                Use::Own(own) => own.stage == Stage::Untold && is_due(own.extend_at),
                Use::Leased(lease) => !lease.delegate && !lease.told,
                Use::Resting(resting) => resting.left == Left::Untold,
                Use::Offered(_) | Use::Away => false,
            })
            .map(|(subnet, _)| subnet)
            .collect();
        for subnet in untold {
            if !matches!(self.space.get(&subnet), Some(Use::Own(_))) {
                self.confirm_reserved(&subnet, now);
                continue;
            }
            let stage = match self.standing_around(&subnet) {
                Some(Standing::Active) => Stage::Assigning,
                Some(Standing::Deprecated) => Stage::Draining,
                Some(Standing::Refused) => Stage::Gone,
                Some(Standing::Unconfirmed | Standing::Uncertain { .. }) | None => {
                    if let Some(Use::Own(own)) = self.space.get_mut(&subnet) {
                        own.extend_at = Instant::NEVER;
                    }
                    continue;
                }
            };
            if stage != Stage::Gone {
                self.assign(&subnet, now);
            }
            match stage {
                Stage::Draining => self.commands.push_back(Command::StopAssigning { subnet }),
                Stage::Gone => self.commands.push_back(Command::Gone { subnet }),
                Stage::Untold | Stage::Assigning => {}
            }
            if let Some(Use::Own(own)) = self.space.get_mut(&subnet) {
                own.stage = stage;
            }
        }
    }

    /// The same of what is a device's that does not assign addresses itself (SN-63).
    fn confirm_reserved(&mut self, subnet: &Subnet, now: Instant) {
        let standing = self.standing_around(subnet);
        match self.space.get_mut(subnet) {
            Some(Use::Resting(resting)) => resting.left = Left::Some,
            Some(Use::Leased(lease)) => match standing {
                Some(Standing::Active | Standing::Deprecated | Standing::Uncertain { .. }) => {
                    return self.assign_reserved(subnet, now);
                }
                Some(Standing::Refused) => lease.told = true,
                Some(Standing::Unconfirmed) | None => return,
            },
            _ => return,
        }
        self.commands.push_back(Command::Gone { subnet: *subnet });
    }

    /// SN-56: gives the address server what it lacks, of what there is; SN-57: what there is not is asked for.
    pub(super) fn meet_need(&mut self, now: Instant) {
        while let Some(need) = self.need {
            let Some((subnet, again)) = self.find_own(need, now) else {
                let again = self.config.constants.hold_down;
                if self.need_asked.is_none_or(|asked| now.since(asked) >= again) {
                    self.need_asked = Some(now);
                    self.short(None, self.config.policy.wish(need), now);
                }
                return;
            };
            if !again {
                let own = Own { since: now, ..Own::untold(now) };
                if self.space.take(subnet, Use::Own(own)).is_err() {
                    return;
                }
                self.persist_block(&subnet, now);
            }
            self.assign(&subnet, now);
            let in_use = match self.space.get(&subnet) {
                Some(Use::Own(own)) => own.usage.map_or(0, |usage| usage.in_use + usage.unusable),
                _ => 0,
            };
            let gained = u64::from(subnet.capacity()).saturating_sub(in_use);
            let rest = u64::from(need).saturating_sub(gained);
            self.need = u32::try_from(rest).ok().filter(|rest| *rest > 0);
        }
    }

    /// A subnet to assign from: one that is being emptied, or one of the pool, as near to the size as there is.
    fn find_own(&self, need: u32, now: Instant) -> Option<(Subnet, bool)> {
        let usable = |subnet: &Subnet| self.root_is_active(subnet) && self.lease_of(subnet, now).is_some();
        let draining = self.space.used().find_map(|(subnet, used)| match used {
            Use::Own(own) if own.stage == Stage::Draining && usable(&subnet) => Some(subnet),
            _ => None,
        });
        if let Some(subnet) = draining {
            return Some((subnet, true));
        }
        let policy = &self.config.policy;
        let smallest = policy.own_prefixes.1.min(PREFIX_MAX).max(policy.wish(need));
        let fitting = (policy.wish(need)..=smallest).find_map(|prefix| self.space.find(prefix, usable));
        // A provider may have had nothing of that size.
        let smaller = || {
            let leased = |subnet: &Subnet| self.roots.get(subnet).is_some_and(|root| root.contract().is_some());
            self.roots.keys().copied().find(|subnet| leased(subnet) && self.space.is_free(subnet) && usable(subnet))
        };
        fitting.or_else(smaller).map(|subnet| (subnet, false))
    }

    /// Tells the address server to assign from a subnet, and until when.
    fn assign(&mut self, subnet: &Subnet, now: Instant) {
        let Some(until) = self.own_until(subnet, now) else { return };
        let Some(root) = self.space.root_of(subnet).and_then(|root| self.roots.get(&root)) else { return };
        let recovered = !root.is_known(now);
        let longest = root.contract().and_then(|contract| contract.suggested);
        // A root that is leased to us is extended when its renewal is answered.
        let extend_at = match root.contract() {
            Some(_) => Instant::NEVER,
            None => (until - self.config.policy.lease / 2).max(now + Duration::from_secs(60)),
        };
        if let Some(Use::Own(own)) = self.space.get_mut(subnet) {
            if own.stage == Stage::Draining {
                // It begins anew: what was idle before is not idle for long now.
                (own.since, own.idle_since) = (now, own.idle_since.map(|_| now));
            }
            (own.until, own.stage, own.extend_at) = (until, Stage::Assigning, extend_at);
            let assignment = Assignment { subnet: *subnet, until, reserved: None, recovered, longest };
            self.commands.push_back(Command::Assign(assignment));
        }
    }

    /// The end of hosts' leases: the margin before the end of ours, which we give ourselves like any lessee (SN-58).
    fn own_until(&self, subnet: &Subnet, now: Instant) -> Option<Instant> {
        let root = self.roots.get(&self.space.root_of(subnet)?)?;
        let lease = self.config.policy.lease;
        let lease = root.maximum().map_or(lease, |maximum| lease.min(maximum));
        Some(root.end().min(now + (lease - policy::margin(lease).min(lease))))
    }

    /// Our own leases are renewed when half of them is over.
    pub(super) fn extend_own(&mut self, now: Instant) {
        let half = self.config.policy.lease / 2;
        let (mut due, mut later) = (Vec::new(), Vec::new());
        for (subnet, used) in self.space.used() {
            let Use::Own(Own { stage: Stage::Assigning, until, extend_at, .. }) = used else { continue };
            let leased = *extend_at == Instant::NEVER && until.since(now) <= half;
            let gains = |end: Instant| end.since(*until) > Duration::from_secs(1);
            if !leased && *extend_at > now {
                continue;
            }
            if self.root_is_active(&subnet) && self.own_until(&subnet, now).is_some_and(gains) {
                due.push(subnet);
            } else if !leased {
                later.push(subnet); // leases have become shorter since
            }
        }
        due.iter().for_each(|subnet| self.assign(subnet, now));
        for subnet in later {
            if let Some(Use::Own(own)) = self.space.get_mut(&subnet) {
                own.extend_at = now + Duration::from_secs(60);
            }
        }
    }

    /// When the next of them is due.
    pub(super) fn own_deadline(&self) -> Option<Instant> {
        let due = self.space.used().filter_map(|(_, used)| match used {
            Use::Own(Own { stage: Stage::Assigning | Stage::Untold, extend_at, .. }) => Some(*extend_at),
            _ => None,
        });
        due.min()
    }
}
