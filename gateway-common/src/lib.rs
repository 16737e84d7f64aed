//! What the XDP programs and user space share.
//!
//! This crate is the ABI: every map key and value, the verdicts, the events and the two functions that kernel and
//! host must compute alike (the work unit and the token bucket). Nothing here does I/O and nothing allocates, so the
//! same source is compiled for BPF and for the host. Layouts have no hidden padding; [`layout`] asserts their sizes.
#![no_std]

pub mod bucket;
pub mod cluster;
pub mod event;
pub mod fpc;
pub mod layout;
pub mod maps;
pub mod port;
pub mod punt;
pub mod route;
pub mod settings;
pub mod unit;
pub mod verdict;
pub mod vlan;

/// An IPv4 address as it lies in a packet: the four octets in network order, held in one register.
///
/// Comparing and hashing need no byte swap; arithmetic goes through [`Ip4::to_host`].
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ip4(pub u32);

impl Ip4 {
    /// 0.0.0.0
    pub const UNSPECIFIED: Self = Self(0);
    /// 255.255.255.255
    pub const BROADCAST: Self = Self(u32::MAX);

    /// From octets in the order they are written and sent.
    #[inline(always)]
    pub const fn new(octets: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(octets))
    }

    /// The octets in the order they are written and sent.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    /// The address as a host integer (10.0.0.1 is `0x0a00_0001`).
    #[inline(always)]
    pub const fn to_host(self) -> u32 {
        u32::from_be(self.0)
    }
}

impl From<core::net::Ipv4Addr> for Ip4 {
    fn from(address: core::net::Ipv4Addr) -> Self {
        Self::new(address.octets())
    }
}

impl From<Ip4> for core::net::Ipv4Addr {
    fn from(address: Ip4) -> Self {
        address.octets().into()
    }
}

impl core::fmt::Debug for Ip4 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&core::net::Ipv4Addr::from(*self), f)
    }
}
