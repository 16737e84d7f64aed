//! What the operator may choose.

use crate::line::FpcId;
use crate::time::Duration;

/// How subscribers of an FPC are watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// Without a packet for this long a subscriber is asked.
    pub silent_after: Duration,
    /// Probes that have to stay unanswered.
    pub probes: u8,
    /// Between two of them, and after the last.
    pub patience: Duration,
}

impl Default for Watch {
    /// Five minutes; three probes, two seconds each.
    fn default() -> Self {
        Self { silent_after: Duration::from_secs(300), probes: 3, patience: Duration::from_secs(2) }
    }
}

/// Settings of all FPCs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LivenessConfig {
    /// By [`FpcId`]; one that is not there, or `None`, is not watched.
    pub fpcs: Vec<Option<Watch>>,
    /// Between two sweeps over all counters.
    pub period: Duration,
    /// Probes per second, of all FPCs together. A subscriber of both versions of IP is asked by both in one.
    pub rate: u32,
    /// Subscribers asked at a time; more wait for a later sweep.
    pub suspects: usize,
    /// How late it may become known that somebody was seen: an answer to the last probe is waited for so much longer.
    pub lag: Duration,
}

impl Default for LivenessConfig {
    /// Nobody is watched.
    fn default() -> Self {
        Self { fpcs: Vec::new(), period: Duration::from_secs(30), rate: 100, suspects: 4096, lag: Duration::ZERO }
    }
}

impl LivenessConfig {
    pub(super) fn watch(&self, fpc: FpcId) -> Option<Watch> {
        self.fpcs.get(usize::from(fpc.0)).copied().flatten()
    }

    /// Whether nobody is watched.
    pub(super) fn is_off(&self) -> bool {
        self.fpcs.iter().all(Option::is_none)
    }
}
