//! The journals' files, around fjall.

mod batches;
mod room;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(crate) use self::batches::{BATCH_OVERHEAD, RECORD_OVERHEAD};
pub(crate) use self::room::Room;
use crate::Durability;

/// Cuts off what a crash left behind the last whole batch, so that a batch is there as a whole or not at all. Only for who
/// holds the [lock](crate::lock).
///
/// fjall makes its journals longer than they are, so zeros follow. A power cut in the middle of a batch leaves any of its
/// pages on the disk and others not: fjall takes such a batch for damage and does not open. Only the newest journal can be
/// torn, for a new one is begun when the former is on the disk. Where every commit is synced, what is torn is the last batch
/// of all: a whole one behind it means that an older one was damaged since, which is an error.
pub(crate) fn mend(store: &Path, commits: Durability) -> io::Result<()> {
    for path in journals(store)? {
        cut(&path, used(&File::open(&path)?)?)?;
    }
    let Some(newest) = newest(store)? else { return Ok(()) };
    let octets = std::fs::read(&newest)?;
    let whole = batches::whole(&octets);
    let torn = &octets[whole..];
    if torn.is_empty() {
        return Ok(());
    }
    if batches::has_any(torn) {
        if commits == Durability::Disk {
            let what = format!("{} is damaged at octet {whole}, with whole batches behind", newest.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        tracing::warn!(
            journal = %newest.display(), octet = whole, octets = torn.len(),
            "the journal is damaged, as by a power cut: what was committed behind the damage is lost",
        );
    } else {
        tracing::info!(journal = %newest.display(), octets = torn.len(), "a batch that was not committed is cut off");
    }
    cut(&newest, whole as u64)
}

/// Makes a file no longer than this.
fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    if length < file.metadata()?.len() {
        file.set_len(length)?;
    }
    Ok(())
}

/// Brings to the disk what the operating system has of the journals, through descriptors of its own.
pub(crate) fn sync(store: &Path) -> io::Result<()> {
    for path in journals(store)? {
        match File::open(&path) {
            Ok(journal) => journal.sync_data()?,
            // Rotated away meanwhile, which syncs it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The one that is written to. Their names are numbers.
fn newest(store: &Path) -> io::Result<Option<PathBuf>> {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    Ok(journals(store)?.into_iter().max_by_key(number))
}

fn journals(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Octets up to the last one that is not zero.
fn used(file: &File) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 20;
    let mut end = file.metadata()?.len();
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
