//! A lease as every server has it.

use core::cmp::Ordering;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use gateway_core::line::HardwareAddress;
use gateway_core::scope::Scope;
use gateway_core::wire::dhcp6::{Binding, Prefix};
use serde::{Deserialize, Serialize};

/// The time that never comes: of infinite leases.
pub const NEVER: u64 = u64::MAX;

/// Of nanoseconds the seconds that are nearest: two clocks are never read at quite the same time.
pub(crate) fn seconds(nanos: u64) -> u64 {
    nanos.saturating_add(500_000_000) / 1_000_000_000
}

/// What is leased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum What {
    /// An address, by DHCPv4.
    Four(Ipv4Addr),
    /// An address or a prefix, by DHCPv6.
    Six(Binding),
}

impl What {
    /// Whether DHCPv6 leases it.
    pub fn is_six(&self) -> bool {
        matches!(self, Self::Six(_))
    }

    /// First address and length.
    pub fn prefix(&self) -> (IpAddr, u8) {
        match self {
            Self::Four(address) => ((*address).into(), 32),
            Self::Six(binding) => (binding.prefix().address().into(), binding.prefix().length()),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Four(address) => address.fmt(f),
            Self::Six(binding) => binding.fmt(f),
        }
    }
}

impl FromStr for What {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let Some((address, length)) = text.split_once('/') else {
            return Ok(match text.parse().map_err(drop)? {
                IpAddr::V4(address) => Self::Four(address),
                IpAddr::V6(address) => Self::Six(Binding::Address(address)),
            });
        };
        let (address, length) = (address.parse().map_err(drop)?, length.parse().map_err(drop)?);
        let prefix = Prefix::new(address, length).filter(|prefix| prefix.address() == address && length < 128);
        prefix.map(|prefix| Self::Six(Binding::Prefix(prefix))).ok_or(())
    }
}

/// What has become of a lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In force until it expires.
    Active,
    /// Declined: nobody gets the address before its time.
    Abandoned,
    /// Over, and kept from others than its last client for a while.
    Quarantined,
    /// Its time ran out.
    Expired,
    /// Released by its client or on its behalf.
    Released,
    /// Ended by a single logout.
    Reset,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Abandoned, Self::Quarantined, Self::Expired, Self::Released, Self::Reset];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Abandoned => "abandoned",
            Self::Quarantined => "quarantined",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Reset => "reset",
        }
    }

    /// Whether the address is kept from others by it.
    pub fn holds(self) -> bool {
        matches!(self, Self::Active | Self::Abandoned)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(State::name).join(", ");
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| format!("a state is one of {}", names()))
    }
}

/// A lease, in force or past.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address or prefix.
    pub what: What,
    /// What has become of it.
    pub state: State,
    /// The client's hardware address, of DHCPv4.
    pub hardware: HardwareAddress,
    /// Option 61 of DHCPv4, empty when there was none; the DUID of DHCPv6. At most 255 octets.
    pub client: Vec<u8>,
    /// The identity association, of DHCPv6.
    pub iaid: u32,
    /// When its last transaction was; 0 when that is not known.
    pub last: u64,
    /// End of the preferred lifetime, of DHCPv6.
    pub preferred: u64,
    /// End of the lease, or of what keeps its address from others; [`NEVER`] when it has none or that is not known.
    pub expires: u64,
    /// The last option 82, without its code and length; empty when there was none. At most 255 octets.
    pub agent_information: Vec<u8>,
    /// The relay: giaddr, or link-address of the innermost that told one; unspecified when there was none.
    pub relay: IpAddr,
    /// DUID of the relay, of DHCPv6; empty when it told none.
    pub relay_id: Vec<u8>,
    /// Source of the last message, of DHCPv6: the relay that leasequery tells; unspecified when it is not known.
    pub peer: Ipv6Addr,
    /// The relays' headers around the last message, of DHCPv6, as leasequery tells them; empty when they are not known.
    pub path: Vec<u8>,
    /// What a single logout would end it by.
    pub scope: Option<Scope>,
}

impl Lease {
    /// A lease in force that nothing else is known of.
    pub fn new(what: What) -> Self {
        let relay = match what {
            What::Four(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            What::Six(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self {
            what,
            state: State::Active,
            hardware: HardwareAddress::NONE,
            client: Vec::new(),
            iaid: 0,
            last: 0,
            preferred: 0,
            expires: NEVER,
            agent_information: Vec::new(),
            relay,
            relay_id: Vec::new(),
            peer: Ipv6Addr::UNSPECIFIED,
            path: Vec::new(),
            scope: None,
        }
    }

    /// Whether it names a client.
    pub fn has_client(&self) -> bool {
        !self.client.is_empty() || self.hardware.hlen() > 0
    }

    /// Which of two is the later one.
    pub(super) fn age(&self, other: &Self) -> Ordering {
        self.last.cmp(&other.last)
    }

    /// As of that time: what its server had not yet seen expire is over.
    pub(super) fn at(mut self, unix: u64) -> Self {
        if matches!(self.state, State::Active | State::Abandoned | State::Quarantined) && self.expires <= unix {
            self.state = if self.state == State::Active { State::Expired } else { State::Released };
        }
        self
    }
}
