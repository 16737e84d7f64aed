//! How each kind of value is written in the file.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gateway_common::vlan::VlanTag;
use gateway_core::member::MemberId;
use gateway_core::scope::{DeviceId, DeviceIdType};
use gateway_core::wire::dhcp6;
use toml::de::DeValue;

use crate::cluster::names::is_label;

/// A kind of value.
pub(super) trait Value: Sized {
    /// What would do, for a message.
    const WOULD_DO: &'static str;
    /// `None` when `raw` is something else.
    fn read(raw: &DeValue<'_>) -> Option<Self>;
}

macro_rules! value {
    ($type:ty, $would_do:literal, |$raw:ident| $read:expr) => {
        impl Value for $type {
            const WOULD_DO: &'static str = $would_do;
            fn read($raw: &DeValue<'_>) -> Option<Self> {
                $read
            }
        }
    };
}

fn integer<T: TryFrom<u64>>(raw: &DeValue<'_>) -> Option<T> {
    let raw = raw.as_integer()?;
    T::try_from(u64::from_str_radix(raw.as_str(), raw.radix()).ok()?).ok()
}

value!(u8, "a number from 0 to 255", |raw| integer(raw));
value!(u16, "a number from 0 to 65535", |raw| integer(raw));
value!(u32, "a number from 0 to 4294967295", |raw| integer(raw));
value!(bool, "true or false", |raw| raw.as_bool());
value!(String, "a text", |raw| raw.as_str().filter(|text| !text.is_empty()).map(str::to_owned));
value!(PathBuf, "an absolute path", |raw| raw.as_str().map(PathBuf::from).filter(|path| path.is_absolute()));
value!(Ipv4Addr, "an IPv4 address, such as \"192.0.2.2\"", |raw| raw.as_str()?.parse().ok());
value!(Ipv6Addr, "an IPv6 address, such as \"2001:db8::2\"", |raw| raw.as_str()?.parse().ok());
value!(SocketAddr, "an address and port, such as \"127.0.0.1:9467\"", |raw| raw.as_str()?.parse().ok());
value!(Duration, "a duration, such as \"2s\", \"500ms\", \"10m\" or \"1h\"", |raw| duration(raw.as_str()?));

/// A network interface's name: 1 to 15 octets without `/` or blank (the kernel's `dev_valid_name`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct InterfaceName(pub(super) String);

value!(InterfaceName, "an interface name of 1 to 15 characters, such as \"eth1\"", |raw| {
    let name = raw.as_str()?;
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    (fits && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())).then(|| Self(name.to_owned()))
});

/// A name that is also used on the command line, in metrics and as a group identifier (BR-16: 1 to 32 octets).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Name(pub(super) String);

value!(Name, "a name of 1 to 32 letters, digits, `-`, `_`, `.`, `:` or `/`", |raw| {
    let name = raw.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    ((1..=32).contains(&name.len()) && name.chars().all(plain)).then(|| Self(name.to_owned()))
});

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mac(pub(super) [u8; 6]);

value!(Mac, "a unicast MAC address, such as \"02:00:00:00:00:01\"", |raw| {
    mac(raw.as_str()?).filter(|mac| *mac != [0; 6] && mac[0] & 1 == 0).map(Self)
});

/// Six octets in hexadecimal with colons.
pub(crate) fn mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| (octet.len() == 2).then(|| u8::from_str_radix(octet, 16).ok())?);
    octets.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// A name of a cluster or of a member, as certificates have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Label(pub(super) String);

value!(Label, "1 to 63 lower-case letters, digits and `-`, a letter first and no `-` last", |raw| {
    raw.as_str().filter(|text| is_label(text)).map(|text| Self(text.to_owned()))
});

/// A member's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MemberNumber(pub(super) MemberId);

value!(MemberNumber, "a number from 1 to 254", |raw| MemberId::new(integer(raw)?).map(Self));

/// A VLAN tag: its identifier alone (802.1Q), or with its TPID as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag(pub(super) VlanTag);

value!(Tag, "a VLAN number from 1 to 4094, or with its TPID \"88a8:100\"", |raw| {
    let (tpid, vid) = match raw.as_str() {
        Some(text) => {
            let (tpid, vid) = text.split_once(':')?;
            (u16::from_str_radix(tpid, 16).ok().filter(|tpid| [0x8100, 0x88a8].contains(tpid))?, vid.parse().ok()?)
        }
        None => (0x8100, integer(raw)?),
    };
    (1..=4094).contains(&vid).then_some(Self(VlanTag { tpid, vid }))
});

/// An IPv4 prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Prefix {
    /// First address; the bits past `len` are zero.
    pub(super) address: Ipv4Addr,
    /// 0 to 32.
    pub(super) len: u8,
}

impl Prefix {
    /// `None` when `len` is over 32 or the address has bits past it.
    pub(super) fn new(address: Ipv4Addr, len: u8) -> Option<Self> {
        let prefix = (len <= 32).then_some(Self { address, len })?;
        (address.to_bits() & !prefix.mask() == 0).then_some(prefix)
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0)
    }

    /// Whether the address is in the prefix.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.address.to_bits()
    }

    /// Whether the two share an address.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// Last address.
    pub(super) fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

value!(Prefix, "an IPv4 prefix without host bits, such as \"100.64.0.0/16\"", |raw| {
    let (address, len) = raw.as_str()?.split_once('/')?;
    Prefix::new(address.parse().ok()?, len.parse().ok()?)
});

/// Addresses from a first to a last one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct AddressRange {
    /// First address.
    pub(super) first: Ipv4Addr,
    /// Last address, not less than the first.
    pub(super) last: Ipv4Addr,
}

value!(AddressRange, "a range of addresses, such as \"100.64.0.10-100.64.255.250\"", |raw| {
    let (first, last) = raw.as_str()?.split_once('-')?;
    let range = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
    (range.first <= range.last).then_some(range)
});

/// An IPv6 prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix6(pub(super) dhcp6::Prefix);

value!(Prefix6, "an IPv6 prefix without host bits, such as \"2001:db8:100::/40\"", |raw| {
    let (address, length) = raw.as_str()?.split_once('/')?;
    let address = address.parse().ok()?;
    dhcp6::Prefix::new(address, length.parse().ok()?).filter(|prefix| prefix.address() == address).map(Self)
});

/// IPv6 addresses from a first to a last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AddressRange6 {
    /// First address.
    pub(super) first: Ipv6Addr,
    /// Last address, not less than the first.
    pub(super) last: Ipv6Addr,
}

value!(AddressRange6, "a range of addresses, such as \"2001:db8:1::1000-2001:db8:1::ffff\"", |raw| {
    let (first, last) = raw.as_str()?.split_once('-')?;
    let range = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
    (range.first <= range.last).then_some(range)
});

/// A DUID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Duid(pub(super) dhcp6::DuidBuf);

value!(Duid, "a DUID of 3 to 130 hexadecimal octets, such as \"00:03:00:01:02:00:00:00:00:01\"", |raw| {
    let octets = hex(raw.as_str()?).filter(|octets| octets.len() >= 3)?;
    dhcp6::DuidBuf::new(&octets).map(Self)
});

/// Work units: numbers and ranges, separated by commas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Units(pub(super) Vec<u16>);

value!(Units, "work units from 0 to 1023, such as \"0-1023\" or \"0-99,200\"", |raw| {
    let mut units = Vec::new();
    for part in raw.as_str()?.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last < 1024).then(|| units.extend(first..=last))?;
    }
    units.sort_unstable();
    units.dedup();
    Some(Self(units))
});

/// A gateway's identity as a DHCP server's key names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Device(pub(super) DeviceId);

value!(Device, "a gateway's id, such as \"BNG-0042\", \"duid:0003000102…\" or \"uuid:8c5e1f0e-…\"", |raw| {
    let text = raw.as_str()?;
    let (id_type, id) = match text.split_once(':') {
        Some(("duid", id)) => (DeviceIdType::Duid, id),
        Some(("uuid", id)) => (DeviceIdType::Uuid, id),
        _ => (DeviceIdType::Opaque, text),
    };
    device_id(id, id_type).map(Self)
});

/// The identity that a text means.
pub(super) fn device_id(text: &str, id_type: DeviceIdType) -> Option<DeviceId> {
    let octets = match id_type {
        DeviceIdType::Opaque => text.as_bytes().to_vec(),
        DeviceIdType::Duid => hex(text)?,
        DeviceIdType::Uuid => {
            let groups: Vec<usize> = text.split('-').map(str::len).collect();
            (groups == [8, 4, 4, 4, 12]).then(|| hex(&text.replace('-', "")))??
        }
    };
    DeviceId::new(id_type, &octets)
}

/// Octets in hexadecimal: keys, which are nobody's to read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({} octets)", self.0.len())
    }
}

value!(Hex, "hexadecimal octets, such as \"00112233\"", |raw| hex(raw.as_str()?).map(Self));

/// Octets from hexadecimal digits, with or without colons or blanks between them; `None` when there are none.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':' && !octet.is_ascii_whitespace()).collect();
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(octet).collect()
}

/// A number, with or without a fraction.
pub(super) fn number(raw: &DeValue<'_>) -> Option<f64> {
    match raw.as_float() {
        Some(float) => float.as_str().parse().ok(),
        None => integer::<u32>(raw).map(f64::from),
    }
}

/// A number with a unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (text[..digits].parse::<u64>().ok()?, text[digits..].trim());
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}
