//! Where a subscriber is: FPC, port, tags and hardware address.

use core::fmt;
use gateway_common::vlan::VlanTags;

/// An FPC: index into the configuration's list of line cards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FpcId(pub u16);

/// An access port: index into the configuration's list of access interfaces. Unlike an interface index it survives
/// the interface's removal and return.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortId(pub u16);

/// A line: the tags behind which a subscriber sits on a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Line {
    /// The access port.
    pub port: PortId,
    /// The VLAN tags of its frames.
    pub tags: VlanTags,
}

/// `htype`, `hlen` and `chaddr` of a DHCP message (RFC 2131). `hlen` never exceeds 16 (hazard D-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress {
    htype: u8,
    hlen: u8,
    octets: [u8; 16],
}

impl HardwareAddress {
    /// All zero, as a bulk release and a leasequery by address have it.
    pub const NONE: Self = Self { htype: 0, hlen: 0, octets: [0; 16] };

    /// `octets` is the whole chaddr field. `None` when `hlen` is over 16.
    pub const fn new(htype: u8, hlen: u8, octets: [u8; 16]) -> Option<Self> {
        if hlen <= 16 { Some(Self { htype, hlen, octets }) } else { None }
    }

    /// An Ethernet address.
    pub fn ethernet(mac: [u8; 6]) -> Self {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&mac);
        Self { htype: 1, hlen: 6, octets }
    }

    /// Hardware type; 1 is Ethernet.
    pub const fn htype(&self) -> u8 {
        self.htype
    }

    /// Length of the address, at most 16.
    pub const fn hlen(&self) -> u8 {
        self.hlen
    }

    /// The address: `hlen` octets.
    pub fn address(&self) -> &[u8] {
        &self.octets[..usize::from(self.hlen)]
    }

    /// The whole chaddr field.
    pub const fn chaddr(&self) -> &[u8; 16] {
        &self.octets
    }

    /// The same address with zeros behind it: what a client left in the rest of chaddr is not part of who it is.
    pub fn trimmed(&self) -> Self {
        let mut octets = [0; 16];
        octets[..usize::from(self.hlen)].copy_from_slice(self.address());
        Self { octets, ..*self }
    }

    /// The Ethernet address, when it is one.
    pub fn mac(&self) -> Option<[u8; 6]> {
        (self.htype == 1 && self.hlen == 6).then(|| [0, 1, 2, 3, 4, 5].map(|i| self.octets[i]))
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.address().iter().enumerate() {
            write!(f, "{}{octet:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/{}", self.htype)
    }
}
