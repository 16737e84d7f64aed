//! The individual way to one server: RELEASEs at its pace, each checked by leasequery where that is possible.
//!
//! ```text
//!  pages of the table ─▶ to_send ──RELEASE──▶ settling ──▶ to_ask ──leasequery──▶ asked ──gone──▶ released
//!                          ▲                                  │                     │
//!                          │                     server silent└─▶ unverified        ├─still active─┐
//!                          └──────────────── up to 3 rounds, then orphaned ◀────────┴─no answer────┘
//! ```
//! At most [`IN_FLIGHT`] logins are copied out of the table at a time, whatever the size of the release.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::command::Event;
use super::config::{ServerConfig, Verify};
use super::desk::{Decision, Desk};
use super::item::{AskFirst, Item, Outcome, Owner, Sent};
use super::message;
use super::pace::Pace;
use super::support::Support;
use crate::time::{Duration, Instant};
use crate::wire::leasequery::LeaseAnswer;

/// Logins under way at one server.
const IN_FLIGHT: usize = 512;
/// Between a RELEASE and the question what became of it.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a query waits for its answer, and how often it is asked.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
const QUERIES: u8 = 3;

#[derive(Debug)]
pub(super) struct Lane {
    server: Ipv4Addr,
    verify: Verify,
    pace: Pace,
    support: Support,
    to_send: VecDeque<Item>,
    settling: VecDeque<(Instant, Item)>,
    to_ask: VecDeque<Item>,
    /// By the query's xid.
    asked: BTreeMap<u32, Item>,
    timeouts: VecDeque<(Instant, u32)>,
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
            pace: Pace::new(config, now),
            support: Support::UNKNOWN,
            to_send: VecDeque::new(),
            settling: VecDeque::new(),
            to_ask: VecDeque::new(),
            asked: BTreeMap::new(),
            timeouts: VecDeque::new(),
            present: BTreeSet::new(),
            report: Report::default(),
        }
    }

    /// Whether another login may be taken in: there is room, and it would not wait behind a burst of others.
    pub(super) fn has_room(&self) -> bool {
        self.present.len() < IN_FLIGHT && self.to_send.len() < IN_FLIGHT / 4
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
        let ask = if self.to_ask.is_empty() { None } else { self.support.may_ask(self.asked.len()) };
        let settled = self.settling.front().map(|(at, _)| *at);
        let timeout = self.timeouts.front().map(|(at, _)| *at);
        [send, ask, settled, timeout].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        self.support.refresh(desk.now);
        while let Some(item) = pop_due(&mut self.settling, desk.now) {
            self.to_ask.push_back(item);
        }
        while let Some(xid) = pop_due(&mut self.timeouts, desk.now) {
            if let Some(item) = self.asked.remove(&xid) {
                self.unanswered(item, desk);
            }
        }
        // a query that was answered leaves its deadline behind
        while self.timeouts.front().is_some_and(|(_, xid)| !self.asked.contains_key(xid)) {
            self.timeouts.pop_front();
        }
        if self.verify == Verify::Nothing || matches!(self.support, Support::Silent { .. }) {
            for item in core::mem::take(&mut self.to_ask) {
                self.unverifiable(item);
            }
        }
        while self.support.may_ask(self.asked.len()).is_some_and(|at| at <= desk.now) {
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

    fn unverifiable(&mut self, item: Item) {
        match (item.sent, self.verify) {
            (false, _) => self.to_send.push_back(item),
            (true, Verify::Leasequery) => self.finish(item, Outcome::Orphaned),
            (true, _) if item.insist => self.finish(item, Outcome::Orphaned),
            (true, _) => self.finish(item, Outcome::Released { unverified: true }),
        }
    }

    fn ask(&mut self, mut item: Item, desk: &mut Desk<'_, '_>) {
        if !item.stands(desk.context.logins) {
            return self.finish(item, Outcome::Skipped);
        }
        let xid = desk.xid();
        let query = message::query(&item.login, desk.config, xid);
        desk.send(item.login.giaddr, self.server, query, true);
        item.queries += 1;
        self.report.sent.push((item.owner, Sent::Query));
        self.support.asked(desk.now);
        self.timeouts.push_back((desk.now + QUERY_TIMEOUT, xid));
        if let Some(earlier) = self.asked.insert(xid, item) {
            self.to_ask.push_back(earlier); // one chance in four billion; ask again
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
        if self.verify == Verify::Nothing {
            self.unverifiable(item);
        } else {
            self.settling.push_back((desk.now + SETTLE, item));
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

    fn unanswered(&mut self, item: Item, desk: &mut Desk<'_, '_>) {
        let probing = matches!(self.support, Support::Unknown { .. });
        if self.support.unanswered(self.verify, desk.now) {
            desk.tell(Event::Leasequery { server: self.server, answers: false });
        }
        if probing || item.queries < QUERIES {
            self.to_ask.push_front(item);
        } else {
            self.next_round(item);
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
        if !self.asked.get(&xid).is_some_and(about) {
            return false;
        }
        let Some(item) = self.asked.remove(&xid) else { return false };
        if self.support.answered(desk.now) {
            desk.tell(Event::Leasequery { server: self.server, answers: true });
        }
        if !item.stands(desk.context.logins) {
            self.finish(item, Outcome::Skipped);
            return true;
        }
        let active = match answer {
            LeaseAnswer::Active { hardware, .. } => *hardware == item.login.hardware,
            _ => false,
        };
        if active && newer(answer, item.decision, desk.now) {
            self.finish(item, Outcome::Skipped);
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

/// The client spoke to the server after the decision, unseen by us (H-BR-7); with the server's tolerance of 1 s.
fn newer(answer: &LeaseAnswer, decision: Decision, now: Instant) -> bool {
    match answer {
        LeaseAnswer::Active { last_transaction: Some(ago), .. } => {
            Duration::from_secs(u64::from(*ago)) + Duration::from_secs(1) < decision.age(now)
        }
        _ => false,
    }
}

/// The first in a queue of deadlines, when it is due.
fn pop_due<T>(queue: &mut VecDeque<(Instant, T)>, now: Instant) -> Option<T> {
    if queue.front().is_some_and(|(at, _)| *at <= now) { queue.pop_front().map(|(_, what)| what) } else { None }
}
