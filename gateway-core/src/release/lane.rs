//! The individual way to one server: RELEASEs at its pace, each checked by leasequery where that is possible.
//!
//! ```text
//!  pages of the table ─▶ to_send ──RELEASE──▶ settling ──▶ to_ask ──leasequery──▶ asked ──gone──▶ released
//!                          ▲                                  │                     │
//!                          │                     server silent└─▶ unverified        ├─still active─┐
//!                          └──────────────── up to 3 rounds, then orphaned ◀────────┴─no answer────┘
//! ```
//! Whether the server answers at all is tried with the first few RELEASEs, while the others are paced: see
//! [`Support`]. At most [`IN_FLIGHT`] logins are copied out of the table at a time, whatever the size of the release.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::command::Event;
use super::config::{ServerConfig, Verify};
use super::desk::{Decision, Desk};
use super::item::{AskFirst, Item, Outcome, Owner, Sent};
use super::message;
use super::pace::Pace;
use crate::capability::{Support, TRIAL_INSISTING, Unanswered};
use crate::time::{Duration, Instant};
use crate::wire::leasequery::LeaseAnswer;

/// Logins under way at one server.
const IN_FLIGHT: usize = 512;
/// Between a RELEASE and the question what became of it.
const SETTLE: Duration = Duration::from_millis(500);
/// How often a server that answers is asked about one login.
const QUERIES: u8 = 3;
/// Queries that nobody waits for any more and whose answer would still show that the server answers.
const LATE: usize = 128;

#[derive(Debug)]
pub(super) struct Lane {
    server: Ipv4Addr,
    verify: Verify,
    trial: Duration,
    pace: Pace,
    support: Support,
    to_send: VecDeque<Item>,
    settling: VecDeque<(Instant, Item)>,
    to_ask: VecDeque<Item>,
    /// By the query's xid.
    asked: BTreeMap<u32, Item>,
    timeouts: BTreeSet<(Instant, u32)>,
    /// Xids.
    late: VecDeque<u32>,
    present: BTreeSet<Ipv4Addr>,
    report: Report,
}

/// What became of logins, and what was sent for whom, since the last call.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) outcomes: Vec<(Item, Outcome)>,
    pub(super) sent: Vec<(Owner, Sent)>,
}

impl Lane {
    pub(super) fn new(server: Ipv4Addr, config: &ServerConfig, now: Instant) -> Self {
        Self {
            server,
            verify: config.verify,
            trial: if config.verify == Verify::Leasequery { TRIAL_INSISTING } else { config.trial },
            pace: Pace::new(config.rate, config.burst, now),
            support: Support::UNKNOWN,
            to_send: VecDeque::new(),
            settling: VecDeque::new(),
            to_ask: VecDeque::new(),
            asked: BTreeMap::new(),
            timeouts: BTreeSet::new(),
            late: VecDeque::new(),
            present: BTreeSet::new(),
            report: Report::default(),
        }
    }

    /// Whether another login may be taken in: there is room, and it would not wait behind a burst of others.
    pub(super) fn has_room(&self) -> bool {
        self.present.len() < IN_FLIGHT && self.to_send.len() < IN_FLIGHT / 4
    }

    /// Logins under way.
    pub(super) fn load(&self) -> usize {
        self.present.len()
    }

    pub(super) fn rate(&self) -> u32 {
        self.pace.rate()
    }

    /// Takes a login in; returns false when it is under way already.
    pub(super) fn take(&mut self, item: Item) -> bool {
        if !self.present.insert(item.login.address) {
            return false;
        }
        let ask = match item.ask_first {
            AskFirst::No => false,
            AskFirst::IfAnswering => matches!(self.support, Support::Answers { .. }),
            AskFirst::Yes => true,
        };
        if ask {
            self.to_ask.push_back(item)
        } else {
            self.to_send.push_back(item)
        }
        true
    }

    /// Forgets the logins of an owner; returns how many.
    pub(super) fn drop_owned(&mut self, of: impl Fn(&Owner) -> bool) -> u64 {
        let before = self.present.len();
        let kept = |item: &Item| !of(&item.owner);
        self.to_send.retain(kept);
        self.settling.retain(|(_, item)| kept(item));
        self.to_ask.retain(kept);
        self.asked.retain(|_, item| kept(item));
        let queued = self.to_send.iter().chain(self.settling.iter().map(|(_, item)| item));
        let all = queued.chain(&self.to_ask).chain(self.asked.values());
        self.present = all.map(|item| item.login.address).collect();
        (before - self.present.len()) as u64
    }

    /// What happened since the last call.
    pub(super) fn report(&mut self) -> Report {
        core::mem::take(&mut self.report)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let send = (!self.to_send.is_empty()).then(|| self.pace.ready());
        let ask = (!self.to_ask.is_empty() && self.support.may_ask(self.asked.len())).then_some(Instant::ZERO);
        let settled = self.settling.front().map(|(at, _)| *at);
        let timeout = self.timeouts.first().map(|(at, _)| *at);
        [send, ask, settled, timeout].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        self.support.refresh(desk.context.capabilities.leasequery(self.server, desk.now), desk.now);
        while let Some(item) = pop_due(&mut self.settling, desk.now) {
            self.to_ask.push_back(item);
        }
        // a query that was answered leaves its deadline behind
        while let Some(&(at, xid)) = self.timeouts.first()
            && (at <= desk.now || !self.asked.contains_key(&xid))
        {
            self.timeouts.pop_first();
            self.unanswered(xid, desk);
        }
        if self.verify == Verify::Nothing || matches!(self.support, Support::Silent { .. }) {
            for item in core::mem::take(&mut self.to_ask) {
                self.unverifiable(item, desk);
            }
        }
        while self.support.may_ask(self.asked.len()) {
            let Some(item) = self.to_ask.pop_front() else { break };
            self.ask(item, desk);
        }
        while self.pace.ready() <= desk.now {
            let Some(item) = self.to_send.pop_front() else { break };
            self.send(item, desk);
        }
    }

    fn finish(&mut self, item: Item, outcome: Outcome) {
        self.present.remove(&item.login.address);
        self.report.outcomes.push((item, outcome));
    }

    fn unverifiable(&mut self, item: Item, desk: &mut Desk<'_, '_>) {
        if !item.sent {
            return self.to_send.push_back(item);
        }
        if self.verify != Verify::Nothing && self.support.ask_in_passing(desk.now) {
            let xid = desk.xid();
            self.query(&item, xid, desk);
            self.remember(xid);
        }
        // Of a release only what is older than the restart ends; these have no such protection against a new login.
        if !matches!(item.owner, Owner::Release(..)) && !item.stands(desk.context.logins) {
            return self.finish(item, Outcome::Skipped);
        }
        let orphaned = self.verify == Verify::Leasequery || item.insist;
        self.finish(item, if orphaned { Outcome::Orphaned } else { Outcome::Released { unverified: true } })
    }

    fn query(&mut self, item: &Item, xid: u32, desk: &mut Desk<'_, '_>) {
        let query = message::query(&item.login, desk.config, xid);
        desk.send(item.login.giaddr, self.server, query, true);
        self.report.sent.push((item.owner, Sent::Query));
    }

    fn ask(&mut self, item: Item, desk: &mut Desk<'_, '_>) {
        if !item.stands(desk.context.logins) {
            return self.finish(item, Outcome::Skipped);
        }
        let xid = desk.xid();
        if self.asked.contains_key(&xid) {
            return self.to_ask.push_back(item); // one chance in four billion; ask again
        }
        self.transmit(Item { asked: desk.now, ..item }, xid, desk);
    }

    /// The repetitions of a query keep its xid, so that whichever answer comes first counts.
    fn transmit(&mut self, mut item: Item, xid: u32, desk: &mut Desk<'_, '_>) {
        self.query(&item, xid, desk);
        item.queries = item.queries.saturating_add(1);
        let wait = self.support.asked(item.queries, self.trial, desk.now);
        self.timeouts.insert((desk.now + wait, xid));
        self.asked.insert(xid, item);
    }

    /// An answer to this query comes too late for its login, and still shows that the server answers.
    fn remember(&mut self, xid: u32) {
        if self.late.len() == LATE {
            self.late.pop_front();
        }
        self.late.push_back(xid);
    }

    /// All queries start over.
    fn recall(&mut self) {
        for (xid, mut item) in core::mem::take(&mut self.asked).into_iter().rev() {
            item.queries = 0;
            self.to_ask.push_front(item);
            self.remember(xid);
        }
    }

    fn send(&mut self, mut item: Item, desk: &mut Desk<'_, '_>) {
        if !item.stands(desk.context.logins) {
            return self.finish(item, Outcome::Skipped);
        }
        if !self.pace.take(desk.random(), desk.now) {
            return self.to_send.push_front(item);
        }
        let (release, ours) = message::individual(&item.login, &desk.config.device, desk.xid());
        desk.send(item.login.giaddr, self.server, release, ours);
        item.sent = true;
        self.report.sent.push((item.owner, Sent::Release));
        item.rounds = item.rounds.saturating_sub(1);
        item.queries = 0;
        // Also where nothing will be asked: that it could not be sent is learnt in this time.
        self.settling.push_back((desk.now + SETTLE, item));
    }

    /// The RELEASE of this address never left. It counts for nothing: without it nothing confirms.
    pub(super) fn unsent(&mut self, address: Ipv4Addr) {
        let of = |(_, item): &(Instant, Item)| item.login.address == address;
        if let Some(place) = self.settling.iter().position(of)
            && let Some((_, item)) = self.settling.remove(place)
        {
            self.finish(item, Outcome::Orphaned);
        }
    }

    /// Back to sending, or given up.
    fn next_round(&mut self, item: Item) {
        if item.rounds == 0 {
            self.finish(item, Outcome::Orphaned);
        } else {
            self.to_send.push_back(item);
        }
    }

    /// The wait of a query is over; nothing when it was answered.
    fn unanswered(&mut self, xid: u32, desk: &mut Desk<'_, '_>) {
        let Some(item) = self.asked.remove(&xid) else { return };
        let verdict = self.support.unanswered(self.trial, desk.now);
        if verdict != Unanswered::Repeat {
            self.asked.insert(xid, item);
            self.recall();
            if verdict == Unanswered::Silent {
                desk.tell(Event::Leasequery { server: self.server, answers: false });
            }
            return;
        }
        if !item.stands(desk.context.logins) {
            self.finish(item, Outcome::Skipped);
        } else if matches!(self.support, Support::Unknown { .. }) {
            self.transmit(item, xid, desk);
        } else if item.queries >= QUERIES || self.support.stopped() {
            self.remember(xid);
            self.next_round(item);
        } else {
            self.transmit(item, xid, desk);
        }
    }

    /// An answer to a leasequery; returns whether it was asked for.
    pub(super) fn answered(&mut self, xid: u32, answer: &LeaseAnswer, desk: &mut Desk<'_, '_>) -> bool {
        let about = |asked: &Item| match answer {
            LeaseAnswer::Unassigned { address } | LeaseAnswer::Active { address, .. } => {
                *address == asked.login.address
            }
            LeaseAnswer::Unknown => true,
        };
        let late = self.late.iter().position(|late| *late == xid);
        if late.is_none() && !self.asked.get(&xid).is_some_and(about) {
            return false;
        }
        if self.support.answered(desk.now) {
            desk.tell(Event::Leasequery { server: self.server, answers: true });
        }
        if let Some(place) = late {
            self.late.remove(place);
            return true;
        }
        let Some(item) = self.asked.remove(&xid) else { return false };
        if !item.stands(desk.context.logins) {
            self.finish(item, Outcome::Skipped);
            return true;
        }
        let active = match answer {
            LeaseAnswer::Active { hardware, .. } => *hardware == item.login.hardware,
            _ => false,
        };
        if active && spoke_since(answer, item.decision, desk.now) {
            // An answer that was long on its way may only seem to say so: the next one tells, in place of a RELEASE.
            match item.rounds.checked_sub(1).filter(|_| !spoke_since(answer, item.decision, item.asked)) {
                Some(rounds) => self.to_ask.push_back(Item { rounds, queries: 0, ..item }),
                None => self.finish(item, Outcome::Skipped),
            }
            return true;
        }
        if item.sent
            && let Some(rate) = self.pace.verified(active)
        {
            desk.tell(Event::RateChanged { server: self.server, rate });
        }
        if active {
            self.next_round(item)
        } else {
            self.finish(item, Outcome::Released { unverified: false })
        }
        true
    }
}

/// The client spoke to the server after the decision, unseen by us (H-BR-7); with the server's tolerance of 1 s. `given` is
/// when the server gave the answer: after the query left, before it arrived.
fn spoke_since(answer: &LeaseAnswer, decision: Decision, given: Instant) -> bool {
    match answer {
        LeaseAnswer::Active { last_transaction: Some(ago), .. } => {
            Duration::from_secs(u64::from(*ago)) + Duration::from_secs(1) < decision.age(given)
        }
        _ => false,
    }
}

/// The first in a queue of deadlines, when it is due.
fn pop_due<T>(queue: &mut VecDeque<(Instant, T)>, now: Instant) -> Option<T> {
    if queue.front().is_some_and(|(at, _)| *at <= now) { queue.pop_front().map(|(_, what)| what) } else { None }
}
