//! The lease table: every address and prefix with its client, found by itself, by client and by time.
//!
//! One slot per address or prefix that was leased and not given back since, and pools that share nothing, so what one client holds overlaps
//! nothing that another does. A slot is in up to two lists, as in the v4 table:
//!
//! ```text
//!  Offered ──── wheel      (expires in seconds, not on disk)
//!  Active ───── wheel      (unless it never expires), generation (when it is tagged with a scope)
//!  Held ─────── wheel      (declined, or in quarantine)
//!  Free ─────── the pool's free list, with the memory of its last client
//! ```
//!
//! Nothing happens when a lease's time ends: whoever looks at it next finds it ended, and the background tick moves
//! the rest to the free lists. A single logout marks generations as ended ([`crate::leases`]), and it is the same.

mod allocate;
mod learn;
mod lease;
mod pool;
mod restore;
mod scope;
mod told;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, Duid};

pub(crate) use self::allocate::Ask;
pub(crate) use self::lease::{Holder, Lease, Origin, Way};
use self::pool::Pool;
pub(crate) use self::restore::Restore;
use super::config::{Config, span};
use super::record::LeaseRecord;
use crate::leases::Generations;
use crate::leases::list::NONE;
use crate::leases::wheel::Wheel;
pub(crate) use crate::leases::{Ended, Slot, State};
use crate::load::Fill;
use crate::record::{Durable, Now};

/// Leases that a client had, and gets again when it asks for the same IA: as many as are remembered beside those that it has.
const REMEMBERED: usize = 16;

/// All leases.
#[derive(Debug)]
pub(crate) struct Leases {
    slots: Vec<Lease>,
    pools: Vec<Pool>,
    bindings: HashMap<Binding, Slot>,
    /// Slots that were given back, for whatever is leased next.
    vacant: Vec<Slot>,
    /// What was given back and may have a record on disk.
    given_back: Vec<Binding>,
    /// What each client has, and the last few that it had.
    clients: HashMap<Arc<[u8]>, Vec<Slot>>,
    /// How many that is at most.
    most_of_client: usize,
    generations: Generations,
    wheel: Wheel,
    sequence: u64,
    active: u64,
    /// What was leased when the pools were others, and may still be in use: by its first address, the last one and the
    /// end of the lease. Nothing that overlaps it is given out until then.
    former: BTreeMap<u128, (u128, Instant)>,
    /// Which of how many servers this is, where they share their leases.
    spread: Option<(u32, u32)>,
    /// Tagged leases of other servers that are not in their generations yet, with the transactions that made them so.
    learnt: Vec<(Slot, Scope, u64)>,
    nobody: (Arc<[u8]>, Arc<Origin>),
}

impl Leases {
    pub(crate) fn new(config: &Config) -> Self {
        let subnets = config.subnets.iter().zip(0..); // validated to fit
        Self {
            slots: Vec::new(),
            pools: subnets.flat_map(|(subnet, index)| Pool::of(subnet, index)).collect(),
            bindings: HashMap::new(),
            vacant: Vec::new(),
            given_back: Vec::new(),
            clients: HashMap::new(),
            most_of_client: config.max_leases_per_client.saturating_add(REMEMBERED),
            generations: Generations::default(),
            wheel: Wheel::default(),
            sequence: 0,
            active: 0,
            former: BTreeMap::new(),
            spread: None,
            learnt: Vec::new(),
            nobody: (Arc::default(), Origin::none()),
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> &Lease {
        &self.slots[slot as usize]
    }

    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    pub(crate) fn known(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn capacity(&self) -> u128 {
        self.pools.iter().fold(0, |sum, pool| pool.size().saturating_add(sum))
    }

    /// The slot of an address or prefix; none when it was never leased.
    pub(crate) fn by_binding(&mut self, binding: &Binding, now: &Now) -> Option<Slot> {
        let slot = *self.bindings.get(binding)?;
        self.settle(slot, now);
        Some(slot)
    }

    /// The lease in force that an address is, or is within.
    pub(crate) fn covering(&mut self, address: core::net::Ipv6Addr, now: &Now) -> Option<Slot> {
        let lengths: Vec<u8> = self.pools.iter().map(|pool| pool.length).collect();
        let within = lengths.into_iter().filter_map(|length| match length {
            128 => Some(Binding::Address(address)),
            _ => gateway_core::wire::dhcp6::Prefix::new(address, length).map(Binding::Prefix),
        });
        let found: Vec<Slot> = within.filter_map(|binding| self.bindings.get(&binding).copied()).collect();
        found.into_iter().find(|slot| self.settle(*slot, now) == State::Active)
    }

    /// The slots that are a client's, and the last few that were: a bounded number.
    pub(crate) fn of_client(&mut self, client: Duid<'_>, now: &Now) -> Vec<Slot> {
        let slots = self.clients.get(client.octets()).cloned().unwrap_or_default();
        slots.iter().for_each(|slot| _ = self.settle(*slot, now));
        slots
    }

    /// How full the pools are, each with its subnet.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (u16, Fill)> {
        self.pools.iter().map(|pool| (pool.subnet, pool.fill()))
    }

    /// Puts a lease in force: this is the transaction that its order among others goes by.
    pub(crate) fn grant(&mut self, slot: Slot, way: &Way, preferred: Instant, expires: Instant, now: &Now) {
        self.detach(slot);
        self.sequence += 1;
        let lease = &mut self.slots[slot as usize];
        lease.origin = way.origin.clone();
        lease.sequence = self.sequence;
        lease.last = now.moment();
        lease.preferred = preferred;
        lease.generation = way.scope.as_ref().map_or(NONE, |scope| self.generations.enter(scope));
        self.set(slot, State::Active, expires);
    }

    /// Ends a lease on somebody's word. It is free at once, or held until `until`.
    pub(crate) fn end(&mut self, slot: Slot, why: Ended, until: Option<Instant>, now: &Now) {
        self.detach(slot);
        self.sequence += 1;
        let lease = &mut self.slots[slot as usize];
        lease.ended = why;
        lease.sequence = self.sequence;
        lease.last = now.moment();
        if why == Ended::Abandoned {
            self.rename(slot, None);
        }
        match until.filter(|until| *until > now.at) {
            Some(until) => self.set(slot, State::Held, until),
            None => self.set(slot, State::Free, Instant::NEVER),
        }
    }

    /// Whether an address may be kept from everybody because its client declined it: of a pool no more than a quarter.
    pub(crate) fn may_abandon(&self, slot: Slot) -> bool {
        let pool = &self.pools[usize::from(self.get(slot).pool)];
        u128::from(pool.declined) < (pool.size() / 4).max(1)
    }

    /// Withdraws what was advertised to a client.
    pub(crate) fn withdraw(&mut self, client: Duid<'_>, now: &Now) {
        for slot in self.of_client(client, now) {
            if self.get(slot).state == State::Offered {
                self.detach(slot);
                self.set(slot, State::Free, Instant::NEVER);
            }
        }
    }

    /// Settles up to `limit` slots whose time has ended.
    pub(crate) fn expire(&mut self, now: &Now, limit: usize) {
        for _ in 0..limit {
            let Some(slot) = self.wheel.due(now.at) else { return };
            self.settle(slot, now);
        }
    }

    /// When the first slot's time ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Brings a slot up to date: an ended generation or an ended time takes effect. Returns its state.
    fn settle(&mut self, slot: Slot, now: &Now) -> State {
        let lease = &self.slots[slot as usize];
        if self.is_reset(lease) {
            self.reset(slot, now);
        } else if lease.state != State::Free && lease.expires <= now.at {
            let (was, over) = (lease.state, lease.expires);
            self.detach(slot);
            if was == State::Active {
                self.slots[slot as usize].ended = Ended::Expired;
            }
            self.set(slot, State::Free, if was == State::Active { over } else { Instant::NEVER });
        }
        self.slots[slot as usize].state
    }

    /// Whether its record has a time at which something ends, or ended: not of what was only offered, or given back.
    pub(crate) fn has_end(&mut self, slot: Slot, now: &Now) -> bool {
        self.settle(slot, now);
        let lease = self.get(slot);
        let ends = lease.expires != Instant::NEVER && lease.state != State::Offered && lease.sequence > 0;
        ends && !self.is_reset(lease) && self.bindings.get(&lease.binding) == Some(&slot)
    }

    /// Takes a slot out of every list and its tag off. It must get a state by [`Self::set`] afterwards.
    fn detach(&mut self, slot: Slot) {
        let Lease { state, ended, expires, pool, generation, .. } = self.slots[slot as usize];
        self.pools[usize::from(pool)].leaves(state, ended);
        match state {
            State::Free => self.pools[usize::from(pool)].free.remove(&mut self.slots, slot),
            _ => self.wheel.remove(&mut self.slots, slot, expires),
        }
        if state == State::Active {
            self.active -= u64::from(!self.generations.is_ended(generation));
            if generation != NONE {
                self.generations.leave(&mut self.slots, generation, slot);
            }
        }
        self.slots[slot as usize].generation = NONE;
    }

    /// Puts a detached slot into the list of its new state.
    fn set(&mut self, slot: Slot, state: State, expires: Instant) {
        let lease = &mut self.slots[slot as usize];
        (lease.state, lease.expires) = (state, expires);
        let (pool, generation, ended) = (usize::from(lease.pool), lease.generation, lease.ended);
        self.pools[pool].enters(state, ended);
        if state == State::Active && generation != NONE {
            self.generations.list(generation).push_back(&mut self.slots, slot);
        }
        match state {
            State::Free => self.pools[pool].free.push_back(&mut self.slots, slot),
            _ => self.wheel.add(&mut self.slots, slot, expires),
        }
        self.active += u64::from(state == State::Active);
    }

    /// Makes a slot somebody's, or nobody's.
    fn rename(&mut self, slot: Slot, holder: Option<&Holder<'_>>) {
        let lease = &mut self.slots[slot as usize];
        lease.iaid = holder.map_or(0, |holder| holder.iaid);
        let client = holder.map_or(&[][..], |holder| holder.client.octets());
        if *lease.client == *client {
            return;
        }
        if let Some(slots) = self.clients.get_mut(&lease.client) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.clients.remove(&lease.client);
            }
        }
        lease.client = self.nobody.0.clone();
        if holder.is_some() {
            let known = self.clients.get_key_value(client).map(|(known, _)| known.clone());
            lease.client = known.unwrap_or_else(|| client.into());
            let slots = self.clients.entry(lease.client.clone()).or_default();
            slots.push(slot);
            if slots.len() > self.most_of_client {
                self.forget_one(slot);
            }
        }
    }

    /// Drops the name of what the client of this slot had longest ago, so that each of its messages costs the same however
    /// many it had before. A lease that was only offered is the first to go.
    fn forget_one(&mut self, slot: Slot) {
        let others = self.clients.get(&self.get(slot).client).into_iter().flatten().copied();
        let past = others.filter(|other| matches!(self.get(*other).state, State::Free | State::Held));
        if let Some(oldest) = past.min_by_key(|other| self.get(*other).sequence) {
            self.rename(oldest, None);
        }
    }

    /// Whether it overlaps what was leased when the pools were others; then the last address of that.
    fn is_former(&self, binding: &Binding, now: &Now) -> Option<u128> {
        let (first, last) = bounds(binding);
        let (_, (end, until)) = self.former.range(..=last).next_back()?;
        (*end >= first && *until > now.at).then_some(*end)
    }

    /// What goes on disk for a slot.
    pub(crate) fn record(&self, slot: Slot) -> LeaseRecord<'_> {
        let lease = self.get(slot);
        LeaseRecord {
            state: match (lease.state, lease.ended) {
                (State::Active, _) => Durable::Active,
                // As it was written when it was in force.
                (State::Free, Ended::Expired) if lease.expires != Instant::NEVER => Durable::Active,
                (_, Ended::Abandoned) => Durable::Abandoned,
                _ => Durable::Released,
            },
            client: &lease.client,
            iaid: lease.iaid,
            sequence: lease.sequence,
            last: lease.last,
            preferred: lease.preferred,
            expires: lease.expires,
            origin: Origin::clone(&lease.origin),
            scope: self.scope(slot).cloned(),
        }
    }
}

/// First and last address of a lease.
fn bounds(binding: &Binding) -> (u128, u128) {
    match binding {
        Binding::Address(address) => (address.to_bits(), address.to_bits()),
        Binding::Prefix(prefix) => span(*prefix),
    }
}
