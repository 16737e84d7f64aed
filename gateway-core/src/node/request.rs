//! What an operator may ask of a running node.

use core::net::Ipv4Addr;

use crate::fpc::Policy;
use crate::line::FpcId;
use crate::wire::dhcp6::Prefix;

/// An operator's request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// The card is about to be restarted: act now, ahead of time (BR-20).
    RestartFpc {
        /// The card.
        fpc: FpcId,
        /// What to do with its logins, instead of the card's own policy.
        policy: Option<Policy>,
    },
    /// Release one subscriber at its server.
    ReleaseSession {
        /// The subscriber's address.
        address: Ipv4Addr,
    },
    /// Release a DHCPv6 client, with all that it has on its line.
    ReleaseClient6 {
        /// Any of its leases; an address has 128 bits.
        prefix: Prefix,
    },
    /// Ask a server what a bulk release would do (PROBE), which shows whether it is capable.
    Probe {
        /// The server, by the address it is configured with.
        server: Ipv4Addr,
    },
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A restart was decided for this many sessions.
    Restarting {
        /// Sessions that will be logged out.
        sessions: u64,
    },
    /// The card's policy keeps this many sessions.
    Maintained {
        /// Sessions that stay until their leases end.
        sessions: u64,
    },
    /// The message is on its way.
    Asked,
}

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// No such card.
    #[error("there is no such FPC")]
    UnknownFpc,
    /// Nobody has this address.
    #[error("no session has this address")]
    UnknownSession,
    /// No such server.
    #[error("there is no such server")]
    UnknownServer,
    /// Authentication is required and there is no key (H-BR-13).
    #[error("a bulk release needs a relay_auth key, or allow_unauthenticated")]
    Unauthenticated,
    /// The operator does not want releases for this cause (RR-5), or it is under way already.
    #[error("releases of this kind are switched off, or it is being released already")]
    NotReleased,
    /// The server is being asked already.
    #[error("it is being asked already")]
    Busy,
    /// Another member of the cluster keeps what has no client; it can be asked.
    #[error("another member of the cluster does that")]
    NotKeeper,
}
