//! What one member tells the others about what it did.

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::unit::Unit;

use super::stamp::Stamp;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::{Epoch, ScopeKind};
use crate::session::EndReason;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// A change of state, portable: without slots and cohort numbers, which each member gives out for itself. Line cards and
/// ports are named by their place in the configuration, which is the same on all members. Times are Unix milliseconds,
/// `u64::MAX` is never.
///
/// What can be calculated is not here: route entries, timers and the end of a lease, which every member lets pass by
/// itself (CL-66).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A session with all that there is to know of it: when it begins, and when anything of its initial state changed.
    Session(Box<SessionState>),
    /// A renewal: essential state only.
    Essential(Essential),
    /// A session is logged out but its server did not confirm, unless it was heard of since.
    Orphaned {
        /// Its address.
        address: Ipv4Addr,
        /// The change that the session was at.
        of: Stamp,
    },
    /// A session ended.
    Ended {
        /// Its address.
        address: Ipv4Addr,
        /// Its client.
        hardware: HardwareAddress,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        reason: EndReason,
        /// The change that the session was at: what is newer did not end.
        of: Stamp,
    },
    /// All sessions of a line card, a server and a scope, up to an epoch, ended: however many they are.
    Cutoff {
        /// Name of the line card; it need not be configured any more.
        fpc: String,
        /// The server, by the address it is configured with.
        server: Ipv4Addr,
        /// The scope.
        scope: Option<ScopeKind>,
        /// The last epoch that ended.
        ended: Epoch,
    },
    /// A lease of DHCPv6, with all that there is to know of it: when it begins, and at every renewal.
    Lease6(Box<LeaseState>),
    /// A lease of DHCPv6 is released but its server did not confirm.
    Orphaned6 {
        /// What is leased.
        prefix: Prefix,
        /// The change that the lease was at.
        of: Stamp,
    },
    /// A lease of DHCPv6 ended.
    Ended6 {
        /// What was leased.
        prefix: Prefix,
        /// The change that the lease was at: what is newer did not end.
        of: Stamp,
    },
    /// All leases of a line card and a DHCPv6 server, up to an epoch, ended.
    Cutoff6 {
        /// Name of the line card; it need not be configured any more.
        fpc: String,
        /// The server, by the source of its replies.
        server: Ipv6Addr,
        /// What it calls itself.
        server_id: DuidBuf,
        /// Whether it has our scope with them.
        tagged: bool,
        /// The last epoch that ended.
        ended: Epoch,
    },
    /// A client of DHCPv6 that may be among those to be released has spoken: whoever releases it leaves it out (H-RR-6).
    Spoke6 {
        /// The client's DUID.
        client: DuidBuf,
        /// Where it is.
        line: Line,
    },
    /// Epoch of a line card, and its restart if one is unfinished.
    Fpc {
        /// Its name.
        name: String,
        /// The record as it is stored.
        record: Vec<u8>,
    },
    /// The journal of a release.
    Journal {
        /// Key in the store.
        key: Vec<u8>,
        /// The record; `None`: it is done.
        value: Option<Vec<u8>>,
    },
    /// Replay counters below this may have been used.
    ReplayReserved {
        /// The server they are for.
        server: Ipv4Addr,
        /// The first that is not reserved.
        through: u64,
    },
    /// What a server can do.
    Capability {
        /// Key in the store.
        key: Vec<u8>,
        /// The record as it is stored.
        value: Vec<u8>,
    },
}

impl Change {
    /// Whether what is sent because of it must wait until every member has it, not only some: an epoch counts only once
    /// nobody relays logins of the one before (H-BR-9), and what a client says must not overtake its release (H-RR-6).
    pub const fn concerns_everyone(&self) -> bool {
        matches!(self, Self::Fpc { .. } | Self::Spoke6 { .. })
    }
}

/// State of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionState {
    /// What is said once.
    pub initial: Initial,
    /// What is said at every change.
    pub essential: Essential,
}

/// Initial state of a session (CL-66).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initial {
    /// Option 61 as the client sent it.
    pub client_id: Option<Box<[u8]>>,
    /// Where the client is.
    pub line: Line,
    /// The line card it logged in behind.
    pub fpc: FpcId,
    /// The server, by the address it is configured with.
    pub server: Ipv4Addr,
    /// Option 54 of the ACK.
    pub server_identifier: Ipv4Addr,
    /// The giaddr of its request.
    pub giaddr: Ipv4Addr,
    /// The value of option 82: relay-id, circuit-id, remote-id.
    pub agent_information: Box<[u8]>,
    /// The scope the server stored with the binding.
    pub scope: Option<ScopeKind>,
}

/// Essential state of a session (CL-66).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Essential {
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: HardwareAddress,
    /// Epoch of the line card.
    pub epoch: Epoch,
    /// Last exchange between client and server, Unix milliseconds.
    pub at: u64,
    /// End of the lease, Unix milliseconds.
    pub expires: u64,
    /// Logged out, not confirmed.
    pub orphaned: bool,
}

/// State of a lease of DHCPv6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseState {
    /// What stays as it is through renewals, but for MAC and peer.
    pub initial: Initial6,
    /// What does not.
    pub essential: Essential6,
}

/// Initial state of a lease of DHCPv6 (CL-66).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initial6 {
    /// The client's DUID.
    pub client: DuidBuf,
    /// Where it is.
    pub line: Line,
    /// The MAC its frames come with.
    pub mac: [u8; 6],
    /// That is a relay's.
    pub relayed: bool,
    /// Where its messages come from.
    pub peer: Ipv6Addr,
    /// The line card it logged in behind.
    pub fpc: FpcId,
    /// The server, by the source of its replies.
    pub server: Ipv6Addr,
    /// What the server calls itself.
    pub server_id: DuidBuf,
    /// Whether it has our scope with the lease.
    pub tagged: bool,
    /// In which sort of IA.
    pub kind: IaKind,
    /// What the client calls that IA.
    pub iaid: Option<u32>,
}

/// Essential state of a lease of DHCPv6 (CL-66).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Essential6 {
    /// What is leased.
    pub prefix: Prefix,
    /// Epoch of the line card.
    pub epoch: Epoch,
    /// Last exchange between client and server, Unix milliseconds.
    pub at: u64,
    /// End of the lease, Unix milliseconds.
    pub expires: u64,
    /// Released, not confirmed.
    pub orphaned: bool,
}

/// A change that this member made, to be told to all others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Its identity; numbers of successive changes grow.
    pub stamp: Stamp,
    /// The work unit, when the change is about a unit's client and its owner made it; `None` for what the keeper decided.
    pub unit: Option<Unit>,
    /// The change.
    pub change: Change,
}

/// A change of some member, as it arrives at another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its identity.
    pub stamp: Stamp,
    /// The change.
    pub change: Change,
}
