//! What a block of the space is used for (SN-8: the pool of subnets and the table of leased ones, merged as SN-9 allows).

use core::net::Ipv4Addr;

use super::words::{ServerId, Usage};
use crate::time::{Duration, Instant};

/// The use of a block. A block without is in the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Offered(Offer),
    Leased(Lease),
    Own(Own),
    Resting(Resting),
    /// All of a root of ours: its provider assigns the addresses, for hosts behind us (SN-63). It follows from the root, and has
    /// no record.
    Away,
}

/// Held for a requester that was offered it (H-SN-1). Not on disk: a requester that accepts what is forgotten hears NAK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    pub(super) to: ServerId,
    /// Where it was offered.
    pub(super) at: Ipv4Addr,
    pub(super) xid: u32,
    pub(super) until: Instant,
    pub(super) delegate: bool,
}

/// Bound to a lessee (SN-32, SN-62).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    pub(super) lessee: ServerId,
    /// Where it hears from us.
    pub(super) at: Ipv4Addr,
    /// What its hosts' messages have as giaddr, where we assign the addresses (H-SN-22).
    pub(super) relay: Ipv4Addr,
    /// It assigns the addresses itself; else we do, for hosts behind it (SN-63).
    pub(super) delegate: bool,
    pub(super) granted: Duration,
    pub(super) until: Instant,
    /// What it reported last; `None`: nothing yet, and all is taken for used (SN-67).
    pub(super) usage: Option<Usage>,
    /// How often it was asked to give the subnet back (SN-47).
    pub(super) asked_back: u8,
    /// Where we assign the addresses: the address server was told since our start.
    pub(super) told: bool,
}

impl Lease {
    /// Addresses of it that count as used.
    pub(super) fn in_use(&self, size: u32) -> u64 {
        self.usage.map_or(u64::from(size), |usage| usage.in_use + usage.unusable).min(u64::from(size))
    }
}

/// Assigned from by the address server beside us (SN-56: leased to ourselves).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// What the address server was told: hosts' leases end by then (SN-58).
    pub(super) until: Instant,
    pub(super) stage: Stage,
    /// `None`: it has not said anything yet, and all is taken for used.
    pub(super) usage: Option<Usage>,
    /// Nothing of it is in use since then.
    pub(super) idle_since: Option<Instant>,
    /// Since when it is the address server's.
    pub(super) since: Instant,
    /// When the address server is told of a later end.
    pub(super) extend_at: Instant,
}

/// What the address server was told last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Nothing since the start: the root is not confirmed yet. Or that it should assign from it, and it could not.
    Untold,
    /// Assign from it.
    Assigning,
    /// Stop assigning.
    Draining,
    /// It is gone.
    Gone,
}

/// Nobody's until hosts that may still use it are gone (H-SN-4, H-SN-11, H-SN-23).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resting {
    pub(super) until: Instant,
    /// Who had it, and where.
    pub(super) lessee: ServerId,
    pub(super) at: Ipv4Addr,
    /// Its renewal was refused: it hears NAK again if it asks again, and may release it before the time.
    pub(super) refused: bool,
    pub(super) left: Left,
}

/// Hosts that our own address server gave addresses of a resting block, which was a device's in reserve mode (SN-63). Of these it
/// is known when the last has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// None.
    Nobody,
    /// There may be some, and the address server was not told since our start that the subnet is gone.
    Untold,
    /// There may be some; it was told.
    Some,
}
