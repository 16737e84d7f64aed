//! What is on disk: one record for each address or prefix that was ever leased, versioned, big-endian.
//!
//! ```text
//! key     '6', length u8 (128: an address), address 16
//! value   version, state, iaid u32, last unix ns u64, preferred until unix s u64, valid until unix s u64,
//!         client DUID, relay DUID (each behind its length u8; no relay DUID: 0), link-address 16, peer-address 16,
//!         the relays' headers as leasequery tells them, to the end
//! ```

use core::net::Ipv6Addr;

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, DuidBuf, Prefix};

use super::leases::Origin;
use crate::record::{Durable, Moment, Now, Reader};

/// The first octet of every key of a DHCPv6 lease; no other record has it.
pub const CLASS: u8 = b'6';

const VERSION: u8 = 1;

/// A lease record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeaseRecord<'a> {
    pub(crate) state: Durable,
    pub(crate) client: &'a [u8],
    pub(crate) iaid: u32,
    pub(crate) last: Moment,
    pub(crate) preferred: Instant,
    pub(crate) expires: Instant,
    pub(crate) origin: Origin,
}

impl<'a> LeaseRecord<'a> {
    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let Origin { relay_id, link, peer, path } = &self.origin;
        let mut out = Vec::with_capacity(96 + self.client.len() + path.len());
        out.extend_from_slice(&[VERSION, self.state as u8]);
        out.extend_from_slice(&self.iaid.to_be_bytes());
        out.extend_from_slice(&now.unix_of(self.last).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.preferred).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.expires).to_be_bytes());
        let relay_id = relay_id.as_ref().map_or(&[][..], |duid| duid.as_duid().octets());
        for field in [self.client, relay_id] {
            out.push(field.len() as u8); // a DUID has 130 octets at most
            out.extend_from_slice(field);
        }
        out.extend_from_slice(&link.octets());
        out.extend_from_slice(&peer.octets());
        out.extend_from_slice(path);
        out
    }

    /// `None` when it is not readable: another version, or damaged.
    pub(crate) fn decode(value: &'a [u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let [VERSION, state] = reader.array()? else { return None };
        let state = match state {
            2 => Durable::Active,
            4 => Durable::Released,
            5 => Durable::Abandoned,
            _ => return None,
        };
        let iaid = u32::from_be_bytes(reader.array()?);
        let last = now.moment_of(u64::from_be_bytes(reader.array()?));
        let preferred = now.instant_of(u64::from_be_bytes(reader.array()?));
        let expires = now.instant_of(u64::from_be_bytes(reader.array()?));
        let client = reader.counted()?;
        let relay_id = match reader.counted()? {
            [] => None,
            octets => Some(DuidBuf::new(octets)?),
        };
        let link = Ipv6Addr::from(reader.array::<16>()?);
        let peer = Ipv6Addr::from(reader.array::<16>()?);
        let origin = Origin { relay_id, link, peer, path: reader.0.into() };
        Some(Self { state, client, iaid, last, preferred, expires, origin })
    }
}

/// Key of a lease.
pub(crate) fn key(binding: &Binding) -> Vec<u8> {
    let (length, address) = match binding {
        Binding::Address(address) => (128, *address),
        Binding::Prefix(prefix) => (prefix.length(), prefix.address()),
    };
    [&[CLASS, length][..], &address.octets()].concat()
}

/// What a key is of; `None` when it is none of ours.
pub(crate) fn binding(key: &[u8]) -> Option<Binding> {
    let mut reader = Reader(key);
    let [CLASS, length] = reader.array()? else { return None };
    let address = Ipv6Addr::from(reader.array::<16>().filter(|_| reader.0.is_empty())?);
    match length {
        128 => Some(Binding::Address(address)),
        _ => Prefix::new(address, length).filter(|prefix| prefix.address() == address).map(Binding::Prefix),
    }
}

/// What the record with this key is for, in words.
pub(crate) fn name(key: &[u8]) -> String {
    match binding(key) {
        Some(binding) => format!("the lease of {binding}"),
        None => format!("the record \"{}\"", key.escape_ascii()),
    }
}
