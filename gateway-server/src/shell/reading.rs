//! Reading the store at the start: one thread takes the records off the disk, the other makes leases of them. Nothing keeps
//! them all at once.

use std::sync::mpsc::{Receiver, sync_channel};

use gateway_store::{Octets, Store, StoreError};

/// Records handed over at once.
const CHUNK: usize = 1024;
/// Chunks on their way.
const AHEAD: usize = 8;

type Chunk = Vec<(Octets, Octets)>;

/// The records, by ascending key, until they end or one can't be read.
pub(crate) struct Records<'a> {
    chunks: &'a Receiver<Chunk>,
    chunk: std::vec::IntoIter<(Octets, Octets)>,
}

impl Iterator for Records<'_> {
    type Item = (Octets, Octets);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Some(record);
            }
            self.chunk = self.chunks.recv().ok()?.into_iter();
        }
    }
}

/// Makes something of all records; an error when one of them can't be read.
pub(crate) fn with<T>(store: &Store, make: impl FnOnce(Records<'_>) -> T) -> Result<T, StoreError> {
    std::thread::scope(|scope| {
        let (send, chunks) = sync_channel(AHEAD);
        let reader = scope.spawn(move || {
            let mut records = store.read();
            loop {
                let chunk = records.by_ref().take(CHUNK).collect::<Result<Chunk, StoreError>>()?;
                // Who makes something of them may have seen enough.
                if chunk.is_empty() || send.send(chunk).is_err() {
                    return Ok(());
                }
            }
        });
        let made = make(Records { chunks: &chunks, chunk: Vec::new().into_iter() });
        drop(chunks);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(made)
    })
}
