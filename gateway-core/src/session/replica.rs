//! What other members say about sessions (CL-67, CL-69).
//!
//! Per address the greatest change counts that put a session there, unless one ended it that knew of it: an end names the
//! change that it ends, and what is greater than that did not end. So members agree, in whatever order changes of different
//! origins reach them. Nobody but the store and the data plane hears of it, and nothing is said again, unless a
//! renewal was all that made one of this member's own sessions the newer of two at its address.

use core::net::Ipv4Addr;

use super::command::Command;
use super::share::Decider;
use super::table::{Session, Sessions};
use super::words::{Cohort, CohortId};
use crate::line::{FpcId, HardwareAddress};
use crate::replication::{Change, Essential, Record, SessionState, Stamp};
use crate::scope::{Epoch, ScopeKind};
use crate::time::Instant;

impl Sessions {
    /// Takes in a change of another member; gives back what is none of the table's.
    pub fn handle_replica(&mut self, record: Record, now: Instant) -> Option<Record> {
        let Record { stamp, change } = record;
        self.observe(stamp);
        match change {
            Change::Session(state) => self.put(stamp, *state, now),
            Change::Essential(essential) => self.extend_replica(stamp, essential, now),
            Change::Orphaned { address, of } => {
                if let Some(slot) = self.slot(address).filter(|slot| self.slab[*slot].stamp <= of) {
                    self.orphan_replica(slot);
                }
            }
            Change::Ended { address, of, .. } => {
                self.end_replica(address, of);
                // Whoever has ended it can't use what renews it.
                if let Some(slot) = self.slot(address) {
                    self.slab[slot].lacking = true;
                }
            }
            Change::Cutoff { fpc, server, scope, ended } => self.cut_off(&fpc, server, scope, ended),
            change => return Some(Record { stamp, change }),
        }
        None
    }

    fn unusable_replica(&mut self) {
        if let Some(share) = &mut self.share {
            share.unusable += 1;
        }
    }

    /// A whole session.
    pub(super) fn put(&mut self, stamp: Stamp, state: SessionState, now: Instant) {
        let SessionState { initial, essential } = state;
        let address = essential.address;
        if self.share.as_ref().is_none_or(|share| share.has_buried(address, stamp)) {
            return;
        }
        let resident = self.resident_slot(address);
        if let Some(slot) = resident {
            let session = &self.slab[slot];
            if session.stamp == stamp && essential.orphaned && !session.orphaned && !self.cohorts.has_ended(session) {
                self.orphan_replica(slot);
            }
            let newer = self.slab[slot].stamp >= stamp && !self.is_outlived(slot, initial.fpc, essential.epoch);
            if newer || self.slab[slot].is_static {
                return self.insist(slot, &essential.hardware);
            }
        }
        let configured = self.share.as_ref().map_or((0, 0), |share| share.config.configured);
        let placed = usize::from(initial.fpc.0) < configured.0 && usize::from(initial.line.port.0) < configured.1;
        let cohort = placed.then(|| self.cohort_for(initial.fpc, initial.server, initial.scope)).flatten();
        let Some(cohort) = cohort.filter(|_| essential.hardware.mac().is_some()) else {
            return self.unusable_replica();
        };
        let expires = self.clock.from_unix_millis(essential.expires);
        let ended = self.cohorts.get(cohort).and_then(|cohort| cohort.ended);
        if expires <= now || ended.is_some_and(|ended| essential.epoch <= ended) {
            // It is over already; what it took the place of is over, too.
            return self.end_replica(address, stamp);
        }
        let session = Session {
            address,
            hardware: essential.hardware,
            client_id: initial.client_id,
            line: initial.line,
            cohort,
            epoch: essential.epoch,
            server_identifier: initial.server_identifier,
            giaddr: initial.giaddr,
            agent_information: initial.agent_information,
            // It was before now, whatever the other member's clock says; releases compare it with their decision.
            at: self.clock.from_unix_millis(essential.at).min(now),
            expires,
            orphaned: essential.orphaned,
            stamp,
            ..Session::blank()
        };
        let mut fresh = true;
        let slot = match resident {
            Some(slot) => {
                let live = !self.cohorts.has_ended(&self.slab[slot]);
                fresh = !(live && self.detach(slot).hardware == session.hardware);
                if !live {
                    self.detach(slot);
                }
                slot
            }
            None => match self.slab.lowest_free().or_else(|| self.reclaim()) {
                Some(slot) => slot,
                None => return self.unusable_replica(),
            },
        };
        self.attach(slot, session);
        self.mention(slot);
        self.persist(slot);
        self.install(slot, fresh);
    }

    /// Somebody else was put where this member has a session of its own that only a renewal makes the newer one. Whoever
    /// took in the other one first has dropped what it began with, and can't use the renewal: so all is said again, once.
    /// What was said in an earlier life is for the end of the snapshot.
    fn insist(&mut self, slot: u32, other: &HardwareAddress) {
        let session = &self.slab[slot];
        let own = self
            .share
            .as_ref()
            .is_some_and(|share| session.stamp.origin() == Some(share.clock.me()) && session.stamp.seq() >= share.born);
        if own && session.renewed && session.hardware != *other && !self.cohorts.has_ended(session) {
            self.say_session(slot, Decider::Owner);
            self.persist(slot);
        }
    }

    /// A renewal: whoever says it has said the rest before.
    fn extend_replica(&mut self, stamp: Stamp, essential: Essential, now: Instant) {
        let Essential { address, hardware, epoch, at, expires, orphaned } = essential;
        if self.share.as_ref().is_none_or(|share| share.has_buried(address, stamp)) {
            return;
        }
        let (at, expires) = (self.clock.from_unix_millis(at).min(now), self.clock.from_unix_millis(expires));
        let known = |session: &Session| session.hardware == hardware && session.epoch == epoch && !session.is_static;
        let Some(slot) = self.slot(address).filter(|slot| known(&self.slab[*slot])) else {
            return self.unusable_replica();
        };
        if self.slab[slot].stamp >= stamp {
            return;
        }
        if expires <= now {
            return self.end_replica(address, stamp);
        }
        if self.slab[slot].orphaned != orphaned {
            self.mark(slot, orphaned);
        }
        self.wheel.remove(&mut self.slab, slot);
        let session = &mut self.slab[slot];
        (session.at, session.expires, session.stamp, session.renewed) = (at, expires, stamp, true);
        self.wheel.insert(&mut self.slab, slot);
        self.persist(slot);
        self.commands.push_back(Command::SetExpiry { slot, expires });
    }

    fn orphan_replica(&mut self, slot: u32) {
        if !self.slab[slot].orphaned && !self.slab[slot].is_static {
            self.mark(slot, true);
            self.persist(slot);
        }
    }

    /// What was put at an address up to `of` is over.
    fn end_replica(&mut self, address: Ipv4Addr, of: Stamp) {
        if let Some(share) = &mut self.share {
            share.bury(address, of, None);
        }
        let resident = self.resident_slot(address);
        if let Some(slot) = resident.filter(|slot| self.slab[*slot].stamp <= of && !self.slab[*slot].is_static) {
            self.release_slot(slot);
        }
    }

    fn cut_off(&mut self, fpc: &str, server: Ipv4Addr, scope: Option<ScopeKind>, ended: Epoch) {
        let names = self.share.as_ref().map(|share| &share.config.fpcs);
        let place = names.and_then(|names| names.iter().position(|name| name == fpc));
        let fpc = place.and_then(|place| u16::try_from(place).ok()).map(FpcId);
        match fpc.and_then(|fpc| self.cohort_for(fpc, server, scope)) {
            Some(cohort) if self.cohorts.get(cohort).is_some_and(|cohort| cohort.ended < Some(ended)) => {
                self.end_cohort_silently(cohort, ended);
            }
            Some(_) => {}
            None => self.unusable_replica(),
        }
    }

    fn cohort_for(&mut self, fpc: FpcId, server: Ipv4Addr, scope: Option<ScopeKind>) -> Option<CohortId> {
        match self.cohorts.find(fpc, |cohort| cohort.is_of(server, scope.as_ref())) {
            Some(cohort) => Some(cohort),
            None => self.create_cohort(Cohort { fpc, server, scope, ended: None }, true).ok(),
        }
    }

    /// Ends a session that a snapshot's sender knew and does not have any more.
    pub(super) fn sweep_away(&mut self, slot: u32) {
        let (address, stamp) = (self.slab[slot].address, self.slab[slot].stamp);
        self.end_replica(address, stamp);
    }
}
