//! The numbers by which records name line cards and ports.
//!
//! `FpcId` and `PortId` are places in today's configuration, and a configuration is edited. Records therefore use numbers
//! of their own, given out once and for ever; which name has which number is itself a record, the node's.

use crate::line::{FpcId, PortId};

/// Both numberings. What has no number on disk is named by its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Numbering {
    /// Number on disk of each line card, by [`FpcId`].
    pub fpcs: Vec<u16>,
    /// Number on disk of each port, by [`PortId`].
    pub ports: Vec<u16>,
}

impl Numbering {
    pub(crate) fn stored_fpc(&self, fpc: FpcId) -> u16 {
        self.fpcs.get(usize::from(fpc.0)).copied().unwrap_or(fpc.0)
    }

    pub(crate) fn stored_port(&self, port: PortId) -> u16 {
        self.ports.get(usize::from(port.0)).copied().unwrap_or(port.0)
    }

    pub(crate) fn fpc(&self, stored: u16) -> FpcId {
        FpcId(place(&self.fpcs, stored))
    }

    pub(crate) fn port(&self, stored: u16) -> PortId {
        PortId(place(&self.ports, stored))
    }
}

fn place(numbers: &[u16], stored: u16) -> u16 {
    numbers.iter().position(|number| *number == stored).map_or(stored, |place| place as u16)
}
