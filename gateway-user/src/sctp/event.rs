//! What the kernel tells of an association's paths: `SCTP_PEER_ADDR_CHANGE` (RFC 6458, section 6.1.2).

use std::net::SocketAddr;

use super::address::{self, STORAGE};
use super::option::number;

/// `SCTP_PEER_ADDR_CHANGE`.
pub(super) const PEER_ADDR_CHANGE: u16 = 0x8002;

/// What has become of an address of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathState {
    /// It answers again.
    Available,
    /// It does not answer.
    Unreachable,
    /// The peer has removed it.
    Removed,
    /// The peer has added it; nothing but heartbeats goes there before it is confirmed (H-SC-2).
    Added,
    /// It is the primary one now.
    Primary,
    /// It answered the heartbeat.
    Confirmed,
    /// It has missed an answer.
    Doubtful,
}

/// An address of the peer, and what has become of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// The peer's address.
    pub address: SocketAddr,
    /// Its new state.
    pub state: PathState,
}

/// Reads a notification; `None` for others than this one.
pub(super) fn read(octets: &[u8]) -> Option<Change> {
    let kind = u16::from_ne_bytes(octets.first_chunk().copied()?);
    if kind != PEER_ADDR_CHANGE || octets.len() < 8 + STORAGE + 12 {
        return None;
    }
    let (address, _) = address::first(&octets[8..8 + STORAGE])?;
    let state = match number(octets, 8 + STORAGE) {
        0 => PathState::Available,
        1 => PathState::Unreachable,
        2 => PathState::Removed,
        3 => PathState::Added,
        4 => PathState::Primary,
        5 => PathState::Confirmed,
        6 => PathState::Doubtful,
        _ => return None,
    };
    Some(Change { address, state })
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
        assert_eq!(read(&octets), Some(Change { address, state: PathState::Confirmed }));
        for len in 0..octets.len() {
            assert_eq!(read(&octets[..len]), None);
        }
        octets[0] = 1;
        assert_eq!(read(&octets), None);
    }
}
