//! The addresses of a subnet: which slot has which, which were never used, which are free again.

use core::net::Ipv4Addr;

use super::lease::{Ended, Lease, State};
use super::list::{GROUP, List, NONE};
use crate::config::Subnet;

#[derive(Debug)]
pub(super) struct Pool {
    /// First and last address of each range, and the offset of its first; in order.
    ranges: Vec<(u32, u32, u32)>,
    /// Slot by offset; grows with use.
    slots: Vec<u32>,
    /// So many offsets, from `start` on and around, have been given out or passed over.
    fresh: u32,
    /// Where addresses that were never used are looked for first.
    start: u32,
    size: u32,
    /// Slots that are free, the longest free first.
    pub(super) free: List<GROUP>,
    /// How many slots are not.
    pub(super) taken: Taken,
}

/// Slots that are not free, by what is done with them.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Taken {
    pub(super) offered: u32,
    pub(super) active: u32,
    /// The most that were active at once.
    pub(super) high: u32,
    /// Declined.
    pub(super) unusable: u32,
    /// Kept from clients for another reason.
    pub(super) held: u32,
}

impl Taken {
    /// The number that a slot is counted in.
    fn number(&mut self, state: State, ended: Ended) -> Option<&mut u32> {
        match (state, ended) {
            (State::Offered, _) => Some(&mut self.offered),
            (State::Active, _) => Some(&mut self.active),
            (State::Held, Ended::Abandoned) => Some(&mut self.unusable),
            (State::Held, _) => Some(&mut self.held),
            (State::Free, _) => None,
        }
    }

    pub(super) fn enter(&mut self, state: State, ended: Ended) {
        if let Some(number) = self.number(state, ended) {
            *number += 1;
        }
        self.high = self.high.max(self.active);
    }

    pub(super) fn leave(&mut self, state: State, ended: Ended) {
        if let Some(number) = self.number(state, ended) {
            *number -= 1;
        }
    }

    pub(super) fn all(&self) -> u32 {
        self.offered + self.active + self.unusable + self.held
    }
}

impl Pool {
    pub(super) fn new(subnet: &Subnet) -> Self {
        let mut size = 0u32;
        let mut ranges = Vec::with_capacity(subnet.pools.len());
        let mut pools = subnet.pools.clone();
        pools.sort_unstable();
        for (first, last) in pools {
            let (first, last) = (u32::from(first), u32::from(last));
            ranges.push((first, last, size));
            size = size.saturating_add(last.saturating_sub(first).saturating_add(1));
        }
        Self { ranges, slots: Vec::new(), fresh: 0, start: 0, size, free: List::EMPTY, taken: Taken::default() }
    }

    /// All of its slots.
    pub(super) fn all(&self) -> Vec<u32> {
        self.slots.iter().copied().filter(|slot| *slot != NONE).collect()
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        let address = u32::from(address);
        let behind = self.ranges.partition_point(|(first, ..)| *first <= address);
        let (first, last, base) = self.ranges.get(behind.checked_sub(1)?)?;
        (address <= *last).then(|| base + (address - first))
    }

    pub(super) fn address(&self, offset: u32) -> Option<Ipv4Addr> {
        let behind = self.ranges.partition_point(|(_, _, base)| *base <= offset);
        let (first, last, base) = self.ranges.get(behind.checked_sub(1)?)?;
        (offset - base <= last - first).then(|| Ipv4Addr::from(first + (offset - base)))
    }

    pub(super) fn slot(&self, offset: u32) -> Option<u32> {
        self.slots.get(offset as usize).copied().filter(|slot| *slot != NONE)
    }

    /// Makes a slot for the address at `offset`, which has none, of one that is spare if there is any; it is free.
    pub(super) fn add(
        &mut self,
        slots: &mut Vec<Lease>,
        spare: &mut Vec<u32>,
        offset: u32,
        subnet: u16,
    ) -> Option<u32> {
        let address = self.address(offset)?;
        let slot = spare.pop().or_else(|| u32::try_from(slots.len()).ok().filter(|slot| *slot != NONE))?;
        if self.slots.len() <= offset as usize {
            self.slots.resize(offset as usize + 1, NONE);
        }
        self.slots[offset as usize] = slot;
        let lease = Lease::fresh(address, subnet);
        match slots.get_mut(slot as usize) {
            Some(spare) => *spare = lease,
            None => slots.push(lease),
        }
        self.free.push_back(slots, slot);
        Some(slot)
    }

    /// Begins elsewhere than at the first address: at the `number`th of `of` parts.
    pub(super) fn start_at(&mut self, number: u32, of: u32) {
        self.start = (u64::from(self.size) * u64::from(number) / u64::from(of.max(1))) as u32; // number is below of
        self.fresh = 0;
    }

    /// The next offset that was never used; none when all were.
    pub(super) fn next_fresh(&mut self, subnet: &Subnet) -> Option<u32> {
        while self.fresh < self.size {
            let offset = ((u64::from(self.start) + u64::from(self.fresh)) % u64::from(self.size)) as u32; // below size
            self.fresh += 1;
            if self.slot(offset).is_none() && self.address(offset).is_some_and(|address| !subnet.reserves(address)) {
                return Some(offset);
            }
        }
        None
    }
}
