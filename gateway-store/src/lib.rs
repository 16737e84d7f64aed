//! Records on disk: the sessions of the relay, the leases of the server. fjall, with what it takes to trust it with them.
//!
//! A batch of changes is written as one. After [`Store::commit`] returned without error all of it survives `kill -9`,
//! and with [`Durability::Disk`] a power cut too; a batch that was cut short by either is not there at all.
//!
//! ```text
//! open:  lock the directory ─▶ cut the zeros off the journals ─▶ open the database
//! commit fails ─▶ the database is closed, the lock is kept ─▶ the next commit opens it again
//! ```

mod journal;
mod lock;
mod store;
mod sync;

pub use store::{Change, Durability, Octets, Settings, Store};

use std::path::{Path, PathBuf};

use thiserror::Error;

/// The store can't be opened, read or written.
#[derive(Debug, Error)]
#[error("the store in {}: {reason}", path.display())]
pub struct StoreError {
    path: PathBuf,
    reason: String,
}

impl StoreError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }

    /// What it was, without saying where.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
