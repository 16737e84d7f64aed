//! The table as a release sees it.

use core::net::Ipv4Addr;

use super::cohort::Place;
use super::table::{Session, Sessions};
use super::words::CohortId;
use crate::line::FpcId;
use crate::release::{CohortSummary, Cursor, Individual, Logins};
use crate::scope::Epoch;

impl From<Place> for Cursor {
    fn from(Place { epoch, slot, sequence }: Place) -> Self {
        Self(u128::from(epoch.0) << 96 | u128::from(slot) << 64 | u128::from(sequence))
    }
}

impl From<Cursor> for Place {
    fn from(Cursor(cursor): Cursor) -> Self {
        Self { epoch: Epoch((cursor >> 96) as u32), slot: (cursor >> 64) as u32, sequence: cursor as u64 }
    }
}

impl Sessions {
    pub(super) fn individual(&self, session: &Session) -> Individual {
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
        let mut page = Vec::with_capacity(max.min(1024));
        let mut end = None;
        for (slot, session) in self.cohorts.after(&self.slab, cohort, cutoff, after.map(Place::from)) {
            if page.len() == max {
                return (page, end);
            }
            page.push(self.individual(session));
            end = Some(Place { epoch: session.epoch, slot, sequence: session.link.sequence }.into());
        }
        (page, None)
    }

    fn login(&self, address: Ipv4Addr) -> Option<Individual> {
        self.get(address).filter(|session| !session.is_static).map(|session| self.individual(session))
    }
}
