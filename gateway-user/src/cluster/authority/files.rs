//! Files that are never half written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// Mode of keys and of what else nobody but root needs.
pub(super) const PRIVATE: u32 = 0o600;
/// Mode of certificates.
pub(super) const PUBLIC: u32 = 0o644;

/// Makes a directory that only its owner may look into, and those above it; one that is there stays as it is.
pub(super) fn directory(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a file that must not be there yet.
pub(super) fn create(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file, in place of one that may be there: whoever reads it sees the old or the new one whole.
pub(super) fn replace(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", new.display()));
        }
        _ => create(&new, mode, text)?,
    }
    let rename =
        || fs::rename(&new, path).and_then(|()| File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all());
    rename().with_context(|| format!("cannot write {}", path.display()))
}
