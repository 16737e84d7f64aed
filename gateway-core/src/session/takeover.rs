//! From whom a login takes an address although it comes from elsewhere.

use core::net::Ipv4Addr;

use super::bind::Holder;
use super::table::Sessions;
use crate::line::{HardwareAddress, Line};
use crate::login::Login;
use crate::seen::Held;

impl Sessions {
    /// The live session whose address this login takes as the same client's, on another line or, by its client-id,
    /// with another MAC. Both are anybody's to invent: whoever asks the data plane about it knows whether its holder has left.
    pub(crate) fn taken_over(&self, login: &Login) -> Option<Held> {
        self.moved(self.holder(login))
    }

    /// The same of an address that a client says is its own. A server may believe that, and remember it even if the relay does
    /// not believe the server.
    pub(crate) fn claimed(
        &self,
        address: Ipv4Addr,
        line: Line,
        hardware: &HardwareAddress,
        client_id: Option<&[u8]>,
    ) -> Option<Held> {
        self.moved(self.holder_of(address, line, hardware, client_id))
    }

    fn moved(&self, holder: Holder) -> Option<Held> {
        match holder {
            Holder::Moved(slot) => Some((slot, self.slab[slot].at)),
            Holder::Nobody | Holder::Same(_) | Holder::Other(_) => None,
        }
    }

    /// The live session of another client, or of the same one elsewhere, that has this login's address.
    pub(crate) fn in_the_way(&self, login: &Login) -> Option<Held> {
        let (Holder::Moved(slot) | Holder::Other(slot)) = self.holder(login) else { return None };
        (!self.cohorts.has_ended(&self.slab[slot])).then(|| (slot, self.slab[slot].at))
    }

    /// The live session with another address that this login would put an end to, as the same client's.
    pub(crate) fn displaced(&self, login: &Login) -> Option<Held> {
        self.same_client_other_address(login).map(|slot| (slot, self.slab[slot].at))
    }
}
