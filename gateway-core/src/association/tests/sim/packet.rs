//! What the two ends say to each other.

use core::net::IpAddr;

use crate::association::Cause;
use crate::time::Instant;

/// A parameter of an ASCONF chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parameter {
    Add(IpAddr),
    Delete(IpAddr),
    SetPrimary(IpAddr),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Chunk {
    Asconf {
        seq: u32,
        lookup: IpAddr,
        parameters: Vec<Parameter>,
    },
    /// The first parameter that failed, if one did.
    AsconfAck {
        seq: u32,
        failed: Option<Cause>,
    },
    Heartbeat {
        sent: Instant,
    },
    /// Of the address that it was sent to.
    HeartbeatAck {
        sent: Instant,
        path: IpAddr,
    },
}

/// One packet of the association with this verification tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) tag: u64,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) chunk: Chunk,
}
