//! The provider's side of a DISCOVER: what is offered (SN-21 to SN-29, SN-60 to SN-66).

use core::net::Ipv4Addr;

use super::Delegation;
use super::block::{Offer, Stage, Use};
use super::event::Event;
use super::message::Answer;
use super::policy::{Holdings, Supply};
use super::receive::Question;
use super::words::ServerId;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{code, kind};
use crate::wire::subnet_allocation::{Block, InformationFlags, Origins, PREFIX_MAX, read_origins};

/// Subnets of one exchange.
pub(super) const MOST: usize = 8;

impl Delegation {
    pub(super) fn discovered(&mut self, question: &Question<'_>, now: Instant) {
        // It lacks what we lack: our own question has come round (H-SN-7).
        let askers = read_origins(question.message);
        if askers.contains(&self.config.me.origin()) {
            return;
        }
        let requests: Vec<_> = question.allocation.requests().take(MOST).collect();
        // Two servers that have nothing would push each other's lack round and round (H-SN-7).
        if self.exchange.is_some() && requests.iter().any(|request| request.prefix == 0) {
            return;
        }
        let xid = question.message.xid();
        let mut offered = self.offers(question, Some(xid));
        if offered.is_empty() {
            self.accepted_elsewhere(question); // a new exchange ends the one before
            let mut wished = question.allocation.blocks().map(|block| block.subnet);
            for request in requests {
                let Some(subnet) = self.choose(request.prefix, wished.next(), question, now) else {
                    self.short(Some((question.who.clone(), question.to, &askers)), request.prefix, now);
                    continue;
                };
                if !self.may_have(&question.who, &subnet, now) {
                    continue;
                }
                let until = now + self.config.constants.offer_hold;
                let offer = Offer { to: question.who.clone(), at: question.to, xid, until, delegate: request.delegate };
                if self.space.take(subnet, Use::Offered(offer)).is_ok() {
                    offered.push(subnet);
                }
            }
        }
        if !offered.is_empty() {
            self.offer(question, &offered, now);
        }
    }

    /// H-SN-1: what is held for a requester: in an exchange, or in any.
    fn offers(&self, question: &Question<'_>, xid: Option<u32>) -> Vec<Subnet> {
        let to_them = |used: &Use| match used {
            Use::Offered(offer) => {
                offer.to == question.who && question.is_from(offer.at) && xid.is_none_or(|xid| xid == offer.xid)
            }
            _ => false,
        };
        self.space.used().filter(|(_, used)| to_them(used)).map(|(subnet, _)| subnet).collect()
    }

    /// SN-33: what was offered goes back into the pool.
    pub(super) fn accepted_elsewhere(&mut self, question: &Question<'_>) {
        for subnet in self.offers(question, None) {
            self.space.free(&subnet);
        }
    }

    /// The subnet to offer: the one that is wished for, the size that is asked for, or what the policy allows instead.
    fn choose(&self, asked: u8, wished: Option<Subnet>, question: &Question<'_>, now: Instant) -> Option<Subnet> {
        let (who, at) = (question.who.origin(), question.to);
        let eligible = |subnet: &Subnet| {
            let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
            root.is_some_and(|root| root.is_active() && !root.came_through(who, at))
                && self.lease_of(subnet, now).is_some()
        };
        let supply = self.supply(None, |subnet| eligible(subnet));
        let prefix = self.config.policy.size(asked, &supply, &self.holdings(&question.who))?;
        // A wish says which, and not how much.
        if let Some(wished) = wished.filter(|wished| wished.prefix() >= prefix) {
            let free =
                self.space.blocks().any(|(block, used)| used.is_none() && block.contains(&wished) && eligible(&block));
            if free {
                return Some(wished);
            }
        }
        let smallest = if self.config.policy.allow_smaller { PREFIX_MAX } else { prefix };
        (prefix..=smallest).find_map(|prefix| self.space.find(prefix, eligible))
    }

    /// H-SN-20: within the quota.
    fn may_have(&mut self, who: &ServerId, subnet: &Subnet, now: Instant) -> bool {
        let within = self.config.policy.within_quota(&self.holdings(who), u64::from(subnet.size()));
        if !within {
            self.warn(Event::Quota { who: who.clone() }, now);
        }
        within
    }

    /// How long a lease of a part of a root may be now (SN-25, H-SN-6); `None`: not long enough to begin.
    pub(super) fn lease_of(&self, subnet: &Subnet, now: Instant) -> Option<Duration> {
        let root = self.roots.get(&self.space.root_of(subnet)?)?;
        if self.is_kept(subnet) {
            return None;
        }
        let lease = root.end().since(now).min(self.config.policy.lease);
        let lease = root.maximum().map_or(lease, |maximum| lease.min(maximum));
        // On the wire are whole seconds.
        (lease >= self.config.constants.least_lease).then(|| Duration::from_secs(lease.as_secs()))
    }

    /// SN-20: no lease is longer than the requester wants it, option 51.
    pub(super) fn wanted(&self, question: &Question<'_>) -> Duration {
        let wanted = question.message.u32_option(code::LEASE_TIME).map(|seconds| Duration::from_secs(seconds.into()));
        wanted.map_or(Duration::MAX, |wanted| wanted.max(self.config.constants.least_lease))
    }

    fn offer(&mut self, question: &Question<'_>, offered: &[Subnet], now: Instant) {
        let until = now + self.config.constants.offer_hold;
        let mut blocks = Vec::new();
        for subnet in offered {
            if let Some(Use::Offered(offer)) = self.space.get_mut(subnet) {
                offer.until = until;
                blocks.push(vec![Block { delegate: offer.delegate, ..Block::plain(*subnet) }]);
            }
        }
        let lease = offered.iter().filter_map(|subnet| self.lease_of(subnet, now)).min();
        let lease = lease.map(|lease| lease.min(self.wanted(question)));
        let flags = InformationFlags { more: self.has_more(&question.who, now), earlier: false };
        let (origins, to) = (self.origins(offered), question.to);
        let peer = &question.who;
        self.answer(
            question.message,
            &Answer { kind: kind::OFFER, to, peer, flags, blocks: &blocks, lease, origins: &origins },
        );
    }

    /// Nobody was offered anything: what is missing is asked for elsewhere (SN-60). What was taken back may serve the next
    /// question.
    pub(super) fn short(&mut self, who: Option<(ServerId, Ipv4Addr, &Origins)>, prefix: u8, now: Instant) {
        if prefix == 0 {
            return; // it would have taken what we can spare, and lacks nothing
        }
        // Our own hosts are helped by a smaller one, too.
        let enough = if who.is_some() { prefix } else { prefix.max(self.config.policy.own_prefixes.1).min(PREFIX_MAX) };
        if self.could_return(enough) {
            self.unmet = Some(now);
        }
        // A peer has asked everybody itself; to ask for it would go round and round (H-SN-7).
        let peer =
            |at: &Ipv4Addr| self.config.providers.iter().any(|provider| provider == at || provider.is_broadcast());
        match &who {
            Some((_, at, _)) if peer(at) => {}
            Some((_, _, askers)) => {
                if self.wish.is_none_or(|wish| prefix < wish) {
                    (self.wish, self.wish_from) = (Some(prefix), (*askers).clone());
                }
            }
            None => self.need_due = true,
        }
        match who {
            Some((who, ..)) => self.warn(Event::Short { who: Some(who), prefix }, now),
            None => self.tell(Event::Short { who: None, prefix }), // once in the hold-down
        }
        self.collect(now);
    }

    /// Whether there would be room for a subnet of this size if what others hardly use came back, or what they have not said
    /// anything of. Else nobody is asked for anything.
    fn could_return(&self, prefix: u8) -> bool {
        let policy = &self.config.policy;
        let may_return = |subnet: &Subnet, used: Option<&Use>| match used {
            Some(Use::Leased(lease)) => policy.may_return(lease.usage.as_ref(), u64::from(subnet.size())),
            Some(Use::Own(own)) => own.stage == Stage::Draining,
            Some(Use::Away) => false,
            Some(Use::Offered(_) | Use::Resting(_)) | None => true,
        };
        self.space.used().filter(|(_, used)| matches!(used, Use::Leased(_))).any(|(subnet, _)| {
            let around = core::iter::successors(Some(subnet), Subnet::parent).find(|around| around.prefix() <= prefix);
            around.is_some_and(|around| {
                let within = self.space.root_of(&subnet).is_some_and(|root| root.contains(&around));
                within && self.space.inside(&around).all(|(subnet, used)| may_return(&subnet, used))
            })
        })
    }

    /// SN-27, SN-35: whether the requester is told that there is more.
    pub(super) fn has_more(&self, who: &ServerId, now: Instant) -> bool {
        let own = who.origin();
        let supply = self.supply(Some(now), |subnet| {
            let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
            root.is_some_and(|root| root.is_active() && !root.came_through(own, Ipv4Addr::UNSPECIFIED))
                && self.lease_of(subnet, now).is_some()
        });
        let holdings = self.holdings(who);
        // A device that does not assign its addresses can't know what its hosts lack (SN-63).
        if self.is_device(who) {
            return self.config.policy.more_for_device(&supply, &holdings);
        }
        self.config.policy.more(&supply, &holdings)
    }

    /// What there is, of blocks that are eligible.
    pub(super) fn supply(&self, now: Option<Instant>, eligible: impl Fn(&Subnet) -> bool) -> Supply {
        let total = self.roots.keys().map(|root| u64::from(root.size())).sum();
        let free: Vec<Subnet> = self
            .space
            .blocks()
            .filter(|(subnet, used)| used.is_none() && eligible(subnet))
            .map(|(subnet, _)| subnet)
            .collect();
        Supply {
            total,
            free: free.iter().map(|subnet| u64::from(subnet.size())).sum(),
            largest: free.iter().map(Subnet::prefix).min(),
            scarce: now.is_some_and(|now| self.is_scarce(now)),
        }
    }

    /// Somebody was sent away with nothing a short while ago.
    pub(super) fn is_scarce(&self, now: Instant) -> bool {
        self.unmet.is_some_and(|unmet| now.since(unmet) < self.config.policy.scarce_for)
    }

    /// What a lessee has.
    pub(super) fn holdings(&self, who: &ServerId) -> Holdings {
        let mut holdings = Holdings::default();
        for (subnet, used) in self.space.used() {
            match used {
                Use::Offered(offer) if offer.to == *who => holdings.held += u64::from(subnet.size()),
                Use::Leased(lease) if lease.lessee == *who => {
                    holdings.held += u64::from(subnet.size());
                    holdings.in_use += lease.in_use(subnet.size());
                }
                _ => {}
            }
        }
        holdings
    }

    /// Through whose hands these came: all of theirs, and ours (H-SN-7).
    pub(super) fn origins(&self, subnets: &[Subnet]) -> Origins {
        let mut origins = Origins::new();
        for subnet in subnets {
            let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
            for origin in root.and_then(|root| root.contract()).into_iter().flat_map(|contract| &contract.origins) {
                if !origins.contains(origin) {
                    origins.push(*origin);
                }
            }
        }
        origins.push(self.config.me.origin());
        origins
    }
}
