//! What the server is told. No serde here: the daemon reads the file and fills these structs.

pub(crate) mod area;
pub(crate) mod class;
pub(crate) mod delegated;
pub(crate) mod place;
mod policy;
pub(crate) mod reservation;
mod subnet;

use core::net::Ipv4Addr;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::{CLIENT_PORT, SERVER_PORT};
use thiserror::Error;

pub use self::policy::{BulkReleasePolicy, LeasequeryPolicy, Permitted};
pub use self::subnet::{Admits, Subnet};
use crate::config::class::Class;
use crate::config::delegated::Delegated;
use crate::config::place::Place;
use crate::config::reservation::Reservation;
use crate::subnets::SubnetsConfig;

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address it listens on and calls itself by (option 54).
    pub listen: Ipv4Addr,
    /// UDP ports; the standard ones unless a test says otherwise.
    pub ports: Ports,
    /// Where its leases are kept.
    pub store: Place,
    /// The subnets it leases from. One may be there several times, with pools for different clients
    /// ([`Subnet::admits`]).
    pub subnets: Vec<Subnet>,
    /// Classes of clients; of those that say the same thing the first one counts.
    pub classes: Vec<Class>,
    /// Addresses that are kept for certain clients.
    pub reservations: Vec<Reservation>,
    /// Addresses that are leased to nobody, wherever they are: static ones.
    pub excluded: Vec<Ipv4Addr>,
    /// Whether a client chooses its subnet by option 118 (RFC 3011) although its relay adds option 82. Without an option 82
    /// whoever relays asks for itself, and chooses in any case.
    pub subnet_selection: bool,
    /// Whether it is the only server of its subnets: then a client that names an address nobody recorded gets a NAK
    /// instead of silence (RFC 2131 4.3.2 leaves an INIT-REBOOT client alone otherwise).
    pub authoritative: bool,
    /// How long an offered address is kept for the client it was offered to.
    pub offer_hold: Duration,
    /// How long an address stays unused after a client declined it.
    pub decline_hold: Duration,
    /// Asking an address whether somebody uses it before it is offered; `None`: not asked. Where a gateway binds every address
    /// to its subscriber nobody else can use one, and asking would delay each login.
    pub ping_check: Option<PingCheck>,
    /// Longest reply, in octets of DHCP. Option 82 is left out of a reply that would be longer (RFC 3046 2.2).
    pub max_message: usize,
    /// The single logout.
    pub bulk_release: BulkReleasePolicy,
    /// Bulk leasequery (RFC 6926). That of single addresses (RFC 4388) is answered where giaddr says.
    pub leasequery: LeasequeryPolicy<Ipv4Addr>,
    /// Subnets that come and go while it runs.
    pub delegated: Option<Delegated>,
    /// Where these come from, and who else gets some.
    pub delegation: Option<SubnetsConfig>,
    /// DHCPv6, where it is served; its leases are kept in the same store.
    pub v6: Option<crate::v6::Config>,
}

impl Config {
    /// Default of [`Config::offer_hold`].
    pub const OFFER_HOLD: Duration = Duration::from_secs(10);
    /// Default of [`Config::decline_hold`].
    pub const DECLINE_HOLD: Duration = Duration::from_secs(3600);

    /// A server on `listen` with its leases in `store`, without subnets, everything else at its default.
    pub fn new(listen: Ipv4Addr, store: impl Into<Place>) -> Self {
        Self {
            listen,
            ports: Ports::default(),
            store: store.into(),
            subnets: Vec::new(),
            classes: Vec::new(),
            reservations: Vec::new(),
            excluded: Vec::new(),
            subnet_selection: false,
            authoritative: true,
            offer_hold: Self::OFFER_HOLD,
            decline_hold: Self::DECLINE_HOLD,
            ping_check: None,
            max_message: 1400,
            bulk_release: BulkReleasePolicy::default(),
            leasequery: LeasequeryPolicy::default(),
            delegated: None,
            delegation: None,
            v6: None,
        }
    }

    /// Finds what can't work: a pool outside of its prefix, pools that overlap, times that contradict each other.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut pools: Vec<(u32, u32)> = Vec::new();
        for subnet in &self.subnets {
            subnet.validate(self.classes.len())?;
            pools.extend(subnet.pools.iter().map(|&(first, last)| (u32::from(first), u32::from(last))));
        }
        if self.subnets.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooManySubnets(self.subnets.len()));
        }
        pools.sort_unstable();
        for pair in pools.windows(2) {
            if pair[1].0 <= pair[0].1 {
                return Err(ConfigError::PoolsOverlap(pair[1].0.into(), pair[0].1.into()));
            }
        }
        if let Some(delegated) = &self.delegated {
            delegated.terms.validate(self.classes.len())?;
        }
        self.validate_reservations()?;
        if self.ping_check.is_some_and(|check| check.timeout >= self.offer_hold || check.timeout.is_zero()) {
            return Err(ConfigError::PingCheck);
        }
        for (index, permitted) in self.bulk_release.keys.iter().enumerate() {
            if self.bulk_release.keys[..index].iter().any(|other| other.key.id == permitted.key.id) {
                return Err(ConfigError::KeyTwice(permitted.key.id));
            }
        }
        Ok(())
    }

    fn validate_reservations(&self) -> Result<(), ConfigError> {
        let mut addresses: Vec<Ipv4Addr> = self.reservations.iter().map(|one| one.address).collect();
        addresses.sort_unstable();
        if let Some(twice) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::ReservedTwice(twice[0]));
        }
        for one in &self.reservations {
            if one.identities().iter().all(Option::is_none) {
                return Err(ConfigError::ReservedForNobody(one.address));
            }
            if self.subnets.iter().any(|subnet| subnet.reserves(one.address)) {
                return Err(ConfigError::ReservedRouter(one.address));
            }
        }
        Ok(())
    }
}

/// How addresses are asked whether somebody uses them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PingCheck {
    /// How long an address has for an answer, and a client waits for its offer; less than [`Config::offer_hold`].
    pub timeout: Duration,
    /// A client's former address is not asked for so long: the client might answer itself.
    pub recent: Duration,
    /// Addresses asked at a time; beyond that they are offered unasked.
    pub most: usize,
}

impl Default for PingCheck {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(500), recent: Duration::from_secs(60), most: 1000 }
    }
}

/// UDP ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// Where the server listens.
    pub server: u16,
    /// Where relays listen.
    pub relay: u16,
    /// Where clients listen.
    pub client: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { server: SERVER_PORT, relay: SERVER_PORT, client: CLIENT_PORT }
    }
}

/// What is wrong with a [`Config`].
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// A prefix with bits outside of its mask.
    #[error("{0}/{1} is no prefix: bits beyond its length are set")]
    Prefix(Ipv4Addr, u8),
    /// A pool that is not within its subnet, or backwards.
    #[error("pool {first}-{last} is not a range within {}/{}", subnet.0, subnet.1)]
    Pool {
        /// First address.
        first: Ipv4Addr,
        /// Last address.
        last: Ipv4Addr,
        /// The subnet's prefix.
        subnet: (Ipv4Addr, u8),
    },
    /// Two pools share addresses.
    #[error("two pools overlap between {0} and {1}")]
    PoolsOverlap(Ipv4Addr, Ipv4Addr),
    /// A lease under one second.
    #[error("the lease time of {}/{} is under a second", .0.0, .0.1)]
    Lease((Ipv4Addr, u8)),
    /// A lease time outside of its bounds.
    #[error("the lease time of {}/{} is not between its shortest and its longest", .0.0, .0.1)]
    LeaseBounds((Ipv4Addr, u8)),
    /// A probe that outlasts the offer it is for, or takes no time.
    #[error("the time for an answer to a ping is not between nothing and offer_hold")]
    PingCheck,
    /// A subnet for a class that there is not.
    #[error("there is no class {0}")]
    NoClass(u16),
    /// Two reservations of one address.
    #[error("{0} is reserved twice")]
    ReservedTwice(Ipv4Addr),
    /// A reservation that names no client.
    #[error("{0} is reserved for nobody")]
    ReservedForNobody(Ipv4Addr),
    /// A reservation of a router's or relay's address.
    #[error("{0} is reserved, but it is a router's or relay's")]
    ReservedRouter(Ipv4Addr),
    /// T1 after T2, or T2 after the lease's end.
    #[error("renew and rebind of {}/{} must rise and stay below 100 percent", .0.0, .0.1)]
    Times((Ipv4Addr, u8)),
    /// Over 65535 subnets.
    #[error("{0} subnets; 65535 is the most")]
    TooManySubnets(usize),
    /// Two keys with one number.
    #[error("key {0} is there twice")]
    KeyTwice(u32),
}
