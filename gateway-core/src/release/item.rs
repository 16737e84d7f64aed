//! One login on its way to being released individually.

use super::desk::Decision;
use super::logins::{Individual, Logins};
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::Instant;

/// On whose behalf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The release of this FPC, of this cohort.
    Release(FpcId, CohortId),
    /// An operator, for this login only.
    Operator,
    /// The client itself, which was given another address. Its session has ended already.
    Superseded,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Released { unverified: bool },
    Skipped,
    Orphaned,
}

/// Whether to ask the server about a login before releasing it, because it may be gone already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AskFirst {
    No,
    /// A bulk release was sent and not answered: when the server is known to answer leasequery.
    IfAnswering,
    /// The server released most of its cohort: find the few that are left, even if it takes a while to learn that
    /// there is no answer.
    Yes,
}

/// A message that left for a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    Release,
    Query,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) owner: Owner,
    pub(super) login: Individual,
    pub(super) cutoff: Epoch,
    pub(super) decision: Decision,
    pub(super) ask_first: AskFirst,
    /// The server is capable and did not reply: it may be down. Without confirmation the login is orphaned, and the next
    /// attempt begins with a bulk release again.
    pub(super) insist: bool,
    /// A RELEASE was sent.
    pub(super) sent: bool,
    /// RELEASEs it may still get.
    pub(super) rounds: u8,
    /// Queries since the last RELEASE.
    pub(super) queries: u8,
    /// When the query that is under way left for the first time.
    pub(super) asked: Instant,
}

impl Item {
    /// Whether the address still belongs to the login that is to be released: nobody logged in on it again since, and
    /// the client was not heard of since the decision (H-BR-6, H-BR-7).
    pub(super) fn stands(&self, logins: &dyn Logins) -> bool {
        match (self.owner, logins.login(self.login.address)) {
            // Whoever has the address now, be it the same client again, is not meant.
            (Owner::Superseded, holder) => holder.is_none(),
            (_, holder) => holder.is_some_and(|now| self.covers(&now)),
        }
    }

    fn covers(&self, login: &Individual) -> bool {
        login.hardware == self.login.hardware
            && login.server == self.login.server
            && login.fpc == self.login.fpc
            && login.epoch <= self.cutoff
            && login.last_transaction <= self.decision.at
    }
}
