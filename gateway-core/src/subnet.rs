//! A subnet: a power of two of addresses that share their leading bits.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use thiserror::Error;

/// A base address and how many of its leading bits all addresses share: 1 to 32. Ordered by address, the larger first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

/// Why something is no [`Subnet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NoSubnet {
    /// Not `address/prefix`.
    #[error("not of the form 192.0.2.0/24")]
    Form,
    /// The prefix is not 1 to 32.
    #[error("a prefix is 1 to 32 bits long")]
    Prefix,
    /// The base address has bits behind the prefix.
    #[error("the address has bits behind the prefix")]
    Bits,
}

impl Subnet {
    /// `base` has no bit set behind `prefix`.
    pub fn new(base: Ipv4Addr, prefix: u8) -> Result<Self, NoSubnet> {
        if !(1..=32).contains(&prefix) {
            return Err(NoSubnet::Prefix);
        }
        let subnet = Self { base: base.to_bits(), prefix };
        if subnet.base & subnet.host_mask() == 0 { Ok(subnet) } else { Err(NoSubnet::Bits) }
    }

    /// The first address.
    pub fn base(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base)
    }

    /// The last address.
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | self.host_mask())
    }

    /// Leading bits that all addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// How many addresses there are, the first and the last included.
    pub fn size(&self) -> u32 {
        1 << (32 - self.prefix)
    }

    /// The addresses that hosts may be given, first and last: without the subnet's own address and its broadcast address
    /// unless it is so small that it has none (H-SN-28).
    pub fn hosts(&self) -> (Ipv4Addr, Ipv4Addr) {
        let edge = u32::from(self.prefix <= 30);
        (Ipv4Addr::from_bits(self.base + edge), Ipv4Addr::from_bits((self.base | self.host_mask()) - edge))
    }

    /// How many addresses hosts may be given.
    pub fn capacity(&self) -> u32 {
        if self.prefix <= 30 { self.size() - 2 } else { self.size() }
    }

    /// Whether all of `other` is in it.
    pub fn contains(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && (self.base ^ other.base) & !self.host_mask() == 0
    }

    /// Whether the two have an address in common; then one contains the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Its lower and its upper half; `None` for a single address.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let prefix = self.prefix + 1;
        (self.prefix < 32).then(|| [self.base, self.base | 1 << (32 - prefix)].map(|base| Self { base, prefix }))
    }

    /// What it is a half of; `None` when that would be everything.
    pub fn parent(&self) -> Option<Self> {
        let prefix = self.prefix - 1;
        (prefix > 0).then(|| Self { base: self.base & !((1 << (32 - prefix)) - 1), prefix })
    }

    /// The other half of its parent.
    pub fn buddy(&self) -> Self {
        Self { base: self.base ^ 1 << (32 - self.prefix), ..*self }
    }

    /// Its first part of this size; itself if it is no larger.
    pub fn first(&self, prefix: u8) -> Self {
        Self { base: self.base, prefix: prefix.clamp(self.prefix, 32) }
    }

    fn host_mask(&self) -> u32 {
        self.size() - 1
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.prefix)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (base, prefix) = text.split_once('/').ok_or(NoSubnet::Form)?;
        Self::new(base.parse().map_err(|_| NoSubnet::Form)?, prefix.parse().map_err(|_| NoSubnet::Form)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    /// H-SN-28: a subnet's first and last address are not given to hosts where it has them for itself.
    #[test]
    fn hosts() {
        let hosts = |text: &str| {
            let (first, last) = subnet(text).hosts();
            (first.to_string(), last.to_string(), subnet(text).capacity())
        };
        assert_eq!(hosts("10.0.0.128/25"), ("10.0.0.129".into(), "10.0.0.254".into(), 126));
        assert_eq!(hosts("10.0.0.4/30"), ("10.0.0.5".into(), "10.0.0.6".into(), 2));
        assert_eq!(hosts("10.0.0.4/31"), ("10.0.0.4".into(), "10.0.0.5".into(), 2));
        assert_eq!(hosts("128.0.0.0/1").2, (1 << 31) - 2);
    }

    #[test]
    fn halves_and_what_they_are_halves_of() {
        let [low, high] = subnet("10.0.0.0/24").halves().unwrap();
        assert_eq!([low, high], [subnet("10.0.0.0/25"), subnet("10.0.0.128/25")]);
        assert_eq!((low.buddy(), high.buddy()), (high, low));
        assert_eq!((low.parent(), high.parent()), (Some(subnet("10.0.0.0/24")), Some(subnet("10.0.0.0/24"))));
        assert_eq!((subnet("1.2.3.4/32").halves(), subnet("128.0.0.0/1").parent()), (None, None));
        assert!(subnet("128.0.0.0/1").contains(&high.buddy().first(32)) == (low.base() >= Ipv4Addr::new(128, 0, 0, 0)));
        assert!(subnet("10.0.0.0/8").overlaps(&high) && high.overlaps(&subnet("10.0.0.0/8")) && !high.overlaps(&low));
        assert_eq!(subnet("10.0.0.0/24").first(26), subnet("10.0.0.0/26"));
        assert_eq!(subnet("10.0.0.0/24").first(20), subnet("10.0.0.0/24"));
    }

    #[test]
    fn what_is_no_subnet() {
        let error = |text: &str| text.parse::<Subnet>().unwrap_err();
        assert_eq!(error("10.0.0.0"), NoSubnet::Form);
        assert_eq!(error("10.0.0/24"), NoSubnet::Form);
        assert_eq!([error("10.0.0.0/33"), error("0.0.0.0/0")], [NoSubnet::Prefix; 2]);
        assert_eq!(error("10.0.0.1/24"), NoSubnet::Bits);
    }
}
