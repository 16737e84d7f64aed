//! From units and roles to what the data plane does (CL-59 to CL-64).

use std::collections::BTreeSet;

use gateway_common::unit::{UNITS, Unit};

use super::config::Delivery;
use super::holdings::Stage;
use super::rule::{Disposition, UnitRule};
use super::state::{Phase, State};
use super::{Cluster, Command};
use crate::member::{MemberId, UnitVersion};

type What = (Disposition, Disposition, Option<MemberId>);

/// What the data plane was told last, and which units to look at again.
#[derive(Debug)]
pub(super) struct Shown {
    units: Vec<What>,
    /// By which version each is ours, as the shell was told last.
    versions: Vec<Option<UnitVersion>>,
    changed: BTreeSet<Unit>,
    all: bool,
}

impl Shown {
    /// The data plane begins with [`Disposition::Foreign`] everywhere.
    pub(super) fn new() -> Self {
        let units = UNITS as usize;
        let versions = vec![None; units];
        Self { units: vec![Default::default(); units], versions, changed: BTreeSet::new(), all: false }
    }

    /// What the data plane was told last of a unit.
    #[cfg(test)]
    pub(super) fn get(&self, unit: Unit) -> What {
        self.units[unit.index() as usize]
    }

    pub(super) fn changed(&mut self, unit: Unit) {
        if !self.all {
            self.changed.insert(unit);
        }
    }

    pub(super) fn all_changed(&mut self) {
        self.all = true;
        self.changed.clear();
    }
}

impl Cluster {
    /// Tells the data plane what changed.
    pub(super) fn show(&mut self) {
        let units: Vec<_> = match core::mem::take(&mut self.shown.all) {
            true => super::table::units().collect(),
            false => core::mem::take(&mut self.shown.changed).into_iter().collect(),
        };
        let mut rules = Vec::new();
        for unit in units {
            let new = self.what(unit);
            let version = self.owns(unit).filter(|_| !self.fenced);
            let shown = &mut self.shown.units[unit.index() as usize];
            let told = &mut self.shown.versions[unit.index() as usize];
            if (*shown, *told) != (new, version) {
                (*shown, *told) = (new, version);
                let (data, dhcp, owner) = new;
                rules.push(UnitRule { unit, data, dhcp, owner });
            }
        }
        if !rules.is_empty() {
            self.commands.push_back(Command::SetUnits(rules));
        }
        let keeper = self.keeper();
        if core::mem::replace(&mut self.keeper, keeper) != keeper {
            self.commands.push_back(Command::Keeper(keeper));
        }
    }

    /// The version of the assignment by which this member owns a unit; `None`: it does not.
    pub fn owns(&self, unit: Unit) -> Option<UnitVersion> {
        self.holdings.get(unit).filter(|holding| holding.stage == Stage::Own).map(|holding| holding.version)
    }

    /// The owner of unit 0.
    pub(super) fn keeper(&self) -> Option<MemberId> {
        let unit = Unit::new(0)?;
        if self.holdings.is_own(unit) && !self.fenced {
            // Whoever may not be alone logs nobody out on its own: the other half may serve them.
            return Some(self.me()).filter(|_| !self.degraded);
        }
        self.table.get(unit).owner.filter(|owner| *owner != self.me())
    }

    fn what(&self, unit: Unit) -> What {
        use Disposition::{Foreign, Forward, Held, Own};
        let owner = self.table.get(unit).owner;
        if self.fenced {
            return (Foreign, Foreign, owner);
        }
        let own_data = match self.holdings.get(unit).map(|holding| holding.stage) {
            Some(Stage::Own) => return (Own, Own, Some(self.me())),
            Some(Stage::Flushing | Stage::Given { .. } | Stage::Taking { data: true, .. }) => Some(Own),
            Some(Stage::Holding { .. } | Stage::Stopped { .. }) => Some(Held),
            Some(Stage::Taking { data: false, .. }) | None => None,
        };
        let State::Master(ruling) = &self.state else { return (own_data.unwrap_or(Foreign), Foreign, owner) };
        let elsewhere = if self.config.delivery == Delivery::Forward { Forward } else { Foreign };
        // Nobody serves it: it waits. Its old owner does: that one goes on until the new one has it.
        let data = own_data.unwrap_or(match owner {
            None => Held,
            Some(owner) if owner == self.me() => Held,
            Some(_) => elsewhere,
        });
        match ruling.phases.get(&unit) {
            // Until its last owner has surely stopped, that one's data plane may serve it still: what reaches all members and
            // was held here meanwhile would be served a second time.
            Some(Phase::Pool { .. }) if !self.is_free(unit, self.last_seen) => {
                let through_us = self.config.delivery == Delivery::Forward;
                (own_data.unwrap_or(if through_us { Held } else { Foreign }), Foreign, None)
            }
            Some(Phase::Pool { .. }) => (own_data.unwrap_or(Held), Held, None),
            Some(Phase::Assigning { .. } | Phase::Leaving { .. }) => (data, Held, owner),
            None if owner.is_some() && owner != Some(self.me()) => (data, elsewhere, owner),
            None => (data, Held, owner),
        }
    }
}
