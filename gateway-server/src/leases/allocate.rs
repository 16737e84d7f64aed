//! Choosing an address.

use core::net::Ipv4Addr;

use gateway_core::time::Instant;

use super::{Client, Ended, Leases, Slot, State};
use crate::config::Subnet;
use crate::record::Now;

/// How often so many ended leases of others are moved on the way to a free one. The background goes on with the rest.
const MOVES: usize = 512;

/// Free addresses looked at for one that other servers leave alone.
const LOOK: usize = 32;

impl Leases {
    /// An address in `subnet` for this client, taken out of circulation: its own former one, the one it asks for,
    /// a fresh one, the one that has been free for longest. The slot is [`State::Offered`] until `until`, unless the
    /// client's lease is in force, which stays as it is.
    pub(crate) fn allocate(
        &mut self,
        config: &Subnet,
        subnet: u16,
        client: Client<'_>,
        wanted: Option<Ipv4Addr>,
        until: Instant,
        now: &Now,
    ) -> Option<Slot> {
        if let Some(slot) = self.by_client(subnet, client, now) {
            if self.get(slot).state != State::Active {
                self.offer(slot, client, until);
            }
            return Some(slot);
        }
        let slot = wanted.and_then(|address| self.free_at(config, subnet, address, now));
        let slot = slot.or_else(|| {
            let offset = self.pools[usize::from(subnet)].next_fresh(config)?;
            self.slot_at(subnet, offset)
        });
        let slot = slot.or_else(|| self.free_slot(subnet, now))?;
        self.offer(slot, client, until);
        Some(slot)
    }

    /// The slot of that address for this client, as [`Self::allocate`] leaves it; none when somebody else has it, or the client
    /// another one: then nothing is kept for it, which might be what the next one asks for.
    pub(crate) fn claim(
        &mut self,
        config: &Subnet,
        subnet: u16,
        client: Client<'_>,
        address: Ipv4Addr,
        until: Instant,
        now: &Now,
    ) -> Option<Slot> {
        let slot = match self.by_client(subnet, client, now) {
            Some(own) => Some(own).filter(|own| self.get(*own).address == address)?,
            None => self.free_at(config, subnet, address, now)?,
        };
        if self.get(slot).state != State::Active {
            self.offer(slot, client, until);
        }
        Some(slot)
    }

    /// The slot of that address if it is a pool's, and nobody's.
    fn free_at(&mut self, config: &Subnet, subnet: u16, address: Ipv4Addr, now: &Now) -> Option<Slot> {
        if config.reserves(address) {
            return None;
        }
        let offset = self.pools[usize::from(subnet)].offset(address)?;
        let slot = self.slot_at(subnet, offset)?;
        (self.settle(slot, now) == State::Free).then_some(slot)
    }

    /// The slot of the address at `offset`, which is free if it had none before.
    pub(super) fn slot_at(&mut self, subnet: u16, offset: u32) -> Option<Slot> {
        let pool = &mut self.pools[usize::from(subnet)];
        pool.slot(offset).or_else(|| pool.add(&mut self.slots, &mut self.spare, offset, subnet))
    }

    fn free_slot(&mut self, subnet: u16, now: &Now) -> Option<Slot> {
        let none_free = |leases: &Self| leases.pools[usize::from(subnet)].free.front().is_none();
        if none_free(self) {
            self.expire(now, 256);
        }
        // Ended leases of other subnets met on the way go to their own free list: each is moved once.
        for _ in 0..MOVES {
            if !none_free(self) || !self.reclaim(now, LOOK) {
                break;
            }
        }
        self.longest_free(subnet)
    }

    /// The slot that has been free for longest. Of servers that share leases each looks first at addresses that the others
    /// look at last, or they would all offer the same one.
    fn longest_free(&self, subnet: u16) -> Option<Slot> {
        let free = &self.pools[usize::from(subnet)].free;
        let Some((number, of)) = self.spread else { return free.front() };
        let is_ours = |slot: &Slot| self.get(*slot).address.to_bits() % of == number;
        free.forwards(&self.slots).take(LOOK).find(is_ours).or(free.front())
    }

    /// Keeps a slot for a client.
    pub(super) fn offer(&mut self, slot: Slot, client: Client<'_>, until: Instant) {
        self.detach(slot);
        let known = self.get(slot).client().key() == client.key() && self.get(slot).hardware == client.hardware;
        if !known {
            self.rename(slot, client, &[]);
            self.slots[slot as usize].ended = Ended::Available;
        }
        self.set(slot, State::Offered, until);
    }
}
