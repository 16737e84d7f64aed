//! Pools that come and go.

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::time::Instant;

use super::pool::Pool;
use super::{Client, Ended, Leases, Slot, State};
use crate::config::Subnet;
use crate::config::delegated::Occupancy;
use crate::load::Fill;

impl Leases {
    /// Adds a pool, or puts it where one was taken away: `index` is that of its subnet, and at most the next one.
    pub(crate) fn put_pool(&mut self, index: u16, subnet: &Subnet) {
        let pool = Pool::new(subnet);
        match self.pools.get_mut(usize::from(index)) {
            Some(old) => *old = pool,
            None => self.pools.push(pool),
        }
    }

    /// Takes a pool away with all of its leases: the addresses that may have a record.
    pub(crate) fn clear_pool(&mut self, index: u16, nothing: &Subnet) -> Vec<Ipv4Addr> {
        let slots = self.pools[usize::from(index)].all();
        let mut recorded = Vec::new();
        for slot in &slots {
            self.detach(*slot);
            self.rename(*slot, Client { id: None, hardware: HardwareAddress::NONE }, &[]);
            let lease = &mut self.slots[*slot as usize];
            (lease.state, lease.ended, lease.expires) = (State::Free, Ended::Available, Instant::NEVER);
            if lease.sequence > 0 {
                recorded.push(lease.address);
            }
        }
        self.spare.extend(slots);
        self.pools[usize::from(index)] = Pool::new(nothing);
        recorded
    }

    /// The addresses of a pool that are leased.
    pub(crate) fn active_in(&self, index: u16) -> Vec<Ipv4Addr> {
        let slots = self.pools[usize::from(index)].all();
        let leases = slots.into_iter().map(|slot| self.get(slot));
        leases.filter(|lease| lease.state == State::Active).map(|lease| lease.address).collect()
    }

    /// How a pool is used.
    pub(crate) fn occupancy(&self, index: u16) -> Occupancy {
        let pool = &self.pools[usize::from(index)];
        Occupancy {
            in_use: pool.taken.active,
            offered: pool.taken.offered,
            high_water: pool.taken.high,
            unusable: pool.taken.unusable,
            free: pool.size().saturating_sub(pool.taken.all()),
        }
    }

    /// Where the addresses of each pool end, if those of all are counted.
    pub(crate) fn places(&self) -> Vec<u64> {
        let sizes = self.pools.iter().map(|pool| u64::from(pool.size()));
        let ends = sizes.scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        ends.collect()
    }

    /// The slot of an address of that number, or the address where it has none; `places` are [`Self::places`].
    pub(crate) fn at(&self, places: &[u64], number: u32) -> Option<Result<Slot, Ipv4Addr>> {
        let number = u64::from(number);
        let index = places.partition_point(|end| *end <= number);
        let before = index.checked_sub(1).map_or(0, |before| places[before]);
        let pool = self.pools.get(index)?;
        let offset = u32::try_from(number - before).ok()?;
        Some(pool.slot(offset).ok_or(pool.address(offset)?))
    }

    /// How full a pool is; it has no name.
    pub(crate) fn fill(&self, index: u16) -> Fill {
        let pool = &self.pools[usize::from(index)];
        let (in_use, all) = (pool.taken.active, pool.taken.all());
        Fill { name: String::new(), in_use: in_use.into(), held: (all - in_use).into(), size: pool.size().into() }
    }

    /// When the lease or offer of an address ends.
    pub(crate) fn expires(&self, address: Ipv4Addr) -> Option<Instant> {
        let lease = self.get(self.slot_of(address)?);
        Some(if lease.state == State::Free { Instant::NEVER } else { lease.expires })
    }
}
