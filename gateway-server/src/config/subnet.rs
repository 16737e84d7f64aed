//! A subnet.

use core::net::Ipv4Addr;

use gateway_core::time::Duration;

use super::ConfigError;
use super::delegated::{Loan, Tenure};

/// One subnet: whom it serves, with which addresses, and what its clients are told.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Network address.
    pub prefix: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub length: u8,
    /// Ranges of addresses to lease, first and last included. A router's or relay's address inside is never leased.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Relays (giaddr) outside of the prefix whose clients are also served from here: an unnumbered line card, or a
    /// second subnet on the same link. A giaddr within the prefix needs no mention.
    pub relays: Vec<Ipv4Addr>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// The lease time a client gets unless it asks for another one; at least 1 s. [`Duration::MAX`] is infinite.
    pub lease: Duration,
    /// The shortest lease time that a client may ask for.
    pub min_lease: Duration,
    /// The longest; `None`: `lease`.
    pub max_lease: Option<Duration>,
    /// T1, the time to renew, in hundredths of the lease (RFC 2131 4.4.5 says 50).
    pub renew_percent: u8,
    /// T2, the time to rebind, in hundredths of the lease (RFC 2131 4.4.5 says 87.5).
    pub rebind_percent: u8,
    /// Further options, sent to a client that asks for them (option 55) or sends no such list.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Those of them that are sent in any case.
    pub always: Vec<u8>,
    /// Whether a DISCOVER with option 80 is answered with an ACK (RFC 4039). Only where no other server would answer.
    pub rapid_commit: bool,
    /// Whom its pools are for.
    pub admits: Admits,
    /// For how long it is this server's.
    pub tenure: Tenure,
    /// What else its provider says of it.
    pub loan: Loan,
}

/// Whom a subnet leases to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Admits {
    /// Everybody, but those of a class with pools of their own only when these have nothing left.
    #[default]
    Anyone,
    /// Clients of any of these classes, by their place in [`super::Config::classes`].
    Classes(Vec<u16>),
    /// Clients with a reservation. The server makes these by itself.
    Reserved,
}

impl Subnet {
    /// `prefix`/`length` with one pool and one router, an hour's lease.
    pub fn new(prefix: Ipv4Addr, length: u8, pool: (Ipv4Addr, Ipv4Addr), router: Ipv4Addr) -> Self {
        Self {
            prefix,
            length,
            pools: vec![pool],
            relays: Vec::new(),
            routers: vec![router],
            dns: Vec::new(),
            lease: Duration::from_secs(3600),
            min_lease: Duration::from_secs(1),
            max_lease: None,
            renew_percent: 50,
            rebind_percent: 87,
            options: Vec::new(),
            always: Vec::new(),
            rapid_commit: false,
            admits: Admits::Anyone,
            tenure: Tenure::Kept,
            loan: Loan::default(),
        }
    }

    /// One that has no address and serves nobody.
    pub(crate) fn nowhere() -> Self {
        let nowhere = Ipv4Addr::UNSPECIFIED;
        Self { pools: Vec::new(), routers: Vec::new(), ..Self::new(nowhere, 32, (nowhere, nowhere), nowhere) }
    }

    /// Option 1.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0))
    }

    /// Whether the address lies within the prefix.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & u32::from(self.mask()) == u32::from(self.prefix)
    }

    /// Whether clients on the link of `address` (a giaddr, a link selection or an address they have) are served from
    /// here.
    pub fn serves(&self, address: Ipv4Addr) -> bool {
        self.contains(address) || self.relays.contains(&address)
    }

    /// Whether the address is in a pool but belongs to a router or relay.
    pub(crate) fn reserves(&self, address: Ipv4Addr) -> bool {
        self.routers.contains(&address) || self.relays.contains(&address)
    }

    pub(super) fn validate(&self, classes: usize) -> Result<(), ConfigError> {
        let name = || (self.prefix, self.length);
        if self.length > 32 || u32::from(self.prefix) & !u32::from(self.mask()) != 0 {
            return Err(ConfigError::Prefix(self.prefix, self.length));
        }
        for &(first, last) in &self.pools {
            if first > last || !self.contains(first) || !self.contains(last) {
                return Err(ConfigError::Pool { first, last, subnet: name() });
            }
        }
        if self.lease < Duration::from_secs(1) {
            return Err(ConfigError::Lease(name()));
        }
        if self.min_lease > self.lease || self.max_lease.is_some_and(|most| most < self.lease) {
            return Err(ConfigError::LeaseBounds(name()));
        }
        if let Admits::Classes(named) = &self.admits
            && let Some(unknown) = named.iter().find(|class| usize::from(**class) >= classes)
        {
            return Err(ConfigError::NoClass(*unknown));
        }
        if self.renew_percent > self.rebind_percent || self.rebind_percent > 100 {
            return Err(ConfigError::Times(name()));
        }
        Ok(())
    }
}
