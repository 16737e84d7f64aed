//! Taking units and giving them up (CL-34, H-CL-19): the owner's side.

use std::collections::BTreeMap;

use gateway_common::unit::Unit;

use super::event::{Event, Why};
use super::holdings::{Holding, Holdings, Stage};
use super::state::State;
use super::{Cluster, Command, Destination};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::{ASSIGNMENTS_MAX, Assignment, Body, StateMark, TableEntry};

impl Holdings {
    /// A new master does not know what we hold.
    pub(super) fn unconfirm(&mut self) {
        let held: Vec<_> = self.iter().collect();
        for (unit, holding) in held {
            // What was on its way under the last master is ours, or gone: its logins are admitted again, or never were.
            match holding.stage {
                Stage::Taking { data: false, .. } | Stage::Holding { .. } => self.drop(unit),
                Stage::Taking { data: true, .. } => {
                    self.set(unit, Holding { stage: Stage::Given { last_seq: 0 }, confirmed: false, ..holding });
                }
                Stage::Flushing => self.set(unit, Holding { stage: Stage::Own, confirmed: false, ..holding }),
                // Whoever was to have it may never have begun; if it has, it tells us to stop.
                Stage::Stopped { last_seq } => {
                    self.set(unit, Holding { stage: Stage::Given { last_seq }, confirmed: false, ..holding });
                }
                _ => self.set(unit, Holding { confirmed: false, ..holding }),
            }
        }
    }
}

impl Cluster {
    /// The master and its term, for what this member says about its units.
    pub(super) fn ruler(&self) -> Option<(MemberId, Term)> {
        match &self.state {
            State::Member(following) => Some((following.master, following.term)),
            State::Master(ruling) => Some((self.me(), ruling.term)),
            _ => None,
        }
    }

    /// Units are to be ours.
    pub(super) fn assigned(&mut self, units: &[Assignment], after: Option<StateMark>, now: Instant) {
        let me = self.me();
        let (mut again, mut refused) = (Vec::new(), false);
        self.part_with_gone(after.is_none(), now);
        for assignment in units.iter().filter(|assignment| assignment.owner == me) {
            let (unit, version) = (assignment.unit, assignment.version);
            match self.holdings.get(unit) {
                Some(held) if held.version == version && held.stage == Stage::Own => again.push(*assignment),
                Some(held) if held.version >= version => {}
                None if self.holdings.given_up(unit) >= version => refused = true,
                held => {
                    let data = held.is_some_and(|held| {
                        use Stage::{Holding, Stopped, Taking};
                        !matches!(held.stage, Taking { data: false, .. } | Holding { .. } | Stopped { .. })
                    });
                    let stage = Stage::Taking { after, since: now, data };
                    self.holdings.set(unit, Holding { version, stage, confirmed: true });
                    self.shown.changed(unit);
                }
            }
        }
        self.acknowledge(again);
        self.take_ready(now);
        if refused {
            self.out_of_date(now);
        }
    }

    /// The master assigns by versions that are over for us, and goes on with it: it does not know what we know, and learns it
    /// when we join again.
    fn out_of_date(&mut self, now: Instant) {
        let limit = self.config.constants.watchdog;
        let State::Member(following) = &mut self.state else { return };
        let (first, last) = following.refused.unwrap_or((now, now));
        let first = if now.since(last) > limit { now } else { first };
        following.refused = Some((first, now));
        if now.since(first) > limit {
            self.lose_master(Why::OutOfDate, now);
        }
    }

    /// Takes what our state is far enough for (H-CL-19), and tells all, so that the old owner stops at once. Where frames reach all,
    /// that one has to stop before.
    pub(super) fn take_ready(&mut self, now: Instant) {
        if self.fenced || !self.synced || self.ruler().is_none() {
            return;
        }
        let mut taken = self.ask_to_stop(now);
        let mut held_back = false;
        for unit in self.holdings.taking.clone() {
            let Some(holding) = self.holdings.get(unit) else { continue };
            let Stage::Taking { after, since, .. } = holding.stage else { continue };
            let waited = since + self.config.constants.apply_limit <= now;
            let lacking = match after {
                // Whoever hands a unit over says how far it has come; nobody waits for one that is gone itself.
                Some(mark) if self.has_applied(&mark) => None,
                Some(mark) if self.connected.contains(&mark.origin) && !waited => continue,
                Some(mark) => Some(mark.origin),
                // A unit of the pool: its last owner may have told others what it did not tell us.
                None if !self.unsettled.is_empty() && !waited => continue,
                None => self.unsettled.first().copied(),
            };
            if let Some(origin) = lacking {
                self.tell(Event::HandoverIncomplete { unit, origin });
            }
            match self.to_be_stopped(after.map(|mark| mark.origin)) {
                Some(old) => {
                    self.hold_back(unit, holding, old, now);
                    held_back = true;
                }
                None => taken.push(unit),
            }
        }
        if held_back {
            self.ask_to_stop(now);
        }
        self.take(&taken, now);
    }

    fn has_applied(&self, mark: &StateMark) -> bool {
        mark.seq == 0 || mark.origin == self.me() || self.applied.get(&mark.origin).is_some_and(|seq| *seq >= mark.seq)
    }

    pub(super) fn acknowledge(&mut self, units: Vec<Assignment>) {
        let Some((_, term)) = self.ruler() else { return };
        for part in units.chunks(ASSIGNMENTS_MAX) {
            self.send(Destination::Group, term, Body::UnitAssignAck(part.to_vec()));
        }
    }

    /// When a unit is taken without all of its old owner's changes, or that one is asked once more to stop.
    pub(super) fn taking_deadline(&self) -> Option<Instant> {
        if self.fenced || !self.synced || self.ruler().is_none() {
            return None;
        }
        let limit = self.config.constants.apply_limit;
        let since = |unit: &Unit| match self.holdings.get(*unit)?.stage {
            Stage::Taking { since, .. } => Some(since + limit),
            Stage::Holding { since, asked, .. } => Some(self.stop_deadline(since, asked)),
            _ => None,
        };
        self.holdings.taking.iter().filter_map(since).min()
    }

    /// Units are to be given up.
    pub(super) fn deassigned(&mut self, units: &[Assignment]) {
        let mut done: BTreeMap<u64, Vec<Assignment>> = BTreeMap::new();
        for assignment in units {
            let (unit, version) = (assignment.unit, assignment.version);
            match self.holdings.get(unit) {
                Some(held) if held.version != version => {}
                Some(held) => match held.stage {
                    Stage::Own => {
                        self.holdings.set(unit, Holding { stage: Stage::Flushing, ..held });
                        self.shown.changed(unit);
                        self.show();
                        self.commands.push_back(Command::Flush { unit, version });
                    }
                    Stage::Given { last_seq } | Stage::Stopped { last_seq } => {
                        done.entry(last_seq).or_default().push(*assignment);
                    }
                    Stage::Flushing | Stage::Taking { .. } | Stage::Holding { .. } => {}
                },
                None => {
                    self.holdings.give_up(unit, version);
                    done.entry(0).or_default().push(*assignment);
                }
            }
        }
        done.into_iter().for_each(|(last_seq, units)| self.given(units, last_seq));
    }

    fn given(&mut self, units: Vec<Assignment>, last_seq: u64) {
        let Some((master, term)) = self.ruler() else { return };
        self.send(Destination::Member(master), term, Body::UnitDeassignAck { units, last_seq });
    }

    /// The packet loop has stopped the unit's logins.
    pub(super) fn flushed(&mut self, unit: Unit, last_seq: u64) {
        let Some(holding) = self.holdings.get(unit).filter(|holding| holding.stage == Stage::Flushing) else { return };
        self.holdings.set(unit, Holding { stage: Stage::Given { last_seq }, ..holding });
        self.shown.changed(unit);
        let assignment = Assignment { unit, version: holding.version, owner: self.me() };
        self.given(vec![assignment], last_seq);
    }

    /// Others have taken units: what we still did for them ends here.
    pub(super) fn taken_by_others(&mut self, units: &[Assignment]) {
        let me = self.me();
        for assignment in units.iter().filter(|assignment| assignment.owner != me) {
            self.superseded(assignment.unit, |held| held < assignment.version);
        }
    }

    /// The table takes away what it gives to another, or to nobody, by a version that is not less than ours.
    pub(super) fn heed_table(&mut self, unit: Unit, entry: &TableEntry) {
        if entry.owner != Some(self.me()) {
            self.superseded(unit, |held| held <= entry.version);
            return;
        }
        let held = self.holdings.get(unit);
        if let Some(held) = held.filter(|held| held.version <= entry.version && held.stage == Stage::Own) {
            self.holdings.set(unit, Holding { version: entry.version, confirmed: true, ..held });
            self.shown.changed(unit);
        }
    }

    fn superseded(&mut self, unit: Unit, by: impl Fn(UnitVersion) -> bool) {
        let Some(held) = self.holdings.get(unit) else { return };
        if by(held.version) {
            self.holdings.drop(unit);
            self.changeovers.over(unit, self.config.constants.hold_time, self.last_seen);
            self.shown.changed(unit);
        }
    }

    /// What we held before we joined, and the whole table of the new master does not give us, is not ours.
    pub(super) fn reconcile(&mut self) {
        let me = self.me();
        let stray = |unit: &Unit| self.table.get(*unit).owner != Some(me);
        let held = self.holdings.iter().filter(|(_, holding)| !holding.confirmed).map(|(unit, _)| unit);
        for unit in held.filter(stray).collect::<Vec<_>>() {
            self.holdings.drop(unit);
            self.shown.changed(unit);
        }
    }
}
