//! What is left of lessees' leases, and of the rest of what came back, is written down once an hour: no clock is believed, so a
//! start can't tell how much of a lease was over already. Without it a server that starts more often than a lease is long would
//! never see the subnets again of a lessee that is gone for good (H-SN-4, H-SN-26).
//!
//! What is read at a start is never less than there is: the time since it was written counts for nothing.

use super::Delegation;
use super::block::Use;
use super::forgotten::NOTE_EVERY;
use crate::subnet::Subnet;
use crate::time::Instant;

impl Delegation {
    pub(super) fn note_leases(&mut self, now: Instant) {
        if self.note_at > now {
            return;
        }
        self.note_at = now + NOTE_EVERY;
        let noted: Vec<Subnet> =
            self.space.used().filter(|(_, used)| is_noted(used)).map(|(subnet, _)| subnet).collect();
        noted.iter().for_each(|subnet| self.persist_block(subnet, now));
    }

    /// When that is due.
    pub(super) fn note_deadline(&self) -> Option<Instant> {
        self.space.used().any(|(_, used)| is_noted(used)).then_some(self.note_at)
    }
}

fn is_noted(used: &Use) -> bool {
    matches!(used, Use::Leased(_) | Use::Resting(_))
}
