//! Bringing to the disk, later and elsewhere, what the operating system was given.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;

use crate::journal;

/// What is still to be synced, and the thread that is at it.
#[derive(Default)]
pub(crate) struct Syncer {
    unsynced: bool,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Syncer {
    /// Something was committed: to the disk, or not yet.
    pub(crate) fn committed(&mut self, synced: bool) {
        self.unsynced = !synced;
    }

    /// Everything is on the disk.
    pub(crate) fn done(&mut self) {
        *self = Self::default();
    }

    /// Whether something may not be on the disk.
    pub(crate) fn is_due(&self) -> bool {
        self.unsynced || self.running.is_some()
    }

    /// Starts a sync in a thread, if one is due and none is running. One that failed is repeated.
    pub(crate) fn start(&mut self, store: &Path) {
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        if let Some(finished) = self.running.take() {
            let result = finished.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            if let Err(error) = result {
                tracing::error!(store = %store.display(), %error, "the journal can't be synced; trying again");
                self.unsynced = true;
            }
        }
        if !self.unsynced {
            return;
        }
        let path = store.to_owned();
        // Through descriptors of its own: fjall's call would keep the next commit waiting.
        let spawned = std::thread::Builder::new().name("store-sync".to_owned()).spawn(move || journal::sync(&path));
        match spawned {
            Ok(thread) => {
                self.unsynced = false;
                self.running = Some(thread);
            }
            Err(error) => tracing::error!(%error, "no thread to sync the store with; trying again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(syncer: &Syncer) {
        while syncer.running.as_ref().is_some_and(|running| !running.is_finished()) {
            std::thread::yield_now();
        }
    }

    /// What a sync could not bring to the disk is still due, until one succeeds.
    #[test]
    fn a_failed_sync_is_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        let mut syncer = Syncer::default();
        syncer.committed(false);
        for _ in 0..2 {
            syncer.start(&store);
            wait(&syncer);
            assert!(syncer.is_due(), "there is no such directory");
        }
        std::fs::create_dir(&store).unwrap();
        syncer.start(&store);
        wait(&syncer);
        syncer.start(&store);
        assert!(!syncer.is_due());
    }
}
