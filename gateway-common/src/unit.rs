//! The work-unit function (CL-51…55): which of 1024 units a packet belongs to.
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

/// A secret of all members by which nobody else can tell what is of which unit (H-CL-17): who knows the function could choose
/// addresses that are all of one. Then it is SipHash-1-3 of what is hashed, before that is folded into one word, in place of
/// [`mix`]. Zeroed: there is none.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitKey(pub [u64; 2]);

impl UnitKey {
    /// Units are what the wire reference says.
    pub const NONE: Self = Self([0; 2]);

    /// From its 16 octets.
    pub const fn new(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])])
    }

    #[inline(always)]
    const fn is_none(&self) -> bool {
        self.0[0] | self.0[1] == 0
    }

    /// By this two members can tell whether they have the same, and nobody can tell what it is.
    pub const fn fingerprint(&self) -> u64 {
        sip::<1, 3>(self.0, FINGERPRINT, 0)
    }
}

impl core::fmt::Debug for UnitKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.is_none() { "UnitKey(none)" } else { "UnitKey(..)" })
    }
}

// What is hashed is two words. The second one tells what the first one is, where that is not both.
const ADDRESSES: u64 = 1;
const ADDRESS_AND_PORT: u64 = 2;
const MAC: u64 = 3;
const FINGERPRINT: u64 = u64::MAX;

/// `plain` is what is hashed without a key, `a` and `b` what is with one.
#[inline(always)]
const fn unit(key: &UnitKey, plain: u32, a: u64, b: u64) -> Unit {
    let mixed = if key.is_none() { mix(plain) } else { keyed(key.0[0], key.0[1], a, b) };
    Unit((mixed & (UNITS - 1)) as u16)
}

/// A function by itself: a program that has it in many places does not fit the stack of one.
#[inline(never)]
const fn keyed(k0: u64, k1: u64, a: u64, b: u64) -> u32 {
    sip::<1, 3>([k0, k1], a, b) as u32
}

/// SipHash-C-D (Aumasson, Bernstein 2012) of 16 octets, as two little-endian words.
#[inline(always)]
const fn sip<const C: usize, const D: usize>(key: [u64; 2], a: u64, b: u64) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    v = sip_word::<C>(v, a);
    v = sip_word::<C>(v, b);
    v = sip_word::<C>(v, 16 << 56);
    v[2] ^= 0xff;
    v = sip_rounds::<D>(v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
const fn sip_word<const ROUNDS: usize>(mut v: [u64; 4], word: u64) -> [u64; 4] {
    v[3] ^= word;
    v = sip_rounds::<ROUNDS>(v);
    v[0] ^= word;
    v
}

#[inline(always)]
const fn sip_rounds<const ROUNDS: usize>(mut v: [u64; 4]) -> [u64; 4] {
    let mut round = 0;
    while round < ROUNDS {
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[1]);
        v[0] = v[0].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].rotate_left(32);
        round += 1;
    }
    v
}

/// A forwarded IPv4 packet, any fragment, and other protocols to the cluster address: source xor destination.
#[inline(always)]
pub const fn forwarded_v4(key: &UnitKey, source: u32, destination: u32) -> Unit {
    let both = source ^ destination;
    unit(key, both, both as u64, ADDRESSES)
}

/// A forwarded IPv6 packet: all eight words of source and destination xored.
#[inline(always)]
pub const fn forwarded_v6(key: &UnitKey, source: [u32; 4], destination: [u32; 4]) -> Unit {
    let [a, b, c, d] = source;
    let [e, f, g, h] = destination;
    of_words(key, [a ^ e, b ^ f, c ^ g, d ^ h])
}

/// UDP, TCP or SCTP to the cluster address: source address xor source port (CL-53, CL-54).
#[inline(always)]
pub const fn local(key: &UnitKey, source: u32, source_port: u16) -> Unit {
    unit(key, source ^ source_port as u32, (source as u64) << 16 | source_port as u64, ADDRESS_AND_PORT)
}

/// DHCPv4 in either direction, by `chaddr`: `words` are its 16 octets as four big-endian words.
#[inline(always)]
pub const fn dhcp4(key: &UnitKey, words: [u32; 4], hlen: u8) -> Unit {
    if hlen == 6 {
        // Octets 2..6 xor octets 0..2 shifted into the upper half.
        let low = words[0] << 16 | words[1] >> 16;
        let high = words[0] & 0xffff_0000;
        unit(key, low ^ high, (words[0] as u64) << 16 | (words[1] >> 16) as u64, MAC)
    } else {
        of_words(key, words)
    }
}

/// DHCPv6 in either direction, by the client's link-local address.
#[inline(always)]
pub const fn dhcp6(key: &UnitKey, link_local: [u32; 4]) -> Unit {
    of_words(key, link_local)
}

#[inline(always)]
const fn of_words(key: &UnitKey, words: [u32; 4]) -> Unit {
    let [a, b, c, d] = words;
    unit(key, fold(words), (a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64)
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
    extern crate std;

    use super::*;

    const NONE: &UnitKey = &UnitKey::NONE;

    const fn ip(a: u8, b: u8, c: u8, d: u8) -> u32 {
        u32::from_be_bytes([a, b, c, d])
    }

    /// Vector V-10 of the wire reference. CL-51, CL-52, CL-53, CL-54, CL-55, H-CL-18
    #[test]
    fn vectors() {
        let (inside, outside) = (ip(10, 0, 0, 1), ip(192, 0, 2, 7));
        assert_eq!(forwarded_v4(NONE, inside, outside).index(), 137);
        assert_eq!(forwarded_v4(NONE, outside, inside).index(), 137);
        assert_eq!(local(NONE, ip(198, 51, 100, 9), 443).index(), 698);
        assert_eq!(local(NONE, ip(198, 51, 100, 9), 67).index(), 457);
        assert_eq!(forwarded_v4(NONE, ip(198, 51, 100, 9), ip(203, 0, 113, 1)).index(), 658);

        let mut chaddr = [0; 16];
        chaddr[0] = 2;
        chaddr[5] = 1;
        assert_eq!(dhcp4(NONE, words(chaddr), 6).index(), 918);

        let link_local: core::net::Ipv6Addr = "fe80::ff:fe00:1".parse().unwrap();
        assert_eq!(dhcp6(NONE, words(link_local.octets())).index(), 642);

        let a: core::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        let b: core::net::Ipv6Addr = "2001:db8:ffff::2".parse().unwrap();
        assert_eq!(forwarded_v6(NONE, words(a.octets()), words(b.octets())).index(), 54);
        assert_eq!(forwarded_v6(NONE, words(b.octets()), words(a.octets())).index(), 54);
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
            dhcp4(NONE, [u32::from_be_bytes([2, 0, n[0], n[1]]), u32::from_be_bytes([n[2], n[3], 0, 0]), 0, 0], 6)
        };
        assert_eq!(least_and_fullest((0..102_400).map(mac)), (72, 129));
        assert_eq!(least_and_fullest((0..102_400).map(|n| mac(n * 16))), (70, 136));
    }

    /// The compression of SipHash, with two and four rounds as the standard library has it: a key is all that is different.
    #[test]
    #[expect(deprecated, reason = "it is the one that takes a key")]
    fn sip_is_siphash() {
        use core::hash::{Hasher, SipHasher};
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        for _ in 0..1000 {
            let (key, a, b) = ([random(), random()], random(), random());
            let mut hasher = SipHasher::new_with_keys(key[0], key[1]);
            hasher.write(&[a.to_le_bytes(), b.to_le_bytes()].concat());
            assert_eq!(sip::<2, 4>(key, a, b), hasher.finish());
        }
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&[7u64.to_le_bytes(), 8u64.to_le_bytes()].concat());
        assert_eq!(sip::<1, 3>([0; 2], 7, 8), hasher.finish(), "and with one and three");
    }

    /// H-CL-17: with a key, what was chosen to be of one unit is of all; both directions still meet, other keys are other
    /// units, and subscribers are spread as well as without.
    #[test]
    fn nobody_chooses_units() {
        let (key, other) = (UnitKey::new(*b"0123456789abcdef"), UnitKey::new(*b"0123456789abcdeg"));
        // MACs that fold into one word: the upper 16 bits are chosen so that the rest does not matter.
        let mac = |n: u32| {
            let low = 0x0042_0001 ^ n << 16;
            [n << 16 | low >> 16, low << 16, 0, 0]
        };
        let units = |key: &UnitKey| {
            let all = (0..2048).map(|n| dhcp4(key, mac(n), 6)).collect::<std::collections::BTreeSet<_>>();
            all.len()
        };
        assert_eq!(units(NONE), 1);
        assert!(units(&key) > 800, "{}", units(&key));
        // So do addresses of one's own prefix.
        let host = |n: u32| [0x2001_0db8, n, n, 1];
        let to = [0x2001_0db8, 0xffff_0000, 0, 2];
        let all = |key: &UnitKey| {
            (0..2048).map(|n| forwarded_v6(key, host(n), to)).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(all(NONE), 1);
        assert!(all(&key) > 800);
        let moved = (0..1024).filter(|n| dhcp4(&key, mac(*n), 6) != dhcp4(&other, mac(*n), 6)).count();
        assert!(moved > 1000, "{moved}");
        for n in 0..100u32 {
            let (a, b) = (ip(10, 0, 0, 1) + n, ip(192, 0, 2, 7));
            assert_eq!(forwarded_v4(&key, a, b), forwarded_v4(&key, b, a));
            assert_eq!(forwarded_v6(&key, host(n), to), forwarded_v6(&key, to, host(n)));
        }
        let mut counts = [0u32; UNITS as usize];
        (0..102_400u32).for_each(|n| counts[dhcp4(&key, [0x0200_0000, n << 16, 0, 0], 6).index() as usize] += 1);
        (0..102_400u32)
            .for_each(|n| counts[dhcp4(&key, [0x0200_0000 | n >> 16, n << 16, 0, 0], 6).index() as usize] += 1);
        assert!(*counts.iter().max().unwrap() < 2 * 1024, "no unit has twice a mean of several");
        assert_ne!(key.fingerprint(), other.fingerprint());
        assert_eq!(std::format!("{key:?} {NONE:?}"), "UnitKey(..) UnitKey(none)");
    }
}
