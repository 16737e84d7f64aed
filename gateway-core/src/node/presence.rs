//! Whether whoever has a lease still uses it.
//!
//! What a client says of itself, a DUID, a client-id, even a MAC, is its own to invent. That somebody uses a lease is not:
//! the data plane lets nobody else. So whoever claims a lease from elsewhere gets it only when its holder was not seen for a
//! while.

use super::replica::Shared;
use crate::seen::{Held, Seen};
use crate::sightings::Sight;
use crate::time::{Duration, Instant};

/// When subscribers were seen, by whoever there is that can see them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sights<'a> {
    seen: &'a dyn Seen,
    /// In a cluster.
    shared: Option<&'a Shared>,
    now: Instant,
}

impl<'a> Sights<'a> {
    pub(super) fn new(seen: &'a dyn Seen, shared: Option<&'a Shared>, now: Instant) -> Self {
        Self { seen, shared, now }
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// How much later than now it becomes known who is seen now.
    pub(super) fn lag(&self) -> Duration {
        self.shared.map_or(Duration::ZERO, |shared| shared.sightings.lag(self.now))
    }

    pub(super) fn of_session(&self, slot: u32) -> Sight {
        self.of(false, slot, self.seen.last_seen(slot))
    }

    pub(super) fn of_lease(&self, slot: u32) -> Sight {
        self.of(true, slot, self.seen.last_seen6(slot))
    }

    fn of(&self, six: bool, slot: u32, own: Option<Instant>) -> Sight {
        match self.shared {
            Some(shared) => shared.sightings.sight(six, slot, own, self.now),
            None => Sight { last: own.unwrap_or_default(), floor: Instant::ZERO, until: own.map(|_| self.now) },
        }
    }
}

/// Who counts as being there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence<'a> {
    pub(super) sights: Sights<'a>,
    /// For how long after a sign of life.
    pub(super) lasts: Duration,
}

impl Presence<'_> {
    /// A sign of life proves that somebody is there, whoever noticed it; that there was none is proven when all who may have
    /// noticed one say that they did not, for as long.
    fn is_there(&self, sight: Sight, at: Instant) -> Option<bool> {
        let last = sight.last.max(at);
        if last + self.lasts > self.sights.now {
            return Some(true);
        }
        let silent = |until| last.max(sight.floor) + self.lasts <= until;
        sight.until.is_some_and(silent).then_some(false)
    }

    /// Whether an IPv4 session's subscriber is there; `None` when nobody can tell.
    pub(super) fn of_session(&self, (slot, at): Held) -> Option<bool> {
        self.is_there(self.sights.of_session(slot), at)
    }

    /// Whether any of these leases is in use; `None` when none is known to be, and nobody can tell of one.
    pub(super) fn of_leases(&self, held: impl IntoIterator<Item = Held>) -> Option<bool> {
        let mut any = Some(false);
        for (slot, at) in held {
            match self.is_there(self.sights.of_lease(slot), at) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => any = None,
            }
        }
        any
    }
}
