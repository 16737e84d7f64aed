//! The provider's side of a renewal (SN-43 to SN-47, SN-71 to SN-75).

use std::collections::BTreeMap;

use super::Delegation;
use super::bind::whole;
use super::block::{Lease, Use};
use super::event::Event;
use super::message::Answer;
use super::origin::Standing;
use super::policy::{Decision, Ours, Renewal};
use super::receive::Question;
use super::words::{ServerId, Usage};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::kind;
use crate::wire::subnet_allocation::{Block, InformationFlags, Statistics};

impl Delegation {
    pub(super) fn renewing(&mut self, question: &Question<'_>, now: Instant) {
        let mut renewed: BTreeMap<Duration, Vec<Vec<Block>>> = BTreeMap::new();
        let mut refused = Vec::new();
        for block in question.allocation.blocks().take(super::discover::MOST) {
            let answer = Block { statistics: Statistics::NONE, deprecate: false, ..block };
            match self.renew_block(&block, question, now) {
                Answered::Renewed { lease, deprecate } => {
                    renewed.entry(lease).or_default().push(vec![Block { deprecate, ..answer }]);
                }
                Answered::Refused => refused.push(answer),
                Answered::Ignored => {}
            }
        }
        let (to, peer) = (question.to, &question.who);
        // One lease time holds for a whole message (SN-26).
        for (lease, blocks) in &renewed {
            let subnets: Vec<_> = blocks.iter().flatten().map(|block| block.subnet).collect();
            let flags = InformationFlags { more: self.has_more(peer, now), earlier: false };
            let (origins, lease) = (self.origins(&subnets), Some(*lease));
            self.answer(
                question.message,
                &Answer { kind: kind::ACK, to, peer, flags, blocks, lease, origins: &origins },
            );
        }
        if !refused.is_empty() {
            let flags = InformationFlags::default();
            let blocks = [refused];
            self.answer(
                question.message,
                &Answer { kind: kind::NAK, to, peer, flags, blocks: &blocks, lease: None, origins: &[] },
            );
        }
    }

    fn renew_block(&mut self, block: &Block, question: &Question<'_>, now: Instant) -> Answered {
        let (subnet, who) = (block.subnet, &question.who);
        let Some(standing) = self.standing_around(&subnet) else { return Answered::Ignored };
        if standing == Standing::Unconfirmed {
            if let Some(Use::Leased(lease)) = self.space.get(&subnet)
                && lease.lessee == *who
                && question.is_from(lease.at)
            {
                self.see_in_force(&subnet);
            }
            return Answered::Ignored; // we do not know what we may promise
        }
        // Our table was lost: who holds a part of what we hold says so now (H-SN-3).
        if matches!(standing, Standing::Uncertain { .. }) && self.space.get(&subnet).is_none() {
            self.adopt(block, question, now);
        }
        match self.space.get(&subnet) {
            Some(Use::Leased(lease)) if lease.lessee == *who && question.is_from(lease.at) => {}
            Some(Use::Leased(lease)) if lease.lessee == *who => {
                self.warn(Event::NotTheirs { who: who.clone(), subnet }, now);
                return Answered::Ignored; // somebody in its name, or it has moved and has no key to show it
            }
            Some(Use::Resting(resting)) if resting.lessee == *who && resting.refused => return Answered::Refused,
            Some(Use::Resting(_)) => return Answered::Ignored,
            Some(_) => {
                self.warn(Event::NotTheirs { who: who.clone(), subnet }, now);
                return Answered::Refused;
            }
            // It is not in our table, and we have no business with it (SN-71).
            None => return Answered::Ignored,
        }
        let usage = self.reported(block);
        let others_percent = self.use_of_others(who);
        let scarce = self.is_scarce(now);
        let fresh = self.lease_of(&subnet, now).unwrap_or_default().min(self.wanted(question));
        let most = self.time_left(&subnet, now);
        let Some(Use::Leased(lease)) = self.space.get_mut(&subnet) else { return Answered::Ignored };
        let ours = match standing {
            Standing::Active | Standing::Uncertain { .. } => Ours::Kept,
            Standing::Refused => Ours::Gone,
            Standing::Deprecated | Standing::Unconfirmed => Ours::AskedBack,
        };
        let size = u64::from(subnet.size());
        let renewal = Renewal { size, usage, others_percent, asked_back: lease.asked_back, ours };
        let decision = self.config.policy.renewal(&renewal, scarce);
        // What a lessee was promised it keeps, whatever is granted now: so its own promises hold too (H-SN-6).
        let remaining = whole(lease.until.since(now).min(most));
        let granted = match decision {
            Decision::AskBack => fresh.min(Duration::from_secs(86400)).max(remaining),
            Decision::Renew | Decision::Refuse => fresh.max(remaining),
        };
        let until = lease.until;
        if decision == Decision::Refuse {
            let until = until.max(now) + self.config.constants.expiry_grace;
            self.tell(Event::Refused { to: who.clone(), subnet });
            self.rest(&subnet, until, true, now); // until the last host is gone, at the latest (H-SN-11)
            return Answered::Refused;
        }
        let deprecate = decision == Decision::AskBack;
        let asked_back = if deprecate { lease.asked_back.saturating_add(1) } else { 0 };
        let first = deprecate && lease.asked_back == 0;
        *lease = Lease {
            at: question.to,
            relay: question.relay,
            granted,
            until: until.max(now + granted),
            usage: usage.or(lease.usage),
            asked_back,
            ..lease.clone()
        };
        let reserved = !lease.delegate;
        self.persist_block(&subnet, now);
        self.see_usage_around(&subnet);
        if reserved {
            self.assign_reserved(&subnet, now);
        }
        if first {
            self.tell(Event::AskedBack { from: who.clone(), subnet });
        }
        Answered::Renewed { lease: granted, deprecate }
    }

    /// What is known of the use of a lessee's subnet: what it says, or what our address server has said, where that assigns the
    /// addresses.
    fn reported(&self, block: &Block) -> Option<Usage> {
        match self.space.get(&block.subnet) {
            Some(Use::Leased(Lease { delegate: false, usage, .. })) => *usage,
            _ => Usage::reported(&block.statistics, &block.subnet),
        }
    }

    /// Takes over a lease that our table has lost.
    fn adopt(&mut self, block: &Block, question: &Question<'_>, now: Instant) {
        let lease = Lease {
            lessee: question.who.clone(),
            at: question.to,
            relay: question.relay,
            delegate: block.delegate,
            granted: Duration::ZERO,
            until: now,
            usage: None,
            asked_back: 0,
            told: false,
        };
        if self.lease_of(&block.subnet, now).is_some() {
            // It fails where another has claimed a part of it: then this is ignored.
            drop(self.space.take(block.subnet, Use::Leased(lease)));
        }
    }

    pub(super) fn standing_around(&self, subnet: &Subnet) -> Option<Standing> {
        Some(self.roots.get(&self.space.root_of(subnet)?)?.standing)
    }

    /// How much of what they hold all others use, this server's own hosts among them (SN-61).
    fn use_of_others(&self, who: &ServerId) -> u64 {
        let (mut held, mut used) = (0, 0);
        for (subnet, block) in self.space.used() {
            let in_use = match block {
                Use::Leased(lease) if lease.lessee != *who => lease.in_use(subnet.size()),
                Use::Own(own) => own.usage.map_or(u64::from(subnet.size()), |usage| usage.in_use + usage.unusable),
                _ => continue,
            };
            held += u64::from(subnet.size());
            used += in_use;
        }
        used * 100 / held.max(1)
    }
}

enum Answered {
    Renewed { lease: Duration, deprecate: bool },
    Refused,
    Ignored,
}
