//! After a restart of the controller: what happened to the leases while nobody looked?
//!
//! A renewal that bypasses the relay is forwarded by the data plane whether or not a controller is there to see it. So
//! every session that was not heard of since the restart is asked about, once, by leasequery, at a server that turns out
//! to answer it; the session takes the end that the server names, or ends when the server says that there is no lease.
//!
//! ```text
//!  UNKNOWN ──an answer──▶ ANSWERS   asked about all its sessions, 100 a second
//!     └──3 questions, 10 s apart, without one──▶ SILENT   its sessions stay as they are
//! ```

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::{Session, Sessions};
use crate::time::{Duration, Instant};
use crate::wire::leasequery::LeaseAnswer;

/// Between questions to a server that is not known to answer (RFC 4388 section 6.4.3).
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u8 = 3;
/// How long a question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions go out in groups…
const EVERY: Duration = Duration::from_millis(100);
/// …of this size…
const GROUP: usize = 10;
/// …as long as no more than this are unanswered.
const OUTSTANDING: usize = 100;
/// Slots looked at in one call.
const LOOKED_AT: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Support {
    Unknown { probes: u8, next: Instant },
    Answers,
    Silent,
}

/// A question to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Question {
    pub(super) xid: u32,
    pub(super) server: Ipv4Addr,
    pub(super) address: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
}

/// What an answer means for a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// Nothing.
    Nothing,
    /// The lease goes on; the client was last heard by the server at this time.
    Leased { address: Ipv4Addr, expires: Instant, at: Instant },
    /// There is no lease.
    Gone { address: Ipv4Addr },
}

#[derive(Debug)]
pub(super) struct Reconcile {
    /// Sessions heard of since then need no asking.
    since: Instant,
    /// The slot to go on from; `None` when all were looked at.
    from: Option<u32>,
    next: Instant,
    servers: BTreeMap<Ipv4Addr, Support>,
    asked: BTreeMap<u32, (Instant, Question)>,
    deadlines: BTreeSet<(Instant, u32)>,
}

impl Reconcile {
    pub(super) fn new(sessions: &Sessions, now: Instant) -> Self {
        Self {
            since: now,
            from: (sessions.count() > 0).then_some(0),
            next: now,
            servers: BTreeMap::new(),
            asked: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        self.from.map(|_| self.next).into_iter().chain(deadline).min()
    }

    /// What is to be asked now. `epoch` gives the current epoch of an FPC: sessions of an earlier one are the release's
    /// business.
    pub(super) fn handle_timeout(
        &mut self,
        sessions: &Sessions,
        epoch: impl Fn(FpcId) -> Epoch,
        mut random: impl FnMut() -> u64,
        now: Instant,
    ) -> Vec<Question> {
        while let Some((at, xid)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, xid));
            let Some((_, question)) = self.asked.remove(&xid) else { continue };
            if let Some(Support::Unknown { probes: PROBES.., .. }) = self.servers.get(&question.server) {
                self.servers.insert(question.server, Support::Silent);
            }
        }
        let mut questions = Vec::new();
        let Some(from) = self.from.filter(|_| self.next <= now) else { return questions };
        self.next = now + EVERY;
        let mut looked_at = 0;
        for (slot, session) in sessions.iter_from(from) {
            self.from = Some(slot);
            looked_at += 1;
            if questions.len() == GROUP || self.asked.len() >= OUTSTANDING || looked_at > LOOKED_AT {
                return questions;
            }
            let Some(server) = self.wants_asking(sessions, session, &epoch) else { continue };
            match self.servers.entry(server).or_insert(Support::Unknown { probes: 0, next: now }) {
                Support::Silent => continue,
                Support::Answers => {}
                Support::Unknown { probes, next } if *next <= now && *probes < PROBES => {
                    *probes += 1;
                    *next = now + PROBE_EVERY;
                }
                // One at a time until it answers; the others wait behind it.
                Support::Unknown { next, .. } => {
                    self.next = (*next).max(now + EVERY).min(now + PATIENCE);
                    return questions;
                }
            }
            let question =
                Question { xid: (random() >> 32) as u32, server, address: session.address, giaddr: session.giaddr };
            self.asked.insert(question.xid, (now, question));
            self.deadlines.insert((now + PATIENCE, question.xid));
            questions.push(question);
            self.from = slot.checked_add(1);
            if !matches!(self.servers.get(&server), Some(Support::Answers)) {
                return questions;
            }
        }
        self.from = None;
        questions
    }

    fn wants_asking(
        &self,
        sessions: &Sessions,
        session: &Session,
        epoch: &impl Fn(FpcId) -> Epoch,
    ) -> Option<Ipv4Addr> {
        let cohort = sessions.cohort(session.cohort)?;
        let stale = session.at < self.since && !session.is_static && session.expires != Instant::NEVER;
        (stale && session.epoch >= epoch(cohort.fpc)).then_some(cohort.server)
    }

    /// An answer to a leasequery; `None` when it answers none of these questions.
    pub(super) fn handle_answer(
        &mut self,
        server: Ipv4Addr,
        xid: u32,
        answer: &LeaseAnswer,
        sessions: &Sessions,
        now: Instant,
    ) -> Option<Finding> {
        let (at, question) = self.asked.get(&xid).copied().filter(|(_, question)| question.server == server)?;
        self.asked.remove(&xid);
        self.deadlines.remove(&(at + PATIENCE, xid));
        self.servers.insert(server, Support::Answers);
        self.next = self.next.min(now + EVERY);
        let address = question.address;
        // Heard of in the meantime: what the server said may be older.
        let session = sessions.get(address).filter(|session| session.at < self.since);
        let Some(session) = session else { return Some(Finding::Nothing) };
        Some(match answer {
            LeaseAnswer::Unassigned { address: about } if *about == address => Finding::Gone { address },
            LeaseAnswer::Active { address: about, hardware, .. }
                if *about == address && hardware.trimmed() != session.hardware =>
            {
                Finding::Gone { address }
            }
            LeaseAnswer::Active { address: about, remaining: Some(remaining), last_transaction, .. }
                if *about == address =>
            {
                let expires = match *remaining {
                    u32::MAX => Instant::NEVER,
                    seconds => now + Duration::from_secs(seconds.into()),
                };
                let ago = last_transaction.map_or(Duration::ZERO, |ago| Duration::from_secs(ago.into()));
                Finding::Leased { address, expires, at: now - ago }
            }
            _ => Finding::Nothing,
        })
    }
}
