//! What the node lends to a release for the length of one call, the session table above all.

use core::net::Ipv6Addr;

use crate::line::{FpcId, Line};
use crate::release::Cursor;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// The leases of one FPC at one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CohortSummary {
    /// The cohort.
    pub cohort: CohortId,
    /// The server, by the source of its replies.
    pub server: Ipv6Addr,
    /// What it calls itself.
    pub server_id: DuidBuf,
    /// It has our scope with them.
    pub tagged: bool,
    /// Leases with an epoch up to the cut-off, orphaned ones included.
    pub count: u64,
}

/// One client with what one server leased to it: all that a message about it has to say (RR-17, RR-23).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// As it called itself when it leased.
    pub client: DuidBuf,
    /// Where it is.
    pub line: Line,
    /// Its line card.
    pub fpc: FpcId,
    /// The server, by the source of its replies.
    pub server: Ipv6Addr,
    /// What the server calls itself.
    pub server_id: DuidBuf,
    /// Its leases there.
    pub leases: Vec<Held>,
}

/// One lease of a [`Client`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// What is leased.
    pub prefix: Prefix,
    /// In which sort of IA.
    pub kind: IaKind,
    /// What the client calls that IA; `None` when nobody has told.
    pub iaid: Option<u32>,
    /// Epoch when it was granted or last extended.
    pub epoch: Epoch,
    /// When that was.
    pub at: Instant,
    /// An earlier attempt gave it up.
    pub orphaned: bool,
}

/// The session table, as a release sees it.
pub trait Logins {
    /// The cohorts of `fpc` that have at least one lease with an epoch up to `cutoff`. Takes time in the number of cohorts,
    /// never in that of leases.
    fn cohorts(&self, fpc: FpcId, cutoff: Epoch) -> Vec<CohortSummary>;

    /// Up to `max` clients that have leases in `cohort` with an epoch up to `cutoff`, with just these leases, those after
    /// `after` in the table's own order, and where they end; no cursor when there are no more. A client that keeps what it
    /// has from the first page to the last is on exactly one of them.
    fn page(&self, cohort: CohortId, cutoff: Epoch, after: Option<Cursor>, max: usize)
    -> (Vec<Client>, Option<Cursor>);

    /// Whoever leases exactly this prefix now, with all that it has from the same server.
    fn holder(&self, prefix: Prefix) -> Option<Client>;
}

/// The rest of the node, as far as a release needs it.
pub struct Context<'a> {
    /// The session table. The commands of earlier calls have been carried out on it.
    pub logins: &'a dyn Logins,
    /// 64 random bits.
    pub random: &'a mut dyn FnMut() -> u64,
    /// Unix time of [`Instant::ZERO`], for what goes to disk.
    pub unix_offset: Duration,
}
