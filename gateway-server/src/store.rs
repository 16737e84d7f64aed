//! The lease store: records on disk, in fjall.
//!
//! A batch is written and synchronised as one: after [`Store::commit`] returned without error all of it survives
//! `kill -9` and a power cut, and a batch that was cut short by either is not there at all.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use thiserror::Error;

/// A change to the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Key of the record.
    pub key: Vec<u8>,
    /// The record; `None` takes it off the disk.
    pub value: Option<Vec<u8>>,
}

/// The store can't be read or written.
#[derive(Debug, Error)]
#[error("lease store {}: {reason}", path.display())]
pub struct StoreError {
    path: PathBuf,
    reason: String,
}

/// An open store. There is one at a time for a directory.
pub struct Store {
    path: PathBuf,
    /// None while a failed one is closed and the next not yet open.
    open: Option<(Database, Keyspace)>,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// Octets of fjall's block cache: everything is in memory anyway, the store is only read at start.
const CACHE: u64 = 4 << 20;
/// Octets of records kept in memory before fjall sorts them into a table.
const MEMTABLE: u64 = 16 << 20;

impl Store {
    /// Opens the store in this directory, or makes one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut store = Self { path: path.to_owned(), open: None };
        store.reopen()?;
        Ok(store)
    }

    /// Every record, in the order of the keys.
    pub fn records(&self) -> Result<impl Iterator<Item = (Vec<u8>, Vec<u8>)> + use<>, StoreError> {
        let (_, keyspace) = self.open.as_ref().ok_or_else(|| self.error("closed after a failed write"))?;
        let path = self.path.clone();
        let records = keyspace.iter().map(move |guard| match guard.into_inner() {
            Ok((key, value)) => (key.to_vec(), value.to_vec()),
            Err(error) => {
                tracing::error!(store = %path.display(), %error, "a record can't be read");
                (Vec::new(), Vec::new())
            }
        });
        Ok(records)
    }

    /// Writes all changes as one and waits until they are on disk. After an error none of them may be relied on; the
    /// next call opens the store anew.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            self.reopen()?;
        }
        let (database, keyspace) = self.open.as_ref().ok_or_else(|| self.error("not open"))?;
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        for change in changes {
            match &change.value {
                Some(value) => batch.insert(keyspace, change.key.as_slice(), value.as_slice()),
                None => batch.remove(keyspace, change.key.as_slice()),
            }
        }
        batch.commit().map_err(|error| {
            // fjall takes no more writes after one failed: whatever is in its journal is read again from disk.
            let error = self.error(&error.to_string());
            self.open = None;
            error
        })
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.open = None;
        trim_journals(&self.path).map_err(|error| self.error(&error.to_string()))?;
        let open = || {
            let database = Database::builder(&self.path).cache_size(CACHE).worker_threads(1).open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
            let keyspace = database.keyspace("leases", options)?;
            Ok::<_, fjall::Error>((database, keyspace))
        };
        // The database that was just closed may hold its lock for another moment.
        let mut opened = open();
        for _ in 0..20 {
            if !matches!(opened, Err(fjall::Error::Locked)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            opened = open();
        }
        self.open = Some(opened.map_err(|error| self.error(&error.to_string()))?);
        Ok(())
    }

    fn error(&self, reason: &str) -> StoreError {
        StoreError { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// Cuts the zeros off that follow the last octet written to each journal. fjall makes its journals longer than they
/// are; after a power cut in the middle of a batch the zeros would be read as part of it. A whole batch never ends in
/// a zero.
fn trim_journals(store: &Path) -> io::Result<()> {
    if !store.try_exists()? {
        return Ok(());
    }
    for entry in std::fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let used = used(&file, length)?;
        if used < length {
            file.set_len(used)?;
        }
    }
    Ok(())
}

/// Octets up to the last one that is not zero.
fn used(file: &std::fs::File, length: u64) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 20;
    let mut end = length;
    let mut block = vec![0; BLOCK as usize];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = &mut block[..(end - start) as usize]; // at most BLOCK
        file.read_exact_at(block, start)?;
        if let Some(last) = block.iter().rposition(|octet| *octet != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
