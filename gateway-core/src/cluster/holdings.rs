//! The units of this member, from its own point of view.

use std::collections::BTreeSet;

use gateway_common::unit::{UNITS, Unit};

use crate::member::{MemberId, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::StateMark;

/// A unit that was assigned to this member.
///
/// ```text
///  UNIT-ASSIGN ─▶ Taking ──applied far enough──▶ Own ──UNIT-DEASSIGN──▶ Flushing ──flushed──▶ Given ──▶ (gone)
///                                          ACK to all                             ACK, with last seq     when the new owner
///                                                                                                        has acknowledged
/// ```
///
/// Where frames reach all members, a new owner goes through `Holding`, and the old one from `Given` through `Stopped`:
/// [`super::changeover`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Not ours before our state is as far as this (H-CL-19).
    Taking {
        after: Option<StateMark>,
        since: Instant,
        /// Its data was ours already: it was on its way to another, which did not get it.
        data: bool,
    },
    /// Our state is far enough. Its data is held here until its old owner has stopped, since then, asked last then.
    Holding { old: MemberId, since: Instant, asked: Instant },
    /// Ours.
    Own,
    /// We are to give it up: the packet loop is stopping its logins.
    Flushing,
    /// Its logins are stopped; its data remains ours until the new owner has it.
    Given { last_seq: u64 },
    /// Its data is stopped too: the new owner takes it now.
    Stopped { last_seq: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holding {
    pub(super) version: UnitVersion,
    pub(super) stage: Stage,
    /// The present master knows that it is ours.
    pub(super) confirmed: bool,
}

/// What this member holds, and what it must not take up again.
#[derive(Debug)]
pub(super) struct Holdings {
    units: Vec<Option<Holding>>,
    /// The last version of each unit that we gave up: we own it by none that is not greater (H-CL-19).
    given_up: Vec<UnitVersion>,
    /// Assigned to us, and not yet ours.
    pub(super) taking: BTreeSet<Unit>,
    owned: u16,
}

impl Holdings {
    pub(super) fn new() -> Self {
        let units = UNITS as usize;
        Self { units: vec![None; units], given_up: vec![UnitVersion(0); units], taking: BTreeSet::new(), owned: 0 }
    }

    pub(super) fn get(&self, unit: Unit) -> Option<Holding> {
        self.units[unit.index() as usize]
    }

    pub(super) fn given_up(&self, unit: Unit) -> UnitVersion {
        self.given_up[unit.index() as usize]
    }

    pub(super) fn is_own(&self, unit: Unit) -> bool {
        self.get(unit).is_some_and(|holding| holding.stage == Stage::Own)
    }

    /// Units in [`Stage::Own`].
    pub(super) fn owned(&self) -> u16 {
        self.owned
    }

    /// Nothing is held, in whatever stage.
    pub(super) fn is_empty(&self) -> bool {
        self.units.iter().all(Option::is_none)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Unit, Holding)> {
        super::table::units().zip(&self.units).filter_map(|(unit, holding)| holding.map(|holding| (unit, holding)))
    }

    pub(super) fn set(&mut self, unit: Unit, holding: Holding) {
        self.forget(unit);
        match holding.stage {
            Stage::Own => self.owned += 1,
            Stage::Taking { .. } | Stage::Holding { .. } => _ = self.taking.insert(unit),
            Stage::Flushing => {}
            Stage::Given { .. } | Stage::Stopped { .. } => self.give_up(unit, holding.version),
        }
        self.units[unit.index() as usize] = Some(holding);
    }

    /// It is no longer ours, and will not be by this version.
    pub(super) fn drop(&mut self, unit: Unit) {
        if let Some(holding) = self.forget(unit) {
            self.give_up(unit, holding.version);
        }
    }

    pub(super) fn give_up(&mut self, unit: Unit, version: UnitVersion) {
        let last = &mut self.given_up[unit.index() as usize];
        *last = version.max(*last);
    }

    fn forget(&mut self, unit: Unit) -> Option<Holding> {
        let holding = self.units[unit.index() as usize].take()?;
        self.owned -= u16::from(holding.stage == Stage::Own);
        self.taking.remove(&unit);
        Some(holding)
    }

    /// The greatest version it knows of.
    pub(super) fn highest(&self) -> UnitVersion {
        let held = self.units.iter().flatten().map(|holding| holding.version).max();
        held.unwrap_or_default().max(self.given_up.iter().copied().max().unwrap_or_default())
    }
}
