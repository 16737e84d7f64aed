//! The leases of a scope, and the single logout of all of them.

use gateway_core::scope::{Epoch, Scope};
use gateway_core::time::Instant;

use super::{Ended, Lease, Leases, Slot, State};
use crate::leases::Outcome;
use crate::record::{Cutoff, Moment, Now};

impl Leases {
    /// The tag of a lease in force.
    pub(crate) fn scope(&self, slot: Slot) -> Option<&Scope> {
        self.generations.get(self.get(slot).generation).map(|generation| &generation.scope)
    }

    /// Scopes that something is known of.
    pub(crate) fn scopes(&self) -> u64 {
        self.generations.scopes() as u64
    }

    /// Whether a single logout has ended it, though nobody has looked at it since.
    pub(crate) fn is_reset(&self, lease: &Lease) -> bool {
        lease.state == State::Active && self.generations.is_ended(lease.generation)
    }

    /// Takes that in: the lease is free, or held until its generation's rest is over.
    pub(super) fn reset(&mut self, slot: Slot, now: &Now) {
        let generation = self.generations.get(self.get(slot).generation);
        let free_from = generation.and_then(|generation| generation.ended);
        self.detach(slot);
        self.slots[slot as usize].ended = Ended::Reset;
        match free_from.filter(|from| *from > now.at) {
            Some(from) => self.set(slot, State::Held, from),
            None => self.set(slot, State::Free, Instant::NEVER),
        }
    }

    /// What a single logout would do.
    pub(crate) fn probe(&self, scope: &Scope, decided: Moment) -> Outcome {
        self.generations.probe(&self.slots, scope, decided)
    }

    /// A single logout: what it did, the record to keep, and older records that it makes superfluous. It costs the same
    /// whatever the number of leases.
    pub(crate) fn bulk_release(
        &mut self,
        scope: &Scope,
        decided: Moment,
        free_from: Instant,
    ) -> (Outcome, Cutoff, Vec<Cutoff>) {
        let (outcome, sequence) = self.generations.end(&mut self.slots, scope, decided, free_from);
        self.active -= u64::from(outcome.released);
        let (cutoff, superfluous) = self.generations.cut(scope, Cutoff { epoch: scope.epoch, sequence, free_from });
        (Outcome { highest: outcome.highest.max(scope.epoch), ..outcome }, cutoff, superfluous)
    }

    /// The last epoch of this scope that a single logout named.
    pub(crate) fn last_cut(&self, scope: &Scope) -> Option<Epoch> {
        self.generations.last_cut(scope)
    }

    /// Moves up to `limit` leases of ended generations to their free lists; whether there may be more.
    pub(crate) fn reclaim(&mut self, now: &Now, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(&index) = self.generations.reclaim.front() else { return false };
            if self.generations.get(index).and_then(|generation| generation.ended).is_none_or(|from| from > now.at) {
                return false;
            }
            match self.generations.list(index).front() {
                Some(slot) => _ = self.settle(slot, now),
                None => self.generations.forget_first_ended(),
            }
        }
        true
    }

    /// When the first ended generation may be reclaimed.
    pub(crate) fn next_reclaim(&self) -> Option<Instant> {
        let index = *self.generations.reclaim.front()?;
        self.generations.get(index)?.ended
    }
}
