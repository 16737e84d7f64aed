//! The lab's IPv6 addresses.

use crate::plan::Plan;
use std::net::Ipv6Addr;

/// The gateway's address on `core0`, a /64.
pub const CORE6: Ipv6Addr = address(0, 1, 1);
/// Where subscribers' traffic goes: an address of `srv0`, beyond the core.
pub const INTERNET6: Ipv6Addr = address(0xffff, 0, 1);
/// All addresses of the lab.
pub const LAB6: (Ipv6Addr, u8) = (address(0, 0, 0), 32);
/// Those beyond the core.
pub const BEYOND6: (Ipv6Addr, u8) = (address(0xffff, 0, 0), 48);

/// An address in 2001:db8::/32.
const fn address(third: u16, fourth: u16, last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, last)
}

/// A subnet that a DHCPv6 server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet6 {
    /// The /64 of the link.
    pub network: Ipv6Addr,
    /// First and last address to give out.
    pub pool: (Ipv6Addr, Ipv6Addr),
    /// What prefixes to delegate are cut from.
    pub delegated: Ipv6Addr,
    /// Its length.
    pub pool_length: u8,
}

impl Subnet6 {
    /// Usual length of [`Subnet6::delegated`].
    pub const POOL_LENGTH: u8 = 40;
    /// Length of each delegated prefix.
    pub const DELEGATED_LENGTH: u8 = 56;

    /// First address of the last prefix to delegate.
    pub fn last_delegated(&self) -> Ipv6Addr {
        let bits = u128::from(Self::DELEGATED_LENGTH - self.pool_length);
        Ipv6Addr::from_bits(self.delegated.to_bits() | ((1 << bits) - 1) << (128 - u32::from(Self::DELEGATED_LENGTH)))
    }

    /// Whether a prefix is one of those.
    pub fn delegates(&self, prefix: Ipv6Addr) -> bool {
        let host = 128 - u32::from(self.pool_length);
        prefix.to_bits() >> host == self.delegated.to_bits() >> host
    }
}

impl Plan {
    /// The address of server `index` on `srv0`, a /64 with [`CORE6`].
    pub fn server6(&self, index: u8) -> Ipv6Addr {
        address(0, 1, 2 + u16::from(index))
    }

    /// A member's own address on `core0`, in the /64 of [`CORE6`].
    pub fn member_core6(member: u8) -> Ipv6Addr {
        address(0, 1, 0x101 + u16::from(member))
    }

    /// The relay's address towards an FPC's subscribers, a /64.
    pub fn link_address6(&self, fpc: u8) -> Ipv6Addr {
        address(self.third(fpc), 0, 1)
    }

    /// The subnets of all FPCs, without repetition.
    pub fn subnets6(&self) -> Vec<Subnet6> {
        let count = if self.shared_giaddr { 1 } else { self.fpcs };
        (0..count).map(|fpc| self.subnet6(fpc)).collect()
    }

    /// What an FPC's subscribers get.
    pub fn subnet6(&self, fpc: u8) -> Subnet6 {
        let third = self.third(fpc);
        Subnet6 {
            network: address(third, 0, 0),
            pool: (address(third, 0, 0x1000), address(third, 0, 0xfff0)),
            delegated: address(0x8000 + ((third - 0x100) << 8), 0, 0),
            pool_length: Subnet6::POOL_LENGTH,
        }
    }

    fn third(&self, fpc: u8) -> u16 {
        0x100 + if self.shared_giaddr { 0 } else { u16::from(fpc) }
    }
}
