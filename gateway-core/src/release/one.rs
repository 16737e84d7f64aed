//! The release of one FPC.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::command::{Command, Event, Fallback};
use super::desk::{Decision, Desk, retry_after};
use super::journal;
use super::logins::CohortSummary;
use super::progress::{Phase, Progress, ReleaseView};
use super::transaction::{self, Due, State, Transaction};
use super::work::Work;
use crate::capability;
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::Instant;
use crate::wire::bulk_release::Operation;

#[derive(Debug)]
pub(super) struct Release {
    pub(super) fpc: FpcId,
    pub(super) cutoff: Epoch,
    pub(super) decision: Decision,
    pub(super) started: Instant,
    pub(super) resumed: bool,
    /// Attempts begun.
    pub(super) attempt: u32,
    /// When the restart may proceed, unless all is done before; `None` once that was told.
    pub(super) hold: Option<Instant>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) works: Vec<Work>,
    pub(super) in_flight: u64,
    pub(super) progress: BTreeMap<Ipv4Addr, Progress>,
    pub(super) finished: Option<Instant>,
    pub(super) retry_at: Option<Instant>,
    pub(super) journaled: bool,
}

/// What is to be done about a cohort.
enum Way {
    Bulk,
    Probe,
    Individual(Fallback),
}

impl Release {
    pub(super) fn new(fpc: FpcId, cutoff: Epoch, decision: Decision, now: Instant) -> Self {
        Self {
            fpc,
            cutoff,
            decision,
            started: now,
            resumed: false,
            attempt: 0,
            hold: None,
            transactions: Vec::new(),
            works: Vec::new(),
            in_flight: 0,
            progress: BTreeMap::new(),
            finished: None,
            retry_at: None,
            journaled: false,
        }
    }

    /// Begins an attempt with what the table has now. `carried`: transactions of the journal, which are repeated as
    /// they were. The intent is on disk before the first message leaves (H-BR-20).
    pub(super) fn begin(&mut self, mut carried: Vec<Transaction>, desk: &mut Desk<'_, '_>) {
        self.attempt += 1;
        (self.finished, self.retry_at) = (None, None);
        let mut cohorts = desk.context.logins.cohorts(self.fpc, self.cutoff);
        cohorts.retain(|cohort| cohort.count > 0);
        for progress in self.progress.values_mut() {
            (progress.orphaned, progress.skipped) = (0, 0);
            progress.total = progress.done();
        }
        let mut logins = 0;
        for cohort in &cohorts {
            self.progress.entry(cohort.server).or_default().total += cohort.count;
            logins += cohort.count;
        }
        for transaction in &mut carried {
            let server = transaction.server;
            for target in &mut transaction.targets {
                let of = |c: &CohortSummary| c.server == server && c.scope.as_ref() == Some(&target.kind);
                if let Some(place) = cohorts.iter().position(of) {
                    let cohort = cohorts.swap_remove(place);
                    (target.cohort, target.count) = (Some(cohort.cohort), cohort.count);
                }
            }
        }
        if self.attempt == 1 || self.resumed {
            let (fpc, cutoff, resumed) = (self.fpc, self.cutoff, self.resumed);
            desk.tell(Event::Started { fpc, cutoff, logins, resumed });
        }
        let (mut bulk, mut probe) = (Vec::new(), Vec::new());
        self.works.clear();
        for cohort in cohorts {
            match self.way(&cohort, desk) {
                Way::Bulk => bulk.push(cohort),
                Way::Probe => probe.push(cohort),
                Way::Individual(reason) => self.fall_back_summary(&cohort, reason, desk),
            }
        }
        self.transactions = carried;
        for (cohorts, operation) in [(bulk, Operation::Release), (probe, Operation::Probe)] {
            let (transactions, misfits) = transaction::group(cohorts, self.cutoff, operation, desk);
            self.transactions.extend(transactions);
            for cohort in misfits {
                self.fall_back_summary(&cohort, Fallback::TooLarge, desk);
            }
        }
        if !self.transactions.is_empty() || !self.works.is_empty() {
            self.journal(true, desk);
        }
        for place in 0..self.transactions.len() {
            self.transmit(place, desk);
        }
    }

    fn way(&self, cohort: &CohortSummary, desk: &Desk<'_, '_>) -> Way {
        let config = desk.config;
        let state = desk.context.capabilities.state(cohort.server, desk.now);
        let secured = config.key.is_some() || config.allow_unauthenticated;
        let reason = if cohort.scope.is_none() {
            Fallback::Untagged
        } else if cohort.shared {
            Fallback::SharedScope
        } else if !config.enabled {
            Fallback::NotCapable
        } else if state == capability::State::Unknown && config.probe_unknown && secured {
            return Way::Probe;
        } else if state != capability::State::Capable {
            Fallback::NotCapable
        } else if !secured {
            Fallback::NoKey
        } else if self.decision.secs(desk.now).is_none() {
            Fallback::TooOld
        } else {
            return Way::Bulk;
        };
        Way::Individual(reason)
    }

    fn fall_back_summary(&mut self, cohort: &CohortSummary, reason: Fallback, desk: &mut Desk<'_, '_>) {
        self.fall_back(cohort.server, cohort.cohort, cohort.count, reason, desk);
    }

    pub(super) fn fall_back(
        &mut self,
        server: Ipv4Addr,
        cohort: CohortId,
        logins: u64,
        reason: Fallback,
        desk: &mut Desk<'_, '_>,
    ) {
        self.works.push(Work::new(server, cohort, reason));
        self.progress.entry(server).or_default().fallback = Some(reason);
        desk.tell(Event::FellBack { fpc: self.fpc, server, reason, logins });
    }

    /// Stores what is left to do.
    pub(super) fn journal(&mut self, sync: bool, desk: &mut Desk<'_, '_>) {
        let Some(key) = self.journal_key(desk) else { return };
        let offset = desk.context.unix_offset;
        let (device, transactions) = (&desk.config.device, &self.transactions);
        let value = journal::encode(self.cutoff, self.decision, self.attempt, transactions, device, offset);
        desk.commands.push_back(Command::Journal { key, value, sync });
        self.journaled = true;
    }

    pub(super) fn forget(&mut self, desk: &mut Desk<'_, '_>) {
        if let (true, Some(key)) = (self.journaled, self.journal_key(desk)) {
            desk.commands.push_back(Command::ForgetJournal { key });
        }
        self.journaled = false;
    }

    fn journal_key(&self, desk: &Desk<'_, '_>) -> Option<Vec<u8>> {
        Some(journal::key(desk.config.fpcs.get(usize::from(self.fpc.0))?))
    }

    /// Sends a transaction, or gives it up when that cannot be done any more.
    pub(super) fn transmit(&mut self, place: usize, desk: &mut Desk<'_, '_>) {
        let secs = self.decision.secs(desk.now);
        let transaction = &mut self.transactions[place];
        if !secs.is_some_and(|secs| transaction.transmit(self.cutoff, secs, desk)) {
            let reason = if secs.is_none() { Fallback::TooOld } else { Fallback::TooLarge };
            return self.give_up(place, reason, desk);
        }
        let (server, txid, transmission) = (transaction.server, transaction.txid, transaction.sent);
        let count = u32::try_from(transaction.count()).unwrap_or(u32::MAX);
        self.progress.entry(server).or_default().bulk_sent += 1;
        desk.tell(Event::BulkSent { fpc: Some(self.fpc), server, txid, transmission, count });
    }

    /// Falls through to individual RELEASEs; a late reply still counts.
    fn give_up(&mut self, place: usize, reason: Fallback, desk: &mut Desk<'_, '_>) {
        let transaction = &mut self.transactions[place];
        transaction.state = State::Abandoned;
        let server = transaction.server;
        let reason = if transaction.operation == Operation::Probe { Fallback::NotCapable } else { reason };
        for target in transaction.targets.clone() {
            if let Some(cohort) = target.cohort {
                self.fall_back(server, cohort, target.count, reason, desk);
            }
        }
    }

    /// Does what is due of its own, not of the lanes. Returns whether a transaction was given up.
    pub(super) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        let mut gave_up = false;
        for place in 0..self.transactions.len() {
            match self.transactions[place].due(desk.now) {
                Due::Nothing => {}
                Due::Transmit => self.transmit(place, desk),
                Due::GiveUp => {
                    self.give_up(place, Fallback::NoReply, desk);
                    gave_up = true;
                }
            }
        }
        if gave_up {
            self.journal(false, desk);
        }
        if self.hold.is_some_and(|hold| hold <= desk.now) {
            self.may_proceed(false, desk);
        }
        if self.retry_at.is_some_and(|at| at <= desk.now) {
            self.resumed = false;
            self.begin(Vec::new(), desk);
        }
    }

    fn may_proceed(&mut self, complete: bool, desk: &mut Desk<'_, '_>) {
        if self.hold.take().is_some() {
            let (fpc, cutoff) = (self.fpc, self.cutoff);
            desk.commands.push_back(Command::RestartMayProceed { fpc, cutoff, complete });
        }
    }

    /// Whether the attempt is over; then it says so, once.
    pub(super) fn settle(&mut self, desk: &mut Desk<'_, '_>) {
        let idle = self.in_flight == 0 && self.works.iter().all(Work::drained);
        if self.finished.is_some() || !idle || self.transactions.iter().any(Transaction::waiting) {
            return;
        }
        let (mut released, mut unverified, mut orphaned) = (0, 0, 0);
        for progress in self.progress.values_mut() {
            progress.total = progress.done(); // some went on their own meanwhile
            released += progress.released;
            unverified += progress.unverified;
            orphaned += progress.orphaned;
        }
        let retry_in = (orphaned > 0).then(|| retry_after(self.attempt));
        self.finished = Some(desk.now);
        self.retry_at = retry_in.map(|wait| desk.now + wait);
        let (fpc, cutoff, took) = (self.fpc, self.cutoff, self.decision.age(desk.now));
        desk.tell(Event::Finished { fpc, cutoff, released, unverified, orphaned, took, retry_in });
        self.may_proceed(orphaned == 0, desk);
        if orphaned == 0 {
            self.forget(desk);
        } else {
            self.journal(false, desk);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let transactions = self.transactions.iter().filter_map(Transaction::poll_timeout).min();
        [self.hold, self.retry_at, transactions].into_iter().flatten().min()
    }

    pub(super) fn view(&self) -> ReleaseView {
        let phase = |server: Ipv4Addr| {
            if self.transactions.iter().any(|t| t.server == server && t.waiting()) {
                Phase::Bulk
            } else if self.finished.is_none() && self.works.iter().any(|work| work.server == server) {
                Phase::Individual
            } else {
                Phase::Done
            }
        };
        let servers =
            self.progress.iter().map(|(&server, progress)| (server, Progress { phase: phase(server), ..*progress }));
        ReleaseView {
            fpc: self.fpc,
            cutoff: self.cutoff,
            decided_at: self.decision.at,
            started: self.started,
            finished: self.finished,
            retry_at: self.retry_at,
            attempts: self.attempt,
            resumed: self.resumed,
            servers: servers.collect(),
        }
    }
}
