//! Room in the newest journal: zeros that were written before records are.
//!
//! fjall makes a journal long at once and leaves it empty, so the filesystem finds blocks only for what is written, and each
//! fdatasync has to bring that to the disk too: two or three writes that wait for one another. Where zeros were written before,
//! it is the data alone.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::newest;

/// Octets of zeros written at once.
const STEP: u64 = 2 << 20;

/// How much room there is.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Octets that may be written before it is looked at again.
    left: u64,
}

impl Room {
    /// So many octets are about to be written. Nobody writes to the journals meanwhile. That there is no room is no error:
    /// whatever is wrong with the disk shows when records are written.
    pub(crate) fn make(&mut self, store: &Path, octets: u64) {
        if self.left < octets {
            if let Err(error) = fill(store, octets + STEP) {
                tracing::debug!(%error, store = %store.display(), "no room is made in the journal");
            }
            self.left = octets + STEP;
        }
        self.left -= octets;
    }
}

/// Writes zeros where the newest journal has none yet, at most to its end.
fn fill(store: &Path, octets: u64) -> io::Result<()> {
    let Some(path) = newest(store)? else { return Ok(()) };
    let journal = File::options().read(true).write(true).open(path)?;
    let length = journal.metadata()?.len();
    // SAFETY: a plain system call on a descriptor that is open.
    let hole = unsafe { libc::lseek(journal.as_raw_fd(), 0, libc::SEEK_HOLE) };
    let start = u64::try_from(hole).map_err(|_| io::Error::last_os_error())?;
    let mut block = vec![0; (length - start.min(length)).min(octets) as usize]; // some megabytes
    journal.read_exact_at(&mut block, start)?;
    // A filesystem that takes records for a hole would have them written over.
    if block.iter().any(|octet| *octet != 0) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("octet {start} begins a hole that is none")));
    }
    journal.write_all_at(&block, start)
}
