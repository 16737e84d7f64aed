//! The words for a session's beginning and end.

use core::fmt;
use core::net::Ipv4Addr;

use super::cohort::Named;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::{Epoch, ScopeKind};
use crate::time::{Duration, Instant};

/// A cell of the data plane's `COHORTS` array: the logins of one FPC, at one server, with one scope. They end
/// together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CohortId(pub u16);

/// What one single logout can name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cohort {
    /// The line card.
    pub fpc: FpcId,
    /// The server, by the address it is configured with; 0.0.0.0 for static subscribers.
    pub server: Ipv4Addr,
    /// The scope the server stored; `None` for logins that can only be released individually (H-BR-3).
    pub scope: Option<ScopeKind>,
    /// Logins of epochs up to this one have ended.
    pub ended: Option<Epoch>,
}

impl Cohort {
    /// Whether it is that of the logins at this server with this scope.
    pub(super) fn is_of(&self, server: Ipv4Addr, scope: Option<&ScopeKind>) -> bool {
        self.server == server && self.scope.as_ref() == scope
    }
}

impl Named for Cohort {
    fn fpc(&self) -> FpcId {
        self.fpc
    }
    fn ended(&mut self) -> &mut Option<Epoch> {
        &mut self.ended
    }
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Its lease ran out.
    Expired,
    /// The client sent a RELEASE.
    Released,
    /// The client sent a DECLINE.
    Declined,
    /// The server sent a NAK to its holder.
    Refused,
    /// A release on its behalf was confirmed.
    LoggedOut,
    /// Its server has no such lease any more.
    Gone,
    /// The address went to another client, or the client to another address.
    Replaced,
}

impl EndReason {
    /// Every reason, in order.
    pub const ALL: [Self; 7] =
        [Self::Expired, Self::Released, Self::Declined, Self::Refused, Self::LoggedOut, Self::Gone, Self::Replaced];
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "lease ended",
            Self::Released => "released by the client",
            Self::Declined => "declined by the client",
            Self::Refused => "refused by the server",
            Self::LoggedOut => "logged out",
            Self::Gone => "no longer leased by the server",
            Self::Replaced => "replaced by a newer login",
        })
    }
}

/// Why a client may not log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The port has all the clients it may have.
    PortFull,
    /// It logged in and out in short cycles.
    LockedOut {
        /// When it may try again.
        until: Instant,
    },
    /// The gateway has all the sessions it has room for.
    Full,
    /// Its line card is about to restart.
    Frozen,
    /// The request was made in an epoch that has ended since (H-BR-9).
    Stale,
    /// The address belongs to a static subscriber.
    Static,
    /// It was given a prefix that overlaps another subscriber's.
    Overlap,
    /// Its hardware address is not an Ethernet address: the data plane could not tell its traffic.
    NotEthernet,
    /// Its MAC has all the clients of DHCPv6 that it may have.
    MacFull,
    /// It would have more leases of DHCPv6 than a client may have.
    TooManyLeases,
    /// The lease is in use: the data plane has seen its holder lately, with another MAC or on another line.
    InUse,
}

impl Refusal {
    /// The name of every refusal's counter, by [`Refusal::number`].
    pub const NAMES: [&str; 11] = [
        "port-full",
        "locked-out",
        "full",
        "frozen",
        "stale",
        "static",
        "overlap",
        "not-ethernet",
        "mac-full",
        "too-many-leases",
        "in-use",
    ];

    /// Its place in [`Refusal::NAMES`].
    pub const fn number(&self) -> usize {
        match self {
            Self::PortFull => 0,
            Self::LockedOut { .. } => 1,
            Self::Full => 2,
            Self::Frozen => 3,
            Self::Stale => 4,
            Self::Static => 5,
            Self::Overlap => 6,
            Self::NotEthernet => 7,
            Self::MacFull => 8,
            Self::TooManyLeases => 9,
            Self::InUse => 10,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortFull => "the port has all the clients it may have",
            Self::LockedOut { .. } => "locked out after logging in and out in short cycles",
            Self::Full => "no room for another session",
            Self::Frozen => "the FPC is about to restart",
            Self::Stale => "the FPC restarted during the exchange",
            Self::Static => "the address belongs to a static subscriber",
            Self::Overlap => "it was given a prefix that overlaps another subscriber's",
            Self::NotEthernet => "its hardware address is not an Ethernet address",
            Self::MacFull => "its MAC has all the DHCPv6 clients it may have",
            Self::TooManyLeases => "it would have more DHCPv6 leases than a client may have",
            Self::InUse => "the lease is in use with another MAC or on another line",
        })
    }
}

/// When a client that logs in and out in short cycles is locked out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lockout {
    /// Logouts that are too many…
    pub cycles: u32,
    /// …within this time…
    pub within: Duration,
    /// …lock the client out for this long.
    pub lasts: Duration,
}

/// A subscriber from the configuration: it has no lease and no server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticSubscriber {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// Where it is.
    pub line: Line,
}

/// What an ACK did to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Someone logged in.
    New,
    /// The client was logged in already; its lease was extended.
    Renewed,
    /// The client appeared on another line with the address it had.
    Moved,
}
