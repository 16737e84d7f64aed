//! From whom a login takes an address although it comes from elsewhere.

use super::bind::Holder;
use super::table::Sessions;
use crate::login::Login;
use crate::seen::Held;

impl Sessions {
    /// The live session whose address this login takes as the same client's, on another line or, by its client-id,
    /// with another MAC. Both are anybody's to invent: whoever asks the data plane about it knows whether its holder has left.
    pub(crate) fn taken_over(&self, login: &Login) -> Option<Held> {
        match self.holder(login) {
            Holder::Moved(slot) => Some((slot, self.slab[slot].at)),
            Holder::Nobody | Holder::Same(_) | Holder::Other(_) => None,
        }
    }
}
