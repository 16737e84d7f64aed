//! The node's records on disk: sessions, journals, epochs, what is known of servers.
//!
//! One batch of inputs makes one batch of writes, committed before anything it leads to is sent. A commit reaches the
//! operating system, which survives `kill -9`; one that must survive a power failure too is asked for with `sync`.
//! A full disk is no end: the failed writes are kept and tried again, and meanwhile [`Store::is_down`] tells the
//! loop to let nobody new in.

mod pending;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use fjall::config::{CompressionPolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use pending::Pending;
pub(crate) use pending::Write;

pub(crate) use crate::control::protocol::Store as Facts;

/// Octets of the write buffer; a few times this is held while it is written out.
const MEMTABLE: u64 = 8 << 20;
/// Octets of the block cache. Records are read once, at the start.
const CACHE: u64 = 4 << 20;
/// Time between attempts to recover.
const RETRY: Duration = Duration::from_secs(1);

/// The store of one node.
pub(crate) struct Store {
    path: PathBuf,
    open: Option<Open>,
    /// What could not be committed yet; the newest write of each key.
    pending: Pending,
    retry_at: Option<Instant>,
    unsynced: bool,
    errors: u64,
    last_error: Option<String>,
}

struct Open {
    database: Database,
    node: Keyspace,
}

impl Open {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE)
            .max_journaling_size(64 << 20)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .with_context(|| format!("open the store in {} (does another gateway use it?)", path.display()))?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE)
                .data_block_compression_policy(CompressionPolicy::disabled())
                // Nothing is ever looked up by key.
                .filter_policy(FilterPolicy::disabled())
        };
        let node = database.keyspace("node", options).context("open the store's keyspace")?;
        Ok(Self { database, node })
    }
}

impl Store {
    /// Opens or creates the store below the directory `path`. A tail that a crash tore is cut off.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
        let open = Some(Open::new(path)?);
        Ok(Self {
            path: path.to_owned(),
            open,
            pending: Pending::default(),
            retry_at: None,
            unsynced: false,
            errors: 0,
            last_error: None,
        })
    }

    /// Every record, by ascending key. The first that can't be read ends it with an error.
    pub(crate) fn records(&self) -> impl Iterator<Item = anyhow::Result<(Vec<u8>, Vec<u8>)>> {
        let records = self.open.as_ref().map(|open| open.node.iter());
        records.into_iter().flatten().map(|guard| {
            let (key, value) = guard.into_inner().context("read a record of the store")?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    /// Commits the writes of one batch of inputs, all or none of them. `sync`: to the disk, not just to the
    /// operating system. False when they could not be committed: nothing that depends on them may be sent. They are
    /// kept, and tried again with later ones.
    pub(crate) fn commit(&mut self, writes: Vec<Write>, sync: bool) -> bool {
        if writes.is_empty() && self.pending.is_empty() {
            return true;
        }
        if self.retry_at.is_some() {
            self.pending.extend(writes, sync);
            return self.recover();
        }
        match self.try_commit(&writes, sync) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    path = %self.path.display(), error = %error.root_cause(),
                    "the store can't be written: new logins are refused until it can, forwarding goes on",
                );
                self.pending.extend(writes, sync);
                self.failed(&error);
                false
            }
        }
    }

    fn failed(&mut self, error: &anyhow::Error) {
        // After a failed write the store accepts nothing more until it is opened again.
        self.open = None;
        self.retry_at = Some(Instant::now() + RETRY);
        self.errors += 1;
        // What the store's own errors say around it is for its developers.
        self.last_error = Some(error.root_cause().to_string());
    }

    fn try_commit<'a>(&mut self, writes: impl IntoIterator<Item = &'a Write>, sync: bool) -> anyhow::Result<()> {
        let open = self.open.as_ref().context("the store is not open")?;
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = open.database.batch().durability(Some(mode));
        for write in writes {
            match write {
                Write::Put { key, value } => batch.insert(&open.node, key.as_slice(), value.as_slice()),
                Write::Remove { key } => batch.remove(&open.node, key.as_slice()),
            }
        }
        batch.commit()?;
        self.unsynced = !sync;
        Ok(())
    }

    /// Whether the last commit failed and has not been made good.
    pub(crate) fn is_down(&self) -> bool {
        self.retry_at.is_some()
    }

    /// When the store is down, tries to bring it back; at most once a second. True when it is (again) up to date.
    pub(crate) fn recover(&mut self) -> bool {
        let Some(retry_at) = self.retry_at else { return true };
        if Instant::now() < retry_at {
            return false;
        }
        let pending = std::mem::take(&mut self.pending);
        let result = self.reopen().and_then(|()| self.try_commit(pending.writes(), pending.sync()));
        match result {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "the store can be written again: new logins are accepted");
                self.retry_at = None;
                self.last_error = None;
                true
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "the store still can't be written");
                self.pending = pending;
                self.failed(&error);
                false
            }
        }
    }

    fn reopen(&mut self) -> anyhow::Result<()> {
        self.open = None;
        self.open = Some(Open::new(&self.path)?);
        Ok(())
    }

    /// Brings to the disk, in a thread of its own, what so far only the operating system has. Called from time to time.
    pub(crate) fn sync_soon(&mut self) {
        if self.open.is_none() || !std::mem::take(&mut self.unsynced) {
            return;
        }
        let path = self.path.clone();
        // Through descriptors of its own: the store's call would keep the next commit waiting.
        std::thread::spawn(move || {
            if let Err(error) = sync_journals(&path) {
                tracing::error!(path = %path.display(), %error, "the store's journal can't be synced");
            }
        });
    }

    /// Brings to the disk what so far only the operating system has, and waits for it.
    pub(crate) fn sync(&mut self) {
        if let (Some(open), true) = (&self.open, self.unsynced) {
            match open.database.persist(PersistMode::SyncData) {
                Ok(()) => self.unsynced = false,
                Err(error) => {
                    tracing::error!(%error, "the store can't be synced");
                    self.failed(&error.into());
                }
            }
        }
    }

    /// How the store is.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            octets: self.open.as_ref().and_then(|open| open.database.disk_space().ok()).unwrap_or(0),
            errors: self.errors,
            pending: self.pending.len() as u64,
            last_error: self.last_error.clone(),
        }
    }
}

fn sync_journals(path: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            match std::fs::File::open(&path) {
                Ok(journal) => journal.sync_data()?,
                // Rotated away meanwhile, which syncs it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
