//! After a restart of the controller: what happened to the leases while nobody looked?
//!
//! A renewal that bypasses the relay is forwarded by the data plane whether or not a controller is there to see it. So
//! every session that was not heard of since the restart is asked about, once, by leasequery, at a server that turns out
//! to answer it; the session takes the end that the server names, or ends when the server says that there is no lease.
//!
//! First come the sessions whose lease has ended meanwhile as far as the records know. The data plane forwards nothing
//! for them; they end when no answer keeps them, at once where the server is known to be silent.
//!
//! Whether a server answers is found out as in a release: see [`Support`].

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::capability::{Leasequery, Support, TRIAL, Unanswered};
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::{Session, Sessions};
use crate::time::{Duration, Instant};
use crate::wire::leasequery::LeaseAnswer;

/// Questions go out in groups…
const EVERY: Duration = Duration::from_millis(100);
/// …of this size.
const GROUP: usize = 10;
/// How often a server that answers is asked about one session.
const TRANSMISSIONS: u8 = 3;
/// Overdue sessions that were not asked about by then end all the same.
const OVERDUE: Duration = Duration::from_secs(600);
/// Sessions looked at in one call.
const LOOKED_AT: usize = 4096;

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
    /// It is not known, and what is known has ended.
    Ended { address: Ipv4Addr },
}

/// What the rest of the node lends for one call.
pub(super) struct View<'a> {
    pub(super) sessions: &'a Sessions,
    /// The current epoch of an FPC: sessions of an earlier one are the release's business.
    pub(super) epoch: &'a dyn Fn(FpcId) -> Epoch,
    /// What is known of a server.
    pub(super) known: &'a dyn Fn(Ipv4Addr) -> Option<Leasequery>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) questions: Vec<Question>,
    /// Overdue sessions that nothing keeps.
    pub(super) ended: Vec<Ipv4Addr>,
    /// Servers that turned out to be silent.
    pub(super) silent: Vec<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    question: Question,
    deadline: Instant,
    transmissions: u8,
}

#[derive(Debug)]
pub(super) struct Reconcile {
    /// Sessions heard of since then need no asking.
    since: Instant,
    overdue: Vec<Ipv4Addr>,
    /// The slot to go on from; `None` when all were looked at.
    from: Option<u32>,
    next: Instant,
    servers: BTreeMap<Ipv4Addr, Support>,
    asked: BTreeMap<u32, Asked>,
    deadlines: BTreeSet<(Instant, u32)>,
}

impl Reconcile {
    pub(super) fn new(sessions: &Sessions, now: Instant) -> Self {
        Self {
            since: now,
            overdue: sessions.overdue(),
            from: (sessions.count() > 0).then_some(0),
            next: now,
            servers: BTreeMap::new(),
            asked: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let more = self.from.is_some() || !self.overdue.is_empty();
        more.then_some(self.next).into_iter().chain(deadline).min()
    }

    /// What is to be done now.
    pub(super) fn handle_timeout(&mut self, view: &View<'_>, mut random: impl FnMut() -> u64, now: Instant) -> Turn {
        let mut turn = Turn::default();
        while let Some((at, xid)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, xid));
            self.unanswered(xid, &mut turn, now);
        }
        if self.next > now {
            return turn;
        }
        self.next = now + EVERY;
        let mut looked_at = 0;
        while let Some(address) = self.overdue.pop() {
            looked_at += 1;
            let session = view.sessions.get(address).filter(|session| session.expires <= self.since);
            let Some(session) = session else { continue };
            let late = now >= self.since + OVERDUE;
            match self
                .wants_asking(view, session)
                .filter(|_| !late)
                .map(|server| (server, self.support(server, view, now)))
            {
                None | Some((_, Support::Silent { .. })) => turn.ended.push(address),
                Some((server, support))
                    if support.may_ask(self.outstanding(server)) && turn.questions.len() < GROUP =>
                {
                    self.ask(server, session, random(), &mut turn, now);
                }
                Some(_) => {
                    self.overdue.push(address);
                    return turn;
                }
            }
            if looked_at == LOOKED_AT {
                return turn;
            }
        }
        let Some(from) = self.from else { return turn };
        for (slot, session) in view.sessions.iter_from(from) {
            self.from = Some(slot);
            looked_at += 1;
            if turn.questions.len() == GROUP || looked_at > LOOKED_AT {
                return turn;
            }
            // Overdue ones were asked about already.
            let Some(server) = self.wants_asking(view, session).filter(|_| session.expires > self.since) else {
                continue;
            };
            match self.support(server, view, now) {
                Support::Silent { .. } => continue,
                support if support.may_ask(self.outstanding(server)) => {}
                _ => return turn,
            }
            self.ask(server, session, random(), &mut turn, now);
            self.from = slot.checked_add(1);
        }
        self.from = None;
        turn
    }

    fn support(&mut self, server: Ipv4Addr, view: &View<'_>, now: Instant) -> Support {
        let support = self.servers.entry(server).or_insert(Support::UNKNOWN);
        support.refresh((view.known)(server), now);
        *support
    }

    fn outstanding(&self, server: Ipv4Addr) -> usize {
        self.asked.values().filter(|asked| asked.question.server == server).count()
    }

    fn ask(&mut self, server: Ipv4Addr, session: &Session, random: u64, turn: &mut Turn, now: Instant) {
        let (address, giaddr) = (session.address, session.giaddr);
        let question = Question { xid: (random >> 32) as u32, server, address, giaddr };
        self.transmit(question, 1, turn, now);
    }

    fn transmit(&mut self, question: Question, transmissions: u8, turn: &mut Turn, now: Instant) {
        let support = self.servers.entry(question.server).or_insert(Support::UNKNOWN);
        let deadline = now + support.asked(transmissions, TRIAL, now);
        self.asked.insert(question.xid, Asked { question, deadline, transmissions });
        self.deadlines.insert((deadline, question.xid));
        turn.questions.push(question);
    }

    /// A question waited in vain.
    fn unanswered(&mut self, xid: u32, turn: &mut Turn, now: Instant) {
        let Some(Asked { question, transmissions, .. }) = self.asked.remove(&xid) else { return };
        let server = question.server;
        let support = self.servers.entry(server).or_insert(Support::UNKNOWN);
        match support.unanswered(TRIAL, now) {
            Unanswered::Silent => {
                turn.silent.push(server);
                turn.ended.push(question.address);
                self.asked.retain(|_, asked| {
                    let other = asked.question.server != server;
                    turn.ended.extend((!other).then_some(asked.question.address));
                    other
                });
            }
            Unanswered::Repeat if transmissions >= TRANSMISSIONS => turn.ended.push(question.address),
            Unanswered::Lost => self.transmit(question, 1, turn, now),
            Unanswered::Repeat => self.transmit(question, transmissions.saturating_add(1), turn, now),
        }
    }

    fn wants_asking(&self, view: &View<'_>, session: &Session) -> Option<Ipv4Addr> {
        let cohort = view.sessions.cohort(session.cohort)?;
        let stale = session.at < self.since && !session.is_static && session.expires != Instant::NEVER;
        (stale && session.epoch >= (view.epoch)(cohort.fpc)).then_some(cohort.server)
    }

    /// An answer to a leasequery; `None` when it answers none of these questions. With it comes whether it is news that this
    /// server answers.
    pub(super) fn handle_answer(
        &mut self,
        server: Ipv4Addr,
        xid: u32,
        answer: &LeaseAnswer,
        sessions: &Sessions,
        now: Instant,
    ) -> Option<(Finding, bool)> {
        let Asked { question, deadline, .. } =
            self.asked.get(&xid).copied().filter(|asked| asked.question.server == server)?;
        self.asked.remove(&xid);
        self.deadlines.remove(&(deadline, xid));
        let news = self.servers.entry(server).or_insert(Support::UNKNOWN).answered(now);
        let address = question.address;
        // Heard of in the meantime: what the server said may be older.
        let session = sessions.get(address).filter(|session| session.at < self.since);
        let Some(session) = session else { return Some((Finding::Nothing, news)) };
        let finding = match answer {
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
        };
        // An overdue session that the answer does not keep has ended.
        let overdue = finding == Finding::Nothing && session.expires <= self.since;
        Some((if overdue { Finding::Ended { address } } else { finding }, news))
    }
}
