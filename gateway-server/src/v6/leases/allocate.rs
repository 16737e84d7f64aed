//! Choosing an address or a prefix.

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::Binding;

use super::{Ended, Holder, Lease, Leases, Slot, State, bounds};
use crate::record::{Moment, Now};
use crate::v6::config::Config;

/// Free slots are at most this part of the table before they are given to others instead of fresh ones.
const FREE_SHARE: usize = 4;

/// Free ones looked at for one that other servers leave alone.
const LOOK: usize = 32;

/// What an IA asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) holder: Holder<'a>,
    /// Subnets that serve the client's link.
    pub(crate) subnets: &'a [u16],
    /// What it names. `::` means nothing, `::/56` any prefix of that length (RFC 8415 section 18.2.1).
    pub(crate) hints: &'a [Binding],
    /// How long it is kept for the client unless it is granted.
    pub(crate) until: Instant,
}

impl Ask<'_> {
    /// The length of prefix that is hoped for.
    fn length(&self) -> Option<u8> {
        self.hints.iter().find_map(|hint| match hint {
            Binding::Prefix(prefix) if prefix.length() > 0 => Some(prefix.length()),
            _ => None,
        })
    }
}

impl Leases {
    /// The slots of an IA in these subnets that are in force.
    pub(crate) fn active_of(&mut self, holder: &Holder<'_>, subnets: &[u16], now: &Now) -> Vec<Slot> {
        let mut slots = self.of_client(holder.client, now);
        slots.retain(|slot| {
            let lease = self.get(*slot);
            lease.state == State::Active && lease.is_of(holder) && subnets.contains(&lease.subnet)
        });
        slots
    }

    /// What this IA had, has lost to nothing but time, and nobody else has had since.
    pub(crate) fn revivable(
        &mut self,
        holder: &Holder<'_>,
        binding: &Binding,
        subnets: &[u16],
        now: &Now,
    ) -> Option<Slot> {
        let slot = self.by_binding(binding, now)?;
        let lease = self.get(slot);
        let expired = lease.state == State::Free && lease.ended == Ended::Expired;
        let theirs = lease.is_of(holder) && subnets.contains(&lease.subnet);
        (expired && theirs && self.is_former(binding, now).is_none()).then_some(slot)
    }

    /// A lease for an IA, taken out of circulation: the one that it has, its former one, the one it asks for, a fresh
    /// one, the one that has been free for longest; of prefixes one of the length it asks for, or near it. The slot is
    /// [`State::Offered`] until `ask.until`, unless it is in force, in which case it stays as it is.
    pub(crate) fn allocate(&mut self, config: &Config, ask: &Ask<'_>, now: &Now) -> Option<Slot> {
        let mine = self.of_client(ask.holder.client, now);
        let in_use = |slot: &&Slot| matches!(self.get(**slot).state, State::Active | State::Offered);
        let count = mine.iter().filter(in_use).count();
        let own = mine.into_iter().filter(|slot| {
            let lease = self.get(*slot);
            lease.is_of(&ask.holder) && ask.subnets.contains(&lease.subnet)
        });
        let own = own.min_by_key(|slot| match self.get(*slot).state {
            State::Active => 0,
            State::Offered => 1,
            State::Held | State::Free => 2,
        });
        if let Some(slot) = own {
            let state = self.get(slot).state;
            if state == State::Active {
                return Some(slot);
            }
            if self.is_former(&self.get(slot).binding, now).is_none()
                && (state == State::Offered || count < config.max_leases_per_client)
            {
                return Some(self.offer(slot, ask));
            }
        }
        if count >= config.max_leases_per_client {
            return None;
        }
        let slot = self.hinted(config, ask, now).or_else(|| {
            let mut pools: Vec<usize> = (0..self.pools.len()).filter(|pool| self.serves(*pool, ask)).collect();
            // RFC 8168 section 3.2: of the length asked for, or the next one; larger rather than smaller.
            pools.sort_by_key(|pool| {
                let length = self.pools[*pool].length;
                ask.length().map(|wanted| (length > wanted, length.abs_diff(wanted)))
            });
            pools.into_iter().find_map(|pool| self.any(config, pool, now))
        })?;
        Some(self.offer(slot, ask))
    }

    fn serves(&self, pool: usize, ask: &Ask<'_>) -> bool {
        let pool = &self.pools[pool];
        pool.kind == ask.holder.kind && ask.subnets.contains(&pool.subnet)
    }

    /// What the IA names, if it can be had.
    fn hinted(&mut self, config: &Config, ask: &Ask<'_>, now: &Now) -> Option<Slot> {
        ask.hints.iter().find_map(|hint| {
            let pool = (0..self.pools.len()).find(|pool| self.serves(*pool, ask) && self.pools[*pool].has(hint))?;
            if reserves(config, self.pools[pool].subnet, hint) || self.is_former(hint, now).is_some() {
                return None;
            }
            match self.by_binding(hint, now) {
                Some(slot) => (self.get(slot).state == State::Free).then_some(slot),
                None => self.has_room(config).then(|| self.add(*hint, pool)),
            }
        })
    }

    /// One of a pool: fresh, unless there are so many free ones that those of all pools would crowd the table.
    fn any(&mut self, config: &Config, pool: usize, now: &Now) -> Option<Slot> {
        let share = config.max_leases / FREE_SHARE / self.pools.len();
        if self.pools[pool].free.len() as usize > share {
            return self.free(pool, now).or_else(|| self.fresh(config, pool, now));
        }
        self.fresh(config, pool, now).or_else(|| self.free(pool, now))
    }

    fn fresh(&mut self, config: &Config, pool: usize, now: &Now) -> Option<Slot> {
        if !self.has_room(config) {
            return None;
        }
        let end = self.pools[pool].size();
        if self.pools[pool].fresh >= end && core::mem::take(&mut self.pools[pool].returned) {
            self.pools[pool].fresh = 0; // once more around, for what was given back
        }
        let taken = |binding: Binding| {
            let known = self.bindings.contains_key(&binding);
            let known = known || reserves(config, self.pools[pool].subnet, &binding);
            self.is_former(&binding, now).or(known.then_some(bounds(&binding).1))
        };
        let (binding, fresh) = self.pools[pool].next_fresh(taken);
        self.pools[pool].fresh = fresh;
        Some(self.add(binding?, pool))
    }

    /// The one that has been free for longest.
    fn free(&mut self, pool: usize, now: &Now) -> Option<Slot> {
        for _ in 0..16 {
            while let Some(slot) = self.longest_free(pool) {
                if self.is_former(&self.get(slot).binding, now).is_none() {
                    return Some(slot);
                }
                // Overlaps what was leased from another pool: out of the way until that has ended.
                let until = self.former_until(slot);
                self.detach(slot);
                self.set(slot, State::Held, until);
            }
            self.expire(now, 256);
            // Ended leases of other pools met on the way go to their own free lists: each is moved once.
            while self.pools[pool].free.front().is_none() && self.reclaim(now, 256) {}
        }
        None
    }

    /// Of servers that share leases each looks first at what the others look at last, or they would all offer the same.
    fn longest_free(&self, pool: usize) -> Option<Slot> {
        let pool = &self.pools[pool];
        let Some((number, of)) = self.spread else { return pool.free.front() };
        let is_ours = |slot: &Slot| pool.offset(&self.get(*slot).binding) % u128::from(of) == u128::from(number);
        pool.free.forwards(&self.slots).take(LOOK).find(is_ours).or(pool.free.front())
    }

    fn former_until(&self, slot: Slot) -> Instant {
        let (_, last) = bounds(&self.get(slot).binding);
        self.former.range(..=last).next_back().map_or(Instant::NEVER, |(_, (_, until))| *until)
    }

    /// Whether there is a slot for what has none yet. In a full table that of another lease is given back: the longest free
    /// one of the pool that has most of them, so that no pool starves another.
    pub(super) fn has_room(&mut self, config: &Config) -> bool {
        if self.slots.len() < config.max_leases || !self.vacant.is_empty() {
            return true;
        }
        let Some(slot) = self.pools.iter().max_by_key(|pool| pool.free.len()).and_then(|pool| pool.free.front()) else {
            return false;
        };
        self.give_back(slot);
        true
    }

    /// Takes a free slot out of the table.
    fn give_back(&mut self, slot: Slot) {
        self.rename(slot, None);
        self.detach(slot);
        let Lease { binding, pool, last, .. } = self.slots[slot as usize];
        self.bindings.remove(&binding);
        self.pools[usize::from(pool)].returned = true;
        if last != Moment::default() {
            self.given_back.push(binding);
        }
        self.slots[slot as usize] = Lease::fresh(binding, self.get(slot).subnet, pool, &self.nobody);
        self.vacant.push(slot);
    }

    /// What has been given back since the last call, and may have a record on disk.
    pub(crate) fn given_back(&mut self) -> Vec<Binding> {
        core::mem::take(&mut self.given_back)
    }

    /// A slot for what has none yet; it is free.
    pub(super) fn add(&mut self, binding: Binding, pool: usize) -> Slot {
        let lease = Lease::fresh(binding, self.pools[pool].subnet, pool as u16, &self.nobody); // validated to fit
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize] = lease;
                slot
            }
            None => {
                self.slots.push(lease);
                (self.slots.len() - 1) as Slot // max_leases is far below
            }
        };
        self.bindings.insert(binding, slot);
        self.pools[pool].free.push_back(&mut self.slots, slot);
        slot
    }

    /// Keeps a slot for an IA.
    fn offer(&mut self, slot: Slot, ask: &Ask<'_>) -> Slot {
        self.detach(slot);
        self.set(slot, State::Offered, ask.until);
        if !self.get(slot).is_of(&ask.holder) {
            self.rename(slot, Some(&ask.holder));
            self.slots[slot as usize].ended = Ended::Available;
        }
        slot
    }
}

/// Whether an address is nobody's to lease: a router's, the Subnet-Router anycast address (RFC 4291 section 2.6.1), or
/// one of the reserved anycast addresses (RFC 2526 section 2).
fn reserves(config: &Config, subnet: u16, binding: &Binding) -> bool {
    const ANYCAST: u64 = 0xfdff_ffff_ffff_ff80;
    let Binding::Address(address) = binding else { return false };
    let interface = address.to_bits() as u64; // the lower half
    let reserved = || config.subnets[usize::from(subnet)].reserved.contains(address);
    interface == 0 || (ANYCAST..=ANYCAST | 0x7f).contains(&interface) || reserved()
}
