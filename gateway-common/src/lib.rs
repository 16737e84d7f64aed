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
pub mod route6;
pub mod sctp;
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

/// An IPv6 address as it lies in a packet: its 16 octets in network order, held in two registers.
///
/// Comparing, masking and hashing need no byte swap; [`Ip6::octets`] are for everything else.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ip6(pub [u64; 2]);

impl Ip6 {
    /// ::
    pub const UNSPECIFIED: Self = Self([0; 2]);
    /// ff02::1
    pub const ALL_NODES: Self = Self::new([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    /// ff02::1:2, All_DHCP_Relay_Agents_and_Servers (RFC 8415, section 7.1).
    pub const ALL_DHCP: Self = Self::new([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);

    /// From octets in the order they are written and sent.
    pub const fn new(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])])
    }

    /// The octets in the order they are written and sent.
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.0[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The address with all but its first `length` bits cleared; `length` over 128 is 128.
    pub const fn masked(self, length: u8) -> Self {
        let mask = Self::mask(length);
        Self([self.0[0] & mask.0[0], self.0[1] & mask.0[1]])
    }

    /// The mask of a prefix length; over 128 is 128.
    pub const fn mask(length: u8) -> Self {
        const fn ones(count: u8) -> u64 {
            match count {
                0 => 0,
                1..64 => (u64::MAX << (64 - count)).to_be(),
                _ => u64::MAX,
            }
        }
        Self([ones(length), ones(length.saturating_sub(64))])
    }

    /// fe80::/10: of one link alone (RFC 4291, section 2.5.6).
    #[inline(always)]
    pub const fn is_link_local(self) -> bool {
        self.0[0] & Self::mask(10).0[0] == u64::from_ne_bytes([0xfe, 0x80, 0, 0, 0, 0, 0, 0])
    }

    /// ff00::/8.
    #[inline(always)]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & Self::mask(8).0[0] == Self::mask(8).0[0]
    }
}

impl From<core::net::Ipv6Addr> for Ip6 {
    fn from(address: core::net::Ipv6Addr) -> Self {
        Self::new(address.octets())
    }
}

impl From<Ip6> for core::net::Ipv6Addr {
    fn from(address: Ip6) -> Self {
        address.octets().into()
    }
}

impl core::fmt::Debug for Ip6 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&core::net::Ipv6Addr::from(*self), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Ip6;

    fn ip(text: &str) -> Ip6 {
        text.parse::<core::net::Ipv6Addr>().unwrap().into()
    }

    #[test]
    fn masks() {
        let all = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        for (length, masked) in [
            (0, "::"),
            (1, "8000::"),
            (47, "ffff:ffff:fffe::"),
            (63, "ffff:ffff:ffff:fffe::"),
            (64, "ffff:ffff:ffff:ffff::"),
            (65, "ffff:ffff:ffff:ffff:8000::"),
            (127, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"),
        ] {
            assert_eq!(all.masked(length), ip(masked), "{length}");
        }
        assert_eq!((all.masked(128), all.masked(255)), (all, all));
    }

    #[test]
    fn kinds() {
        for (address, link_local, multicast) in [
            ("fe80::1", true, false),
            ("febf::1", true, false),
            ("fec0::1", false, false),
            ("2001:db8::1", false, false),
            ("ff02::1", false, true),
            ("::", false, false),
        ] {
            assert_eq!((ip(address).is_link_local(), ip(address).is_multicast()), (link_local, multicast), "{address}");
        }
        assert_eq!((Ip6::ALL_NODES, Ip6::ALL_DHCP), (ip("ff02::1"), ip("ff02::1:2")));
        assert_eq!(core::net::Ipv6Addr::from(ip("2001:db8::9")), "2001:db8::9".parse::<core::net::Ipv6Addr>().unwrap());
    }
}
