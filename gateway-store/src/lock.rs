//! Who has the store. A lock of our own, because fjall takes its lock only while it opens the database: too late to keep
//! a second process from touching the journals first, and given up when a failed database is closed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::StoreError;

/// Beside fjall's files. Holds the process id of who has the lock.
const NAME: &str = "gateway.lock";
/// Fjall's own.
const FJALL: &str = "lock";

/// The lock on a store's directory, for as long as it lives.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says at once who has it.
    pub(crate) fn take(store: &Path) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::new(store, format!("{NAME}: {error}"));
        let path = store.join(NAME);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::new(store, in_use(&mut file))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // For people only: a disk without room for a number is no reason to stay away.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// Waits until no database of this process has fjall's lock on the store any more: nobody else can have it, since we have ours.
pub(crate) fn wait_for_fjall(store: &Path, most: Duration) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(store.join(FJALL)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()), // given up with the file
            Err(TryLockError::WouldBlock) if began.elapsed() < most => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("a database that failed does not close")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn in_use(file: &mut File) -> String {
    let mut text = String::new();
    let process = match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(process)) => format!("process {process}"),
        _ => "another process".to_owned(),
    };
    format!("{process} has it open, and a store serves one gateway at a time: end that one, or use another directory")
}
