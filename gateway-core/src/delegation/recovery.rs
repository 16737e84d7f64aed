//! What was allocated earlier: asked at every start, and when an acceptance went unanswered (H-SN-3; RFC 6656 section 6).
//!
//! ```text
//!   requester                                                provider
//!   DISCOVER 1: i ───────────────────────────────────────────▶
//!   ◀─────────────────────────────── OFFER 2: c, s, eight blocks
//!   DISCOVER 1: i, 2: the same blocks ───────────────────────▶     (H-SN-13)
//!   ◀──────────────────────────────────── OFFER 2: c, the rest     no REQUEST follows
//! ```
//!
//! Each page has a transaction of its own: what answers an earlier question answers none.
//!
//! A provider that does not know all of its own space yet tells what it knows, sets s and says nothing after the last page: who
//! asks is sure of what is listed, and asks on now and then about the rest.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use super::Delegation;
use super::block::{Own, Use};
use super::command::Proof;
use super::discover::MOST;
use super::event::{Event, Why};
use super::message::Answer;
use super::obtain::Terms;
use super::origin::Standing;
use super::receive::{Question, Reply};
use crate::subnet::Subnet;
use crate::time::Instant;
use crate::wire::dhcp4::kind;
use crate::wire::subnet_allocation::{Block, Information, InformationFlags, read_origins};

/// Parts of a subnet that our address server has again at once, at most: what is left is taken as it is needed.
const OWN_AGAIN: usize = 256;

/// Nobody has more subnets of one provider.
const MOST_LISTED: usize = 65_536;

/// A question to one provider.
#[derive(Debug)]
pub(super) struct Recovery {
    provider: Ipv4Addr,
    xid: u32,
    asked: Instant,
    attempts: u8,
    /// When it is repeated, or given up.
    pub(super) next: Instant,
    last: Option<Information>,
    listed: BTreeSet<Subnet>,
    /// What was free before we asked for it: nobody has parts of it.
    fresh: Vec<Subnet>,
    /// At a start.
    pub(super) initial: bool,
}

impl Delegation {
    /// Asks a provider what of its subnets is ours.
    pub(super) fn recover(&mut self, provider: Ipv4Addr, initial: bool, fresh: Vec<Subnet>, now: Instant) {
        let mut initial = initial;
        if let Some(index) = self.recoveries.iter().position(|recovery| recovery.provider == provider) {
            if self.recoveries[index].attempts <= self.config.constants.attempts {
                return;
            }
            initial |= self.recoveries.swap_remove(index).initial; // it is only asked now and then
        }
        let next = now + self.config.constants.repeat_after;
        let listed = BTreeSet::new();
        let recovery = Recovery { provider, xid: 0, asked: now, attempts: 1, next, last: None, listed, fresh, initial };
        self.recoveries.push(recovery);
        self.ask_earlier(self.recoveries.len() - 1, now);
    }

    fn ask_earlier(&mut self, index: usize, now: Instant) {
        let xid = self.xid();
        let repeat_after = self.config.constants.repeat_after;
        let Some(recovery) = self.recoveries.get_mut(index) else { return };
        (recovery.xid, recovery.asked) = (xid, now);
        recovery.next = now + repeat_after * (1 << (recovery.attempts - 1).min(4));
        let (to, last) = (recovery.provider, recovery.last.clone());
        let message = self.discover_earlier(xid, last.as_ref());
        self.send(to, None, message, Proof::Welcome);
    }

    /// An OFFER about what was allocated earlier.
    pub(super) fn told_earlier(&mut self, reply: &Reply<'_>, now: Instant) {
        let Some(terms) = Terms::of(reply.message, reply.allocation) else { return };
        let Some(mut index) = self.recoveries.iter().position(|recovery| recovery.xid == reply.message.xid()) else {
            return;
        };
        let Recovery { asked, initial, .. } = self.recoveries[index];
        if self.recoveries[index].provider.is_broadcast() {
            // Each who answers is asked on by itself.
            if self.recoveries.iter().any(|recovery| recovery.provider == reply.server) {
                return;
            }
            let xid = reply.message.xid();
            let next = now + self.config.constants.repeat_after;
            let (provider, listed) = (reply.server, BTreeSet::new());
            let fresh = Vec::new();
            self.recoveries.push(Recovery {
                provider,
                xid,
                asked,
                attempts: 1,
                next,
                last: None,
                listed,
                fresh,
                initial,
            });
            index = self.recoveries.len() - 1;
        } else if self.recoveries[index].provider != reply.server {
            return;
        }
        let origins = read_origins(reply.message);
        let mut is_new = false;
        for block in reply.allocation.blocks() {
            is_new |= self.recoveries[index].listed.insert(block.subnet);
            let is_fresh = self.recoveries[index].fresh.contains(&block.subnet);
            self.is_ours(&block, terms.contract(reply.server, origins.clone(), asked), is_fresh, now);
        }
        let is_endless = !is_new || self.recoveries[index].listed.len() > MOST_LISTED;
        let last = reply.allocation.informations().last();
        let Some(last) = last.filter(|last| last.flags.more) else {
            let recovery = self.recoveries.swap_remove(index);
            return self.complete(&recovery, now);
        };
        if is_endless {
            return; // the same page again: it is asked on when the question is repeated, and no faster
        }
        let (most, repeat_most) = (self.config.constants.attempts, self.config.constants.repeat_most);
        let recovery = &mut self.recoveries[index];
        recovery.last = Some(last);
        if recovery.attempts < most {
            recovery.attempts = 1;
            return self.ask_earlier(index, now);
        }
        // It is only asked now and then.
        self.ask_earlier(index, now);
        self.recoveries[index].next = now + repeat_most;
    }

    /// The provider says that this is ours.
    fn is_ours(&mut self, block: &Block, contract: super::origin::Contract, is_fresh: bool, now: Instant) {
        let (subnet, by, expires) = (block.subnet, contract.server, contract.expires);
        let grace = self.config.constants.expiry_grace;
        if self.released.get(&subnet).is_some_and(|released| now.since(*released) < grace) {
            return; // our RELEASE is still under way
        }
        let Some(root) = self.roots.get_mut(&subnet) else {
            if self.obtain(block, contract, now) {
                self.tell(Event::Confirmed { by, subnet });
                // What a page says may be shorter than it is: one lease holds for all of it.
                let until = self.forgotten_until(None, now).filter(|_| !is_fresh).map(|until| until.max(expires));
                let until = until.filter(|_| block.delegate); // else it is the provider's to know
                if let (Some(until), Some(root)) = (until, self.roots.get_mut(&subnet)) {
                    // Who never hands anything on has nobody who could hold a part of it, only hosts.
                    if self.config.lessees == super::config::Lessees::Nobody {
                        root.recovered = Some(until);
                        self.take_all(&subnet, now);
                    } else {
                        (root.standing, root.uncertain) = (Standing::Uncertain { until }, true);
                    }
                    self.persist_root(&subnet);
                }
            }
            return;
        };
        // A provider that nobody is configured to be any more may have another address now.
        let is_its = |before: &super::origin::Contract| {
            before.server == by || !self.config.providers.iter().any(|to| *to == before.server || to.is_broadcast())
        };
        if root.standing != Standing::Unconfirmed || !root.contract().is_some_and(is_its) {
            return;
        }
        let delegate = root.is_delegated();
        if let super::origin::Source::Provider(before) = &mut root.source {
            *before = super::origin::Contract { delegate, ..contract };
        }
        self.confirm_root(&subnet, now);
        if block.deprecate {
            self.deprecate_root(&subnet, now);
        }
    }

    /// The provider has said that a root is ours still, and for how long.
    pub(super) fn confirm_root(&mut self, subnet: &Subnet, now: Instant) {
        let forgotten = self.forgotten_until(None, now).unwrap_or(now);
        let Some(root) = self.roots.get_mut(subnet) else { return };
        let Some(contract) = root.contract() else { return };
        let (by, until) = (contract.server, contract.expires.max(forgotten));
        root.recovered = root.recovered.map(|_| until);
        root.standing = if root.uncertain { Standing::Uncertain { until } } else { Standing::Active };
        self.persist_root(subnet);
        self.tell(Event::Confirmed { by, subnet: *subnet });
    }

    /// It was our address server's, and hosts of before may still have addresses of it: they find it as it was.
    fn take_all(&mut self, root: &Subnet, now: Instant) {
        let prefix = root.prefix().max(self.config.policy.own_prefixes.0);
        for _ in 0..OWN_AGAIN {
            let Some(block) = self.space.find(prefix, |free| root.contains(free)) else { return };
            if self.space.take(block, Use::Own(Own::untold(now))).is_err() {
                return;
            }
            self.persist_block(&block, now);
        }
    }

    /// The provider has told all: what it did not name is not ours.
    fn complete(&mut self, recovery: &Recovery, now: Instant) {
        for subnet in self.unconfirmed_of(recovery.provider) {
            if !recovery.listed.contains(&subnet) {
                self.lose_root(&subnet, Why::Unknown, now);
            }
        }
    }

    fn unconfirmed_of(&self, provider: Ipv4Addr) -> Vec<Subnet> {
        let of = |contract: &super::origin::Contract| provider.is_broadcast() || contract.server == provider;
        let unconfirmed = self
            .roots
            .iter()
            .filter(|(_, root)| root.standing == Standing::Unconfirmed && root.contract().is_some_and(of));
        unconfirmed.map(|(subnet, _)| *subnet).collect()
    }

    /// Time has passed for the questions.
    pub(super) fn recovery_timeout(&mut self, now: Instant) {
        let attempts = self.config.constants.attempts;
        for index in (0..self.recoveries.len()).rev() {
            let recovery = &mut self.recoveries[index];
            if recovery.next > now {
                continue;
            }
            if recovery.attempts < attempts {
                recovery.attempts += 1;
                self.ask_earlier(index, now);
                continue;
            }
            // Nobody there, or nothing known. What was ours before may still be: it is asked about until its time is over.
            // And what we have forgotten it may tell when it is there again.
            let (provider, initial) = (recovery.provider, recovery.initial);
            let repeat_most = self.config.constants.repeat_most;
            let unconfirmed = self.unconfirmed_of(provider);
            let again = if !unconfirmed.is_empty() {
                self.claim(unconfirmed, now);
                repeat_most
            } else if initial && self.forgotten_until(None, now).is_some() {
                self.recoveries[index].attempts = attempts + 1;
                repeat_most * 8
            } else {
                self.recoveries.swap_remove(index);
                continue;
            };
            // From the first page on: there may be more on each by now.
            let recovery = &mut self.recoveries[index];
            (recovery.last, recovery.listed) = (None, BTreeSet::new());
            self.ask_earlier(index, now);
            self.recoveries[index].next = now + again;
        }
    }

    /// What is ours is not known yet: nothing is asked for before two questions about it went unanswered.
    pub(super) fn is_starting(&self) -> bool {
        self.recoveries.iter().any(|recovery| recovery.initial && recovery.attempts <= 2)
    }

    /// Whether a provider is being asked: what is given back meanwhile could come back by its answer.
    pub(super) fn is_recovering(&self, provider: Ipv4Addr) -> bool {
        let attempts = self.config.constants.attempts;
        let of = |recovery: &Recovery| recovery.provider == provider || recovery.provider.is_broadcast();
        self.recoveries.iter().any(|recovery| of(recovery) && recovery.attempts <= attempts)
    }

    /// The provider's side: tells a requester what is leased to it, after the last that it names.
    pub(super) fn tell_earlier(&mut self, question: &Question<'_>, now: Instant) {
        // What we do not know to be ours we can't confirm; and of what rests anybody may hold what we have forgotten. That it is not
        // listed does not say that it is not theirs: so there is more, which we do not tell.
        let theirs = |used: &Use| matches!(used, Use::Leased(lease) if lease.lessee == question.who);
        let unconfirmed = |subnet: &Subnet| self.standing_around(subnet) == Some(Standing::Unconfirmed);
        let is_partial = self.roots.values().any(|root| matches!(root.standing, Standing::Uncertain { .. }))
            || self.space.used().any(|(subnet, used)| theirs(used) && unconfirmed(&subnet));
        let after = question.allocation.blocks().map(|block| block.subnet).max();
        let mut blocks = Vec::new();
        for (subnet, used) in self.space.used() {
            if let Use::Leased(lease) = used
                && lease.lessee == question.who
                && after.is_none_or(|after| subnet > after)
                && !unconfirmed(&subnet)
            {
                let deprecate = lease.asked_back > 0; // H-SN-12
                blocks.push((
                    Block { deprecate, delegate: lease.delegate, ..Block::plain(subnet) },
                    lease.until.since(now).min(self.time_left(&subnet, now)),
                ));
            }
        }
        // One lease time and one way hold for a whole page (SN-26): it ends where another begins.
        let terms =
            |(block, left): &(Block, crate::time::Duration)| (super::bind::whole(*left), self.origins(&[block.subnet]));
        let Some((lease, way)) = blocks.first().map(terms) else { return };
        let alike = blocks.iter().take_while(|block| terms(block) == (lease, way.clone())).count();
        let page = alike.min(MOST);
        let more = blocks.len() > page || is_partial;
        blocks.truncate(page);
        let subnets: Vec<_> = blocks.iter().map(|(block, _)| block.subnet).collect();
        let blocks: Vec<Block> = blocks.into_iter().map(|(block, _)| block).collect();
        let (origins, flags) = (self.origins(&subnets), InformationFlags { more, earlier: true });
        let (to, peer, lease) = (question.to, &question.who, Some(lease));
        let blocks = [blocks];
        self.answer(
            question.message,
            &Answer { kind: kind::OFFER, to, peer, flags, blocks: &blocks, lease, origins: &origins },
        );
    }
}
