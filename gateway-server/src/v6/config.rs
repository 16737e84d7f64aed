//! What the DHCPv6 server is told. No serde here: the daemon reads the file and fills these structs.

use core::net::Ipv6Addr;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::release::ReleaseTypes;
use gateway_core::wire::dhcp6::{CLIENT_PORT, DuidBuf, Prefix, SERVER_PORT};
use thiserror::Error;

use crate::config::Ports;

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address it listens on.
    pub listen: Ipv6Addr,
    /// What it calls itself (option 2). It stays the same for the life of its leases.
    pub server_id: DuidBuf,
    /// UDP ports; the standard ones unless a test says otherwise.
    pub ports: Ports,
    /// The subnets it leases from.
    pub subnets: Vec<Subnet>,
    /// Whether it is the only server of its subnets: then a REBIND of what nobody recorded is answered with NoBinding
    /// instead of silence.
    pub authoritative: bool,
    /// How long what was advertised is kept for the client.
    pub offer_hold: Duration,
    /// How long an address stays unused after a client declined it.
    pub decline_hold: Duration,
    /// Option 7 of an ADVERTISE; 0 is left out.
    pub preference: u8,
    /// Option 32 of the answer to an INFORMATION-REQUEST.
    pub information_refresh: Duration,
    /// Leases one client may have at once, in all its IAs.
    pub max_leases_per_client: usize,
    /// Leases kept in memory, past ones included. Beyond it, the longest free ones are forgotten, of whichever pool. When a
    /// quarter of it is free, free ones are given to others before fresh ones.
    pub max_leases: usize,
    /// RELEASE-REQUEST.
    pub release: ReleasePolicy,
    /// Leasequery.
    pub leasequery: LeasequeryPolicy,
}

impl Config {
    /// A server without subnets, everything else at its default.
    pub fn new(listen: Ipv6Addr, server_id: DuidBuf) -> Self {
        Self {
            listen,
            server_id,
            ports: Ports { server: SERVER_PORT, relay: SERVER_PORT, client: CLIENT_PORT },
            subnets: Vec::new(),
            authoritative: true,
            offer_hold: crate::Config::OFFER_HOLD,
            decline_hold: crate::Config::DECLINE_HOLD,
            preference: 0,
            information_refresh: Duration::from_secs(86_400),
            max_leases_per_client: 16,
            max_leases: 1 << 22,
            release: ReleasePolicy::default(),
            leasequery: LeasequeryPolicy::default(),
        }
    }

    /// Whether a pool has it, and no router does.
    pub(crate) fn leases(&self, binding: &gateway_core::wire::dhcp6::Binding) -> bool {
        use gateway_core::wire::dhcp6::Binding;
        self.subnets.iter().any(|subnet| match binding {
            Binding::Address(address) => {
                let mut pools = subnet.addresses.iter();
                pools.any(|(first, last)| (first..=last).contains(&address)) && !subnet.reserved.contains(address)
            }
            Binding::Prefix(prefix) => {
                let mut pools = subnet.prefixes.iter();
                pools.any(|pool| pool.delegated == prefix.length() && contains(pool.prefix, prefix.address()))
            }
        })
    }

    /// Finds what can't work: a pool outside of its subnet, pools that overlap, times that contradict each other.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut ranges: Vec<(u128, u128)> = Vec::new();
        for subnet in &self.subnets {
            subnet.validate()?;
            ranges.extend(subnet.addresses.iter().map(|(first, last)| (first.to_bits(), last.to_bits())));
            ranges.extend(subnet.prefixes.iter().map(|pool| span(pool.prefix)));
        }
        if self.subnets.len() > usize::from(u16::MAX) || ranges.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooMany);
        }
        ranges.sort_unstable();
        match ranges.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
            Some(pair) => Err(ConfigError::PoolsOverlap(pair[1].0.into(), pair[0].1.into())),
            None => Ok(()),
        }
    }
}

/// One subnet: whom it serves, with what, and what its clients are told.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// The prefix on the link. A link-address within it is served from here.
    pub prefix: Prefix,
    /// Link-addresses outside of the prefix that are served from here, too.
    pub links: Vec<Ipv6Addr>,
    /// Ranges of addresses for IA_NA, first and last included, within the prefix.
    pub addresses: Vec<(Ipv6Addr, Ipv6Addr)>,
    /// Pools of prefixes for IA_PD. They need not lie within the prefix.
    pub prefixes: Vec<PrefixPool>,
    /// Addresses in a range that belong to routers and are never leased. The all-zeros interface identifier is none
    /// either (RFC 4291 section 2.6.1).
    pub reserved: Vec<Ipv6Addr>,
    /// Option 23.
    pub dns: Vec<Ipv6Addr>,
    /// Further options, sent to a client that asks for them (option 6).
    pub options: Vec<(u16, Vec<u8>)>,
    /// Preferred lifetime; at least 1 s. [`Duration::MAX`] is infinite.
    pub preferred: Duration,
    /// Valid lifetime, no less than the preferred one. [`Duration::MAX`] is infinite.
    pub valid: Duration,
    /// T1 in hundredths of the preferred lifetime (RFC 8415 section 21.4 says 50).
    pub renew_percent: u8,
    /// T2 in hundredths of the preferred lifetime (RFC 8415 section 21.4 says 80).
    pub rebind_percent: u8,
    /// Whether a SOLICIT that asks for it is answered with a REPLY (RFC 8415 section 18.3.1).
    pub rapid_commit: bool,
}

impl Subnet {
    /// A subnet without pools: an hour preferred, two hours valid.
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            links: Vec::new(),
            addresses: Vec::new(),
            prefixes: Vec::new(),
            reserved: Vec::new(),
            dns: Vec::new(),
            options: Vec::new(),
            preferred: Duration::from_secs(3600),
            valid: Duration::from_secs(7200),
            renew_percent: 50,
            rebind_percent: 80,
            rapid_commit: true,
        }
    }

    /// Whether clients on the link of this link-address are served from here.
    pub fn serves(&self, link: Ipv6Addr) -> bool {
        contains(self.prefix, link) || self.links.contains(&link)
    }

    /// Whether an address or a prefix is one that clients of this subnet may have.
    pub(crate) fn is_on_link(&self, binding: &gateway_core::wire::dhcp6::Binding) -> bool {
        use gateway_core::wire::dhcp6::Binding;
        match binding {
            Binding::Address(address) => contains(self.prefix, *address),
            Binding::Prefix(prefix) => self.prefixes.iter().any(|pool| contains(pool.prefix, prefix.address())),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let name = self.prefix;
        for &(first, last) in &self.addresses {
            if first > last || !contains(self.prefix, first) || !contains(self.prefix, last) {
                return Err(ConfigError::Pool { first, last, subnet: name });
            }
        }
        for pool in &self.prefixes {
            // A /128 is an address, and is leased as one.
            if pool.delegated < pool.prefix.length() || pool.delegated > 127 || pool.delegated == 0 {
                return Err(ConfigError::Delegated(pool.prefix, pool.delegated));
            }
        }
        if self.preferred < Duration::from_secs(1) || self.valid < self.preferred {
            return Err(ConfigError::Lifetimes(name));
        }
        if self.renew_percent > self.rebind_percent || self.rebind_percent > 100 {
            return Err(ConfigError::Times(name));
        }
        Ok(())
    }
}

/// Prefixes of one length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefixPool {
    /// What they are cut from.
    pub prefix: Prefix,
    /// Their length, from that of the pool's prefix to 127.
    pub delegated: u8,
}

/// What becomes of a request that is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refuse {
    /// It is dropped.
    Silently,
    /// It is answered with the status that says why.
    WithStatus,
}

/// Who may send a RELEASE-REQUEST, and what follows from it.
#[derive(Clone, Debug)]
pub struct ReleasePolicy {
    /// Whether they are carried out at all (RR-7). Off: NotConfigured or nothing (RR-46).
    pub enabled: bool,
    /// Message types.
    pub types: ReleaseTypes,
    /// The relays that may send one. A request of anybody else is refused (RR-63).
    pub relays: Vec<Registered>,
    /// Whether a refusal is said: NotConfigured (RR-46), NotAllowed (RR-47).
    pub refuse: Refuse,
    /// Whether a lease is released only by the relay that its last message came through (H-RR-7).
    pub require_relay_match: bool,
    /// How long what was released is kept from other clients (H-RR-18). Zero by default, as with v4: the data plane
    /// binds every address and prefix to its subscriber.
    pub quarantine: Duration,
    /// The single logout: one message of such a relay for all that it has tagged.
    pub single_logout: SingleLogoutPolicy,
}

/// The single logout, our own extension: whoever may send a RELEASE-REQUEST may send one, about its own leases, when its DUID
/// is registered: that alone tells which ones those are. Like a RELEASE-REQUEST it is believed for the address it comes from; where the path is not secure (RFC 8213) leave it off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SingleLogoutPolicy {
    /// Whether relays are told that they may send one, and those they send are carried out.
    pub enabled: bool,
    /// The enterprise number that its elements are under; the relays' must be the same.
    pub enterprise: u32,
    /// Single logouts a relay may send per second, sustained; 0 is no limit.
    pub rate: u32,
    /// Single logouts a relay may send at once.
    pub burst: u32,
}

impl Default for SingleLogoutPolicy {
    fn default() -> Self {
        Self { enabled: false, enterprise: 32473, rate: 10, burst: 50 }
    }
}

impl Default for ReleasePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            types: ReleaseTypes::default(),
            relays: Vec::new(),
            refuse: Refuse::WithStatus,
            require_relay_match: true,
            quarantine: Duration::ZERO,
            single_logout: SingleLogoutPolicy::default(),
        }
    }
}

/// A relay that is trusted (RR-59).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Its own address: source of the datagram, and peer-address of the RELAY-FORW that it puts around its request. A
    /// relay above it, through which its requests come, is registered, too.
    pub address: Ipv6Addr,
    /// Its DUID (option 53), if it must be this one (RR-61). Without it there are no single logouts.
    pub relay_id: Option<DuidBuf>,
}

/// Who may ask what is leased.
pub type LeasequeryPolicy = crate::config::LeasequeryPolicy<Ipv6Addr>;

/// What is wrong with a [`Config`].
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// A range that is not within its subnet, or backwards.
    #[error("pool {first}-{last} is not a range within {subnet}")]
    Pool {
        /// First address.
        first: Ipv6Addr,
        /// Last address.
        last: Ipv6Addr,
        /// The subnet's prefix.
        subnet: Prefix,
    },
    /// A pool of prefixes that can't be cut so.
    #[error("prefixes of length {1} can't be cut from {0}")]
    Delegated(Prefix, u8),
    /// Two pools share addresses.
    #[error("two pools overlap between {0} and {1}")]
    PoolsOverlap(Ipv6Addr, Ipv6Addr),
    /// A preferred lifetime under one second, or over the valid one.
    #[error("the lifetimes of {0} must be at least a second, the valid one no less than the preferred one")]
    Lifetimes(Prefix),
    /// T1 after T2, or T2 after the preferred lifetime.
    #[error("renew and rebind of {0} must rise and stay below 100 percent")]
    Times(Prefix),
    /// Over 65535 subnets or pools.
    #[error("more than 65535 subnets or pools")]
    TooMany,
}

/// First and last address.
pub(crate) fn span(prefix: Prefix) -> (u128, u128) {
    let first = prefix.address().to_bits();
    (first, first | u128::MAX.checked_shr(prefix.length().into()).unwrap_or(0))
}

fn contains(prefix: Prefix, address: Ipv6Addr) -> bool {
    let (first, last) = span(prefix);
    (first..=last).contains(&address.to_bits())
}
