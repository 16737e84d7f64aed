//! What is on disk: one record for each address or prefix that was ever leased, versioned, big-endian.
//!
//! ```text
//! key     '6', length u8 (128: an address), address 16
//! value   version, state, iaid u32, transaction number u64, last unix ns u64, preferred until unix s u64, valid until
//!         unix s u64, client DUID, relay DUID, scope (each behind its length u8; none: 0), link-address 16,
//!         peer-address 16, the relays' headers as leasequery tells them, to the end
//!         (version 1 has neither transaction number nor scope)
//!
//! key     '6', 192, scope with its cut-off epoch
//! value   transaction number u64 up to which a single logout has ended its leases; unix s u64 from when on they are free,
//!         unless that was at once
//!
//! key     '6', 193, txid u64, device
//! value   results of a single logout, for its repetition, as DHCPv4 has them
//! ```

use core::net::Ipv6Addr;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, DuidBuf, Prefix};

use super::leases::Origin;
use crate::record::{Cutoff, Durable, Moment, Now, Reader, ResultRecord, decode_scope, encode_scope};

/// The first octet of every key of a DHCPv6 lease; no other record has it.
pub const CLASS: u8 = b'6';

const VERSION: u8 = 2;
/// Without transaction number and scope.
const UNTAGGED: u8 = 1;
/// Where a lease has the length of its prefix: a single logout's cut-off, and its results.
const CUTOFF: u8 = 0xc0;
const RESULT: u8 = 0xc1;

/// A lease record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeaseRecord<'a> {
    pub(crate) state: Durable,
    pub(crate) client: &'a [u8],
    pub(crate) iaid: u32,
    pub(crate) sequence: u64,
    pub(crate) last: Moment,
    pub(crate) preferred: Instant,
    pub(crate) expires: Instant,
    pub(crate) origin: Origin,
    pub(crate) scope: Option<Scope>,
}

impl<'a> LeaseRecord<'a> {
    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let Origin { relay_id, link, peer, path } = &self.origin;
        let mut tag = Vec::new();
        if let Some(scope) = &self.scope {
            encode_scope(scope, &mut tag);
        }
        let mut out = Vec::with_capacity(104 + tag.len() + self.client.len() + path.len());
        out.extend_from_slice(&[VERSION, self.state as u8]);
        out.extend_from_slice(&self.iaid.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&now.unix_of(self.last).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.preferred).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.expires).to_be_bytes());
        let relay_id = relay_id.as_ref().map_or(&[][..], |duid| duid.as_duid().octets());
        for field in [self.client, relay_id, &tag] {
            out.push(field.len() as u8); // a DUID has 130 octets at most, a scope 3 + 64 + 4 + 33
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
        let [version @ (VERSION | UNTAGGED), state] = reader.array()? else { return None };
        let state = match state {
            2 => Durable::Active,
            4 => Durable::Released,
            5 => Durable::Abandoned,
            _ => return None,
        };
        let iaid = u32::from_be_bytes(reader.array()?);
        let sequence = if version == UNTAGGED { 0 } else { u64::from_be_bytes(reader.array()?) };
        let last = now.moment_of(u64::from_be_bytes(reader.array()?));
        let preferred = now.instant_of(u64::from_be_bytes(reader.array()?));
        let expires = now.instant_of(u64::from_be_bytes(reader.array()?));
        let client = reader.counted()?;
        let relay_id = match reader.counted()? {
            [] => None,
            octets => Some(DuidBuf::new(octets)?),
        };
        let scope = match if version == UNTAGGED { &[][..] } else { reader.counted()? } {
            [] => None,
            octets => Some(decode_scope(octets)?),
        };
        let link = Ipv6Addr::from(reader.array::<16>()?);
        let peer = Ipv6Addr::from(reader.array::<16>()?);
        let origin = Origin { relay_id, link, peer, path: reader.0.into() };
        Some(Self { state, client, iaid, sequence, last, preferred, expires, origin, scope })
    }
}

/// What a key and value on disk are.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Lease(Binding, LeaseRecord<'a>),
    Cutoff(Scope, Cutoff),
    Result { device: &'a [u8], txid: u64, record: ResultRecord },
}

impl<'a> Record<'a> {
    /// `None` when it is not readable: another version, or damaged.
    pub(crate) fn decode(key: &'a [u8], value: &'a [u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(key);
        match reader.array()? {
            [CLASS, CUTOFF] => {
                let scope = decode_scope(reader.0)?;
                let cutoff = Cutoff::decode(scope.epoch, value, now)?;
                Some(Self::Cutoff(scope, cutoff))
            }
            [CLASS, RESULT] => {
                let txid = u64::from_be_bytes(reader.array()?);
                Some(Self::Result { device: reader.0, txid, record: ResultRecord::decode(value, now)? })
            }
            _ => Some(Self::Lease(binding(key)?, LeaseRecord::decode(value, now)?)),
        }
    }
}

/// Key of a cut-off; `scope.epoch` is the cut-off.
pub(crate) fn cutoff_key(scope: &Scope) -> Vec<u8> {
    let mut key = vec![CLASS, CUTOFF];
    encode_scope(scope, &mut key);
    key
}

/// Key of the results of a transaction.
pub(crate) fn result_key(device: &[u8], txid: u64) -> Vec<u8> {
    [&[CLASS, RESULT][..], &txid.to_be_bytes(), device].concat()
}

/// Key of a lease.
pub(crate) fn key(binding: &Binding) -> Vec<u8> {
    let (length, address) = match binding {
        Binding::Address(address) => (128, *address),
        Binding::Prefix(prefix) => (prefix.length(), prefix.address()),
    };
    [&[CLASS, length][..], &address.octets()].concat()
}

/// Whether it is the record of a cut-off.
pub(crate) fn is_cutoff(key: &[u8]) -> bool {
    key.starts_with(&[CLASS, CUTOFF])
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
