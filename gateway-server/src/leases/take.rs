//! Taking a certain address, as a reservation has it.

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::time::Instant;

use super::{Client, Ended, Leases, Slot, State};
use crate::record::Now;

/// What stands in the way of a client and an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing: it is free, or the client's own.
    Open,
    /// Another client has it, or it is kept for one.
    Taken(Slot),
    /// Somebody unknown was found to use it.
    Unusable,
}

impl Leases {
    /// How a client stands to an address.
    pub(crate) fn standing(&mut self, address: Ipv4Addr, client: Client<'_>, now: &Now) -> Standing {
        let Some(slot) = self.by_address(address, now) else { return Standing::Open };
        let lease = self.get(slot);
        let own = lease.client().key() == client.key();
        match lease.state {
            State::Free => Standing::Open,
            State::Held if lease.ended == Ended::Abandoned => Standing::Unusable,
            _ if own => Standing::Open,
            State::Active | State::Offered | State::Held => Standing::Taken(slot),
        }
    }

    /// The slot of that very address in `subnet` for this client, [`State::Offered`] until `until` unless it is in force for
    /// it; none where the client does not stand openly to it. What else the client had in this subnet is nobody's: in
    /// force it must not be any more.
    pub(crate) fn take(
        &mut self,
        subnet: u16,
        client: Client<'_>,
        address: Ipv4Addr,
        until: Instant,
        now: &Now,
    ) -> Option<Slot> {
        if self.standing(address, client, now) != Standing::Open {
            return None;
        }
        let offset = self.pools[usize::from(subnet)].offset(address)?;
        let slot = self.slot_at(subnet, offset)?;
        if self.get(slot).state == State::Active {
            return Some(slot);
        }
        if let Some(other) = self.by_client(subnet, client, now).filter(|other| *other != slot) {
            if self.get(other).state == State::Active {
                return None;
            }
            self.rename(other, Client { id: None, hardware: HardwareAddress::NONE }, &[]);
        }
        self.offer(slot, client, until);
        Some(slot)
    }
}
