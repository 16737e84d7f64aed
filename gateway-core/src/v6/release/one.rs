//! The release of one FPC.

use std::collections::{BTreeMap, HashSet};

use super::command::{Command, Event};
use super::config::Cause;
use super::context::{Client, CohortSummary};
use super::engine::Desk;
use super::item::{Fate, Item, Owner};
use super::journal;
use super::lane::Lane;
use super::logout::{Logout, Reply, scope};
use super::progress::{Progress, ReleaseView};
use crate::line::FpcId;
use crate::release::{Decision, Pager, retry_after};
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::Instant;
use crate::wire::dhcp6::release::Outcome;
use crate::wire::dhcp6::{DuidBuf, Message, Prefix};

/// Clients looked at in one call.
const BUDGET: u32 = 512;

/// A cohort that is released, page by page.
#[derive(Debug)]
struct Work {
    server_id: DuidBuf,
    cohort: CohortId,
    pager: Pager<Client>,
}

#[derive(Debug)]
pub(super) struct Release {
    pub(super) fpc: FpcId,
    pub(super) cutoff: Epoch,
    decision: Decision,
    started: Instant,
    pub(super) resumed: bool,
    pub(super) attempt: u32,
    /// When the restart may proceed, unless all is done before; `None` once that was told.
    pub(super) hold: Option<Instant>,
    works: Vec<Work>,
    logouts: Vec<Logout>,
    /// Names the single logouts, on disk too.
    pub(super) txid: u64,
    in_flight: u64,
    /// By the server's DUID, with its address.
    progress: BTreeMap<DuidBuf, (core::net::Ipv6Addr, Progress)>,
    /// What a server keeps: it is not asked again (RR-57).
    kept: HashSet<Prefix>,
    pub(super) finished: Option<Instant>,
    pub(super) retry_at: Option<Instant>,
    pub(super) journaled: bool,
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
            works: Vec::new(),
            logouts: Vec::new(),
            txid: 0,
            in_flight: 0,
            progress: BTreeMap::new(),
            kept: HashSet::new(),
            finished: None,
            retry_at: None,
            journaled: false,
        }
    }

    /// Begins an attempt with what the table has now. The intent is on disk before the first message leaves.
    pub(super) fn begin(&mut self, desk: &mut Desk<'_, '_>) {
        self.attempt += 1;
        (self.finished, self.retry_at) = (None, None);
        let allowed = desk.config.causes.allow(Cause::Restart);
        let mut cohorts = desk.context.logins.cohorts(self.fpc, self.cutoff);
        cohorts.retain(|cohort| allowed && cohort.count > 0);
        for (_, progress) in self.progress.values_mut() {
            (progress.silent, progress.skipped, progress.kept) = (0, 0, 0);
            progress.total = progress.done();
        }
        let mut leases = 0;
        self.works.clear();
        self.logouts.clear();
        if self.txid == 0 {
            self.txid = (desk.context.random)();
        }
        for cohort in cohorts {
            let (_, progress) =
                self.progress.entry(cohort.server_id.clone()).or_insert((cohort.server, Progress::default()));
            progress.total += cohort.count;
            leases += cohort.count;
            let name = desk.identity.fpcs.get(usize::from(self.fpc.0));
            let scope = name.and_then(|name| scope(desk.identity.duid.as_duid(), name, self.cutoff));
            let CohortSummary { cohort, server, server_id, tagged, count } = cohort;
            match scope.filter(|_| tagged && desk.identity.single_logout.is_some()) {
                Some(scope) => {
                    let link = desk.identity.link(self.fpc);
                    desk.tell(Event::LogoutSent { fpc: self.fpc, server, leases: count });
                    self.logouts.push(Logout::new(server, server_id, cohort, count, self.txid, scope, link, desk));
                }
                None => self.works.push(Work { server_id, cohort, pager: Pager::new() }),
            }
        }
        if self.attempt == 1 || self.resumed {
            let (fpc, cutoff, resumed) = (self.fpc, self.cutoff, self.resumed);
            desk.tell(Event::Started { fpc, cutoff, leases, resumed });
        }
        if !self.works.is_empty() || !self.logouts.is_empty() {
            self.journal(true, desk);
        }
    }

    fn journal(&mut self, sync: bool, desk: &mut Desk<'_, '_>) {
        let Some(key) = self.journal_key(desk) else { return };
        let value =
            journal::encode_restart(self.cutoff, self.decision, self.attempt, self.txid, desk.context.unix_offset);
        desk.commands.push_back(Command::Journal { key, value, sync });
        self.journaled = true;
    }

    fn journal_key(&self, desk: &Desk<'_, '_>) -> Option<Vec<u8>> {
        Some(journal::restart_key(desk.identity.fpcs.get(usize::from(self.fpc.0))?))
    }

    fn run_logouts(&mut self, desk: &mut Desk<'_, '_>) {
        let (decision, pen) = (self.decision, desk.identity.single_logout.unwrap_or_default());
        let mut given_up = Vec::new();
        for place in 0..self.logouts.len() {
            let before = self.logouts[place].sent;
            if !self.logouts[place].run(decision, pen, desk) {
                given_up.push(place);
            }
            let sent = u64::from(self.logouts[place].sent - before);
            let server_id = self.logouts[place].server_id.clone();
            self.progress_of(&server_id).single_logouts += sent;
        }
        given_up.into_iter().rev().for_each(|place| self.fall_back(place, desk));
    }

    /// The single logout did not do it: batches do.
    fn fall_back(&mut self, place: usize, desk: &mut Desk<'_, '_>) {
        let Logout { server, server_id, cohort, .. } = self.logouts.swap_remove(place);
        desk.tell(Event::LogoutDone { fpc: self.fpc, server, released: None });
        self.works.push(Work { server_id, cohort, pager: Pager::new() });
    }

    /// A message from a server; whether it was the reply to a single logout.
    pub(super) fn answered(&mut self, message: &Message<'_>, desk: &mut Desk<'_, '_>) -> bool {
        let (pen, now) = (desk.identity.single_logout.unwrap_or_default(), desk.now);
        let replies = self.logouts.iter_mut().map(|logout| logout.read(message, pen, now)).enumerate();
        let Some((place, reply)) = replies.into_iter().find(|(_, reply)| *reply != Reply::None) else { return false };
        match reply {
            Reply::None | Reply::Interim => {}
            Reply::Failed => self.fall_back(place, desk),
            Reply::Done { released } => {
                let Logout { server, server_id, cohort, count, .. } = self.logouts.swap_remove(place);
                desk.tell(Event::LogoutDone { fpc: self.fpc, server, released: Some(released) });
                let progress = self.progress_of(&server_id);
                progress.released += released.min(count);
                progress.no_binding += count.saturating_sub(released);
                desk.commands.push_back(Command::EndCohort { cohort, cutoff: self.cutoff });
            }
        }
        true
    }

    /// The servers that there is something to say to.
    pub(super) fn servers(&self) -> impl Iterator<Item = &DuidBuf> {
        self.progress.keys()
    }

    /// Hands clients to the lane of a server while it has room. Returns false when it stopped for having looked at enough of
    /// them in one call.
    pub(super) fn feed(&mut self, server_id: &DuidBuf, lane: &mut Lane, desk: &mut Desk<'_, '_>) -> bool {
        let mut budget = BUDGET;
        let (cutoff, decision) = (self.cutoff, self.decision);
        let mut skipped = 0;
        'all: for work in self.works.iter_mut().filter(|work| work.server_id == *server_id) {
            while lane.has_room() {
                let page = |after, most| desk.context.logins.page(work.cohort, cutoff, after, most);
                let Some(mut client) = work.pager.next(page) else { break };
                // Its server has said in an earlier attempt that it keeps it.
                client.leases.retain(|held| !self.kept.contains(&held.prefix));
                let owner = Owner::Restart(self.fpc, work.cohort);
                if !client.leases.is_empty() {
                    let item = Item::new(owner, client, cutoff, decision);
                    let count = item.count();
                    // One that is not taken is under way for a reason of its own.
                    *(if lane.take(item) { &mut self.in_flight } else { &mut skipped }) += count;
                }
                budget -= 1;
                if budget == 0 {
                    break 'all;
                }
            }
        }
        if skipped > 0 {
            self.progress_of(server_id).skipped += skipped;
        }
        budget > 0
    }

    fn at(&self, server_id: &DuidBuf, progress: Progress) -> Progress {
        let logging_out = self.logouts.iter().any(|logout| logout.server_id == *server_id);
        Progress { logging_out, ..progress }
    }

    fn progress_of(&mut self, server_id: &DuidBuf) -> &mut Progress {
        let unknown = (core::net::Ipv6Addr::UNSPECIFIED, Progress::default());
        &mut self.progress.entry(server_id.clone()).or_insert(unknown).1
    }

    pub(super) fn sent(&mut self, server_id: &DuidBuf, individually: bool) {
        let progress = self.progress_of(server_id);
        *(if individually { &mut progress.individual } else { &mut progress.requests }) += 1;
    }

    /// A client left its lane.
    pub(super) fn fate(&mut self, item: &Item, fate: &Fate) {
        let asked = item.count();
        self.in_flight = self.in_flight.saturating_sub(asked);
        let progress = self.progress_of(&item.client.server_id);
        match fate {
            Fate::Skipped => progress.skipped += asked,
            Fate::Silent => progress.silent += asked,
            Fate::Answered(outcomes) => {
                // Some may have gone by themselves while it waited.
                progress.skipped += asked.saturating_sub(outcomes.len() as u64);
                for (_, outcome) in outcomes {
                    match outcome {
                        Outcome::Released => progress.released += 1,
                        Outcome::NoBinding => progress.no_binding += 1,
                        Outcome::Kept(_) => progress.kept += 1,
                    }
                }
                let kept = outcomes.iter().filter(|(_, outcome)| !outcome.is_cleared());
                self.kept.extend(kept.map(|(held, _)| held.prefix));
            }
        }
    }

    /// Does what is due of its own, not of the lanes.
    pub(super) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        self.run_logouts(desk);
        if self.hold.is_some_and(|hold| hold <= desk.now) {
            self.may_proceed(false, desk);
        }
        if self.retry_at.is_some_and(|at| at <= desk.now) {
            self.resumed = false;
            self.begin(desk);
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
        let idle = self.in_flight == 0 && self.logouts.is_empty() && self.works.iter().all(|work| work.pager.drained());
        if self.finished.is_some() || !idle {
            return;
        }
        let mut all = Progress::default();
        for (_, progress) in self.progress.values_mut() {
            progress.total = progress.done(); // some went on their own meanwhile
            all.released += progress.released;
            all.no_binding += progress.no_binding;
            all.kept += progress.kept;
            all.silent += progress.silent;
        }
        let Progress { released, no_binding, kept, silent, .. } = all;
        let retry_in = (silent > 0).then(|| retry_after(self.attempt));
        self.finished = Some(desk.now);
        self.retry_at = retry_in.map(|wait| desk.now + wait);
        let (fpc, cutoff, took) = (self.fpc, self.cutoff, self.decision.age(desk.now));
        desk.tell(Event::Finished { fpc, cutoff, released, no_binding, kept, silent, took, retry_in });
        self.may_proceed(kept + silent == 0, desk);
        if silent > 0 {
            self.journal(false, desk);
        } else if let (true, Some(key)) = (core::mem::take(&mut self.journaled), self.journal_key(desk)) {
            desk.commands.push_back(Command::ForgetJournal { key });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let logouts = self.logouts.iter().map(Logout::poll_timeout).min();
        [self.hold, self.retry_at, logouts].into_iter().flatten().min()
    }

    pub(super) fn view(&self) -> ReleaseView {
        ReleaseView {
            fpc: self.fpc,
            cutoff: self.cutoff,
            decided_at: self.decision.at,
            started: self.started,
            finished: self.finished,
            retry_at: self.retry_at,
            attempts: self.attempt,
            resumed: self.resumed,
            servers: self
                .progress
                .iter()
                .map(|(server_id, (server, progress))| (*server, self.at(server_id, *progress)))
                .collect(),
        }
    }
}
