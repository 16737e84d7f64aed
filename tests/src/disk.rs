//! A disk that can be filled.

use crate::namespace::Namespace;
use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Files and directories there may be.
const INODES: u32 = 256;

/// A tmpfs of a few MiB on a directory, in the mounts of one namespace only. It goes with the namespace.
#[derive(Debug)]
pub struct SmallDisk {
    space: Arc<Namespace>,
    filler: PathBuf,
}

impl SmallDisk {
    /// Mount it on `at`, which is made.
    pub fn mount(space: &Arc<Namespace>, at: &Path, mebibytes: u32) -> Result<Self> {
        fs::create_dir_all(at)?;
        let size = format!("size={mebibytes}m,nr_inodes={INODES}");
        space
            .run(|| mount(Some("gwlab"), at, Some("tmpfs"), MsFlags::empty(), Some(size.as_str())))?
            .with_context(|| format!("cannot mount a tmpfs on {}", at.display()))?;
        Ok(SmallDisk { space: Arc::clone(space), filler: at.join("filler") })
    }

    /// Take all room there is for data and for files, and whatever becomes free, until the result is dropped.
    pub fn fill(&self) -> Result<Full> {
        let directory = self.filler.clone();
        let file = self.space.run(|| {
            fs::create_dir(&directory)?;
            let file = File::create(directory.join("data"))?;
            take(&directory, &file).map(|()| file)
        })?;
        let file = file.context("cannot fill the disk")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (space, ending) = (Arc::clone(&self.space), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            space.enter()?;
            while !ending.load(Ordering::Relaxed) {
                take(&directory, &file).context("cannot keep the disk full")?;
                std::thread::sleep(Duration::from_millis(1));
            }
            fs::remove_dir_all(directory).context("cannot free the disk")
        });
        Ok(Full { stop, thread: Some(thread) })
    }
}

/// Writes until there is no room, and makes files until there can be no more.
fn take(directory: &Path, mut file: &File) -> io::Result<()> {
    until_full(|| file.write(&[1; 4096]).map(drop))?;
    until_full(|| tempfile::Builder::new().tempfile_in(directory)?.keep().map(drop).map_err(io::Error::from))
}

fn until_full(mut take: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match take() {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// A disk that is full. Dropped, there is room again.
#[derive(Debug)]
pub struct Full {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Drop for Full {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => eprintln!("lab: {error:#}"),
            Some(Err(_)) => eprintln!("lab: what fills a disk has panicked"),
            Some(Ok(Ok(()))) | None => {}
        }
    }
}
