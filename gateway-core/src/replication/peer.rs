//! Another member, as this one's replication sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gateway_common::unit::Unit;

use super::command::Octets;
use super::frame::Decoder;
use super::positions::Positions;
use crate::member::{Boot, MemberId};

#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) connected: bool,
    /// Of its HELLO on this connection.
    pub(super) boot: Option<Boot>,
    /// Its state is complete.
    pub(super) synced: bool,
    pub(super) decoder: Decoder,
    /// Frames for it, not yet given to the shell.
    pub(super) out: Octets,
    /// What it is being sent, by origin.
    pub(super) streams: BTreeMap<MemberId, Stream>,
    /// Origins whose changes it sent and that it has no acknowledgement of yet.
    pub(super) ack_due: BTreeSet<MemberId>,
    /// What it said it has of origins that it can't hear itself.
    pub(super) stated: BTreeMap<MemberId, u64>,
    /// The snapshot that it takes from us.
    pub(super) serving: Option<Serving>,
    /// Told that it is fenced.
    pub(super) fenced: bool,
    /// Units of which it was told that it speaks for them by a version that is over.
    pub(super) outdated: BTreeSet<Unit>,
    /// It has told us so: what it acknowledges, it may have discarded.
    pub(super) discards: bool,
}

/// What a peer is sent of one origin.
#[derive(Debug)]
pub(super) struct Stream {
    /// Sent up to here.
    pub(super) sent: u64,
    /// Last number of each write that is not acknowledged.
    pub(super) in_flight: VecDeque<u64>,
}

impl Stream {
    pub(super) fn from(sent: u64) -> Self {
        Self { sent, in_flight: VecDeque::new() }
    }

    pub(super) fn acked(&mut self, seq: u64) {
        while self.in_flight.front().is_some_and(|last| *last <= seq) {
            self.in_flight.pop_front();
        }
    }
}

/// A snapshot on its way to a peer.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) id: u64,
    /// What we had when it began.
    pub(super) positions: Positions,
    /// Where it goes on; `None`: all was asked of the node.
    pub(super) cursor: Option<u64>,
    /// Chunks sent, and those that arrived.
    pub(super) sent: u32,
    pub(super) arrived: u32,
    /// The node was asked and has not answered.
    pub(super) asked: bool,
}

impl Peer {
    /// A new connection, or none any more: what was under way is gone.
    pub(super) fn reset(&mut self, connected: bool) {
        *self = Self { connected, ..Self::default() };
    }
}
