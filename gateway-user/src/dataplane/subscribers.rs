//! The `SUBSCRIBERS` array in this process's memory: a renewal, and reading a million counters, cost no system call.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use aya::maps::MapData;
use gateway_common::route::Subscriber;

/// The mapped array. A slot past the capacity is ignored: the session table never hands one out.
pub(crate) struct Subscribers {
    cells: NonNull<Subscriber>,
    capacity: u32,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every access to it is atomic.
unsafe impl Send for Subscribers {}

impl Subscribers {
    /// Maps the array pinned at `path`.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let data = MapData::from_pin(path).with_context(|| format!("open the map pinned at {}", path.display()))?;
        let info = data.info()?;
        ensure!(info.value_size() as usize == size_of::<Subscriber>(), "{} has other cells", path.display());
        let capacity = info.max_entries();
        // SAFETY: a new shared mapping of the map's own memory; the kernel keeps that alive while it is mapped.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::octets(capacity),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                data.fd().as_fd().as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("map the SUBSCRIBERS array into memory");
        }
        let cells = NonNull::new(memory.cast()).context("mmap returned null")?;
        Ok(Self { cells, capacity })
    }

    fn octets(capacity: u32) -> usize {
        capacity as usize * size_of::<Subscriber>()
    }

    /// Cells there are.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    fn cell(&self, slot: u32) -> Option<[&AtomicU64; 6]> {
        if slot >= self.capacity {
            return None;
        }
        // SAFETY: the slot is inside the mapping, which lives as long as `self`; each field is an aligned u64 that
        // both sides only access atomically.
        unsafe {
            let cell = self.cells.add(slot as usize).as_ptr();
            Some([
                AtomicU64::from_ptr(&raw mut (*cell).expires_ns),
                AtomicU64::from_ptr(&raw mut (*cell).last_seen_ns),
                AtomicU64::from_ptr(&raw mut (*cell).up_packets),
                AtomicU64::from_ptr(&raw mut (*cell).up_octets),
                AtomicU64::from_ptr(&raw mut (*cell).down_packets),
                AtomicU64::from_ptr(&raw mut (*cell).down_octets),
            ])
        }
    }

    /// Sets the end of the lease, nanoseconds since boot.
    pub(crate) fn set_expires(&self, slot: u32, expires_ns: u64) {
        if let Some([expires, ..]) = self.cell(slot) {
            expires.store(expires_ns, Ordering::Release);
        }
    }

    /// Notes when the subscriber was seen, nanoseconds since boot.
    pub(crate) fn set_seen(&self, slot: u32, at_ns: u64) {
        if let Some([_, seen, ..]) = self.cell(slot) {
            seen.fetch_max(at_ns, Ordering::Relaxed);
        }
    }

    /// Gives the cell to a new login: counters at zero, then the end of its lease.
    pub(crate) fn begin(&self, slot: u32, expires_ns: u64) {
        if let Some([expires, counters @ ..]) = self.cell(slot) {
            counters.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
            expires.store(expires_ns, Ordering::Release);
        }
    }

    /// What the kernel counted.
    pub(crate) fn read(&self, slot: u32) -> Option<Subscriber> {
        let values = self.cell(slot)?.map(|field| field.load(Ordering::Relaxed));
        let [expires_ns, last_seen_ns, up_packets, up_octets, down_packets, down_octets] = values;
        Some(Subscriber {
            expires_ns,
            last_seen_ns,
            up_packets,
            up_octets,
            down_packets,
            down_octets,
            ..Subscriber::default()
        })
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `open` mapped; no reference outlives `self`.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), Self::octets(self.capacity)) };
    }
}
