//! Which addresses an association may have (H-SC-11).

use core::fmt;
use core::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// A base address and how many of its leading bits all addresses share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    base: IpAddr,
    length: u8,
}

/// Why something is no [`Prefix`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPrefix {
    /// Not an address.
    #[error("{0}")]
    Address(#[from] AddrParseError),
    /// Not a number of bits of that address.
    #[error("its length is 0 to {0}")]
    Length(u8),
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl Prefix {
    /// Bits of `base` beyond `length` are not looked at.
    pub fn new(base: IpAddr, length: u8) -> Result<Self, NoPrefix> {
        let (_, most) = bits(base);
        if length > most { Err(NoPrefix::Length(most)) } else { Ok(Self { base, length }) }
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let apart = (bits(self.base).0 ^ bits(address).0).leading_zeros();
        self.base.is_ipv4() == address.is_ipv4() && apart >= u32::from(self.length)
    }

    fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(base) = self.base else { return None };
        let host = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
        (self.length < 31).then(|| Ipv4Addr::from_bits(base.to_bits() | host))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.length)
    }
}

impl FromStr for Prefix {
    type Err = NoPrefix;

    /// `192.0.2.0/24`, `2001:db8::/32`, or an address alone.
    fn from_str(text: &str) -> Result<Self, NoPrefix> {
        let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
        let base: IpAddr = base.parse()?;
        let most = bits(base).1;
        let length = length.map_or(Ok(most), str::parse).map_err(|_| NoPrefix::Length(most))?;
        Self::new(base, length)
    }
}

/// Why an address is refused. RFC 5061 says so with the causes 0x00A4, and 0x00A1 for [`Refusal::TooMany`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// 0.0.0.0 or ::, which stands for the packet's source.
    Wildcard,
    /// A multicast address.
    Multicast,
    /// 255.255.255.255, or the last address of an allowed prefix.
    Broadcast,
    /// Loopback, or one that means something on one link only.
    Local,
    /// A private address, where only prefixes that are listed could allow it.
    Private,
    /// In none of the prefixes that are listed.
    NotAllowed,
    /// The other end has it.
    Ours,
    /// The association has as many as it may have.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wildcard => "a wildcard",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Local => "an address that means something on one link or host only",
            Self::Private => "a private address that is not allowed",
            Self::NotAllowed => "not in the allowed prefixes",
            Self::Ours => "an address of the other end",
            Self::TooMany => "one address too many",
        })
    }
}

/// What is allowed. Multicast and broadcast never are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// All that is allowed, private addresses included. Empty: everything but private addresses.
    pub allowed: Vec<Prefix>,
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.octets()[0] == 100 && address.octets()[1] & 0xC0 == 64,
        IpAddr::V6(address) => address.segments()[0] & 0xFE00 == 0xFC00,
    }
}

fn local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST || address.segments()[0] & 0xFFC0 == 0xFE80,
    }
}

impl Policy {
    /// Whether an association may have it, as far as the address alone says.
    pub fn admits(&self, address: IpAddr) -> Result<(), Refusal> {
        // An IPv4 address in another dress is judged as what it is.
        let address = address.to_canonical();
        let within = |prefix: &Prefix| prefix.contains(address);
        let broadcast = |prefix: &Prefix| prefix.broadcast().is_some_and(|last| address == IpAddr::V4(last));
        if address.is_unspecified() {
            Err(Refusal::Wildcard)
        } else if address.is_multicast() {
            Err(Refusal::Multicast)
        } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) || self.allowed.iter().any(broadcast) {
            Err(Refusal::Broadcast)
        } else if local(address) {
            Err(Refusal::Local)
        } else if self.allowed.is_empty() && private(address) {
            Err(Refusal::Private)
        } else if !self.allowed.is_empty() && !self.allowed.iter().any(within) {
            Err(Refusal::NotAllowed)
        } else {
            Ok(())
        }
    }
}
