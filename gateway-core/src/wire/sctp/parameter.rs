//! Parameters: type, length, value, padding (RFC 9260, section 3.2.1); addresses among them.

use std::net::IpAddr;

use super::{MOST, Malformed, PREFIX};

/// Types of parameters.
pub(super) mod kind {
    pub(crate) const IPV4: u16 = 0x0005;
    pub(crate) const IPV6: u16 = 0x0006;
    pub(crate) const RANDOM: u16 = 0x8002;
    pub(crate) const CHUNKS: u16 = 0x8003;
    pub(crate) const HMACS: u16 = 0x8004;
    pub(crate) const EXTENSIONS: u16 = 0x8008;
    pub(crate) const ADD: u16 = 0xc001;
    pub(crate) const DELETE: u16 = 0xc002;
    pub(crate) const FAILURE: u16 = 0xc003;
    pub(crate) const PRIMARY: u16 = 0xc004;
    pub(crate) const SUCCESS: u16 = 0xc005;
}

/// One parameter; error causes have the same form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

/// All of them.
pub(super) fn all(octets: &[u8]) -> Result<Vec<Parameter<'_>>, Malformed> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        if found.len() == MOST {
            return Err(Malformed::TooMany);
        }
        let (parameter, len) = first(&octets[at..]).ok_or(Malformed::Length(at))?;
        found.push(parameter);
        at += len;
    }
    Ok(found)
}

/// The first one and how many octets it takes with its padding, which the last one may lack.
pub(super) fn first(octets: &[u8]) -> Option<(Parameter<'_>, usize)> {
    let [a, b, high, low] = *octets.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let value = octets.get(PREFIX..len)?;
    Some((Parameter { kind: u16::from_be_bytes([a, b]), value }, len.next_multiple_of(4)))
}

/// Appends a parameter.
pub(super) fn push(octets: &mut Vec<u8>, kind: u16, value: &[u8]) -> Result<(), Malformed> {
    let len = u16::try_from(PREFIX + value.len()).map_err(|_| Malformed::Long)?;
    put(octets, kind, len, value);
    Ok(())
}

fn put(octets: &mut Vec<u8>, kind: u16, len: u16, value: &[u8]) {
    octets.extend(kind.to_be_bytes());
    octets.extend(len.to_be_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
}

/// Appends an address parameter (SC-40).
pub(super) fn push_address(octets: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => put(octets, kind::IPV4, 8, &v4.octets()),
        IpAddr::V6(v6) => put(octets, kind::IPV6, 20, &v6.octets()),
    }
}

impl Parameter<'_> {
    /// The address, if it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.kind {
            kind::IPV4 => Some(<[u8; 4]>::try_from(self.value).ok()?.into()),
            kind::IPV6 => Some(<[u8; 16]>::try_from(self.value).ok()?.into()),
            _ => None,
        }
    }
}

/// A number and what is behind it.
pub(super) fn number(octets: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (number, rest) = octets.split_first_chunk().ok_or(Malformed::Short)?;
    Ok((u32::from_be_bytes(*number), rest))
}
