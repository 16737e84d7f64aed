//! What a release wants done, and what it tells.

use core::net::Ipv4Addr;

use crate::capability::Observation;
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::Duration;

/// What the core wants done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send a DHCP message from (`giaddr`, 67) to (`server`, 67).
    SendToServer {
        /// Source address.
        giaddr: Ipv4Addr,
        /// Destination address.
        server: Ipv4Addr,
        /// The message.
        payload: Vec<u8>,
    },
    /// Store a record. With `sync` it must be on disk before any command that follows is carried out (H-BR-20).
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
    /// The server confirmed that every login of `cohort` with an epoch up to `cutoff` is gone: end them, all at once.
    EndCohort {
        /// The cohort.
        cohort: CohortId,
        /// The last epoch that ends.
        cutoff: Epoch,
    },
    /// One login is released: end it, unless its epoch is over `cutoff`.
    EndSession {
        /// Its address.
        address: Ipv4Addr,
        /// The last epoch that ends.
        cutoff: Epoch,
        /// Nothing confirmed it; the server was not asked, or answers no leasequery.
        unverified: bool,
    },
    /// The server still holds the lease after every attempt, or never said: keep the session, marked, until its lease
    /// ends. It is retried meanwhile.
    Orphan {
        /// Its address.
        address: Ipv4Addr,
    },
    /// The FPC may be restarted now: it is released, or `restart_hold` has passed.
    RestartMayProceed {
        /// The line card.
        fpc: FpcId,
        /// The cut-off of its release.
        cutoff: Epoch,
        /// Whether everything was released by now.
        complete: bool,
    },
    /// The server knows of a higher epoch in this FPC's scopes than the gateway does: jump over it (H-BR-8).
    EpochKnown {
        /// The server that says so.
        server: Ipv4Addr,
        /// The line card.
        fpc: FpcId,
        /// What the server knows.
        epoch: Epoch,
    },
    /// What a valid reply says about the server's capability, for [`crate::capability::Capabilities::handle_heard`].
    Heard {
        /// The server.
        server: Ipv4Addr,
        /// What was seen.
        observation: Observation,
        /// Whether its authentication verified.
        authenticated: bool,
    },
    /// For the log, `top` and `--watch`.
    Tell(Event),
}

/// Why a cohort is released individually.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fallback {
    /// The server is not capable, or that is not known.
    NotCapable,
    /// There is no key, and sending unauthenticated is not allowed (H-BR-13).
    NoKey,
    /// The logins carry no scope (H-BR-3, H-BR-4).
    Untagged,
    /// Another FPC has logins in the same scope (H-BR-10).
    SharedScope,
    /// The scope alone is too large for option 82 (H-BR-22).
    TooLarge,
    /// The decision is older than `secs` can say.
    TooOld,
    /// No reply to any transmission (H-BR-23).
    NoReply,
    /// The server refused, with this status (option 151).
    Status(u8),
    /// The server knows far fewer logins in the scope than the gateway does: its own record of them may have lost the
    /// scope, so they are asked about one by one (H-BR-1).
    Shortfall {
        /// How many it does not know.
        missing: u64,
    },
    /// The server could not delete some of them (H-BR-17).
    Remainder {
        /// How many.
        failed: u32,
    },
}

/// What became of a lease whose client has left it for another address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// The server confirmed that it is gone.
    Released,
    /// A RELEASE was sent; the server answers no leasequery.
    Unverified,
    /// Somebody has the address again.
    Skipped,
    /// The server did not confirm it, or too many wait for their RELEASE: it ends with its time.
    Left,
}

impl Ending {
    /// For the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Unverified => "unverified",
            Self::Skipped => "skipped",
            Self::Left => "left",
        }
    }
}

/// What happened, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A release began, or continues after the gateway's own restart.
    Started {
        /// The line card.
        fpc: FpcId,
        /// Last epoch covered.
        cutoff: Epoch,
        /// Logins in it.
        logins: u64,
        /// Continued from the journal.
        resumed: bool,
    },
    /// A bulk release (or PROBE) was sent.
    BulkSent {
        /// The line card; `None` for an operator's PROBE.
        fpc: Option<FpcId>,
        /// To whom.
        server: Ipv4Addr,
        /// The transaction.
        txid: u64,
        /// 1 for the first transmission.
        transmission: u8,
        /// Logins the gateway believes in scope.
        count: u32,
    },
    /// A server answered a bulk release for good.
    BulkAnswered {
        /// The line card.
        fpc: FpcId,
        /// Who.
        server: Ipv4Addr,
        /// The transaction.
        txid: u64,
        /// Leases freed.
        released: u64,
        /// Leases left alone because they are newer.
        skipped: u64,
        /// Leases it could not free.
        failed: u64,
    },
    /// A server answered a PROBE.
    Probed {
        /// The line card whose logins were asked about; `None`: those of the whole device.
        fpc: Option<FpcId>,
        /// Who.
        server: Ipv4Addr,
        /// Logins the server has in those scopes, up to the cut-off.
        matching: u64,
    },
    /// Logins are released individually.
    FellBack {
        /// The line card.
        fpc: FpcId,
        /// The server.
        server: Ipv4Addr,
        /// Why.
        reason: Fallback,
        /// How many logins, at most.
        logins: u64,
    },
    /// The rate of individual RELEASEs changed (H-BR-19).
    RateChanged {
        /// The server.
        server: Ipv4Addr,
        /// Messages per second from now on.
        rate: u32,
    },
    /// Whether a server answers leasequery became known.
    Leasequery {
        /// The server.
        server: Ipv4Addr,
        /// It does.
        answers: bool,
    },
    /// What became of a lease whose client was given another address.
    Superseded {
        /// The old address.
        address: Ipv4Addr,
        /// Its server.
        server: Ipv4Addr,
        /// What became of it.
        ending: Ending,
    },
    /// A release has done what it could for now.
    Finished {
        /// The line card.
        fpc: FpcId,
        /// Last epoch covered.
        cutoff: Epoch,
        /// Logins confirmed as gone.
        released: u64,
        /// Logins counted as released though nothing confirmed it.
        unverified: u64,
        /// Logins given up for now.
        orphaned: u64,
        /// Since the decision.
        took: Duration,
        /// When orphaned ones are tried again.
        retry_in: Option<Duration>,
    },
}
