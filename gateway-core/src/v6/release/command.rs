//! What a release wants done, and what it tells.

use core::net::Ipv6Addr;

use super::config::Cause;
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::{DuidBuf, Prefix};

/// What the core wants done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send from `source` port 547 to port 547.
    SendToServer {
        /// One of our link-addresses.
        source: Ipv6Addr,
        /// Destination address.
        server: Ipv6Addr,
        /// The message.
        payload: Vec<u8>,
    },
    /// Store a record. With `sync` it must be on disk before any command that follows is carried out.
    Journal {
        /// Key in the store.
        key: Vec<u8>,
        /// The record.
        value: Vec<u8>,
        /// Whether it must be on disk first.
        sync: bool,
    },
    /// Remove a record.
    ForgetJournal {
        /// Key in the store.
        key: Vec<u8>,
    },
    /// A lease is over: end it, if it is still this client's, of an epoch up to `cutoff`, and was not extended after
    /// `decided_at`.
    EndLease {
        /// What was leased.
        prefix: Prefix,
        /// To whom.
        client: DuidBuf,
        /// The last epoch that ends.
        cutoff: Epoch,
        /// When it was decided that the client is gone.
        decided_at: Instant,
    },
    /// The server has released every lease of `cohort` with an epoch up to `cutoff`: end them, all at once.
    EndCohort {
        /// The cohort.
        cohort: CohortId,
        /// The last epoch that ends.
        cutoff: Epoch,
    },
    /// Its server did not release it, or never said: keep the lease, marked, until its end.
    Orphan {
        /// What is leased.
        prefix: Prefix,
    },
    /// The FPC may be restarted as far as DHCPv6 is concerned: it is released, or `restart_hold` has passed.
    RestartMayProceed {
        /// The line card.
        fpc: FpcId,
        /// The cut-off of its release.
        cutoff: Epoch,
        /// Whether everything was released by now.
        complete: bool,
    },
    /// For the log, `top` and `--watch`.
    Tell(Event),
}

/// Why clients of a server are released one by one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WhyIndividually {
    /// It answered none of the transmissions, and has never answered one.
    NoReply,
    /// It refuses them all, with this status (NotConfigured, NotAllowed).
    Status(u16),
}

/// What became of a single client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// The server released all that was asked for, or knew nothing of it.
    Released,
    /// It kept some of it.
    Kept,
    /// The client spoke again, or had something newer.
    Cancelled,
    /// No answer.
    Silent,
}

impl Ending {
    /// For the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Kept => "kept",
            Self::Cancelled => "cancelled",
            Self::Silent => "silent",
        }
    }
}

/// What happened, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A release of a line card began, or continues after the gateway's own restart.
    Started {
        /// The line card.
        fpc: FpcId,
        /// Last epoch covered.
        cutoff: Epoch,
        /// Leases in it.
        leases: u64,
        /// Continued from the journal.
        resumed: bool,
    },
    /// A single logout begins.
    LogoutSent {
        /// The line card.
        fpc: FpcId,
        /// To whom.
        server: Ipv6Addr,
        /// Leases in it.
        leases: u64,
    },
    /// A single logout is over.
    LogoutDone {
        /// The line card.
        fpc: FpcId,
        /// Who.
        server: Ipv6Addr,
        /// Leases that the server released; `None`: it did not, and its clients are released in batches.
        released: Option<u64>,
    },
    /// A message left.
    Sent {
        /// To whom.
        server: Ipv6Addr,
        /// Its transaction.
        xid: u32,
        /// Clients in it.
        clients: usize,
        /// 1 for the first transmission.
        transmission: u8,
        /// It is a RELEASE in the name of the one client.
        individually: bool,
    },
    /// A server answered.
    Answered {
        /// Who.
        server: Ipv6Addr,
        /// The transaction.
        xid: u32,
        /// Leases it released.
        released: u64,
        /// Leases it knows nothing of.
        no_binding: u64,
        /// Leases it keeps.
        kept: u64,
    },
    /// More than half of what a server was asked about is unknown to it: it may be the wrong one (H-RR-12).
    MostlyUnknown {
        /// Who.
        server: Ipv6Addr,
        /// Leases it knows nothing of.
        no_binding: u64,
        /// Leases it was asked about.
        of: u64,
    },
    /// Clients of a server are released one by one for a while.
    FellBack {
        /// The server.
        server: Ipv6Addr,
        /// Why.
        reason: WhyIndividually,
    },
    /// A server refuses RELEASE-REQUESTs: nothing is released there for a while, and everything kept (H-RR-5).
    Refused {
        /// The server.
        server: Ipv6Addr,
        /// What it says (NotConfigured, NotAllowed).
        status: u16,
        /// For how long.
        hold: Duration,
    },
    /// What became of a client that was released on its own.
    Client {
        /// The client.
        client: DuidBuf,
        /// Why it was released.
        cause: Cause,
        /// What became of it.
        ending: Ending,
    },
    /// The release of a line card has done what it could for now.
    Finished {
        /// The line card.
        fpc: FpcId,
        /// Last epoch covered.
        cutoff: Epoch,
        /// Leases the server released.
        released: u64,
        /// Leases it knew nothing of.
        no_binding: u64,
        /// Leases it keeps.
        kept: u64,
        /// Leases that nobody answered for.
        silent: u64,
        /// Since the decision.
        took: Duration,
        /// When silent ones are tried again.
        retry_in: Option<Duration>,
    },
}

/// How a server takes releases of clients, as far as it has shown. The greater says more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Takes {
    /// It was not asked yet, or not lately.
    Unknown,
    /// It never answered a RELEASE-REQUEST (RR-45): each client is released by a message of its own.
    Releases,
    /// It refuses RELEASE-REQUESTs (H-RR-5).
    Refuses,
    /// It answers RELEASE-REQUESTs.
    Requests,
    /// It has stored our scope with its leases, and said so: a single logout ends them all (BR-26).
    SingleLogout,
}

impl Takes {
    /// For the CLI and the metrics; what servers of DHCPv4 have too is called the same.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Releases => "incapable",
            Self::Refuses => "refused",
            Self::Requests => "batches",
            Self::SingleLogout => "capable",
        }
    }
}
