//! The lease table: every address with its client, found by address, by client, by scope and by time.
//!
//! One slot per address that was ever leased, so an address can't have two clients. A slot is in up to two lists:
//!
//! ```text
//!  Offered ──── wheel                    (expires in seconds, not on disk)
//!  Active ───── wheel, generation        (generation only when tagged with a scope; wheel only when it expires)
//!  Held ─────── wheel                    (declined, or in quarantine)
//!  Free ─────── the pool's free list
//! ```
//!
//! A single logout marks generations as ended and touches none of their leases; whoever looks at such a lease next
//! finds it ended ([`Leases::settle`]), and the background tick moves the rest to the free list.

mod allocate;
pub(crate) mod generation;
mod index;
mod learn;
mod lease;
pub(crate) mod list;
mod pool;
mod pools;
mod restore;
mod take;
mod told;
pub(crate) mod wheel;

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use hashbrown::{DefaultHashBuilder, HashTable};

pub(crate) use self::generation::{Generations, Outcome};
pub(crate) use self::lease::{Client, Ended, Lease, State};
use self::list::NONE;
use self::pool::Pool;
pub(crate) use self::restore::{Restore, standing};
pub(crate) use self::take::Standing;
pub(crate) use self::told::{page, past};
use self::wheel::Wheel;
use crate::config::Subnet;
use crate::record::{Cutoff, Durable, LeaseRecord, Moment, Now};

/// Number of a slot.
pub(crate) type Slot = u32;

/// What a REQUEST that is granted makes of a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) client: Client<'a>,
    /// Option 82 as it came; `None` keeps what is stored, for a renewal that bypassed the relay.
    pub(crate) agent_information: Option<&'a [u8]>,
    /// The tag; only looked at together with option 82.
    pub(crate) scope: Option<&'a Scope>,
    /// The relay; unspecified for a direct message.
    pub(crate) relay: Ipv4Addr,
    pub(crate) expires: Instant,
}

/// All leases.
#[derive(Debug)]
pub(crate) struct Leases {
    slots: Vec<Lease>,
    /// Slots of pools that are gone.
    spare: Vec<Slot>,
    pools: Vec<Pool>,
    clients: HashTable<Slot>,
    hardware: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    generations: Generations,
    wheel: Wheel,
    sequence: u64,
    active: u64,
    /// Which of how many servers this is, where they share their leases.
    spread: Option<(u32, u32)>,
    /// Tagged leases of other servers that are not in their generations yet, with the transactions that made them so.
    learnt: Vec<(Slot, Scope, u64)>,
}

impl Leases {
    pub(crate) fn new(subnets: &[Subnet]) -> Self {
        Self {
            slots: Vec::new(),
            spare: Vec::new(),
            pools: subnets.iter().map(Pool::new).collect(),
            clients: HashTable::new(),
            hardware: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            generations: Generations::default(),
            wheel: Wheel::default(),
            sequence: 0,
            active: 0,
            spread: None,
            learnt: Vec::new(),
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> &Lease {
        &self.slots[slot as usize]
    }

    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    pub(crate) fn known(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.pools.iter().map(|pool| u64::from(pool.size())).sum()
    }

    pub(crate) fn scopes(&self) -> u64 {
        self.generations.scopes() as u64
    }

    /// The tag of a lease in force.
    pub(crate) fn scope(&self, slot: Slot) -> Option<&Scope> {
        self.generations.get(self.get(slot).generation).map(|generation| &generation.scope)
    }

    /// Subnet whose pool holds the address.
    pub(crate) fn subnet_of(&self, address: Ipv4Addr) -> Option<u16> {
        self.pools.iter().position(|pool| pool.offset(address).is_some()).and_then(|index| u16::try_from(index).ok())
    }

    /// The slot of an address; none when it was never leased.
    pub(crate) fn by_address(&mut self, address: Ipv4Addr, now: &Now) -> Option<Slot> {
        let slot = self.slot_of(address)?;
        self.settle(slot, now);
        Some(slot)
    }

    fn slot_of(&self, address: Ipv4Addr) -> Option<Slot> {
        self.pools.iter().find_map(|pool| pool.slot(pool.offset(address)?))
    }

    /// Puts a lease in force: this is the transaction that its order among others goes by.
    pub(crate) fn grant(&mut self, slot: Slot, grant: &Grant<'_>, now: &Now) {
        let tag = if grant.agent_information.is_some() { grant.scope.cloned() } else { self.scope(slot).cloned() };
        self.detach(slot);
        let generation = tag.map_or(NONE, |scope| self.generations.enter(&scope));
        let agent_information = match grant.agent_information {
            Some(octets) => octets.to_vec(),
            None => self.get(slot).agent_information().to_vec(),
        };
        self.rename(slot, grant.client, &agent_information);
        self.sequence += 1;
        let lease = &mut self.slots[slot as usize];
        lease.sequence = self.sequence;
        lease.last = now.moment();
        lease.relay = if grant.agent_information.is_some() { grant.relay } else { lease.relay };
        lease.generation = generation;
        self.set(slot, State::Active, grant.expires);
    }

    /// Ends a lease on a client's word. It is free at once, or held until `until`.
    pub(crate) fn end(&mut self, slot: Slot, why: Ended, until: Option<Instant>, now: &Now) {
        self.detach(slot);
        self.sequence += 1;
        let sequence = self.sequence;
        let lease = &mut self.slots[slot as usize];
        lease.ended = why;
        lease.sequence = sequence;
        lease.last = now.moment();
        if why == Ended::Abandoned {
            self.rename(slot, Client { id: None, hardware: HardwareAddress::NONE }, &[]);
        }
        match until {
            Some(until) => self.set(slot, State::Held, until),
            None => self.set(slot, State::Free, Instant::NEVER),
        }
    }

    /// Withdraws an offer.
    pub(crate) fn withdraw(&mut self, slot: Slot) {
        if self.get(slot).state == State::Offered {
            self.detach(slot);
            self.set(slot, State::Free, Instant::NEVER);
        }
    }

    /// What a single logout would do.
    pub(crate) fn probe(&self, scope: &Scope, decided: Moment) -> Outcome {
        self.generations.probe(&self.slots, scope, decided)
    }

    /// A single logout: what it did, the record to keep, and older records that it makes superfluous.
    pub(crate) fn bulk_release(
        &mut self,
        scope: &Scope,
        decided: Moment,
        free_from: Instant,
    ) -> (Outcome, Cutoff, Vec<Cutoff>) {
        let (outcome, sequence) = self.generations.end(&mut self.slots, scope, decided, free_from);
        self.active -= u64::from(outcome.released);
        let (cutoff, superfluous) = self.generations.cut(scope, Cutoff { epoch: scope.epoch, sequence, free_from });
        (Outcome { highest: outcome.highest.max(scope.epoch), ..outcome }, cutoff, superfluous)
    }

    /// The last epoch of this scope that a single logout named.
    pub(crate) fn last_cut(&self, scope: &Scope) -> Option<gateway_core::scope::Epoch> {
        self.generations.last_cut(scope)
    }

    /// Moves up to `limit` leases of ended generations to their free lists; whether there may be more.
    pub(crate) fn reclaim(&mut self, now: &Now, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(&index) = self.generations.reclaim.front() else { return false };
            if self.generations.get(index).and_then(|generation| generation.ended).is_none_or(|from| from > now.at) {
                return false;
            }
            match self.generations.list(index).front() {
                Some(slot) => {
                    self.settle(slot, now);
                }
                None => self.generations.forget_first_ended(),
            }
        }
        true
    }

    /// When the first ended generation may be reclaimed.
    pub(crate) fn next_reclaim(&self) -> Option<Instant> {
        let index = *self.generations.reclaim.front()?;
        self.generations.get(index)?.ended
    }

    /// Settles up to `limit` slots whose time has ended; whether there are more.
    pub(crate) fn expire(&mut self, now: &Now, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(slot) = self.wheel.due(now.at) else { return false };
            self.settle(slot, now);
        }
        true
    }

    /// When the first slot's time ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Brings a slot up to date: an ended generation or an ended time takes effect. Returns its state.
    pub(crate) fn settle(&mut self, slot: Slot, now: &Now) -> State {
        let lease = &self.slots[slot as usize];
        if lease.state == State::Active && self.generations.is_ended(lease.generation) {
            let free_from = self.generations.get(lease.generation).and_then(|generation| generation.ended);
            self.detach(slot);
            self.slots[slot as usize].ended = Ended::Reset;
            match free_from.filter(|from| *from > now.at) {
                Some(from) => self.set(slot, State::Held, from),
                None => self.set(slot, State::Free, Instant::NEVER),
            }
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

    /// Whether its record has a time at which something ends, or ended: not of what was only offered, nor of what is in no pool.
    pub(crate) fn has_end(&self, slot: Slot) -> bool {
        let lease = self.get(slot);
        let ends = lease.expires != Instant::NEVER && lease.state != State::Offered && lease.sequence > 0;
        ends && !self.generations.is_ended(lease.generation) && self.is_placed(slot)
    }

    /// Whether it is the slot of its address: not where the pool was taken away.
    pub(crate) fn is_placed(&self, slot: Slot) -> bool {
        let lease = self.get(slot);
        let pool = self.pools.get(usize::from(lease.subnet));
        pool.is_some_and(|pool| pool.offset(lease.address).and_then(|offset| pool.slot(offset)) == Some(slot))
    }

    /// Takes a slot out of every list and its tag off. It must get a state by [`Self::set`] afterwards.
    fn detach(&mut self, slot: Slot) {
        let Lease { state, ended, expires, generation, subnet, .. } = self.slots[slot as usize];
        self.pools[usize::from(subnet)].taken.leave(state, ended);
        match state {
            State::Free => self.pools[usize::from(subnet)].free.remove(&mut self.slots, slot),
            State::Active => {
                self.active -= u64::from(!self.generations.is_ended(generation));
                if generation != NONE {
                    self.generations.leave(&mut self.slots, generation, slot);
                }
            }
            State::Offered | State::Held => {}
        }
        if state != State::Free {
            self.wheel.remove(&mut self.slots, slot, expires);
        }
        self.slots[slot as usize].generation = NONE;
    }

    /// Puts a detached slot into the lists of its new state.
    fn set(&mut self, slot: Slot, state: State, expires: Instant) {
        let lease = &mut self.slots[slot as usize];
        lease.state = state;
        lease.expires = expires;
        let (generation, subnet) = (lease.generation, lease.subnet);
        self.pools[usize::from(subnet)].taken.enter(state, lease.ended);
        match state {
            State::Free => self.pools[usize::from(subnet)].free.push_back(&mut self.slots, slot),
            State::Active => {
                self.active += 1;
                if generation != NONE {
                    self.generations.list(generation).push_back(&mut self.slots, slot);
                }
            }
            State::Offered | State::Held => {}
        }
        if state != State::Free {
            self.wheel.add(&mut self.slots, slot, expires);
        }
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
            hardware: lease.hardware,
            client_id: lease.client().id.unwrap_or_default(),
            agent_information: lease.agent_information(),
            relay: lease.relay,
            sequence: lease.sequence,
            last: lease.last,
            expires: lease.expires,
            scope: self.scope(slot).cloned(),
        }
    }
}
