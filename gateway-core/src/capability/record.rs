//! A server's state on disk.
//!
//! ```text
//! key    "capability/" address:4
//! value  version:1 = 1   configuration:8   state:1   max-scopes:2   flags:1 (bit 0 will-reply)   stale:8
//! ```
//! Integers are big-endian; `stale`, the end of the TTL, is in Unix seconds; `configuration` is the fingerprint under which it was
//! learned.

use core::net::Ipv4Addr;

use super::state::{Server, State};
use crate::time::{Duration, Instant};

/// Where the records live in the store.
pub const RECORD_PREFIX: &[u8] = b"capability/";

const VERSION: u8 = 1;

pub(super) fn key(server: Ipv4Addr) -> Vec<u8> {
    [RECORD_PREFIX, &server.octets()].concat()
}

/// `unix_offset` is the Unix time of [`Instant::ZERO`].
pub(super) fn encode(server: &Server, configuration: u64, unix_offset: Duration) -> Vec<u8> {
    let stale = unix_offset.as_secs().saturating_add(server.stale.since(Instant::ZERO).as_secs());
    let state = match server.state {
        State::Unknown => 0,
        State::Capable => 1,
        State::Refused => 2,
        State::Incapable => 3,
        State::Stripped => 4,
    };
    let mut value = vec![VERSION];
    value.extend(configuration.to_be_bytes());
    value.push(state);
    value.extend(server.max_scopes.to_be_bytes());
    value.push(u8::from(server.will_reply));
    value.extend(stale.to_be_bytes());
    value
}

/// `None` when the record is not ours, is damaged, or was learned under another configuration: the server is then
/// UNKNOWN, which is always safe.
pub(super) fn decode(
    key: &[u8],
    value: &[u8],
    configuration: u64,
    unix_offset: Duration,
) -> Option<(Ipv4Addr, Server)> {
    let address: [u8; 4] = key.strip_prefix(RECORD_PREFIX)?.try_into().ok()?;
    let value: &[u8; 21] = value.try_into().ok()?;
    let learned_under = u64::from_be_bytes(value[1..9].try_into().ok()?);
    if value[0] != VERSION || learned_under != configuration {
        return None;
    }
    let state = match value[9] {
        1 => State::Capable,
        2 => State::Refused,
        3 => State::Incapable,
        4 => State::Stripped,
        _ => return None,
    };
    let stale = Duration::from_secs(u64::from_be_bytes(value[13..21].try_into().ok()?));
    let stale = Instant::ZERO + stale.saturating_sub(unix_offset);
    let server = Server {
        state,
        stale,
        stored: stale,
        max_scopes: u16::from_be_bytes([value[10], value[11]]),
        will_reply: value[12] & 1 != 0,
        ..Server::new()
    };
    Some((address.into(), server))
}
