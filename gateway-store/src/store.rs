//! The store: open, commit, recover.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::config::{CompressionPolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice};

use crate::StoreError;
use crate::journal::{self, Room};
use crate::lock::{self, Lock};
use crate::sync::Syncer;

/// Octets of the block cache. Records are read once, at the start.
const CACHE: u64 = 4 << 20;
/// Octets of journals before the oldest records in memory are written out.
const JOURNALS: u64 = 64 << 20;
/// How long a database that failed may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// What differs from store to store.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The name of its records within the database. It stays the same for the life of a store.
    pub records: &'static str,
    /// Octets of the write buffer; a few times this is held while it is written out.
    pub memtable: u64,
    /// The least that its commits ask for.
    pub durability: Durability,
}

/// A key or a value as it lies in the store's own memory.
#[derive(Clone, Debug)]
pub struct Octets(Slice);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A change of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change<'a> {
    /// Key of the record, 1 to 65535 octets.
    pub key: &'a [u8],
    /// The record; `None` takes it off the disk, and one that is not there is fine.
    pub value: Option<&'a [u8]>,
}

/// What a commit has to survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// The end of the process: it is with the operating system.
    Process,
    /// A power cut: it is on the disk.
    Disk,
}

/// An open store. There is one at a time for a directory.
pub struct Store {
    path: PathBuf,
    settings: Settings,
    /// None after a failed write, until it is opened again. Closed before the lock is given up.
    open: Option<(Database, Keyspace)>,
    syncer: Syncer,
    room: Room,
    _lock: Lock,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

impl Store {
    /// Opens the store in this directory, or makes one. A tail that a crash tore is cut off.
    ///
    /// # Errors
    /// At once when another process has it open, and when the directory can't be made, read or written.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|error| StoreError::new(path, error))?;
        let lock = Lock::take(path)?;
        let mut store = Self {
            path: path.to_owned(),
            settings,
            open: None,
            syncer: Syncer::default(),
            room: Room::default(),
            _lock: lock,
        };
        store.reopen()?;
        Ok(store)
    }

    /// Every record, key and value, by ascending key.
    pub fn records(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + use<> {
        self.read().map(|record| record.map(|(key, value)| (key.0.to_vec(), value.0.to_vec())))
    }

    /// Every record whose key begins so, by ascending key.
    pub fn under(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + use<> {
        let path = self.path.clone();
        let closed = self.open.is_none().then(|| Err(self.error("it is closed after a failed write")));
        let records = self.open.as_ref().map(|(_, records)| records.prefix(prefix)).into_iter().flatten();
        let records = records.map(move |guard| match guard.into_inner() {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(StoreError::new(&path, format!("a record can't be read: {}", reason(error)))),
        });
        closed.into_iter().chain(records)
    }

    /// [`Store::records`] without a copy: for who looks at many and keeps few.
    pub fn read(&self) -> impl Iterator<Item = Result<(Octets, Octets), StoreError>> + use<> {
        let path = self.path.clone();
        let closed = self.open.is_none().then(|| Err(self.error("it is closed after a failed write")));
        let records = self.open.as_ref().map(|(_, records)| records.iter()).into_iter().flatten();
        let records = records.map(move |guard| match guard.into_inner() {
            Ok((key, value)) => Ok((Octets(key), Octets(value))),
            Err(error) => Err(StoreError::new(&path, format!("a record can't be read: {}", reason(error)))),
        });
        closed.into_iter().chain(records)
    }

    /// How many records there are, about: one that was changed of late may count several times.
    pub fn about(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, records)| records.approximate_len())
    }

    /// Writes all changes as one. After an error none of them may be relied on; the next call opens the store anew.
    pub fn commit<'a>(
        &mut self,
        changes: impl IntoIterator<Item = Change<'a>>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        if self.open.is_none() {
            self.reopen()?;
        }
        let (database, records) = self.open.as_ref().ok_or_else(|| self.error("not open"))?;
        let mode = match durability {
            Durability::Process => PersistMode::Buffer,
            Durability::Disk => PersistMode::SyncData,
        };
        let mut batch = database.batch().durability(Some(mode));
        let mut changes = changes.into_iter().peekable();
        if changes.peek().is_none() {
            return Ok(());
        }
        let mut octets = 0;
        for Change { key, value } in changes {
            octets += journal::RECORD_OVERHEAD + key.len() + value.map_or(0, <[u8]>::len);
            match value {
                Some(value) => batch.insert(records, key, value),
                None => batch.remove(records, key),
            }
        }
        // Where a sync is rare it may take its time, and a small disk is not to be filled with zeros.
        if self.settings.durability == Durability::Disk {
            self.room.make(&self.path, (journal::BATCH_OVERHEAD + octets) as u64);
        }
        if let Err(error) = batch.commit() {
            return Err(self.close(error));
        }
        self.syncer.committed(durability == Durability::Disk);
        Ok(())
    }

    /// Whether all that was committed is on the disk.
    pub fn is_synced(&self) -> bool {
        !self.syncer.is_due()
    }

    /// Brings to the disk what so far only the operating system has, and waits for it.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let Some((database, _)) = self.open.as_ref().filter(|_| self.syncer.is_due()) else { return Ok(()) };
        if let Err(error) = database.persist(PersistMode::SyncData) {
            return Err(self.close(error));
        }
        self.syncer.done();
        Ok(())
    }

    /// The same without waiting, in a thread of its own. Called from time to time: what failed is then repeated.
    pub fn sync_soon(&mut self) {
        if self.open.is_some() {
            self.syncer.start(&self.path);
        }
    }

    /// Octets on the disk.
    pub fn octets(&self) -> u64 {
        self.open.as_ref().and_then(|(database, _)| database.disk_space().ok()).unwrap_or(0)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// fjall takes no more writes after one failed: whatever is in its journal is read again from disk.
    fn close(&mut self, error: fjall::Error) -> StoreError {
        self.open = None;
        self.error(reason(error))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.open = None;
        self.room = Room::default();
        // The database that was just closed writes what it has still got before it goes: what is cut earlier may be written again.
        lock::wait_for_fjall(&self.path, CLOSING).map_err(|error| self.error(error))?;
        journal::mend(&self.path, self.settings.durability).map_err(|error| self.error(error))?;
        self.open = Some(self.open_database().map_err(|error| self.error(reason(error)))?);
        Ok(())
    }

    fn open_database(&self) -> Result<(Database, Keyspace), fjall::Error> {
        let database = Database::builder(&self.path)
            .cache_size(CACHE)
            .max_journaling_size(JOURNALS)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(self.settings.memtable)
                .data_block_compression_policy(CompressionPolicy::disabled())
                // Nothing is ever looked up by key.
                .filter_policy(FilterPolicy::disabled())
        };
        let records = database.keyspace(self.settings.records, options)?;
        Ok((database, records))
    }

    fn error(&self, reason: impl ToString) -> StoreError {
        StoreError::new(&self.path, reason)
    }
}

/// What is at the root of it; what fjall's errors say around that is for its developers.
fn reason(error: fjall::Error) -> String {
    let mut root: &dyn std::error::Error = &error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
