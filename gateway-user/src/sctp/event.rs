//! What the kernel tells of an association's paths: `SCTP_PEER_ADDR_CHANGE` (RFC 6458, section 6.1.2).

use std::net::SocketAddr;

use gateway_core::association::PathEvent;

use super::address::{self, STORAGE};
use super::option::number;

/// `SCTP_PEER_ADDR_CHANGE`.
pub(super) const PEER_ADDR_CHANGE: u16 = 0x8002;

/// An address of the peer, and what has become of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathChange {
    /// The peer's address.
    pub address: SocketAddr,
    /// What the kernel says of it.
    pub event: PathEvent,
}

/// Reads a notification; `None` for others than this one.
pub(super) fn read(octets: &[u8]) -> Option<PathChange> {
    let kind = u16::from_ne_bytes(octets.first_chunk().copied()?);
    if kind != PEER_ADDR_CHANGE || octets.len() < 8 + STORAGE + 12 {
        return None;
    }
    let (address, _) = address::first(&octets[8..8 + STORAGE])?;
    let event = match number(octets, 8 + STORAGE) {
        0 => PathEvent::Available,
        1 => PathEvent::Unreachable,
        2 => PathEvent::Removed,
        3 => PathEvent::Added,
        4 => PathEvent::MadePrimary,
        5 => PathEvent::Confirmed,
        6 => PathEvent::PotentiallyFailed,
        _ => return None,
    };
    Some(PathChange { address, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_read_or_left() {
        let address: SocketAddr = "192.0.2.1:7".parse().unwrap();
        let mut octets = vec![0x02, 0x80, 0, 0, 148, 0, 0, 0];
        octets.extend(address::storage(Some(address)));
        octets.extend(5u32.to_ne_bytes());
        octets.extend([0; 8]);
        assert_eq!(read(&octets), Some(PathChange { address, event: PathEvent::Confirmed }));
        for len in 0..octets.len() {
            assert_eq!(read(&octets[..len]), None);
        }
        octets[0] = 1;
        assert_eq!(read(&octets), None);
    }
}
