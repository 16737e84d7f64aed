//! Subnets that come and go while the server runs: what it may do with them, and how they are used.

use core::net::Ipv4Addr;

use gateway_core::time::{Duration, Instant};
use thiserror::Error;

use crate::config::Subnet;

/// Leases that would be shorter are not given.
const LEAST: Duration = Duration::from_secs(1);

/// What is told to clients of subnets that come and go, and whose clients these are.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// As of a subnet of the configuration; prefix, pools and tenure are each subnet's own.
    pub terms: Subnet,
    /// Whether a subnet's first address is its router's.
    pub first_is_router: bool,
    /// Those that the server had in its former life, as prefix and length: their leases are read, and nothing is said
    /// of them before they are assigned from again.
    pub held: Vec<(Ipv4Addr, u8)>,
}

impl Delegated {
    /// A subnet on these terms, with all addresses that hosts may have in its pool (H-SN-28). `relay`: for its clients only.
    pub(crate) fn subnet(&self, prefix: Ipv4Addr, length: u8, relay: Option<Ipv4Addr>, tenure: Tenure) -> Subnet {
        let loan = Loan::default();
        let mut subnet = Subnet { prefix, length, pools: Vec::new(), tenure, loan, ..self.terms.clone() };
        let edge = u32::from(length <= 30);
        let last = u32::from(prefix) | !u32::from(subnet.mask());
        let (first, last) = (u32::from(prefix) + edge, last - edge);
        subnet.pools.push((first.into(), last.into()));
        if self.first_is_router {
            subnet.routers = vec![first.into()];
        }
        if let Some(relay) = relay {
            subnet.relays = vec![relay];
        }
        subnet
    }
}

/// What else there is to know of a subnet that comes and goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Loan {
    /// Clients may have leases of it that this server has forgotten: each address is asked before it is offered, and who names a
    /// free one as its own has it (H-SN-3).
    pub recovered: bool,
    /// No lease is longer: the provider suggests it (RFC 6656 section 3.4).
    pub longest: Option<Duration>,
}

/// For how long a subnet is the server's, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tenure {
    /// For good: it is of the configuration.
    Kept,
    /// Every lease of it ends by then (SN-58, H-SN-4).
    Until(Instant),
    /// Its leases run out, and nobody gets another one.
    Draining,
    /// It is another's now: renewals are refused (SN-44).
    Gone,
    /// Nothing is said of it: whether it is still the server's is being asked (H-SN-3).
    Unconfirmed,
}

impl Tenure {
    /// Whether clients may get addresses of it.
    pub(crate) fn is_open(self, now: Instant) -> bool {
        match self {
            Self::Kept => true,
            Self::Until(end) => end.since(now) > LEAST,
            Self::Draining | Self::Gone | Self::Unconfirmed => false,
        }
    }
}

/// How the addresses of a subnet are used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Occupancy {
    /// Leased.
    pub in_use: u32,
    /// Offered, and kept for a few seconds.
    pub offered: u32,
    /// The most that were leased at once.
    pub high_water: u32,
    /// Declined.
    pub unusable: u32,
    /// Free.
    pub free: u32,
}

impl Occupancy {
    /// The sum over two parts of a subnet.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            in_use: self.in_use + other.in_use,
            offered: self.offered + other.offered,
            high_water: self.high_water + other.high_water,
            unusable: self.unusable + other.unusable,
            free: self.free + other.free,
        }
    }

    /// Whether a client has an address, or may take one in a moment.
    pub fn is_used(&self) -> bool {
        self.in_use + self.offered > 0
    }
}

/// A subnet that the server can't have beside another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("it overlaps {0}/{1}, which the DHCP server leases from")]
pub struct Overlap(pub Ipv4Addr, pub u8);

/// Why the server can't lease from a subnet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AssignError {
    /// Another one is in the way.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// There is no number left for it.
    #[error("the DHCP server leases from as many subnets as it can")]
    TooMany,
    /// No terms are configured.
    #[error("it is not configured what clients of such subnets are told")]
    Unconfigured,
}
