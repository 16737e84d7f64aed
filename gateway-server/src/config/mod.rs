//! What the server is told. No serde here: the daemon reads the file and fills these structs.

pub(crate) mod area;
pub(crate) mod class;
pub(crate) mod delegated;
pub(crate) mod place;
pub(crate) mod reservation;

use core::net::Ipv4Addr;

use gateway_core::scope::DeviceId;
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::CodePoints;
use gateway_core::wire::dhcp4::{CLIENT_PORT, SERVER_PORT};
use gateway_core::wire::relay_auth::Key;
use thiserror::Error;

use crate::config::class::Class;
use crate::config::delegated::{Delegated, Loan, Tenure};
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
    /// Clients of any of these classes, by their place in [`Config::classes`].
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

    fn validate(&self, classes: usize) -> Result<(), ConfigError> {
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

/// Who may send a single logout, and what follows from it.
#[derive(Clone, Debug)]
pub struct BulkReleasePolicy {
    /// Off: the server says SERVER_REFUSED to relays that are capable.
    pub enabled: bool,
    /// How it is carried.
    pub code_points: CodePoints,
    /// Scopes one message may name; in `raw` encoding it is always one.
    pub max_scopes: u16,
    /// Keys (RFC 4030), each with the devices it may speak for. Without a key a single logout is refused.
    pub keys: Vec<Permitted>,
    /// Accept a single logout without authentication (H-BR-13: only where nobody else can reach the server).
    pub allow_unauthenticated: bool,
    /// Drop every relayed message that carries no valid authentication (RFC 4030 section 5 asks for this switch).
    pub require_authentication: bool,
    /// Accept counters up to 64 behind the newest, each once (H-BR-16); off: strictly increasing, as RFC 4030 says.
    pub replay_window: bool,
    /// The relays (giaddr) that may send one; empty: any whose giaddr is the datagram's source.
    pub relays: Vec<Ipv4Addr>,
    /// Addresses a device may name in an ADDR scope though they are not the giaddr of its message.
    pub registered: Vec<(DeviceId, Ipv4Addr)>,
    /// How long a released address is kept from other clients than its last one. The default is zero: the gateway
    /// binds every address to MAC, line and port, so a client that still believes in its lease can't disturb the
    /// next one (H-BR-24); and fresh addresses are given out before used ones anyway.
    pub quarantine: Duration,
    /// Single logouts a device may send per second, sustained; 0 is no limit.
    pub rate: u32,
    /// Single logouts a device may send at once.
    pub burst: u32,
}

impl Default for BulkReleasePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            code_points: CodePoints::default(),
            max_scopes: 8,
            keys: Vec::new(),
            allow_unauthenticated: false,
            require_authentication: false,
            replay_window: false,
            relays: Vec::new(),
            registered: Vec::new(),
            quarantine: Duration::ZERO,
            rate: 10,
            burst: 50,
        }
    }
}

/// A key and whom it speaks for.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The key.
    pub key: Key,
    /// The devices that may use it; empty: any.
    pub devices: Vec<DeviceId>,
}

/// Who may ask what is leased.
#[derive(Clone, Debug)]
pub struct LeasequeryPolicy<A> {
    /// Off: NotAllowed.
    pub enabled: bool,
    /// Addresses that may ask, by TCP or in a datagram of their own. Nobody else may: the answers tell who everybody
    /// is, and where.
    pub requestors: Vec<A>,
    /// TCP connections at once (RFC 5460 section 6.4: BULK_LQ_MAX_CONNS).
    pub max_connections: usize,
    /// TCP connections at once from one address, so that none keeps the others out.
    pub max_connections_per_peer: usize,
    /// How long a connection may be without a message or a reader (RFC 5460 section 6.4: BULK_LQ_DATA_TIMEOUT).
    pub idle: Duration,
}

impl<A> Default for LeasequeryPolicy<A> {
    fn default() -> Self {
        Self {
            enabled: true,
            requestors: Vec::new(),
            max_connections: 10,
            max_connections_per_peer: 4,
            idle: Duration::from_secs(300),
        }
    }
}

impl<A: Copy + PartialEq> LeasequeryPolicy<A> {
    /// Whether this address may ask.
    pub(crate) fn permits(&self, requestor: A) -> bool {
        self.enabled && self.requestors.contains(&requestor)
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
