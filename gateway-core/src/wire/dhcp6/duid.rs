//! Who a client, a server or a relay is (RFC 8415 section 11).

use core::borrow::Borrow;
use core::fmt;

use crate::hex;

/// Hardware type of Ethernet.
pub(super) const ETHERNET: u16 = 1;

/// A DUID where it lies: raw octets, compared as such and never interpreted for it (RFC 8415 section 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duid<'a>(&'a [u8]);

impl<'a> Duid<'a> {
    /// Most octets: a type of two and 128 behind it (RFC 8415 section 11.1).
    pub const MAX: usize = 130;

    /// 1 to 130 octets. Shorter than its type wants is accepted: it names somebody all the same.
    pub fn new(octets: &'a [u8]) -> Option<Self> {
        (1..=Self::MAX).contains(&octets.len()).then_some(Self(octets))
    }

    /// The octets.
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// What it is made of.
    pub fn kind(&self) -> DuidKind<'a> {
        self.known().unwrap_or(DuidKind::Other)
    }

    /// The Ethernet address that it was made of, when it was. A hint: the interface may be gone or another's.
    pub fn mac(&self) -> Option<[u8; 6]> {
        match self.kind() {
            DuidKind::LinkLayerTime { hardware: ETHERNET, address, .. }
            | DuidKind::LinkLayer { hardware: ETHERNET, address } => address.try_into().ok(),
            _ => None,
        }
    }

    /// A copy.
    pub fn to_owned(&self) -> DuidBuf {
        DuidBuf(self.0.into())
    }

    fn known(&self) -> Option<DuidKind<'a>> {
        let (kind, rest) = self.0.split_first_chunk()?;
        match u16::from_be_bytes(*kind) {
            1 => {
                let (hardware, rest) = rest.split_first_chunk()?;
                let (time, address) = rest.split_first_chunk()?;
                let (hardware, time) = (u16::from_be_bytes(*hardware), u32::from_be_bytes(*time));
                Some(DuidKind::LinkLayerTime { hardware, time, address })
            }
            2 => {
                let (enterprise, id) = rest.split_first_chunk()?;
                Some(DuidKind::Enterprise { enterprise: u32::from_be_bytes(*enterprise), id })
            }
            3 => {
                let (hardware, address) = rest.split_first_chunk()?;
                Some(DuidKind::LinkLayer { hardware: u16::from_be_bytes(*hardware), address })
            }
            4 => Some(DuidKind::Uuid(rest.try_into().ok()?)),
            _ => None,
        }
    }
}

/// What a DUID is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DuidKind<'a> {
    /// Type 1, DUID-LLT (RFC 8415 section 11.2).
    LinkLayerTime {
        /// Hardware type.
        hardware: u16,
        /// Seconds since 2000-01-01, modulo 2^32.
        time: u32,
        /// Link-layer address.
        address: &'a [u8],
    },
    /// Type 2, DUID-EN (section 11.3).
    Enterprise {
        /// Enterprise number.
        enterprise: u32,
        /// What the enterprise chose.
        id: &'a [u8],
    },
    /// Type 3, DUID-LL (section 11.4).
    LinkLayer {
        /// Hardware type.
        hardware: u16,
        /// Link-layer address.
        address: &'a [u8],
    },
    /// Type 4, DUID-UUID (section 11.5, RFC 6355).
    Uuid([u8; 16]),
    /// Of another type, or not what its type says.
    Other,
}

impl fmt::Display for Duid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

impl fmt::Debug for Duid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A DUID to keep. In a map it is found by its octets too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DuidBuf(Box<[u8]>);

impl DuidBuf {
    /// 1 to 130 octets.
    pub fn new(octets: &[u8]) -> Option<Self> {
        Duid::new(octets).map(|duid| duid.to_owned())
    }

    /// DUID-LL of an Ethernet address (RFC 8415 section 11.4): 10 octets.
    pub fn link_layer(mac: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = mac;
        let [high, low] = ETHERNET.to_be_bytes();
        Self(Box::new([0, 3, high, low, a, b, c, d, e, f]))
    }

    /// The same, borrowed.
    pub fn as_duid(&self) -> Duid<'_> {
        Duid(&self.0)
    }
}

impl Borrow<[u8]> for DuidBuf {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for DuidBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_duid().fmt(f)
    }
}

impl fmt::Debug for DuidBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
