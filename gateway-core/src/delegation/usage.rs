//! How much of a subnet is used, told upward through every level (SN-68).

use super::Delegation;
use super::block::Use;
use super::words::Usage;
use crate::subnet::Subnet;
use crate::wire::subnet_allocation::Statistics;

/// The most addresses that were in use at once, counted from three beginnings (H-SN-16).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HighWater {
    /// Ever (RFC 6656 section 3.2.1.1).
    pub lifetime: u64,
    /// Since the lease began: this is reported (SN-37).
    pub lease: u64,
    /// Since the last report (RFC 6656 example 2).
    pub report: u64,
}

impl HighWater {
    /// So many are in use.
    pub(super) fn see(&mut self, count: u64) {
        for high in [&mut self.lifetime, &mut self.lease, &mut self.report] {
            *high = count.max(*high);
        }
    }

    /// A report was answered; `count` are in use.
    pub(super) fn reported(&mut self, count: u64) {
        self.report = count;
    }
}

impl Delegation {
    /// How all of a root is used: what our own address server says, and what lessees reported, who say it of theirs in the
    /// same way. What nothing was reported of counts as used (SN-67), the pool as unused (SN-39). The high water is the sum
    /// of the parts' high waters: they need not have been at the same time.
    pub(super) fn usage_of(&self, root: &Subnet) -> Usage {
        let mut sum = Usage::default();
        for (subnet, used) in self.space.inside(root) {
            let reported = match used {
                Some(Use::Own(own)) => own.usage,
                Some(Use::Leased(lease)) => lease.usage,
                Some(Use::Away) => None,
                Some(Use::Offered(_) | Use::Resting(_)) | None => Some(Usage::default()),
            };
            let part = reported.unwrap_or(Usage { in_use: u64::from(subnet.size()), ..Usage::default() });
            sum.in_use = sum.in_use.saturating_add(part.in_use);
            sum.high_water = sum.high_water.saturating_add(part.high_water.max(part.in_use));
            sum.unusable = sum.unusable.saturating_add(part.unusable);
        }
        let high = self.roots.get(root).map_or(0, |root| root.high.lease);
        Usage { high_water: sum.high_water.max(high), ..sum }
    }

    /// The same for the provider (SN-42): nothing, while our own address server has not said anything, and where the provider
    /// itself assigns the addresses.
    pub(super) fn statistics_of(&self, root: &Subnet) -> Statistics {
        let silent = |used: Option<&Use>| match used {
            Some(Use::Own(own)) => own.usage.is_none(),
            Some(Use::Away) => true,
            _ => false,
        };
        if self.space.inside(root).any(|(_, used)| silent(used)) {
            return Statistics::NONE;
        }
        self.usage_of(root).statistics()
    }

    /// Something in a root is used more, or less.
    pub(super) fn see_usage(&mut self, root: &Subnet) {
        let unreported = |used: Option<&Use>| match used {
            Some(Use::Own(own)) => own.usage.is_none(),
            Some(Use::Leased(lease)) => lease.usage.is_none(),
            Some(Use::Away) => true,
            _ => false,
        };
        if self.space.inside(root).any(|(_, used)| unreported(used)) {
            return; // nobody saw it that full
        }
        let high = self.usage_of(root).high_water;
        if let Some(root) = self.roots.get_mut(root) {
            root.high.see(high);
        }
    }
}
