//! What the node shows: the shapes behind `gateway sessions`, `fpcs`, `servers`, `releases` and `top`.

use core::net::Ipv4Addr;

use crate::fpc::Policy;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::{Epoch, ScopeKind};
use crate::time::Instant;

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionView {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// The client-id, when it sent one.
    pub client_id: Option<Box<[u8]>>,
    /// Where it is.
    pub line: Line,
    /// The line card.
    pub fpc: FpcId,
    /// Epoch of the card when it logged in.
    pub epoch: Epoch,
    /// The server; 0.0.0.0 for a static subscriber.
    pub server: Ipv4Addr,
    /// The scope the server stored with it.
    pub scope: Option<ScopeKind>,
    /// Time of the last exchange with the server.
    pub at: Instant,
    /// End of the lease.
    pub expires: Instant,
    /// Cell of the `SUBSCRIBERS` array, with its counters.
    pub slot: u32,
    /// Logged out, but not confirmed by its server.
    pub orphaned: bool,
    /// From the configuration.
    pub is_static: bool,
}

/// State of a line card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpcState {
    /// No port has been reported yet.
    Unknown,
    /// In service.
    Up,
    /// Link lost; a restart unless it returns in time.
    Lost {
        /// When it was lost.
        since: Instant,
    },
    /// Restart decided, no port is up.
    Down {
        /// When it was lost.
        since: Instant,
    },
    /// Restart decided ahead of time; nobody can log in until the moment or until all are logged out.
    Frozen {
        /// The restart may go on then, whatever became of the logout.
        until: Instant,
    },
}

/// One line card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpcView {
    /// Which.
    pub fpc: FpcId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: FpcState,
    /// What a restart does.
    pub policy: Policy,
    /// Its epoch.
    pub epoch: Epoch,
    /// Sessions it has.
    pub sessions: u64,
    /// Those among them that no server confirmed the logout of.
    pub orphaned: u64,
    /// Restarts since the controller started.
    pub restarts: u64,
}
