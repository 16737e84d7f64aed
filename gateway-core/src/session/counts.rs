//! How many there are behind each port and each line card.

use crate::line::{FpcId, PortId};

/// Live entries of a table: sessions, or leases.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    ports: Vec<u32>,
    /// With the orphaned ones among them.
    fpcs: Vec<(u64, u64)>,
}

impl Counts {
    pub(crate) fn add(&mut self, port: PortId, fpc: FpcId, orphaned: bool) {
        let (port, fpc) = (usize::from(port.0), usize::from(fpc.0));
        if self.ports.len() <= port {
            self.ports.resize(port + 1, 0);
        }
        if self.fpcs.len() <= fpc {
            self.fpcs.resize(fpc + 1, (0, 0));
        }
        self.ports[port] += 1;
        self.fpcs[fpc].0 += 1;
        self.fpcs[fpc].1 += u64::from(orphaned);
    }

    /// Inverse of [`Counts::add`].
    pub(crate) fn subtract(&mut self, port: PortId, fpc: FpcId, orphaned: bool) {
        let (port, fpc) = (usize::from(port.0), usize::from(fpc.0));
        self.ports[port] -= 1;
        self.fpcs[fpc].0 -= 1;
        self.fpcs[fpc].1 -= u64::from(orphaned);
    }

    /// Those that ended together.
    pub(crate) fn subtract_all(&mut self, fpc: FpcId, ended: &super::cohort::Ended) {
        for (port, entries) in &ended.ports {
            self.ports[usize::from(port.0)] -= entries;
        }
        if let Some((entries, orphaned)) = self.fpcs.get_mut(usize::from(fpc.0)) {
            *entries -= ended.sessions;
            *orphaned -= ended.orphaned;
        }
    }

    pub(crate) fn all(&self) -> u64 {
        self.fpcs.iter().map(|(entries, _)| entries).sum()
    }

    /// Of an FPC, and the orphaned ones among them.
    pub(crate) fn fpc(&self, fpc: FpcId) -> (u64, u64) {
        self.fpcs.get(usize::from(fpc.0)).copied().unwrap_or_default()
    }

    pub(crate) fn port(&self, port: PortId) -> u32 {
        self.ports.get(usize::from(port.0)).copied().unwrap_or_default()
    }
}
