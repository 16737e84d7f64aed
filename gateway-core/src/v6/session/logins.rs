//! The table as a release sees it.

use super::lease::{Lease, Session};
use super::table::Sessions;
use crate::line::{FpcId, Line};
use crate::release::Cursor;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::session::cohort::Place;
use crate::v6::release::{Client, CohortSummary, Held, Logins};
use crate::wire::dhcp6::{Duid, Prefix};

fn held(lease: &Lease) -> Held {
    let Lease { prefix, kind, iaid, epoch, at, orphaned, .. } = *lease;
    Held { prefix, kind, iaid, epoch, at, orphaned }
}

impl Sessions {
    /// What a session has in one cohort, up to an epoch; its slots tell which of them stands for all.
    fn in_cohort(&self, session: &Session, cohort: CohortId, cutoff: Epoch) -> Option<(u32, Client)> {
        let Cohorted { fpc, server, server_id } = self.cohorted(cohort)?;
        let leases = self.leases(session).filter(|(_, lease)| lease.cohort == cohort && lease.epoch <= cutoff);
        let (slots, leases): (Vec<u32>, Vec<Held>) = leases.map(|(slot, lease)| (slot, held(lease))).unzip();
        let first = slots.into_iter().min()?;
        let (client, line) = (session.client.clone(), session.line);
        Some((first, Client { client, line, fpc, server, server_id, leases }))
    }

    fn cohorted(&self, cohort: CohortId) -> Option<Cohorted> {
        let cohort = self.cohort(cohort)?;
        Some(Cohorted { fpc: cohort.fpc, server: cohort.server, server_id: cohort.server_id.clone() })
    }

    /// What a session has, by server.
    fn by_server(&self, session: &Session) -> Vec<Client> {
        let mut cohorts: Vec<CohortId> = self.leases(session).map(|(_, lease)| lease.cohort).collect();
        cohorts.sort_unstable();
        cohorts.dedup();
        let of = |cohort| Some(self.in_cohort(session, cohort, Epoch(u32::MAX))?.1);
        cohorts.into_iter().filter_map(of).collect()
    }

    /// The client that has this lease, with all that it has on its line, by server.
    pub fn clients_of(&self, prefix: Prefix) -> Vec<Client> {
        self.get(prefix).map(|(_, session)| self.by_server(session)).unwrap_or_default()
    }

    /// All that a subscriber has, whatever it calls itself, by client and server. Of clients behind a relay nothing is known by
    /// its MAC.
    pub fn clients_at(&self, line: Line, mac: [u8; 6]) -> Vec<Client> {
        self.of_mac(line, mac).flat_map(|session| self.by_server(session)).collect()
    }

    /// What a login leaves behind of the same subscriber under other DUIDs: up to [`LEFT_BEHIND`] clients. Those behind a relay
    /// have its MAC in common, and none of them takes another's place.
    pub fn replaced(&self, line: Line, client: Duid<'_>, mac: [u8; 6]) -> Vec<Client> {
        let other = |session: &&Session| session.client.as_duid() != client;
        let others = self.of_mac(line, mac).filter(other).take(LEFT_BEHIND);
        others.flat_map(|session| self.by_server(session)).collect()
    }

    /// The same of the same device on other lines. A DUID is anybody's to invent, so the MAC has to be the same, too.
    pub fn moved(&self, line: Line, client: Duid<'_>, mac: [u8; 6]) -> Vec<Client> {
        let elsewhere = self.of_device(client, mac).filter(|session| session.line != line && !session.relayed);
        elsewhere.take(LEFT_BEHIND).flat_map(|session| self.by_server(session)).collect()
    }
}

/// Sessions that one login leaves behind at most. What is over that goes with a later login, or ends with its leases.
pub(crate) const LEFT_BEHIND: usize = 64;

/// A cohort by its words.
struct Cohorted {
    fpc: FpcId,
    server: core::net::Ipv6Addr,
    server_id: crate::wire::dhcp6::DuidBuf,
}

impl Logins for Sessions {
    fn cohorts(&self, fpc: FpcId, cutoff: Epoch) -> Vec<CohortSummary> {
        let summary = |id| {
            let Cohorted { server, server_id, .. } = self.cohorted(id)?;
            let (count, tagged) = (self.cohorts.count(id, cutoff).0, self.cohort(id)?.tagged);
            (count > 0).then_some(CohortSummary { cohort: id, server, server_id, tagged, count })
        };
        self.cohorts.of_fpc(fpc).filter_map(summary).collect()
    }

    fn page(
        &self,
        cohort: CohortId,
        cutoff: Epoch,
        after: Option<Cursor>,
        max: usize,
    ) -> (Vec<Client>, Option<Cursor>) {
        let mut page = Vec::with_capacity(max.min(1024));
        let mut end = None;
        for (slot, lease) in self.cohorts.after(&self.leases, cohort, cutoff, after.map(Place::from)) {
            if page.len() == max {
                return (page, end);
            }
            // One of a client's leases stands for all of them.
            let client = self.in_cohort(&self.sessions[lease.session], cohort, cutoff);
            if let Some((_, client)) = client.filter(|(first, _)| *first == slot) {
                page.push(client);
            }
            end = Some(Place { epoch: lease.epoch, slot, sequence: lease.link.sequence }.into());
        }
        (page, None)
    }

    fn holder(&self, prefix: Prefix) -> Option<Client> {
        let (lease, session) = self.get(prefix)?;
        Some(self.in_cohort(session, lease.cohort, Epoch(u32::MAX))?.1)
    }
}
