//! How far a release is: what the CLI, `top` and the metrics show.

use core::net::Ipv4Addr;

use super::command::Fallback;
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::time::Instant;

/// What a release does at one server just now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Phase {
    /// Waits for the reply to a bulk release (or PROBE).
    Bulk,
    /// Sends and verifies individual RELEASEs.
    Individual,
    /// Has done what it could; orphaned logins are retried later.
    #[default]
    Done,
    /// The FPC has restarted again, and that release does the rest.
    TakenOver,
}

impl Phase {
    /// For the CLI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Individual => "individual",
            Self::Done => "done",
            Self::TakenOver => "taken-over",
        }
    }
}

/// A release at one server. `total` is what there is to do; the first four outcomes add up to what is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// What it does just now.
    pub phase: Phase,
    /// Logins to release.
    pub total: u64,
    /// Logins the server confirmed as gone.
    pub released: u64,
    /// Logins that count as released though nothing confirmed it.
    pub unverified: u64,
    /// Logins left alone: gone before their turn, or logged in again, or heard of after the decision.
    pub skipped: u64,
    /// Logins given up for now.
    pub orphaned: u64,
    /// Bulk releases and PROBEs sent, retransmissions included.
    pub bulk_sent: u64,
    /// Individual RELEASEs sent, repetitions included.
    pub individual_sent: u64,
    /// Leasequeries sent.
    pub queries_sent: u64,
    /// Why logins were released individually, the last reason if there were several.
    pub fallback: Option<Fallback>,
}

impl Progress {
    /// Logins done with.
    pub fn done(&self) -> u64 {
        self.released + self.unverified + self.skipped + self.orphaned
    }
}

/// One release, for the CLI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseView {
    /// The line card.
    pub fpc: FpcId,
    /// Last epoch covered.
    pub cutoff: Epoch,
    /// When the restart was decided; [`Instant::ZERO`] when that was before boot.
    pub decided_at: Instant,
    /// When the gateway began, or took it up again.
    pub started: Instant,
    /// When it had done what it could; `None` while it works.
    pub finished: Option<Instant>,
    /// When orphaned logins are tried again.
    pub retry_at: Option<Instant>,
    /// Attempts so far.
    pub attempts: u32,
    /// Taken up from the journal.
    pub resumed: bool,
    /// Per server.
    pub servers: Vec<(Ipv4Addr, Progress)>,
}

impl ReleaseView {
    /// Its last view, when a later restart of the same FPC takes over what it has not done.
    pub(super) fn taken_over(mut self, now: Instant) -> Self {
        self.retry_at = None;
        if self.finished.is_none() {
            self.finished = Some(now);
            for (_, progress) in self.servers.iter_mut().filter(|(_, progress)| progress.phase != Phase::Done) {
                progress.phase = Phase::TakenOver;
            }
        }
        self
    }
}

/// Counts since the start, for the metrics. None of the messages counted here had an effect, except interim replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Replies that are no well-formed bulk release reply.
    pub malformed: u64,
    /// Replies, or answers to leasequeries, to nothing that was asked of this server.
    pub unmatched: u64,
    /// Replies without the authentication they need.
    pub unauthenticated: u64,
    /// Replies whose authentication is wrong.
    pub forged: u64,
    /// Replies whose replay counter is not new: repeated or reordered.
    pub replayed: u64,
    /// Replies to what was answered already.
    pub duplicate: u64,
    /// Replies without FINAL.
    pub interim: u64,
    /// Messages sent without signature because option 82 had no room for it.
    pub unsigned: u64,
}
