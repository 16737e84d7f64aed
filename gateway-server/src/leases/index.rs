//! Finding a client's slots: by who it is, and by hardware address.

use core::hash::BuildHasher;

use gateway_core::line::HardwareAddress;
use hashbrown::DefaultHashBuilder;

use super::{Client, Leases, Slot, State};
use crate::record::Now;

impl Leases {
    /// The slot in which this client is, or last was, in this subnet.
    pub(crate) fn by_client(&mut self, subnet: u16, client: Client<'_>, now: &Now) -> Option<Slot> {
        let hash = client_hash(&self.hasher, subnet, client);
        let slots = &self.slots;
        let is = |slot: &Slot| {
            let lease = &slots[*slot as usize];
            lease.subnet == subnet && lease.client().key() == client.key()
        };
        let slot = *self.clients.find(hash, is)?;
        self.settle(slot, now);
        Some(slot)
    }

    /// Slots of this hardware address in force.
    pub(crate) fn by_hardware(&mut self, hardware: HardwareAddress, now: &Now) -> Vec<Slot> {
        let hash = hardware_hash(&self.hasher, hardware);
        let found: Vec<Slot> =
            self.hardware.iter_hash(hash).copied().filter(|slot| self.get(*slot).hardware == hardware).collect();
        found.into_iter().filter(|slot| self.settle(*slot, now) == State::Active).collect()
    }

    /// Gives a slot another client and option 82, in the indexes too.
    pub(super) fn rename(&mut self, slot: Slot, client: Client<'_>, agent_information: &[u8]) {
        let lease = &mut self.slots[slot as usize];
        let same = lease.client().key() == client.key() && lease.hardware == client.hardware;
        if !same && lease.has_client() {
            self.unindex(slot);
        }
        self.slots[slot as usize].describe(client, agent_information);
        if !same && self.get(slot).has_client() {
            self.index(slot);
        }
    }

    /// Makes room for so many leases in all, at most for one of each address.
    pub(super) fn reserve(&mut self, expected: usize) {
        let most = expected.min(usize::try_from(self.capacity()).unwrap_or(usize::MAX));
        let Self { slots, clients, hardware, hasher, .. } = self;
        slots.reserve_exact(most);
        let of_client = |slot: &Slot| {
            let lease = &slots[*slot as usize];
            client_hash(hasher, lease.subnet, lease.client())
        };
        clients.reserve(most, of_client);
        hardware.reserve(most, |slot| hardware_hash(hasher, slots[*slot as usize].hardware));
    }

    fn index(&mut self, slot: Slot) {
        let Self { slots, clients, hardware, hasher, .. } = self;
        let of_client = |slot: &Slot| {
            let lease = &slots[*slot as usize];
            client_hash(hasher, lease.subnet, lease.client())
        };
        clients.insert_unique(of_client(&slot), slot, of_client);
        // What has no address is found by none. There may be very many of those, and all have the same hash.
        if slots[slot as usize].hardware.hlen() > 0 {
            let of_hardware = |slot: &Slot| hardware_hash(hasher, slots[*slot as usize].hardware);
            hardware.insert_unique(of_hardware(&slot), slot, of_hardware);
        }
    }

    pub(super) fn unindex(&mut self, slot: Slot) {
        let lease = self.get(slot);
        let (of_client, of_hardware) =
            (client_hash(&self.hasher, lease.subnet, lease.client()), hardware_hash(&self.hasher, lease.hardware));
        let has_address = lease.hardware.hlen() > 0;
        if let Ok(entry) = self.clients.find_entry(of_client, |other| *other == slot) {
            entry.remove();
        }
        if has_address && let Ok(entry) = self.hardware.find_entry(of_hardware, |other| *other == slot) {
            entry.remove();
        }
    }
}

fn client_hash(hasher: &DefaultHashBuilder, subnet: u16, client: Client<'_>) -> u64 {
    hasher.hash_one((subnet, client.key()))
}

fn hardware_hash(hasher: &DefaultHashBuilder, hardware: HardwareAddress) -> u64 {
    hasher.hash_one(hardware)
}
