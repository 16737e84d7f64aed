//! The unit table: who serves each unit, by which assignment (Fig. 5, CL-7).

use gateway_common::unit::{UNITS, Unit};

use super::digest::digest;
use crate::member::{MemberId, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::{TABLE_CHUNK, TableChunk, TableEntry};

/// Parts of the table that travel by themselves.
pub(super) const CHUNKS: usize = UNITS as usize / TABLE_CHUNK;

/// All units, in order.
pub(super) fn units() -> impl Iterator<Item = Unit> {
    (0..UNITS as u16).filter_map(Unit::new)
}

/// A unit in the table. The owner is who has acknowledged the assignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) owner: Option<MemberId>,
    pub(super) version: UnitVersion,
    /// When this member learnt of it.
    pub(super) since: Instant,
    /// How often the owner changed, as this member saw it.
    pub(super) moves: u32,
}

/// The table. At the master: what is so; elsewhere: what the master said last.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// Exclusive or of the entries' digests: changes with each of them, at once.
    digest: u64,
    /// Counts changes under one master.
    version: u32,
    /// The version at which each part changed last.
    changed: [u32; CHUNKS],
}

fn entry_digest(unit: usize, owner: Option<MemberId>, version: UnitVersion) -> u64 {
    let owner = owner.map_or(0, MemberId::get);
    digest(&[(unit as u64) << 40 | u64::from(owner) << 32 | u64::from(version.0)])
}

impl Table {
    pub(super) fn new(now: Instant) -> Self {
        let entry = Entry { owner: None, version: UnitVersion(0), since: now, moves: 0 };
        let digest = (0..UNITS as usize).fold(0, |all, unit| all ^ entry_digest(unit, None, UnitVersion(0)));
        Self { entries: vec![entry; UNITS as usize], digest, version: 1, changed: [1; CHUNKS] }
    }

    pub(super) fn get(&self, unit: Unit) -> &Entry {
        &self.entries[unit.index() as usize]
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Returns whether that was news.
    pub(super) fn set(&mut self, unit: Unit, owner: Option<MemberId>, version: UnitVersion, now: Instant) -> bool {
        let index = unit.index() as usize;
        let entry = &mut self.entries[index];
        if (entry.owner, entry.version) == (owner, version) {
            return false;
        }
        self.digest ^= entry_digest(index, entry.owner, entry.version) ^ entry_digest(index, owner, version);
        if entry.owner != owner {
            entry.since = now;
            entry.moves += u32::from(owner.is_some());
        }
        (entry.owner, entry.version) = (owner, version);
        self.version += 1;
        self.changed[index / TABLE_CHUNK] = self.version;
        true
    }

    /// The greatest version of an assignment.
    pub(super) fn highest(&self) -> UnitVersion {
        self.entries.iter().map(|entry| entry.version).max().unwrap_or_default()
    }

    /// Units of a member.
    pub(super) fn count(&self, owner: MemberId) -> u16 {
        self.entries.iter().filter(|entry| entry.owner == Some(owner)).count() as u16
    }

    /// Units of each member, by its number.
    pub(super) fn counts(&self) -> [u16; 256] {
        let mut counts = [0; 256];
        for owner in self.entries.iter().filter_map(|entry| entry.owner) {
            counts[usize::from(owner.get())] += 1;
        }
        counts
    }

    /// Parts that changed after a version.
    pub(super) fn chunks_after(&self, version: u32) -> impl Iterator<Item = usize> + use<> {
        let changed = self.changed;
        (0..CHUNKS).filter(move |chunk| changed[*chunk] > version)
    }

    /// One part, to be sent.
    pub(super) fn chunk(&self, number: usize) -> TableChunk {
        let first = number * TABLE_CHUNK;
        let entry = |entry: &Entry| TableEntry { owner: entry.owner, version: entry.version };
        let entries = self.entries[first..first + TABLE_CHUNK].iter().map(entry).collect();
        TableChunk { first: Unit::new(first as u16).expect("a part of the table begins in it"), entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-CL-29: all parts together are the table; a part that nobody changed is not sent; the digest tells tables apart.
    #[test]
    fn parts_make_the_whole() {
        let unit = |n| Unit::new(n).unwrap();
        let mut table = Table::new(Instant::ZERO);
        let empty = (table.version(), table.digest());
        for n in 0..1024 {
            table.set(unit(n), MemberId::new((n % 3) as u8 + 1), UnitVersion(7), Instant::ZERO);
        }
        let before = table.version();
        table.set(unit(130), MemberId::new(9), UnitVersion(8), Instant::ZERO);
        assert!(!table.set(unit(130), MemberId::new(9), UnitVersion(8), Instant::ZERO));
        assert_eq!(table.chunks_after(before).collect::<Vec<_>>(), [1]);

        let mut copy = Table::new(Instant::ZERO);
        assert_eq!((copy.version(), copy.digest()), empty);
        for chunk in table.chunks_after(0).map(|number| table.chunk(number)) {
            assert_ne!(copy.digest(), table.digest());
            let units = (chunk.first.index() as u16..).map_while(Unit::new);
            for (unit, entry) in units.zip(&chunk.entries) {
                copy.set(unit, entry.owner, entry.version, Instant::ZERO);
            }
        }
        assert_eq!(copy.digest(), table.digest());
        assert_eq!((copy.highest(), copy.count(MemberId::new(9).unwrap())), (UnitVersion(8), 1));
    }
}
