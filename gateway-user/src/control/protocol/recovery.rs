//! What servers told of their leases, and how it differs from what the gateway has.

use serde::{Deserialize, Serialize};

/// One server's answer, the one under way or the last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recovery {
    /// The server.
    pub server: String,
    /// `restore` what is missing, or only `compare`.
    pub purpose: String,
    /// Seconds since it began.
    pub age: u64,
    /// How it ended: `complete`, or what went wrong; none while it is under way.
    pub outcome: Option<String>,
    /// Everything was told, so that what only the gateway has could be looked for.
    pub complete: bool,
    /// Leases that the server told.
    pub told: u64,
    /// Those that both have alike.
    pub same: u64,
    /// Those that only the server had.
    pub only_there: u64,
    /// Those that only the gateway has.
    pub only_here: u64,
    /// Those that both have, with another client, line or end.
    pub other: u64,
    /// Those that are sessions again.
    pub restored: u64,
    /// Those whose end is the server's now.
    pub extended: u64,
    /// Those that the table did not take.
    pub refused: u64,
    /// Those whose line could not be read.
    pub unreadable: u64,
    /// Those that a logout was to end.
    pub cut_off: u64,
    /// The first thousand differences, as they were found.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// Address or prefix.
    pub lease: String,
    /// `only-there`, `only-here`, `client`, `line` or `expiry`.
    pub what: String,
    /// What the server has.
    pub there: Option<Side>,
    /// What the gateway had.
    pub here: Option<Side>,
    /// What was done about it.
    pub done: String,
}

/// What one side has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Access port; none when it can't be told.
    pub port: Option<String>,
    /// VLAN tags.
    pub vlan: String,
    /// Hardware address.
    pub mac: Option<String>,
    /// Seconds to the end of the lease; none for an infinite one.
    pub expires_in: Option<u64>,
}
