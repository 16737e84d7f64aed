//! When subscribers were last seen, out of the cells in this process's memory.

use std::fmt;

use gateway_core::seen::Seen;
use gateway_core::time::Instant;

use super::subscribers::Subscribers;

/// Cells that are only read here.
pub(crate) struct LastSeen {
    four: Subscribers,
    /// Where IPv6 is served.
    six: Option<Subscribers>,
}

impl LastSeen {
    pub(super) fn new(four: Subscribers, six: Option<Subscribers>) -> Self {
        Self { four, six }
    }
}

impl fmt::Debug for LastSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastSeen(..)") // a million cells
    }
}

fn read(cells: &Subscribers, slot: u32) -> Option<Instant> {
    Some(Instant::from_nanos(cells.read(slot)?.last_seen_ns))
}

impl Seen for LastSeen {
    fn last_seen(&self, slot: u32) -> Option<Instant> {
        read(&self.four, slot)
    }

    fn last_seen6(&self, slot: u32) -> Option<Instant> {
        read(self.six.as_ref()?, slot)
    }
}
