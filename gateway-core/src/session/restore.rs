//! The table after a restart of the controller.

use super::command::Command;
use super::numbering::Numbering;
use super::record;
use super::table::{Session, SessionConfig, Sessions};
use super::words::{Cohort, CohortId};
use crate::time::{Instant, WallClock};

/// Takes in the records of a store, in any order, and makes a table of them.
///
/// A session comes back in the slot it had, so that the pinned maps and their counters stay true.
#[derive(Debug)]
pub struct Restoring {
    /// Its slab has the sessions, which are in no index and no list yet.
    table: Sessions,
    cohorts: Vec<(CohortId, Cohort)>,
    /// Sessions whose slot is taken or out of range.
    displaced: Vec<Session>,
}

impl Restoring {
    /// Nothing yet.
    pub fn new(config: SessionConfig, clock: WallClock, now: Instant) -> Self {
        Self { table: Sessions::new(config, clock, now), cohorts: Vec::new(), displaced: Vec::new() }
    }

    /// Takes one record; false when it is not one of the table's, or of a version not known here.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        if let Some(cohort) = record::decode_cohort(key, value) {
            self.cohorts.push(cohort);
            return true;
        }
        let Some((slot, session)) = record::decode_session(key, value, &self.table.clock) else { return false };
        if self.table.slab.is_free(slot) {
            self.table.slab.insert(slot, session);
        } else {
            self.displaced.push(session);
        }
        true
    }

    /// The table, and how many sessions were lost because there is no room for them or their cohort is not known.
    ///
    /// Sessions whose lease has ended by now, as far as the records know, are [`Sessions::overdue`]: their routes are dead by
    /// themselves, but the client may have renewed unseen, so they stay until [`Sessions::handle_overdue`].
    ///
    /// Sessions of a cohort that has ended (the record of its end outlived theirs) are not revived: they are reclaimed
    /// like any other.
    pub fn finish(self, numbering: Numbering) -> (Sessions, u64) {
        let Self { mut table, cohorts, displaced } = self;
        table.numbering = numbering;
        for (id, mut cohort) in cohorts {
            cohort.fpc = table.numbering.fpc(cohort.fpc.0);
            table.cohorts.create_as(id, cohort);
        }
        let mut lost = 0;
        let found: Vec<u32> = table.slab.iter_from(0).map(|(slot, _)| slot).collect();
        let mut order = Vec::with_capacity(found.len());
        for slot in found {
            let session = &mut table.slab[slot];
            session.line.port = table.numbering.port(session.line.port.0);
            if table.cohorts.get(session.cohort).is_some() {
                order.push((session.epoch, slot));
            } else {
                lost += 1;
                let key = record::session_key(session.address);
                table.slab.remove(slot);
                table.commands.push_back(Command::Forget { key });
            }
        }
        // Lists are in the order of epochs, as they would be had the logins just happened.
        order.sort_unstable();
        for (_, slot) in order {
            if let Some(session) = table.slab.remove(slot) {
                table.attach(slot, session);
            }
        }
        for mut session in displaced {
            session.line.port = table.numbering.port(session.line.port.0);
            let slot = table.slab.lowest_free().filter(|_| table.cohorts.get(session.cohort).is_some());
            if let Some(slot) = slot {
                table.attach(slot, session);
                table.persist(slot);
            } else {
                lost += 1;
                table.commands.push_back(Command::Forget { key: record::session_key(session.address) });
            }
        }
        let overdue = table.iter_from(0).filter(|(_, session)| !session.is_static && session.expires <= table.started);
        for slot in overdue.map(|(slot, _)| slot).collect::<Vec<_>>() {
            table.wheel.remove(&mut table.slab, slot);
        }
        let all: Vec<CohortId> = table.cohorts.iter().map(|(id, _)| id).collect();
        for id in all {
            if table.cohorts.discard(id) {
                table.commands.push_back(Command::Forget { key: record::cohort_key(id) });
            } else if let Some(cohort) = table.cohorts.get(id) {
                let fpc = cohort.fpc;
                let epoch = table.least_epoch(id);
                table.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch, fpc });
            }
        }
        (table, lost)
    }
}
