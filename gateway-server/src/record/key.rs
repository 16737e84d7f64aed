//! Keys, and what follows from one alone.

use core::net::Ipv4Addr;

use gateway_core::scope::Scope;

use super::field::encode_scope;
use crate::v6;

/// Key of a lease.
pub(crate) fn lease_key(address: Ipv4Addr) -> Vec<u8> {
    [&b"l"[..], &address.octets()].concat()
}

/// Key of a cut-off; `scope.epoch` is the cut-off.
pub(crate) fn cutoff_key(scope: &Scope) -> Vec<u8> {
    let mut key = b"c".to_vec();
    encode_scope(scope, &mut key);
    key
}

/// Key of the results of a transaction.
pub(crate) fn result_key(device: &[u8], txid: u64) -> Vec<u8> {
    [&b"x"[..], &txid.to_be_bytes(), device].concat()
}

/// Key of the counter of a peer; one of a cluster has a relay identifier, too.
pub(crate) fn replay_key(key_id: u32, relay: u32, device: &[u8]) -> Vec<u8> {
    match relay {
        0 => [&b"r"[..], &key_id.to_be_bytes(), device].concat(),
        _ => [&b"m"[..], &key_id.to_be_bytes(), &relay.to_be_bytes(), device].concat(),
    }
}

/// Key of our own counter.
pub(crate) const OWN_COUNTER: &[u8] = b"n";

/// Key of the secret that nonces are made of.
pub(crate) const SECRET: &[u8] = b"k";

/// Key of the number of a client's nonce.
pub(crate) fn nonce_key(address: Ipv4Addr) -> Vec<u8> {
    [&b"f"[..], &address.octets()].concat()
}

/// Address of the lease with this key.
pub(crate) fn leased(key: &[u8]) -> Option<Ipv4Addr> {
    let address = key.strip_prefix(b"l")?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
}

/// Address of the client that the nonce with this key is of.
pub(crate) fn of_nonce(key: &[u8]) -> Option<Ipv4Addr> {
    let address = key.strip_prefix(b"f")?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
}

/// Whether servers that share their leases have this record in common: a lease of either version, a cut-off, the results of a
/// single logout, a client's nonce. A cut-off bears on all leases.
pub(crate) fn is_common(key: &[u8]) -> bool {
    matches!(key, [b'l' | b'c' | b'x' | b'f' | v6::record::CLASS, ..])
}

/// Whether it is the record of a cut-off.
pub(crate) fn is_cutoff(key: &[u8]) -> bool {
    key.first() == Some(&b'c') || v6::record::is_cutoff(key)
}

/// What the record with this key is for, in words.
pub(crate) fn name(key: &[u8]) -> String {
    match (key.first(), key.get(1..).and_then(|rest| <[u8; 4]>::try_from(rest).ok())) {
        (Some(b'l'), Some(address)) => format!("the lease of {}", Ipv4Addr::from(address)),
        _ => format!("the record \"{}\"", key.escape_ascii()),
    }
}
