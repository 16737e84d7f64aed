//! Who gets what: everything that is decided by use, and nothing else.
//!
//! All servers run the same rules (SN-16), and space follows load by four of them (SN-6, SN-17):
//!
//! 1. **Who needs, asks.** A server asks for a subnet as large as the addresses that it lacks: [`Policy::wish`].
//! 2. **Who has, gives.** What was asked for, out of the smallest free block that holds it. While more than
//!    [`Policy::push_above_percent`] of the space is free, the requester is told that there is more ([`Policy::more`]), so
//!    that subnets spread before they are needed; it then gets half of the largest free block ([`Policy::size`]).
//! 3. **Who does not need, gives back.** The address server's subnets are emptied when the others can take their hosts
//!    ([`Policy::dispensable`]), and go back when nothing of them is in use for [`Policy::idle_for`].
//! 4. **Who keeps what others lack, is asked.** Space is *scarce* for [`Policy::scarce_for`] after somebody was sent away with
//!    nothing. Then holders that use little are asked how much they use ([`Policy::collect`]), and a renewal is judged by it
//!    ([`Policy::renewal`]): what is well used is renewed; what is hardly used is asked for, first with patience (the
//!    deprecation flag), then by refusal.
//!
//! So a child with 20 % of the hosts ends up with about 20 % of the space: the rest was either never asked for, or asked back.

use super::words::Usage;
use crate::subnet::Subnet;
use crate::time::Duration;
use crate::wire::subnet_allocation::PREFIX_MAX;

/// The numbers of the rules. All servers may have the same; an operator changes them at any one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How long a subnet is leased for, also to our own address server (SN-25).
    pub lease: Duration,
    /// After so many thousandths of its lease a subnet is renewed (SN-41).
    pub renew_after_permille: u16,
    /// Give a smaller subnet where there is none of the size that was asked for (SN-23 policy B). RFC 6656 discourages it.
    pub allow_smaller: bool,
    /// Requesters are offered more while so much of the space is free (SN-27, SN-66); over 100: never.
    pub push_above_percent: u8,
    /// What a requester takes of what it is pushed: it stops when it has so many addresses in its pool (H-SN-8).
    pub unused_most: u64,
    /// A lessee's subnets have no more addresses than this together (H-SN-20); `None`: no limit.
    pub quota: Option<u64>,
    /// The sizes that our own address server is given: what it lacks, but no smaller, and no larger, than these.
    pub own_prefixes: (u8, u8),
    /// Who uses less of a subnet may be asked for it early (H-SN-25).
    pub low_use_percent: u8,
    /// While space is scarce, who uses more of a subnet keeps it (SN-72).
    pub keep_above_percent: u8,
    /// Refuse who does not say how much is used. Otherwise all counts as used (SN-67).
    pub refuse_silent: bool,
    /// So often a lessee is asked for a subnet before its renewal is refused.
    pub patience: u8,
    /// Space is scarce for so long after somebody was sent away with nothing.
    pub scarce_for: Duration,
    /// What nobody uses for so long is given back.
    pub idle_for: Duration,
    /// A subnet that was leased to us, and of which nothing is in use for so long, goes back to its provider.
    pub spare_for: Duration,
    /// A subnet of the address server's is emptied only if the others then have so much of what is in use free.
    pub headroom_percent: u8,
    /// In reserve mode, addresses that count as used from the beginning: the device's initial group (SN-63).
    pub initial_group: u32,
    /// How long we want subnets to be leased to us (SN-20); `None`: as long as providers choose.
    pub wanted_lease: Option<Duration>,
    /// What we suggest to lessees as the longest lease of their hosts (RFC 6656 section 3.4).
    pub suggested_lease: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(7 * 86400),
            renew_after_permille: 500,
            allow_smaller: false,
            push_above_percent: 50,
            unused_most: 256,
            quota: None,
            own_prefixes: (24, 28),
            low_use_percent: 25,
            keep_above_percent: 50,
            refuse_silent: false,
            patience: 3,
            scarce_for: Duration::from_secs(3600),
            idle_for: Duration::from_secs(900),
            spare_for: Duration::from_secs(3600),
            headroom_percent: 25,
            initial_group: 12,
            wanted_lease: None,
            suggested_lease: None,
        }
    }
}

/// What there is to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Supply {
    /// Addresses of all that we administer.
    pub total: u64,
    /// Of these, in the pool.
    pub free: u64,
    /// The prefix of the largest free block.
    pub largest: Option<u8>,
    /// Somebody was sent away with nothing a short while ago.
    pub scarce: bool,
}

/// What a lessee has, of all its subnets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Holdings {
    /// Addresses leased or offered to it.
    pub held: u64,
    /// Of these, in use as it says.
    pub in_use: u64,
}

/// A renewal to decide on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// Addresses of the subnet.
    pub size: u64,
    /// What the lessee says; `None`: nothing.
    pub usage: Option<Usage>,
    /// How much of what they hold all lessees use together, in percent.
    pub others_percent: u64,
    /// How often the lessee was asked for this subnet.
    pub asked_back: u8,
    /// The provider itself can't keep it: it was asked back, or lost.
    pub ours: Ours,
}

/// How it stands with the root that a subnet is a part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ours {
    /// It may be renewed.
    Kept,
    /// It is wanted back from us (H-SN-6).
    AskedBack,
    /// It is not ours any more.
    Gone,
}

/// What a renewal is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// ACK.
    Renew,
    /// ACK with the deprecation flag: assign nothing from it, and release it when it is empty (SN-47).
    AskBack,
    /// NAK (SN-43).
    Refuse,
}

impl Policy {
    /// SN-29: how large a subnet is given to whom asks for `asked`, 0 for any size: half of the largest there is, but no more than
    /// twice what it has (H-SN-8), and within its quota (H-SN-20).
    pub fn size(&self, asked: u8, supply: &Supply, asker: &Holdings) -> Option<u8> {
        if asked > 0 {
            return Some(asked);
        }
        let most = (asker.held * 2).max(1 << (32 - self.own_prefixes.1.clamp(1, PREFIX_MAX)));
        let size = |prefix: u8| 1u64 << (32 - prefix);
        let half = (supply.largest? + 1).min(PREFIX_MAX);
        (half..=PREFIX_MAX).find(|prefix| size(*prefix) <= most && self.within_quota(asker, size(*prefix)))
    }

    /// SN-66: whether the requester is told that there is more: much is free, and it has less than that.
    pub fn more(&self, supply: &Supply, asker: &Holdings) -> bool {
        let much = supply.total > 0 && supply.free * 100 >= supply.total * u64::from(self.push_above_percent);
        much && !supply.scarce
            && self.size(0, supply, asker).is_some()
            && (asker.held < supply.free || asker.in_use * 2 > asker.held)
    }

    /// SN-63, SN-66: the same for a device whose hosts' addresses we assign: when those that it has run out.
    pub fn more_for_device(&self, supply: &Supply, asker: &Holdings) -> bool {
        self.runs_out(asker) && self.size(0, supply, asker).is_some()
    }

    /// Whether hosts of such a device lack addresses, or will shortly: seven eighths are in use.
    pub fn runs_out(&self, holder: &Holdings) -> bool {
        holder.in_use * 8 >= holder.held * 7
    }

    /// H-SN-20: whether a lessee may have so many addresses more.
    pub fn within_quota(&self, asker: &Holdings, more: u64) -> bool {
        self.quota.is_none_or(|quota| asker.held + more <= quota)
    }

    /// SN-61, SN-72, SN-75: what becomes of a lease.
    pub fn renewal(&self, renewal: &Renewal, scarce: bool) -> Decision {
        match renewal.ours {
            Ours::Gone => return Decision::Refuse,
            Ours::AskedBack | Ours::Kept => {}
        }
        if renewal.asked_back > 0 || renewal.ours == Ours::AskedBack {
            // Once asked for it stays asked for: its hosts are already leaving.
            return if renewal.asked_back >= self.patience { Decision::Refuse } else { Decision::AskBack };
        }
        let Some(usage) = renewal.usage else {
            return if self.refuse_silent { Decision::Refuse } else { Decision::Renew };
        };
        let used = usage.in_use + usage.unusable;
        // The most that was used at once says what it is good for; but not for ever, if hardly anything of it is used now.
        if !scarce || (!self.collect(used, renewal.size) && self.is_kept(used.max(usage.high_water), renewal.size)) {
            return Decision::Renew;
        }
        // A smaller one does, if it is used that much less than others are (SN-75), and if what is in use fits into half
        // (H-SN-24); it is asked for anew, since no message says "half of it".
        let percent = percent(used, renewal.size);
        let hardly = percent < u64::from(self.low_use_percent);
        if hardly || percent * 2 <= renewal.others_percent { Decision::AskBack } else { Decision::Renew }
    }

    /// SN-72: whether so much use is enough to keep a subnet.
    fn is_kept(&self, used: u64, size: u64) -> bool {
        used * 100 > size * u64::from(self.keep_above_percent)
    }

    /// Whether a subnet might come back if it were asked for; `None`: its holder has not said how much is used.
    pub fn may_return(&self, usage: Option<&Usage>, size: u64) -> bool {
        usage.is_none_or(|usage| !self.is_kept(usage.in_use + usage.unusable, size))
    }

    /// H-SN-25: whether the holder of a subnet is asked how much of it is used, before it would say it.
    pub fn collect(&self, used: u64, size: u64) -> bool {
        percent(used, size) < u64::from(self.low_use_percent)
    }

    /// The prefix of the subnet to take or to ask for when our address server lacks so many addresses.
    pub fn wish(&self, addresses: u32) -> u8 {
        let (largest, smallest) = self.own_prefixes;
        let mut prefix = smallest.clamp(1, PREFIX_MAX);
        while prefix > largest.max(1) && (1u64 << (32 - prefix)) - 2 < u64::from(addresses) {
            prefix -= 1;
        }
        prefix
    }

    /// H-SN-8: whether to take more of what is pushed, with so many addresses in the pool already.
    pub fn takes_more(&self, unused: u64) -> bool {
        unused < self.unused_most
    }

    /// Which of the address server's subnets the others can do without: the one that is used least, if the free addresses of
    /// the rest hold its hosts, and the headroom beside.
    pub fn dispensable(&self, own: &[(Subnet, Usage)]) -> Option<Subnet> {
        let (subnet, usage) = own.iter().min_by_key(|(subnet, usage)| (usage.in_use, subnet.size(), *subnet))?;
        let rest = own.iter().filter(|(other, _)| other != subnet);
        let free: u64 =
            rest.map(|(other, usage)| u64::from(other.capacity()).saturating_sub(usage.in_use + usage.unusable)).sum();
        let in_use: u64 = own.iter().map(|(_, usage)| usage.in_use).sum();
        let headroom = in_use * u64::from(self.headroom_percent) / 100;
        (own.len() > 1 && free > usage.in_use + headroom).then_some(*subnet)
    }
}

/// H-SN-4: how long before the end of a lease everything below it has to be over.
pub fn margin(lease: Duration) -> Duration {
    (lease / 20).max(Duration::from_secs(60))
}

fn percent(part: u64, whole: u64) -> u64 {
    part * 100 / whole.max(1)
}
