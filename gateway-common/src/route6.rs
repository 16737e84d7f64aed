//! Access routes by prefix: one for each address (a prefix of 128 bits) and each delegated prefix of a subscriber.
//!
//! The kernel has no hash by longest prefix, and its trie is slow. Operators delegate few different lengths, so a route
//! is looked for once for every length there is, in the order of [`Prefixes`]. Most of these look-ups are saved, because
//! all prefixes of a length usually come from one pool: what lies outside of that is not looked for.

use crate::Ip6;

/// Key of the `ROUTES6` hash, whose value is an [`crate::route::AccessRoute`] with a cell of `SUBSCRIBERS6`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Route6Key {
    /// The prefix; the bits behind it are zero.
    pub prefix: Ip6,
    /// Its length, 1 to 128.
    pub length: u64,
}

impl Route6Key {
    /// The key of the prefix of `length` bits that `address` is in.
    pub const fn new(address: Ip6, length: u8) -> Self {
        Self { prefix: address.masked(length), length: length as u64 }
    }
}

/// Different prefix lengths a gateway may have.
pub const MAX_LENGTHS: usize = 8;

/// One prefix length, and where its prefixes lie.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PrefixLength {
    /// Mask of [`PrefixLength::length`].
    pub mask: Ip6,
    /// Which bits all prefixes of this length have in common: the mask of a shorter or equal length.
    pub common: Ip6,
    /// The first prefix of this length; of its bits those under `common` count.
    pub first: Ip6,
    /// 1 to 128; 0 ends the table.
    pub length: u64,
}

/// Value of the one-cell `PREFIXES` array: the prefix lengths in the order in which they are looked for.
///
/// The programs read it while it is written. To widen an entry only `common` is changed, so that no packet is ever taken
/// for a stranger's; while the order is changed, a packet may.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Prefixes {
    /// The lengths; from the first whose length is 0 on there are none.
    pub lengths: [PrefixLength; MAX_LENGTHS],
}

impl Prefixes {
    /// The lengths in their order.
    pub fn lengths(&self) -> impl Iterator<Item = u8> + '_ {
        self.lengths.iter().map(|entry| entry.length as u8).take_while(|length| *length != 0)
    }

    /// Makes sure that a prefix is found: true when that changed something. `None` when there are [`MAX_LENGTHS`] other
    /// lengths already, or the length is none.
    pub fn cover(&mut self, prefix: Ip6, length: u8) -> Option<bool> {
        if length == 0 || length > 128 {
            return None;
        }
        let entry = self.lengths.iter_mut().find(|entry| entry.length == 0 || entry.length == length as u64)?;
        let prefix = prefix.masked(length);
        if entry.length == 0 {
            let mask = Ip6::mask(length);
            *entry = PrefixLength { mask, common: mask, first: prefix, length: length as u64 };
            return Some(true);
        }
        let differing = [0, 1].map(|half| (entry.first.0[half] ^ prefix.0[half]) & entry.common.0[half]);
        let equal = match differing.map(|half| u64::from_be(half).leading_zeros() as u8) {
            [64, 64] => return Some(false),
            [64, low] => 64 + low,
            [high, _] => high,
        };
        entry.common = Ip6::mask(equal);
        Some(true)
    }

    /// Puts these lengths first, in this order, and the others behind them as they were. Nothing is forgotten: a length
    /// that is not there yet is not added either.
    pub fn reorder(&mut self, order: &[u8]) {
        let place = |entry: &PrefixLength| match entry.length {
            0 => usize::MAX,
            length => order.iter().position(|wanted| *wanted as u64 == length).unwrap_or(order.len()),
        };
        // Stable, without an allocation.
        for end in 1..MAX_LENGTHS {
            for at in (1..=end).rev() {
                if place(&self.lengths[at - 1]) > place(&self.lengths[at]) {
                    self.lengths.swap(at - 1, at);
                }
            }
        }
    }

    /// Where `address` could have a route: the keys that the programs look for, in their order.
    pub fn keys(&self, address: Ip6) -> impl Iterator<Item = Route6Key> + '_ {
        let lengths = self.lengths.iter().take_while(|entry| entry.length != 0);
        lengths.filter(move |entry| entry.may_hold(address)).map(move |entry| entry.key(address))
    }
}

impl PrefixLength {
    /// Whether a prefix of this length could hold `address`.
    #[inline(always)]
    pub const fn may_hold(&self, address: Ip6) -> bool {
        let high = (address.0[0] ^ self.first.0[0]) & self.common.0[0];
        let low = (address.0[1] ^ self.first.0[1]) & self.common.0[1];
        high | low == 0
    }

    /// The key of the prefix of this length that holds `address`.
    #[inline(always)]
    pub const fn key(&self, address: Ip6) -> Route6Key {
        let prefix = Ip6([address.0[0] & self.mask.0[0], address.0[1] & self.mask.0[1]]);
        Route6Key { prefix, length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ip6 {
        text.parse::<core::net::Ipv6Addr>().unwrap().into()
    }

    /// What was covered is found, and what is outside of the pool is not looked for.
    #[test]
    fn covers() {
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.keys(ip("2001:db8::1")).count(), 0);
        assert_eq!(prefixes.cover(ip("2001:db8:100::"), 56), Some(true));
        let inside = ip("2001:db8:100:34::9");
        assert!(prefixes.keys(inside).eq([Route6Key::new(ip("2001:db8:100::"), 56)]));
        assert_eq!(prefixes.keys(ip("2001:db8:100:134::9")).count(), 0);

        assert_eq!(prefixes.cover(ip("2001:db8:100:f00::"), 56), Some(true));
        assert_eq!(prefixes.cover(ip("2001:db8:100:a00::"), 56), Some(false));
        assert!(prefixes.keys(ip("2001:db8:100:a01::9")).eq([Route6Key::new(ip("2001:db8:100:a00::"), 56)]));
        assert_eq!(prefixes.keys(ip("2001:db8:101::9")).count(), 0, "outside of the pool");
        assert_eq!(prefixes.cover(ip("2001:db8:100:a00::7"), 128), Some(true));
        assert_eq!(prefixes.keys(ip("2001:db8:100:a00::7")).count(), 2, "a prefix and an address in it");

        // Addresses that differ in the lower half alone, and prefixes that have nothing in common.
        assert_eq!(prefixes.cover(ip("2001:db8:100:a00::ffff"), 128), Some(true));
        assert_eq!(prefixes.keys(ip("2001:db8:100:a00::1:0")).count(), 1);
        assert_eq!(prefixes.cover(ip("fd00::"), 56), Some(true));
        assert!(prefixes.keys(ip("3fff::1")).eq([Route6Key::new(ip("3fff::"), 56)]));
        assert!(prefixes.lengths().eq([56, 128]));
    }

    #[test]
    fn bounds() {
        let mut prefixes = Prefixes::default();
        assert_eq!((prefixes.cover(ip("::"), 0), prefixes.cover(ip("::"), 129)), (None, None));
        for length in 56..64 {
            assert_eq!(prefixes.cover(ip("2001:db8::"), length), Some(true));
        }
        assert_eq!(prefixes.cover(ip("2001:db8::"), 64), None, "a ninth length");
        assert_eq!(prefixes.cover(ip("2001:db8:1::"), 56), Some(true));
    }

    #[test]
    fn order() {
        let mut prefixes = Prefixes::default();
        for length in [48, 56, 64, 128] {
            prefixes.cover(ip("2001:db8::"), length).unwrap();
        }
        prefixes.reorder(&[128, 60, 56]);
        assert!(prefixes.lengths().eq([128, 56, 48, 64]));
        prefixes.reorder(&[]);
        assert!(prefixes.lengths().eq([128, 56, 48, 64]));
        assert_eq!(prefixes.keys(ip("2001:db8::")).count(), 4, "each with where its prefixes lie");
    }
}
