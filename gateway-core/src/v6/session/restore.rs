//! The table after a restart of the controller.

use super::command::Command;
use super::lease::{Cohort, Lease, Session};
use super::record;
use super::table::Sessions;
use crate::session::{CohortId, Numbering, SessionConfig};
use crate::time::{Instant, WallClock};

/// Takes in the records of a store, in any order, and makes a table of them.
///
/// A lease comes back in the slot it had, so that the pinned maps and their counters stay true.
#[derive(Debug)]
pub struct Restoring {
    table: Sessions,
    cohorts: Vec<(CohortId, Cohort)>,
    leases: Vec<(u32, Lease, Session)>,
}

impl Restoring {
    /// Nothing yet.
    pub fn new(config: SessionConfig, clock: WallClock, now: Instant) -> Self {
        Self { table: Sessions::new(config, clock, now), cohorts: Vec::new(), leases: Vec::new() }
    }

    /// Takes one record; false when it is not one of the table's, or of a version not known here.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        if let Some(cohort) = record::decode_cohort(key, value) {
            self.cohorts.push(cohort);
            return true;
        }
        let Some(lease) = record::decode_lease(key, value, &self.table.clock) else { return false };
        self.leases.push(lease);
        true
    }

    /// The table, and how many leases were lost because there is no room for them or their cohort is not known.
    ///
    /// Leases that have ended by now end in the next [`Sessions::handle_timeout`]: renewals pass the relay, so nobody can
    /// have extended them meanwhile. Those of a cohort that has ended (the record of its end outlived theirs) are not
    /// revived: they are reclaimed like any other.
    pub fn finish(self, numbering: Numbering) -> (Sessions, u64) {
        let Self { mut table, cohorts, mut leases } = self;
        table.numbering = numbering;
        for (id, mut cohort) in cohorts {
            cohort.fpc = table.numbering.fpc(cohort.fpc.0);
            table.cohorts.create_as(id, cohort);
        }
        // Lists are in the order of epochs, as they would be had the logins just happened; of one session's records the
        // last to be written tells where it is.
        leases.sort_by_key(|(slot, lease, _)| (lease.epoch, lease.at, *slot));
        let (mut lost, mut displaced) = (0, Vec::new());
        for (slot, lease, session) in leases {
            if table.cohorts.get(lease.cohort).is_none() || table.by_prefix.get(lease.prefix).is_some() {
                lost += 1;
                table.commands.push_back(Command::Forget { key: record::lease_key(lease.prefix) });
            } else if table.leases.is_free(slot) {
                table.revive(slot, lease, session);
            } else {
                displaced.push((lease, session));
            }
        }
        for (lease, session) in displaced {
            if let Some(slot) = table.leases.lowest_free() {
                table.revive(slot, lease, session);
                table.persist(slot);
            } else {
                lost += 1;
                table.commands.push_back(Command::Forget { key: record::lease_key(lease.prefix) });
            }
        }
        let all: Vec<CohortId> = table.cohorts.iter().map(|(id, _)| id).collect();
        for id in all {
            if table.cohorts.discard(id) {
                table.commands.push_back(Command::Forget { key: record::cohort_key(id) });
            } else if let Some(cohort) = table.cohorts.get(id) {
                let (fpc, epoch) = (cohort.fpc, table.least_epoch(id));
                table.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch, fpc });
            }
        }
        (table, lost)
    }
}

impl Sessions {
    fn revive(&mut self, slot: u32, mut lease: Lease, mut session: Session) {
        session.line.port = self.numbering.port(session.line.port.0);
        lease.port = session.line.port;
        lease.session = match self.number(session.line, session.client.as_duid()) {
            Some(number) => {
                // Of one that has ended there may be a record from before the client had another MAC.
                let ended = self.cohorts.get(lease.cohort).and_then(|cohort| cohort.ended);
                if ended.is_none_or(|ended| lease.epoch > ended) {
                    self.sessions[number].peer = session.peer;
                    self.readdress(number, session.mac, session.relayed);
                }
                number
            }
            None => {
                let number = self.sessions.lowest_free().expect("more sessions than leases have room");
                self.open(number, session);
                number
            }
        };
        self.attach(slot, lease);
    }
}
