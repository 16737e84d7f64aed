//! A release's dealings with the lanes: which logins go there, and what becomes of them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::command::Command;
use super::desk::Desk;
use super::item::{Item, Outcome, Owner, Sent};
use super::lane::Lane;
use super::one::Release;
use crate::session::CohortId;

/// RELEASEs a login gets in the first attempt (H-BR-19); in a later one it gets one.
const ROUNDS: u8 = 3;
/// Logins looked at in one call.
const BUDGET: u32 = 512;

impl Release {
    /// Hands logins to the lane of a server while it has room. Returns false when it stopped for having looked at
    /// enough of them in one call.
    pub(super) fn feed(&mut self, server: Ipv4Addr, lane: &mut Lane, desk: &mut Desk<'_, '_>) -> bool {
        let mut budget = BUDGET;
        for work in self.works.iter_mut().filter(|work| work.server == server) {
            while lane.has_room() {
                let Some(login) = work.next(self.cutoff, desk.context.logins) else { break };
                let progress = self.progress.entry(server).or_default();
                if self.resumed && login.orphaned {
                    progress.orphaned += 1;
                    work.handled += 1;
                    work.orphaned += 1;
                } else {
                    let item = Item {
                        owner: Owner::Release(self.fpc, work.cohort),
                        login,
                        cutoff: self.cutoff,
                        decision: self.decision,
                        ask_first: work.ask_first,
                        insist: work.insist,
                        sent: false,
                        rounds: if self.attempt > 1 && !self.resumed { 1 } else { ROUNDS },
                        queries: 0,
                        asked: desk.now,
                    };
                    self.in_flight += u64::from(lane.take(item));
                }
                budget -= 1;
                if budget == 0 {
                    return false;
                }
            }
        }
        true
    }

    pub(super) fn sent(&mut self, server: Ipv4Addr, what: Sent) {
        let progress = self.progress.entry(server).or_default();
        match what {
            Sent::Release => progress.individual_sent += 1,
            Sent::Query => progress.queries_sent += 1,
        }
    }

    /// A login of `cohort` left its lane.
    pub(super) fn outcome(&mut self, server: Ipv4Addr, cohort: CohortId, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let progress = self.progress.entry(server).or_default();
        match outcome {
            Outcome::Released { unverified: false } => progress.released += 1,
            Outcome::Released { unverified: true } => progress.unverified += 1,
            Outcome::Skipped => progress.skipped += 1,
            Outcome::Orphaned => progress.orphaned += 1,
        }
        if let Some(work) = self.works.iter_mut().find(|work| work.cohort == cohort && work.server == server) {
            work.handled += 1;
            work.orphaned += u64::from(outcome == Outcome::Orphaned);
        }
    }

    /// The server released a cohort as a whole: `count` logins by the gateway's own reckoning, less what was done
    /// individually before the reply came.
    pub(super) fn end_cohort(
        &mut self,
        server: Ipv4Addr,
        cohort: CohortId,
        count: u64,
        lanes: &mut BTreeMap<Ipv4Addr, Lane>,
        desk: &mut Desk<'_, '_>,
    ) {
        let progress = self.progress.entry(server).or_default();
        let mut left = count;
        for work in self.works.iter_mut().filter(|work| work.cohort == cohort && work.server == server) {
            work.end();
            progress.orphaned = progress.orphaned.saturating_sub(work.orphaned);
            left = left.saturating_sub(work.handled - work.orphaned);
            (work.handled, work.orphaned) = (0, 0);
        }
        progress.released += left;
        if let Some(lane) = lanes.get_mut(&server) {
            let owner = Owner::Release(self.fpc, cohort);
            self.in_flight = self.in_flight.saturating_sub(lane.drop_owned(|of| *of == owner));
        }
        desk.commands.push_back(Command::EndCohort { cohort, cutoff: self.cutoff });
    }
}
