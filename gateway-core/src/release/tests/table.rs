//! A session table: ordered by address, which is also its cursor.

use core::cell::Cell;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::{GIADDR, SERVER};
use crate::line::{FpcId, HardwareAddress};
use crate::release::{CohortSummary, Cursor, Individual, Logins};
use crate::scope::{Epoch, ScopeKind};
use crate::session::CohortId;
use crate::time::Instant;

#[derive(Default, Debug)]
pub(super) struct Table {
    pub(super) logins: BTreeMap<Ipv4Addr, (Individual, CohortId)>,
    cohorts: Vec<(FpcId, Ipv4Addr, Option<ScopeKind>)>,
    /// Logins given out, by page or one by one.
    pub(super) looked_at: Cell<u64>,
    pub(super) shared: bool,
}

impl Table {
    pub(super) fn cohort(&mut self, fpc: FpcId, server: Ipv4Addr, scope: Option<ScopeKind>) -> CohortId {
        let cohort = (fpc, server, scope);
        let place = self.cohorts.iter().position(|known| *known == cohort).unwrap_or_else(|| {
            self.cohorts.push(cohort);
            self.cohorts.len() - 1
        });
        CohortId(u16::try_from(place).unwrap())
    }

    /// `count` logins at the server, from 100.64.`net`.0 on, MAC 02:00:00:`net`:hi:lo.
    pub(super) fn log_in(&mut self, net: u8, count: u16, epoch: u32, scope: Option<ScopeKind>, at: Instant) {
        self.log_in_at(SERVER, net, count, epoch, scope, at);
    }

    pub(super) fn log_in_at(
        &mut self,
        server: Ipv4Addr,
        net: u8,
        count: u16,
        epoch: u32,
        scope: Option<ScopeKind>,
        at: Instant,
    ) {
        let cohort = self.cohort(super::FPC, server, scope);
        for n in 0..count {
            let [hi, lo] = n.to_be_bytes();
            let login = Individual {
                address: Ipv4Addr::new(100, 64 + net, hi, lo),
                hardware: HardwareAddress::ethernet([2, 0, 0, net, hi, lo]),
                client_id: None,
                fpc: super::FPC,
                epoch: Epoch(epoch),
                server,
                server_identifier: server,
                giaddr: GIADDR,
                agent_information: Box::default(),
                last_transaction: at,
                orphaned: false,
            };
            self.logins.insert(login.address, (login, cohort));
        }
    }

    pub(super) fn end(&mut self, address: Ipv4Addr, cutoff: Epoch) {
        if self.logins.get(&address).is_some_and(|(login, _)| login.epoch <= cutoff) {
            self.logins.remove(&address);
        }
    }

    pub(super) fn end_cohort(&mut self, ended: CohortId, cutoff: Epoch) {
        self.logins.retain(|_, (login, cohort)| *cohort != ended || login.epoch > cutoff);
    }

    pub(super) fn orphan(&mut self, address: Ipv4Addr) {
        if let Some((login, _)) = self.logins.get_mut(&address) {
            login.orphaned = true;
        }
    }

    pub(super) fn reboot(&mut self) {
        for (login, _) in self.logins.values_mut() {
            login.last_transaction = Instant::ZERO;
        }
    }

    pub(super) fn scope(&self, cohort: CohortId) -> Option<ScopeKind> {
        self.cohorts[usize::from(cohort.0)].2.clone()
    }

    pub(super) fn orphaned(&self) -> usize {
        self.logins.values().filter(|(login, _)| login.orphaned).count()
    }
}

impl Logins for Table {
    fn cohorts(&self, fpc: FpcId, cutoff: Epoch) -> Vec<CohortSummary> {
        let mut found: BTreeMap<CohortId, CohortSummary> = BTreeMap::new();
        for (login, cohort) in self.logins.values().filter(|(login, _)| login.epoch <= cutoff && login.fpc == fpc) {
            let summary = found.entry(*cohort).or_insert_with(|| CohortSummary {
                cohort: *cohort,
                server: login.server,
                server_identifier: login.server_identifier,
                giaddr: login.giaddr,
                scope: self.scope(*cohort),
                shared: self.shared,
                count: 0,
            });
            summary.count += 1;
        }
        found.into_values().collect()
    }

    fn page(
        &self,
        cohort: CohortId,
        cutoff: Epoch,
        after: Option<Cursor>,
        max: usize,
    ) -> (Vec<Individual>, Option<Cursor>) {
        // The worst that the contract allows: once the cursor's login is gone, it starts over.
        let after = after.and_then(|cursor| u32::try_from(cursor.0).ok()).map(Ipv4Addr::from);
        let after = after.filter(|address| self.logins.contains_key(address));
        let from = after.map_or(Ipv4Addr::UNSPECIFIED, |address| Ipv4Addr::from(u32::from(address) + 1));
        let matching = self.logins.range(from..).filter(|(_, (login, of))| *of == cohort && login.epoch <= cutoff);
        let page: Vec<_> = matching.take(max).map(|(_, (login, _))| login.clone()).collect();
        self.looked_at.set(self.looked_at.get() + page.len() as u64);
        let cursor = page.last().map(|login| Cursor(u128::from(u32::from(login.address))));
        (page, cursor)
    }

    fn login(&self, address: Ipv4Addr) -> Option<Individual> {
        self.looked_at.set(self.looked_at.get() + 1);
        self.logins.get(&address).map(|(login, _)| login.clone())
    }
}
