//! How sessions end: one by one, or a whole cohort at once.

use core::net::Ipv4Addr;

use super::command::Command;
use super::record;
use super::table::{Session, Sessions};
use super::wheel::Due;
use super::words::{CohortId, EndReason};
use crate::scope::Epoch;
use crate::time::Instant;

/// Sessions that one [`Sessions::handle_timeout`] reclaims, and lets expire.
const BATCH: usize = 512;

impl Sessions {
    /// Ends the session that holds an address. False when there is none, or only a static subscriber.
    pub fn end(&mut self, address: Ipv4Addr, reason: EndReason, now: Instant) -> bool {
        let Some(slot) = self.slot(address).filter(|slot| !self.slab[*slot].is_static) else { return false };
        if reason == EndReason::Released {
            let client = (self.slab[slot].line, self.slab[slot].hardware);
            self.lockouts.handle_logout(client, now);
        }
        self.end_slot(slot, reason);
        true
    }

    /// A server confirmed that all logins of a cohort up to `cutoff` are gone: ends them, in constant time and with
    /// one durable record, however many there are. Returns how many. Their memory, records and map entries are
    /// reclaimed by [`Sessions::handle_timeout`].
    pub fn end_cohort(&mut self, id: CohortId, cutoff: Epoch) -> u64 {
        let sessions = self.end_cohort_silently(id, cutoff);
        self.say_cutoff(id);
        sessions
    }

    /// The same where the other members know it already.
    pub(super) fn end_cohort_silently(&mut self, id: CohortId, cutoff: Epoch) -> u64 {
        let Some(fpc) = self.cohorts.get(id).map(|cohort| cohort.fpc) else { return 0 };
        let ended = self.cohorts.end(id, cutoff);
        self.counts.subtract_all(fpc, &ended);
        let value = record::encode_cohort(self.cohorts.get(id).expect("looked up above"), &self.numbering);
        self.commands.push_back(Command::Persist { key: record::cohort_key(id), value, sync: true });
        self.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch: self.least_epoch(id), fpc });
        ended.sessions
    }

    /// Marks a session as logged out but not confirmed: it stays until its lease ends or it is heard of again.
    pub fn orphan(&mut self, address: Ipv4Addr) -> bool {
        let Some(slot) = self.slot(address).filter(|slot| !self.slab[*slot].orphaned) else { return false };
        if self.slab[slot].is_static {
            return false;
        }
        self.mark(slot, true);
        self.say_orphaned(slot);
        self.persist(slot);
        true
    }

    /// Lets leases end and reclaims ended sessions, a bounded number of each.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..BATCH {
            match self.wheel.advance(&mut self.slab, now) {
                Due::Slot(slot) if self.cohorts.has_ended(&self.slab[slot]) => {}
                // Every member of a cluster sees that by itself.
                Due::Slot(slot) => self.end_silently(slot, EndReason::Expired),
                Due::Moved => {}
                Due::None => break,
            }
        }
        for _ in 0..BATCH {
            let Some(slot) = self.cohorts.reclaimable() else { break };
            self.release_slot(slot);
        }
    }

    /// Sessions that came back with a lease that had ended. Each wants [`Sessions::handle_overdue`] once its server was asked.
    pub fn overdue(&self) -> Vec<Ipv4Addr> {
        let overdue = self.iter_from(0).filter(|(_, session)| !session.is_static && session.expires <= self.started);
        overdue.map(|(_, session)| session.address).collect()
    }

    /// Nothing is known that would keep an overdue session: it ends, unless it was heard of in the meantime.
    pub fn handle_overdue(&mut self, address: Ipv4Addr) {
        let slot = self.slot(address).filter(|slot| {
            let session = &self.slab[*slot];
            !session.is_static && session.expires <= self.started
        });
        if let Some(slot) = slot {
            self.end_silently(slot, EndReason::Expired);
        }
    }

    /// When [`Sessions::handle_timeout`] is wanted; at once while there is something to reclaim.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.cohorts.has_reclaimable() { Some(Instant::ZERO) } else { self.wheel.next() }
    }

    /// Reclaims one ended session, for a login that needs its slot now.
    pub(super) fn reclaim(&mut self) -> Option<u32> {
        let slot = self.cohorts.reclaimable()?;
        self.release_slot(slot);
        Some(slot)
    }

    /// In place, so that a release which pages through the sessions does not meet this one again.
    pub(super) fn mark(&mut self, slot: u32, orphaned: bool) {
        self.count_out(slot);
        self.cohorts.mark(&mut self.slab[slot], orphaned);
        self.count_in(slot);
    }

    pub(super) fn end_slot(&mut self, slot: u32, reason: EndReason) {
        self.say_ended(slot, reason);
        self.end_silently(slot, reason);
    }

    /// The same where there is nobody to be told.
    pub(super) fn end_silently(&mut self, slot: u32, reason: EndReason) {
        let Session { address, hardware, .. } = self.slab[slot];
        self.release_slot(slot);
        self.commands.push_back(Command::Ended { address, hardware, reason });
    }

    pub(super) fn release_slot(&mut self, slot: u32) {
        let Session { address, .. } = self.detach(slot);
        self.commands.push_back(Command::Forget { key: record::session_key(address) });
        self.commands.push_back(Command::RemoveRoute(address));
    }
}
