//! What the configuration tells both programs. One cell of the `SETTINGS` array.

use crate::bucket::Rate;
use crate::unit::UnitKey;
use crate::{Ip4, Ip6};

/// Run-time settings of the data plane.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    /// DHCP packets from one subscriber (MAC and tags).
    pub subscriber: Rate,
    /// DHCP packets from one line (all MACs behind the same tags).
    pub line: Rate,
    /// DHCP packets from one access port.
    pub port: Rate,
    /// Events about one source.
    pub event: Rate,
    /// One drop in this many is copied to the `DROPS` ring; 0 copies none.
    pub drop_sample: u32,
    /// The address the members of a cluster share; 0.0.0.0 without a cluster.
    pub cluster_address: Ip4,
    /// Bits: [`Settings::PROXY_ARP`], [`Settings::PROXY_ND`], [`Settings::IPV6`].
    pub flags: u32,
    /// Which destinations on an upstream port may be this member's own: the bits [`Settings::local_bit`] of every own
    /// address except the cluster's. Such a packet is looked up in `LOCALS` before its unit decides; without the bit
    /// the look-up is saved. 0 where this member owns all units.
    pub local_filter: u32,
    /// [`crate::layout::ABI`] of whoever wrote the maps; 0 in maps that nobody has used yet.
    pub abi: u32,
    /// The same as `local_filter` for IPv6: the bits [`Settings::local_bit6`].
    pub local_filter6: u32,
    /// Not 0: the kernel routes IPv6 by its `local` and its `main` table and by nothing else, and everything in the former
    /// is in `LOCALS6`, whose bits [`Settings::main_bit6`] these are. A packet to none of them needs a look-up in the
    /// latter table only.
    pub main6: u64,
    /// By which packets are of their units, all members' alike.
    pub unit_key: UnitKey,
}

impl Settings {
    /// Answer subscribers' ARP requests for other subscribers, so that they reach each other through the gateway
    /// although their lines are isolated (RFC 4562).
    pub const PROXY_ARP: u32 = 1;
    /// Answer their neighbour solicitations in the same way.
    pub const PROXY_ND: u32 = 2;
    /// Serve IPv6. Without it a subscriber's IPv6 is dropped, but for neighbour discovery, which is the kernel's.
    pub const IPV6: u32 = 4;

    /// The bit of an own address in [`Settings::local_filter`].
    #[inline(always)]
    pub const fn local_bit(address: Ip4) -> u32 {
        1 << (address.0.wrapping_mul(0x9e37_79b1) >> 27)
    }

    /// The bit of an own address in [`Settings::local_filter6`].
    #[inline(always)]
    pub const fn local_bit6(address: Ip6) -> u32 {
        Self::local_bit(Ip4(Self::fold(address)))
    }

    /// The bit of an own address in [`Settings::main6`].
    #[inline(always)]
    pub const fn main_bit6(address: Ip6) -> u64 {
        1 << (Self::fold(address).wrapping_mul(0x9e37_79b1) >> 26)
    }

    #[inline(always)]
    const fn fold(address: Ip6) -> u32 {
        let folded = address.0[0] ^ address.0[1];
        (folded ^ folded >> 32) as u32
    }
}
