//! The provider's side of acceptance and release (SN-30 to SN-35, SN-49, SN-62, SN-63).

use super::Delegation;
use super::block::{Lease, Left, Resting, Use};
use super::command::{Assignment, Command, Reserved};
use super::event::Event;
use super::message::{Answer, seconds};
use super::origin::Standing;
use super::policy;
use super::receive::Question;
use super::words::ServerId;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::kind;
use crate::wire::subnet_allocation::{Block, InformationFlags};

impl Delegation {
    /// Our offer, or a part of it, is accepted. Said again within the time of an offer, it is answered again, and the lease begins
    /// again (H-SN-10); later, the answer says what is left of it.
    pub(super) fn accepted(&mut self, question: &Question<'_>, now: Instant) {
        if question.allocation.blocks().any(|block| self.standing_around(&block.subnet) == Some(Standing::Unconfirmed))
        {
            return; // we do not know what we may promise
        }
        let mut bound = Vec::new();
        let mut refused = Vec::new();
        for block in question.allocation.blocks().take(super::discover::MOST) {
            match self.bind(block.subnet, question, now) {
                Some(lease) => bound.push((block, lease)),
                None => refused.push(Block { statistics: Default::default(), ..block }),
            }
        }
        self.accepted_elsewhere(question); // what was offered beside it (SN-31)
        let (to, peer) = (question.to, &question.who);
        if let Some(lease) = bound.iter().map(|(_, lease)| *lease).min() {
            let subnets: Vec<_> = bound.iter().map(|(block, _)| block.subnet).collect();
            let blocks: Vec<_> = bound
                .iter()
                .map(|(block, _)| vec![Block { delegate: block.delegate, ..Block::plain(block.subnet) }])
                .collect();
            let flags = InformationFlags { more: self.has_more(peer, now), earlier: false };
            let (origins, lease) = (self.origins(&subnets), Some(lease));
            self.answer(
                question.message,
                &Answer { kind: kind::ACK, to, peer, flags, blocks: &blocks, lease, origins: &origins },
            );
        } else if !refused.is_empty() {
            let flags = InformationFlags::default();
            let blocks = [refused];
            self.answer(
                question.message,
                &Answer { kind: kind::NAK, to, peer, flags, blocks: &blocks, lease: None, origins: &[] },
            );
        }
    }

    /// The lease that the asker has of a subnet from now on; `None`: it was not offered it, or not any more.
    fn bind(&mut self, subnet: Subnet, question: &Question<'_>, now: Instant) -> Option<Duration> {
        let fresh = self.lease_of(&subnet, now).filter(|_| self.root_is_active(&subnet));
        let fresh = fresh.map(|lease| lease.min(self.wanted(question)));
        let initial = self.initial_group(&subnet);
        let before = match self.space.get(&subnet)? {
            Use::Offered(offer) if offer.to == question.who && question.is_from(offer.at) => {
                let delegate = offer.delegate;
                Lease {
                    lessee: question.who.clone(),
                    at: question.to,
                    relay: question.relay,
                    delegate,
                    granted: Duration::ZERO,
                    until: now,
                    // Where we assign the addresses we know how many are in use.
                    usage: (!delegate).then_some(initial),
                    asked_back: 0,
                    told: false,
                }
            }
            Use::Leased(lease) if lease.lessee == question.who && question.is_from(lease.at) => lease.clone(),
            _ => return None,
        };
        let left = whole(before.until.since(now).min(self.time_left(&subnet, now)));
        let again = before.granted > Duration::ZERO;
        let granted = match before.granted {
            Duration::ZERO => fresh?,
            // Who says it later wants a renewal, and should say how much it uses.
            granted if granted.saturating_sub(left) > self.config.constants.offer_hold => left,
            _ => fresh.unwrap_or_default().max(left),
        };
        let until = before.until.max(now + granted);
        let (at, relay) = (question.to, question.relay);
        let lease = Lease { at, relay, granted: before.granted.max(granted), until, ..before };
        let delegate = lease.delegate;
        *self.space.get_mut(&subnet)? = Use::Leased(lease);
        self.persist_block(&subnet, now);
        if !again {
            self.tell(Event::Leased { to: question.who.clone(), subnet });
            self.see_usage_around(&subnet);
        }
        if !delegate {
            self.assign_reserved(&subnet, now);
        }
        Some(granted)
    }

    /// SN-63, H-SN-22: the lessee relays its hosts' messages to us, and we assign them addresses of its subnet.
    pub(super) fn assign_reserved(&mut self, subnet: &Subnet, now: Instant) {
        let most = self.time_left(subnet, now);
        // Our table was lost, and with it the leases of its hosts; also where it was asked back since.
        let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
        let recovered = root.is_some_and(|root| root.is_uncertain() || !root.is_known(now));
        let Some(Use::Leased(lease)) = self.space.get_mut(subnet) else { return };
        lease.told = true;
        let left = lease.until.since(now).min(most);
        let until = now + left.saturating_sub(policy::margin(lease.granted));
        let reserved = Some(Reserved { device: lease.lessee.clone(), relay: lease.relay });
        let is_wanted = lease.asked_back > 0;
        let assignment = Assignment { subnet: *subnet, until, reserved, recovered, longest: None };
        self.commands.push_back(Command::Assign(assignment));
        if is_wanted {
            // The device can't empty it: we do.
            self.commands.push_back(Command::StopAssigning { subnet: *subnet });
        }
    }

    /// A lessee is done with subnets. Only who has it can release it (H-SN-20); it rests a while, since hosts may be left in it
    /// all the same (H-SN-23), and since what was sent before may still be under way.
    pub(super) fn released(&mut self, question: &Question<'_>, now: Instant) {
        for block in question.allocation.blocks() {
            let subnet = block.subnet;
            let grace = now + self.config.constants.expiry_grace;
            match self.space.get(&subnet) {
                Some(Use::Leased(lease)) if lease.lessee == question.who && question.is_from(lease.at) => {
                    self.tell(Event::Returned { from: question.who.clone(), subnet });
                    self.rest(&subnet, grace, false, now);
                }
                // It was refused, and has been emptied sooner than its lease would have ended.
                Some(Use::Resting(resting))
                    if resting.lessee == question.who && question.is_from(resting.at) && resting.refused =>
                {
                    let until = resting.until.min(grace);
                    self.tell(Event::Returned { from: question.who.clone(), subnet });
                    self.rest(&subnet, until, false, now);
                }
                Some(Use::Leased(_)) => self.warn(Event::NotTheirs { who: question.who.clone(), subnet }, now),
                _ => {}
            }
        }
    }

    /// A leased block rests from now on. Where we assigned its addresses, it does so until the last of them is free, too.
    pub(super) fn rest(&mut self, subnet: &Subnet, until: Instant, refused: bool, now: Instant) {
        let Some(used) = self.space.get_mut(subnet) else { return };
        let (lessee, at, reserved, left) = match used {
            Use::Leased(lease) if lease.delegate => (lease.lessee.clone(), lease.at, false, Left::Nobody),
            Use::Leased(lease) => (lease.lessee.clone(), lease.at, true, Left::Some),
            Use::Resting(resting) => (resting.lessee.clone(), resting.at, false, resting.left),
            _ => return,
        };
        *used = Use::Resting(Resting { until, lessee, at, refused, left });
        self.persist_block(subnet, now);
        if reserved {
            self.commands.push_back(Command::Gone { subnet: *subnet });
        }
    }

    /// How long anything of a root can have been promised: after a start we do not know how much of its lease a lessee has
    /// had already, but no lease is longer than the one above it (H-SN-6).
    pub(super) fn time_left(&self, subnet: &Subnet, now: Instant) -> Duration {
        let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
        root.map_or(Duration::ZERO, |root| root.end().since(now))
    }

    pub(super) fn root_is_active(&self, subnet: &Subnet) -> bool {
        let root = self.space.root_of(subnet).and_then(|root| self.roots.get(&root));
        root.is_some_and(|root| root.is_active())
    }

    /// The root around a block is used differently.
    pub(super) fn see_usage_around(&mut self, subnet: &Subnet) {
        if let Some(root) = self.space.root_of(subnet) {
            self.see_usage(&root);
        }
    }

    /// Every lessee of a block of this root.
    pub(super) fn lessees_in(&self, root: &Subnet) -> Vec<(Subnet, ServerId)> {
        let leased = |(subnet, used): (Subnet, Option<&Use>)| match used {
            Some(Use::Leased(lease)) => Some((subnet, lease.lessee.clone())),
            _ => None,
        };
        self.space.inside(root).filter_map(leased).collect()
    }
}

/// Whole seconds, as on the wire: never more than there are.
pub(super) fn whole(time: Duration) -> Duration {
    Duration::from_secs(u64::from(seconds(time)))
}
