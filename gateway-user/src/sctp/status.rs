//! What the kernel knows of an association and its paths.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_core::association::PathState;

use super::address::{self, STORAGE};
use super::option::number;

/// Octets of a `struct sctp_paddrinfo`.
pub(super) const PATH: usize = 4 + STORAGE + 20;
/// Octets of a `struct sctp_status`.
pub(super) const STATUS: usize = 24 + PATH;
/// `SCTP_ESTABLISHED` in the kernel's numbering (`enum sctp_sstat_state`).
const ESTABLISHED: u32 = 4;

/// A path: one of the peer's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// The peer's address.
    pub address: SocketAddr,
    /// Whether it answers.
    pub state: PathState,
    /// Smoothed round trip time.
    pub srtt: Duration,
    /// What is waited for an answer before it counts as lost.
    pub rto: Duration,
    /// Congestion window in octets.
    pub window: u32,
}

/// An association.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// The kernel's number of it: another one is another association.
    pub id: u32,
    /// Whether data can be sent.
    pub is_established: bool,
    /// DATA chunks that wait for their acknowledgement.
    pub unacknowledged: u16,
    /// The path that data is sent on.
    pub primary: Option<Path>,
}

/// Reads a `struct sctp_paddrinfo`.
pub(super) fn path(octets: &[u8]) -> Option<Path> {
    let (address, _) = address::first(octets.get(4..4 + STORAGE)?)?;
    let word = |index: usize| number(octets, 4 + STORAGE + 4 * index);
    let state = match word(0) {
        0 => PathState::Inactive,
        1 => PathState::PotentiallyFailed,
        2 => PathState::Active,
        _ => PathState::Unconfirmed,
    };
    let milliseconds = |index| Duration::from_millis(word(index).into());
    Some(Path { address, state, window: word(1), srtt: milliseconds(2), rto: milliseconds(3) })
}

/// Reads a `struct sctp_status`.
pub(super) fn status(octets: &[u8; STATUS]) -> Status {
    Status {
        id: number(octets, 0),
        is_established: number(octets, 4) == ESTABLISHED,
        unacknowledged: u16::from_ne_bytes([octets[12], octets[13]]),
        primary: path(&octets[24..]),
    }
}
