//! The requester's side: a subnet is asked for, chosen and accepted (SN-54; RFC 6656 section 4.1).
//!
//! ```text
//!   ask ──DISCOVER──▶ Discovering ──OFFER, 500 ms──▶ Requesting ──ACK──▶ a root more, and if there is more: ask for any
//!                        │ nobody answers               │ NAK, nobody answers
//!                        ▼                              ▼
//!                    hold-down                      hold-down; what does the provider think is ours?
//! ```

use core::net::Ipv4Addr;

use super::Delegation;
use super::event::Event;
use super::origin::{Contract, Root, Source, Standing};
use super::receive::Reply;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{Message, code};
use crate::wire::subnet_allocation::{Block, Information, Origins, SubnetAllocation, read_origins};

/// One exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) xid: u32,
    pub(super) prefix: u8,
    /// Who lacks it: all through whose hands the wish has come, and we (H-SN-7).
    askers: Origins,
    /// How many exchanges it follows because there was more.
    round: u8,
    attempts: u8,
    /// When it is repeated, or given up.
    pub(super) next: Instant,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    Discovering {
        offers: Vec<Offered>,
        /// When the best of the offers is accepted.
        choose_at: Option<Instant>,
    },
    Requesting {
        server: Ipv4Addr,
        offered: Vec<Information>,
        /// When it was asked first: the lease counts from then (RFC 2131 section 4.4.1).
        asked: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Offered {
    server: Ipv4Addr,
    informations: Vec<Information>,
}

impl Offered {
    fn best(&self) -> u8 {
        self.informations
            .iter()
            .flat_map(|information| &information.blocks)
            .map(|block| block.subnet.prefix())
            .min()
            .unwrap_or(32)
    }
}

/// How long a lease is, and when it is renewed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) lease: Duration,
    renew: Duration,
    /// For hosts (RFC 6656 section 3.4).
    suggested: Option<Duration>,
}

impl Terms {
    /// Options 51 and 58; half the lease without the latter (SN-41).
    pub(super) fn of(message: &Message<'_>, allocation: &SubnetAllocation<'_>) -> Option<Self> {
        let lease = Duration::from_secs(u64::from(message.u32_option(code::LEASE_TIME)?));
        let renew = message.u32_option(code::T1).map(|t1| Duration::from_secs(u64::from(t1)));
        let renew = renew.filter(|t1| *t1 > Duration::ZERO && *t1 < lease).unwrap_or(lease / 2);
        let suggested = allocation.suggested_lease().filter(|seconds| *seconds > 0);
        Some(Self { lease, renew, suggested: suggested.map(|seconds| Duration::from_secs(seconds.into())) })
    }

    pub(super) fn contract(
        &self,
        server: Ipv4Addr,
        origins: Vec<crate::wire::subnet_allocation::OriginId>,
        asked: Instant,
    ) -> Contract {
        let (expires, renew_at) = (asked + self.lease, asked + self.renew);
        let (granted, suggested) = (self.lease, self.suggested);
        Contract { server, origins, granted, expires, renew_at, asked: None, delegate: true, suggested }
    }
}

impl Delegation {
    /// Asks for what is missing, unless we ask already, have just been left without an answer, or do not know yet what is
    /// ours.
    pub(super) fn ask(&mut self, now: Instant) {
        // What is taken because there is more can wait for what is lacking.
        let is_busy = match &self.exchange {
            Some(Exchange { prefix: 0, phase: Phase::Discovering { offers, .. }, .. }) => !offers.is_empty(),
            exchange => exchange.is_some(),
        };
        if is_busy || self.is_starting() || now < self.ask_from || self.config.providers.is_empty() {
            return;
        }
        let own = self.need.filter(|_| self.need_due).map(|need| self.own_wish(need));
        self.need_due = false;
        let Some(prefix) = self.wish.take().into_iter().chain(own).min() else { return };
        let askers = core::mem::take(&mut self.wish_from);
        self.start(prefix, 0, askers, now);
    }

    /// What our address server needs, or as much less as was not to be had (SN-73).
    fn own_wish(&self, need: u32) -> u8 {
        let wish = self.config.policy.wish(need);
        (wish + self.smaller).min(self.config.policy.own_prefixes.1.max(wish))
    }

    pub(super) fn start(&mut self, prefix: u8, round: u8, mut askers: Origins, now: Instant) {
        askers.push(self.config.me.origin());
        let xid = self.xid();
        let phase = Phase::Discovering { offers: Vec::new(), choose_at: None };
        let next = now + self.config.constants.repeat_after;
        let message = self.discover(xid, prefix, &askers);
        self.exchange = Some(Exchange { xid, prefix, askers, round, attempts: 1, next, phase });
        self.send_to_providers(&message);
    }

    /// An OFFER: what of it we could use.
    pub(super) fn offered(&mut self, reply: &Reply<'_>, now: Instant) {
        let Some(Exchange { xid, prefix: wanted, phase: Phase::Discovering { .. }, .. }) = &self.exchange else {
            return;
        };
        let wanted = *wanted;
        if *xid != reply.message.xid() || Terms::of(reply.message, reply.allocation).is_none() {
            return;
        }
        let circle = read_origins(reply.message).contains(&self.config.me.origin());
        let mut informations = Vec::new();
        let mut unused = self.unused();
        let mut is_too_much = |block: &Block| {
            unused += u64::from(block.subnet.size());
            wanted == 0 && unused > self.config.policy.unused_most // H-SN-8
        };
        let mut overlaps = Vec::new();
        let mut declined = false;
        let assigns = self.config.reserve.is_none();
        for mut information in reply.allocation.informations() {
            let overlapping: Vec<Subnet> = information
                .blocks
                .iter()
                .map(|block| block.subnet)
                .filter(|subnet| circle || self.space.overlaps(subnet) || self.is_kept(subnet))
                .collect();
            information.blocks.retain(|block| {
                let would_do = block.delegate == assigns && !overlapping.contains(&block.subnet);
                let taken = would_do && !is_too_much(block);
                declined |= would_do && !taken;
                taken
            });
            overlaps.extend(overlapping);
            if !information.blocks.is_empty() {
                informations.push(information);
            }
        }
        for subnet in overlaps {
            self.tell(Event::Overlap { from: reply.server, subnet });
        }
        if informations.is_empty() && declined {
            self.exchange = None; // nothing is lacking
            return;
        }
        let alone = matches!(self.config.providers[..], [provider] if !provider.is_broadcast());
        let wait = if alone { Duration::ZERO } else { self.config.constants.offer_wait };
        let Some(Exchange { phase: Phase::Discovering { offers, choose_at }, .. }) = &mut self.exchange else { return };
        if informations.is_empty() || offers.iter().any(|offer| offer.server == reply.server) {
            return;
        }
        offers.push(Offered { server: reply.server, informations });
        choose_at.get_or_insert(now + wait);
        self.exchange_timeout(now);
    }

    /// Time has passed for the exchange.
    pub(super) fn exchange_timeout(&mut self, now: Instant) {
        let Some(exchange) = &mut self.exchange else { return };
        if let Phase::Discovering { offers, choose_at: Some(at) } = &mut exchange.phase
            && *at <= now
        {
            // The size that was asked for, else the next larger, else the largest (SN-23).
            let wanted = exchange.prefix;
            let key = |offer: &Offered| (wanted > 0 && offer.best() > wanted, offer.best().abs_diff(wanted));
            let Some(best) = (0..offers.len()).min_by_key(|index| key(&offers[*index])) else { return };
            let Offered { server, informations } = offers.swap_remove(best);
            let message_xid = exchange.xid;
            exchange.attempts = 1;
            exchange.next = now + self.config.constants.repeat_after;
            exchange.phase = Phase::Requesting { server, offered: informations.clone(), asked: now };
            // To all, so that the others take back what they offered (SN-30, SN-33).
            let message = self.accept(message_xid, server, &informations);
            self.send_accepting(server, &message);
            return;
        }
        if exchange.next > now {
            return;
        }
        let constants = &self.config.constants;
        let is_extra = exchange.prefix == 0 && matches!(exchange.phase, Phase::Discovering { .. });
        let most = if is_extra { constants.attempts.min(2) } else { constants.attempts };
        if exchange.attempts >= most {
            return self.give_up(now);
        }
        exchange.next = now + (constants.repeat_after * (1 << exchange.attempts.min(8))).min(constants.repeat_most);
        exchange.attempts += 1;
        let xid = exchange.xid;
        match &exchange.phase {
            Phase::Discovering { .. } => {
                let (prefix, askers) = (exchange.prefix, exchange.askers.clone());
                let message = self.discover(xid, prefix, &askers);
                self.send_to_providers(&message);
            }
            Phase::Requesting { server, offered, .. } => {
                let (server, offered) = (*server, offered.clone());
                let message = self.accept(xid, server, &offered);
                self.send_accepting(server, &message);
            }
        }
    }

    /// To everybody who was asked, and to the one whose offer is accepted.
    fn send_accepting(&mut self, server: Ipv4Addr, message: &[u8]) {
        self.send_to_providers(message);
        if !self.config.providers.iter().any(|provider| *provider == server || provider.is_broadcast()) {
            self.send(server, None, message.to_vec(), super::command::Proof::Welcome);
        }
    }

    fn give_up(&mut self, now: Instant) {
        let Some(exchange) = self.exchange.take() else { return };
        if exchange.prefix == 0 && matches!(exchange.phase, Phase::Discovering { .. }) {
            return; // there is no more, and nothing is lacking
        }
        self.ask_from = now + self.config.constants.hold_down;
        self.tell(Event::Unanswered);
        match exchange.phase {
            // It may have bound what we asked for, and all its answers were lost.
            Phase::Requesting { server, offered, .. } => {
                let fresh = offered.iter().flat_map(|offer| &offer.blocks).map(|block| block.subnet).collect();
                self.recover(server, false, fresh, now);
            }
            Phase::Discovering { .. } => {
                if let Some(need) = self.need {
                    let is_least = self.own_wish(need) >= self.config.policy.own_prefixes.1;
                    self.smaller = if is_least { 0 } else { self.smaller + 1 };
                }
            }
        }
    }

    /// ACK to an acceptance: what it lists is ours; what it does not list is not (H-SN-17). Whether it answers what we asked.
    pub(super) fn acknowledged(&mut self, reply: &Reply<'_>, now: Instant) -> bool {
        let Some(terms) = Terms::of(reply.message, reply.allocation) else { return false };
        match &self.exchange {
            Some(Exchange { xid, phase: Phase::Requesting { server, .. }, .. })
                if *xid == reply.message.xid() && *server == reply.server => {}
            _ => return self.renewed(reply, terms, now),
        }
        let Some(exchange) = self.exchange.take() else { return false };
        let Phase::Requesting { server, offered, asked } = exchange.phase else { return false };
        let origins = read_origins(reply.message);
        let wanted =
            |block: &Block| offered.iter().flat_map(|offer| &offer.blocks).any(|offer| offer.subnet == block.subnet);
        let mut any = false;
        for block in reply.allocation.blocks().filter(wanted) {
            any |= self.obtain(&block, terms.contract(server, origins.clone(), asked), now);
        }
        if !any {
            self.ask_from = now + self.config.constants.hold_down;
            return true;
        }
        self.smaller = 0;
        let round = exchange.round + 1;
        self.need_asked = None;
        self.meet_need(now); // what is used is not spare
        let more = reply.allocation.more() && self.config.policy.takes_more(self.unused());
        if more && round <= self.config.constants.rounds {
            self.start(0, round, Origins::new(), now); // SN-28
        }
        true
    }

    /// A root more (SN-36). It is on disk before it is used (H-SN-3).
    pub(super) fn obtain(&mut self, block: &Block, mut contract: Contract, now: Instant) -> bool {
        let (subnet, from) = (block.subnet, contract.server);
        contract.delegate = block.delegate;
        if self.is_kept(&subnet) || self.space.add_root(subnet).is_err() {
            self.tell(Event::Overlap { from, subnet });
            return false;
        }
        // SN-37: its counters begin with the lease.
        let root = Root { idle_since: Some(now), ..Root::new(Source::Provider(contract), Standing::Active) };
        self.roots.insert(subnet, root);
        self.set_apart(&subnet);
        self.persist_root(&subnet);
        self.tell(Event::Obtained { from, subnet });
        if block.deprecate {
            self.deprecate_root(&subnet, now); // H-SN-12
        }
        true
    }

    /// NAK: to an acceptance, or to a renewal.
    pub(super) fn refused(&mut self, reply: &Reply<'_>, now: Instant) {
        match &self.exchange {
            Some(Exchange { xid, phase: Phase::Requesting { server, .. }, .. })
                if *xid == reply.message.xid() && *server == reply.server =>
            {
                // Somebody was faster (H-SN-1): we ask anew.
                let Some(exchange) = self.exchange.take() else { return };
                self.ask_from = now + self.config.constants.repeat_after;
                if exchange.prefix > 0 {
                    self.wish.get_or_insert(exchange.prefix);
                }
            }
            _ => self.renewal_refused(reply, now),
        }
    }

    /// Addresses in our pool.
    pub(super) fn unused(&self) -> u64 {
        self.space.blocks().filter(|(_, used)| used.is_none()).map(|(subnet, _)| u64::from(subnet.size())).sum()
    }
}
