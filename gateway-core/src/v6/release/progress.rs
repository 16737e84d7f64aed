//! How far a release is: what the CLI, `top` and the metrics show.

use core::net::Ipv6Addr;

use crate::line::FpcId;
use crate::scope::Epoch;
use crate::time::Instant;

/// A release at one server, in leases. `total` is what there is to do; the other counts of leases add up to what is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Leases to release.
    pub total: u64,
    /// The server released them.
    pub released: u64,
    /// The server knew nothing of them: as good as released (RR-26), and counted apart (H-RR-12).
    pub no_binding: u64,
    /// The server keeps them (RR-57).
    pub kept: u64,
    /// Left alone: gone before their turn, or heard of after the decision (H-RR-6).
    pub skipped: u64,
    /// No answer.
    pub silent: u64,
    /// Waits for the reply to a single logout.
    pub logging_out: bool,
    /// Single logouts sent, repetitions included.
    pub single_logouts: u64,
    /// RELEASE-REQUESTs sent, repetitions included.
    pub requests: u64,
    /// RELEASEs of single clients sent, repetitions included.
    pub individual: u64,
}

impl Progress {
    /// Leases done with.
    pub fn done(&self) -> u64 {
        self.released + self.no_binding + self.kept + self.skipped + self.silent
    }
}

/// The release of one line card, for the CLI.
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
    /// When silent leases are tried again.
    pub retry_at: Option<Instant>,
    /// Attempts so far.
    pub attempts: u32,
    /// Taken up from the journal.
    pub resumed: bool,
    /// Per server.
    pub servers: Vec<(Ipv6Addr, Progress)>,
}

/// Counts since the start, for the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Replies that can't be read.
    pub malformed: u64,
    /// Replies to nothing that was asked (RR-39), or of another server.
    pub unmatched: u64,
    /// Replies without a status (RR-40).
    pub no_status: u64,
    /// Clients in replies that had not been asked about.
    pub unasked: u64,
    /// Clients that spoke again while they were being released (H-RR-6).
    pub cancelled: u64,
    /// Leases a server knew nothing of (H-RR-12).
    pub no_binding: u64,
    /// Leases that ended because no server answered ([`super::OnTimeout::Clear`]).
    pub cleared: u64,
}
