//! What an import did, or would do.

use core::fmt;

use serde::Serialize;

use super::What;

/// Which of the files, from 0, and which line of it, from 1.
pub type Place = (usize, u64);

/// Counts of leases, each of them in one of the counts but for `read`.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Report {
    /// In the file.
    pub read: u64,
    /// Of an address that the file has again further down, where it is as it was last.
    pub repeated: u64,
    /// In force, now in the store.
    pub active: u64,
    /// Declined, now in the store until their time ends.
    pub abandoned: u64,
    /// Over: their clients get the address again while it is free.
    pub remembered: u64,
    /// Over, and of nobody, or of a client that has another address.
    pub over: u64,
    /// Of no pool.
    pub outside: u64,
    /// The store has the same, or a later one, of the address.
    pub older: u64,
    /// The client has a later one in the same subnet.
    pub moved: u64,
    /// Records of the store that the file's leases end: their address or their client has a later one.
    pub replaced: u64,
    /// Those of which it is worth a line why they were not taken, or what they have ended; the first thousand.
    pub notes: Vec<Note>,
}

/// How many notes are kept.
const NOTES: usize = 1000;

impl Report {
    pub(super) fn note(&mut self, place: Place, what: What, why: Why) {
        if self.notes.len() < NOTES {
            self.notes.push(Note { file: place.0, line: place.1, address: what.to_string(), why });
        }
    }

    /// Records that are written.
    pub fn taken(&self) -> u64 {
        self.active + self.abandoned + self.remembered
    }
}

/// Why a lease was not taken, or what it has ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Note {
    /// Which of the files it is in; the first is 0.
    #[serde(skip)]
    pub file: usize,
    /// Its line there.
    pub line: u64,
    /// What was leased.
    pub address: String,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// Why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "why", content = "other", rename_all = "kebab-case")]
pub enum Why {
    /// No pool has it, or it is a router's.
    Outside,
    /// The store has a later lease of it.
    Older,
    /// Its client has a later lease of that address.
    Moved(String),
    /// It is taken, and the store's lease of that address, of the same client or of another, is over by it.
    Replaces(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, address, why, .. } = self;
        write!(f, "line {line}: {address} ")?;
        match why {
            Why::Outside => f.write_str("is in no pool, not taken"),
            Why::Older => f.write_str("has a later lease in the store, not taken"),
            Why::Moved(other) => write!(f, "is a client's that has {other} since, not taken"),
            Why::Replaces(other) if other == address => f.write_str("replaces the store's earlier lease"),
            Why::Replaces(other) => write!(f, "ends its client's earlier lease of {other} in the store"),
        }
    }
}
