//! Readers of the rings: no system call for a record, one wake-up for a burst.

use std::io;
use std::path::Path;

use anyhow::Context;
use aya::maps::{Map, MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use crate::io::watch::watch;

/// Reads one ring buffer.
pub(crate) struct Ring {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl Ring {
    /// Opens the ring pinned at `path`. Must be called within a tokio runtime.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let data = MapData::from_pin(path).with_context(|| format!("open the ring pinned at {}", path.display()))?;
        let ring = RingBuf::try_from(Map::from_map_data(data)?)?;
        let ring = watch(ring).context("watch a ring buffer")?;
        Ok(Self { ring })
    }

    /// Returns when records have come since the ring was last drained to its end.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        // Cleared before the ring is drained: a record that comes later sets it again.
        self.ring.readable().await?.clear_ready();
        Ok(())
    }

    /// Gives up to `most` records to `each`; true when that was all there were.
    pub(crate) fn drain(&mut self, most: usize, mut each: impl FnMut(&[u8])) -> bool {
        let ring = self.ring.get_mut();
        for _ in 0..most {
            match ring.next() {
                Some(record) => each(&record),
                None => return true,
            }
        }
        false
    }
}

/// Copies a record of type `T` from the start of `octets`.
pub(crate) fn record<T: aya::Pod>(octets: &[u8]) -> Option<T> {
    // SAFETY: `T` is Pod, so any octets are a valid value; the length was checked; the read need not be aligned.
    (octets.len() >= size_of::<T>()).then(|| unsafe { octets.as_ptr().cast::<T>().read_unaligned() })
}
