//! Fencing: who may still speak for a unit (H-CL-19).

use gateway_common::unit::{UNITS, Unit};

use crate::member::UnitVersion;

/// The newest version of each unit's assignment, and when it began.
///
/// A new owner has taken in everything that the old one did before it handed over, so all of its own changes have
/// greater numbers ([`super::Stamp`]). What an old version says with a lesser number than that was only long on its way;
/// what it says with a greater one was done by somebody who did not know that the unit is no longer his.
#[derive(Debug)]
pub(super) struct Fences(Box<[(UnitVersion, u64)]>);

impl Fences {
    pub(super) fn new() -> Self {
        Self(vec![(UnitVersion(0), 0); UNITS as usize].into())
    }

    /// A version began: its changes are numbered from `floor` on.
    pub(super) fn begin(&mut self, unit: Unit, version: UnitVersion, floor: u64) {
        let entry = &mut self.0[unit.index() as usize];
        if version > entry.0 {
            *entry = (version, floor);
        }
    }

    /// Whether a change of this version and number counts.
    pub(super) fn admits(&mut self, unit: Unit, version: UnitVersion, seq: u64) -> bool {
        self.begin(unit, version, seq);
        let (current, floor) = self.0[unit.index() as usize];
        version >= current || seq < floor
    }

    /// The newest version of a unit's assignment.
    pub(super) fn current(&self, unit: Unit) -> UnitVersion {
        self.0[unit.index() as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-CL-19, CL-67: a former owner that wakes up is not listened to; what it said before, and arrives late, is.
    #[test]
    fn an_old_version_counts_up_to_the_new_one() {
        let mut fences = Fences::new();
        let unit = Unit::new(7).expect("a unit");
        let (old, new) = (UnitVersion(1), UnitVersion(2));
        assert!(fences.admits(unit, old, 10));
        assert!(fences.admits(unit, new, 50));
        assert!(fences.admits(unit, old, 49), "was on its way");
        assert!(!fences.admits(unit, old, 51), "a zombie");
        assert!(fences.admits(unit, new, 52));
        assert!(fences.admits(Unit::new(8).expect("a unit"), old, 51), "another unit");
        fences.begin(unit, UnitVersion(3), 60);
        assert!(!fences.admits(unit, new, 61));
    }
}
