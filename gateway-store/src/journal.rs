//! The journals' files, around fjall.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Cuts the zeros off that follow the last octet written to each journal. fjall makes its journals longer than they
/// are; after a power cut in the middle of a batch the zeros would be read as part of it. A whole batch never ends in
/// a zero. Only for who holds the [lock](crate::lock).
pub(crate) fn trim(store: &Path) -> io::Result<()> {
    for path in journals(store)? {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let used = used(&file, length)?;
        if used < length {
            file.set_len(used)?;
        }
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
fn used(file: &File, length: u64) -> io::Result<u64> {
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
