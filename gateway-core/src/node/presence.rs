//! Whether whoever has a lease still uses it.
//!
//! What a client says of itself, a DUID, a client-id, even a MAC, is its own to invent. That somebody uses a lease is not:
//! the data plane lets nobody else. So whoever claims a lease from elsewhere gets it only when its holder was not seen for a
//! while.

use crate::seen::{Held, Seen};
use crate::time::{Duration, Instant};

/// Who counts as being there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence<'a> {
    pub(super) seen: &'a dyn Seen,
    /// For how long after a sign of life.
    pub(super) lasts: Duration,
    pub(super) now: Instant,
}

impl Presence<'_> {
    /// A sign of life proves that somebody is there, whoever noticed it; that there was none, only who notices all.
    fn is_there(&self, seen: Option<Instant>, at: Instant) -> Option<bool> {
        let last = seen.unwrap_or(Instant::ZERO).max(at);
        let can_tell = seen.is_some() && self.seen.sees_all();
        if last + self.lasts > self.now { Some(true) } else { can_tell.then_some(false) }
    }

    /// Whether an IPv4 session's subscriber is there; `None` when nobody can tell.
    pub(super) fn of_session(&self, (slot, at): Held) -> Option<bool> {
        self.is_there(self.seen.last_seen(slot), at)
    }

    /// Whether any of these leases is in use; `None` when none is known to be, and nobody can tell of one.
    pub(super) fn of_leases(&self, held: impl IntoIterator<Item = Held>) -> Option<bool> {
        let mut any = Some(false);
        for (slot, at) in held {
            match self.is_there(self.seen.last_seen6(slot), at) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => any = None,
            }
        }
        any
    }
}
