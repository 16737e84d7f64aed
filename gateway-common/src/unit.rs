//! The work-unit function (wire.md 4b, CL-51…55): which of 1024 units a packet belongs to.
//!
//! Every input sits at a fixed offset of the packet, so the kernel decides without walking options, and both
//! directions of an exchange meet in the same unit. All integers are host integers read from network order.

/// Number of work units (CL-51).
pub const UNITS: u32 = 1024;

/// A work unit, 0..1024.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Unit(u16);

impl Unit {
    /// The unit with this number, or `None` past the last one.
    pub const fn new(number: u16) -> Option<Self> {
        if (number as u32) < UNITS { Some(Self(number)) } else { None }
    }

    /// Index into the unit table.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }
}

/// Mixes all 32 bits into each other so that neighbouring addresses spread over all units.
#[inline(always)]
pub const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[inline(always)]
const fn unit(x: u32) -> Unit {
    Unit((mix(x) & (UNITS - 1)) as u16)
}

/// A forwarded IPv4 packet, any fragment, and other protocols to the cluster address: source xor destination.
#[inline(always)]
pub const fn forwarded_v4(source: u32, destination: u32) -> Unit {
    unit(source ^ destination)
}

/// A forwarded IPv6 packet: all eight words of source and destination xored.
#[inline(always)]
pub const fn forwarded_v6(source: [u32; 4], destination: [u32; 4]) -> Unit {
    unit(fold(source) ^ fold(destination))
}

/// UDP, TCP or SCTP to the cluster address: source address xor source port (CL-53, CL-54).
#[inline(always)]
pub const fn local(source: u32, source_port: u16) -> Unit {
    unit(source ^ source_port as u32)
}

/// DHCPv4 in either direction, by `chaddr`: `words` are its 16 octets as four big-endian words.
#[inline(always)]
pub const fn dhcp4(words: [u32; 4], hlen: u8) -> Unit {
    if hlen == 6 {
        // Octets 2..6 xor octets 0..2 shifted into the upper half.
        let low = words[0] << 16 | words[1] >> 16;
        let high = words[0] & 0xffff_0000;
        unit(low ^ high)
    } else {
        unit(fold(words))
    }
}

/// DHCPv6 in either direction, by the client's link-local address.
#[inline(always)]
pub const fn dhcp6(link_local: [u32; 4]) -> Unit {
    unit(fold(link_local))
}

/// The four words of a 16-octet field, from network order.
#[inline(always)]
pub const fn words(octets: [u8; 16]) -> [u32; 4] {
    let o = octets;
    [
        u32::from_be_bytes([o[0], o[1], o[2], o[3]]),
        u32::from_be_bytes([o[4], o[5], o[6], o[7]]),
        u32::from_be_bytes([o[8], o[9], o[10], o[11]]),
        u32::from_be_bytes([o[12], o[13], o[14], o[15]]),
    ]
}

#[inline(always)]
const fn fold(words: [u32; 4]) -> u32 {
    words[0] ^ words[1] ^ words[2] ^ words[3]
}

/// What the data plane does with a unit. The zeroed table owns nothing, so an unconfigured gateway lets nobody in.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UnitState {
    /// For everything but DHCP: [`UnitState::FOREIGN`] or one of the others.
    pub data: u8,
    /// For DHCP, in both directions.
    pub dhcp: u8,
    /// Member id of the owner; 0 when nobody owns the unit.
    pub owner: u16,
}

impl UnitState {
    /// Owned by another member, or by nobody: dropped at the driver.
    pub const FOREIGN: u8 = 0;
    /// Ours.
    pub const OWN: u8 = 1;
    /// Sent on to the owner (CL-63): the master's, in delivery mode forward.
    pub const FORWARD: u8 = 2;
    /// Copied to user space, which holds it until the new owner can have it (CL-64): the master's.
    pub const HELD: u8 = 3;

    /// One disposition for all packets of a unit.
    pub const fn all(disposition: u8, owner: u16) -> Self {
        Self { data: disposition, dhcp: disposition, owner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ip(a: u8, b: u8, c: u8, d: u8) -> u32 {
        u32::from_be_bytes([a, b, c, d])
    }

    /// Vector V-10 of the wire reference. CL-51, CL-52, CL-53, CL-54, CL-55, H-CL-18
    #[test]
    fn vectors() {
        let (inside, outside) = (ip(10, 0, 0, 1), ip(192, 0, 2, 7));
        assert_eq!(forwarded_v4(inside, outside).index(), 137);
        assert_eq!(forwarded_v4(outside, inside).index(), 137);
        assert_eq!(local(ip(198, 51, 100, 9), 443).index(), 698);
        assert_eq!(local(ip(198, 51, 100, 9), 67).index(), 457);
        assert_eq!(forwarded_v4(ip(198, 51, 100, 9), ip(203, 0, 113, 1)).index(), 658);

        let mut chaddr = [0; 16];
        chaddr[0] = 2;
        chaddr[5] = 1;
        assert_eq!(dhcp4(words(chaddr), 6).index(), 918);

        let link_local: core::net::Ipv6Addr = "fe80::ff:fe00:1".parse().unwrap();
        assert_eq!(dhcp6(words(link_local.octets())).index(), 642);

        let a: core::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        let b: core::net::Ipv6Addr = "2001:db8:ffff::2".parse().unwrap();
        assert_eq!(forwarded_v6(words(a.octets()), words(b.octets())).index(), 54);
        assert_eq!(forwarded_v6(words(b.octets()), words(a.octets())).index(), 54);
    }

    /// H-CL-16: the spread of V-10 over relayed clients, which would all be of one unit by addresses and ports: least and fullest unit of 102 400 subscribers.
    #[test]
    fn spread() {
        fn least_and_fullest(units: impl Iterator<Item = Unit>) -> (u32, u32) {
            let mut counts = [0u32; UNITS as usize];
            units.for_each(|unit| counts[unit.index() as usize] += 1);
            (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
        }
        let mac = |n: u32| {
            let n = n.to_be_bytes();
            dhcp4([u32::from_be_bytes([2, 0, n[0], n[1]]), u32::from_be_bytes([n[2], n[3], 0, 0]), 0, 0], 6)
        };
        assert_eq!(least_and_fullest((0..102_400).map(mac)), (72, 129));
        assert_eq!(least_and_fullest((0..102_400).map(|n| mac(n * 16))), (70, 136));
    }
}
