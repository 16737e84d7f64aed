//! Whether whoever has a lease still uses it.
//!
//! What a client says of itself, a DUID, a client-id, even a MAC, is its own to invent. That somebody uses a lease is not:
//! the data plane lets nobody else. So whoever claims a lease from elsewhere gets it only when its holder was not seen for a
//! while.

use crate::seen::Seen;
use crate::time::{Duration, Instant};

/// A slot, and the time of the last exchange with its server, which is a sign of life, too.
pub(crate) type Held = (u32, Instant);

/// Who counts as being there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence<'a> {
    pub(super) seen: &'a dyn Seen,
    /// For how long after a sign of life.
    pub(super) lasts: Duration,
    pub(super) now: Instant,
}

impl Presence<'_> {
    fn is_there(&self, seen: Option<Instant>, at: Instant) -> Option<bool> {
        seen.map(|seen| seen.max(at) + self.lasts > self.now)
    }

    /// Whether an IPv4 session's subscriber is there; `None` when nobody can tell.
    pub(super) fn of_session(&self, (slot, at): Held) -> Option<bool> {
        self.is_there(self.seen.last_seen(slot), at)
    }

    /// Whether any of these leases is in use; `None` when nobody can tell of one.
    pub(super) fn of_leases(&self, held: impl IntoIterator<Item = Held>) -> Option<bool> {
        let mut all = held.into_iter().map(|(slot, at)| self.is_there(self.seen.last_seen6(slot), at));
        all.try_fold(false, |any, there| Some(any | there?))
    }
}
