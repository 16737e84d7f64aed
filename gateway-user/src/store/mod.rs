//! The node's records on disk: sessions, journals, epochs, what is known of servers.
//!
//! One batch of inputs makes one batch of writes, committed before anything it leads to is sent. A commit reaches the
//! operating system, which survives `kill -9`; one that must survive a power failure too is asked for with `sync`, or all are
//! with [`StoreSync::Disk`].
//! A full disk is no end: the failed writes are kept and tried again, and meanwhile [`Store::is_down`] tells the
//! loop to let nobody new in.

mod pending;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use gateway_store::{Durability, Settings, StoreError};

use pending::Pending;
pub(crate) use pending::Write;

use crate::config::StoreSync;
pub(crate) use crate::control::protocol::Store as Facts;

/// The records' place on disk.
const RECORDS: &str = "node";
/// Octets of records that are held in memory at most, before they go to the disk in order.
const MEMTABLE: u64 = 8 << 20;
/// Time between attempts to recover.
const RETRY: Duration = Duration::from_secs(1);

fn durability(sync: StoreSync) -> Durability {
    match sync {
        StoreSync::Os => Durability::Process,
        StoreSync::Disk => Durability::Disk,
    }
}

/// The store of one node.
pub(crate) struct Store {
    disk: gateway_store::Store,
    /// What could not be committed yet; the newest write of each key.
    pending: Pending,
    retry_at: Option<Instant>,
    errors: u64,
    last_error: Option<String>,
    /// What a commit reaches that asks for nothing more.
    least: StoreSync,
}

impl Store {
    /// Opens or creates the store below the directory `path`. A tail that a crash tore is cut off.
    pub(crate) fn open(path: &Path, least: StoreSync) -> anyhow::Result<Self> {
        let settings = Settings { records: RECORDS, memtable: MEMTABLE, durability: durability(least) };
        let disk = gateway_store::Store::open(path, settings).context("open the session store")?;
        Ok(Self { disk, pending: Pending::default(), retry_at: None, errors: 0, last_error: None, least })
    }

    /// Every record, by ascending key. The first that can't be read ends it with an error.
    pub(crate) fn records(&self) -> impl Iterator<Item = anyhow::Result<(Vec<u8>, Vec<u8>)>> {
        self.disk.records().map(|record| Ok(record?))
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
        match self.disk.commit(writes.iter().map(Write::change), self.durability(sync)) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    %error, "the store can't be written: new logins are refused until it can, forwarding goes on",
                );
                self.pending.extend(writes, sync);
                self.failed(&error);
                false
            }
        }
    }

    fn durability(&self, sync: bool) -> Durability {
        if sync { Durability::Disk } else { durability(self.least) }
    }

    fn failed(&mut self, error: &StoreError) {
        self.retry_at = Some(Instant::now() + RETRY);
        self.errors += 1;
        self.last_error = Some(error.reason().to_owned());
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
        let changes = self.pending.writes().map(Write::change);
        match self.disk.commit(changes, self.durability(self.pending.sync())) {
            Ok(()) => {
                tracing::info!("the store can be written again: new logins are accepted");
                self.pending = Pending::default();
                self.retry_at = None;
                self.last_error = None;
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the store still can't be written");
                self.failed(&error);
                false
            }
        }
    }

    /// Brings to the disk, in a thread of its own, what so far only the operating system has. Called from time to time.
    pub(crate) fn sync_soon(&mut self) {
        self.disk.sync_soon();
    }

    /// Brings to the disk what so far only the operating system has, and waits for it.
    pub(crate) fn sync(&mut self) {
        if let Err(error) = self.disk.sync() {
            tracing::error!(%error, "the store can't be synced");
            self.failed(&error);
        }
    }

    /// How the store is.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            octets: self.disk.octets(),
            errors: self.errors,
            pending: self.pending.len() as u64,
            last_error: self.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
