//! The table as a release sees it.

use core::net::Ipv4Addr;

use super::table::{Session, Sessions};
use super::words::CohortId;
use crate::line::FpcId;
use crate::release::{CohortSummary, Cursor, Individual, Logins};
use crate::scope::Epoch;

/// A cursor is a slot and the low half of the sequence number that its session had.
fn cursor(slot: u32, session: &Session) -> Cursor {
    Cursor(u64::from(slot) << 32 | session.link.sequence & 0xffff_ffff)
}

impl Sessions {
    /// The whole sequence number: it lies less than 2³² logins back.
    fn place(&self, Cursor(cursor): Cursor) -> (u32, u64) {
        let newest = self.cohorts.newest();
        let age = (newest as u32).wrapping_sub(cursor as u32);
        ((cursor >> 32) as u32, newest.saturating_sub(age.into()))
    }

    fn individual(&self, session: &Session) -> Individual {
        let cohort = self.cohorts.get(session.cohort).expect("a session's cohort exists");
        Individual {
            address: session.address,
            hardware: session.hardware,
            client_id: session.client_id.clone(),
            fpc: cohort.fpc,
            epoch: session.epoch,
            server: cohort.server,
            server_identifier: session.server_identifier,
            giaddr: session.giaddr,
            agent_information: session.agent_information.clone(),
            last_transaction: session.at,
            orphaned: session.orphaned,
        }
    }
}

impl Logins for Sessions {
    fn cohorts(&self, fpc: FpcId, cutoff: Epoch) -> Vec<CohortSummary> {
        let mut summaries = Vec::new();
        for id in self.cohorts.of_fpc(fpc) {
            let Some(cohort) = self.cohorts.get(id) else { continue };
            let Some((_, first)) = self.cohorts.after(&self.slab, id, cutoff, None).next() else { continue };
            if cohort.server.is_unspecified() {
                continue;
            }
            let shared = cohort.scope.is_some()
                && self.cohorts.iter().any(|(other, candidate)| {
                    candidate.fpc != fpc
                        && (candidate.server, &candidate.scope) == (cohort.server, &cohort.scope)
                        && self.cohorts.count(other, Epoch(u32::MAX)).0 > 0
                });
            summaries.push(CohortSummary {
                cohort: id,
                server: cohort.server,
                server_identifier: first.server_identifier,
                giaddr: first.giaddr,
                scope: cohort.scope.clone(),
                shared,
                count: self.cohorts.count(id, cutoff).0,
            });
        }
        summaries
    }

    fn page(
        &self,
        cohort: CohortId,
        cutoff: Epoch,
        after: Option<Cursor>,
        max: usize,
    ) -> (Vec<Individual>, Option<Cursor>) {
        let after = after.map(|after| self.place(after));
        let mut page = Vec::with_capacity(max.min(1024));
        let mut end = None;
        for (slot, session) in self.cohorts.after(&self.slab, cohort, cutoff, after) {
            if page.len() == max {
                return (page, end);
            }
            page.push(self.individual(session));
            end = Some(cursor(slot, session));
        }
        (page, None)
    }

    fn login(&self, address: Ipv4Addr) -> Option<Individual> {
        self.get(address).filter(|session| !session.is_static).map(|session| self.individual(session))
    }
}
