//! The store's journal as a power cut leaves it.

use std::path::{Path, PathBuf};

/// The only journal of a store.
pub(crate) fn journal(store: &Path) -> PathBuf {
    let files = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let mut journals = files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let first = journals.next().expect("a journal");
    assert_eq!(journals.next(), None);
    first
}

/// Octets up to the last one that is not zero.
pub(crate) fn used(journal: &Path) -> usize {
    std::fs::read(journal).unwrap().iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1)
}

/// A directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
