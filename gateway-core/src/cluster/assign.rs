//! Units at the master: the pool, assignment and its acknowledgement (CL-36, CL-37, CL-61 to CL-64).

use std::collections::BTreeMap;

use gateway_common::unit::Unit;

use super::balance::{self, Share};
use super::state::{Peer, Phase, State};
use super::{Cluster, Command, Destination, HeldFrame};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::{ASSIGNMENTS_MAX, Assignment, Body, StateMark, TableEntry};

impl Cluster {
    /// Members that may be given units, with what they have or will have. Drained ones are only where there are no others: that
    /// nobody should serve a unit is no operator's wish.
    pub(super) fn shares(&self, now: Instant) -> Vec<Share> {
        let State::Master(ruling) = &self.state else { return Vec::new() };
        let mut units = self.table.counts();
        for (unit, phase) in &ruling.phases {
            let (Phase::Assigning { to, .. } | Phase::Leaving { target: to, .. }) = phase else { continue };
            units[usize::from(to.get())] += 1;
            if let Some(owner) = self.table.get(*unit).owner {
                units[usize::from(owner.get())] -= 1;
            }
        }
        let share = |member: MemberId, load| Share { member, units: u32::from(units[usize::from(member.get())]), load };
        let peers = ruling.peers.iter().filter(|(_, peer)| peer.ready && !peer.leaving && self.is_eligible(peer, now));
        let mut shares: Vec<_> = peers.map(|(id, peer)| share(*id, peer.load)).collect();
        if self.synced && !self.leaving {
            shares.push(share(self.me(), self.load));
        }
        let is_drained = |share: &Share| ruling.drained.contains(&share.member);
        if !shares.iter().all(is_drained) {
            shares.retain(|share| !is_drained(share));
        }
        shares
    }

    /// Whether a member may be given units: the next master, whoever that is, will know of it.
    fn is_eligible(&self, peer: &Peer, now: Instant) -> bool {
        let State::Master(ruling) = &self.state else { return false };
        let lately = ruling.removed.is_some_and(|time| time + self.lease_length() > now);
        let known = peer.listed > 0 && ruling.peers.values().all(|other| other.has_heard >= peer.listed);
        peer.eligible <= now || (known && !lately)
    }

    fn next_version(&self, unit: Unit) -> UnitVersion {
        let State::Master(ruling) = &self.state else { return UnitVersion(0) };
        let last = self.table.get(unit).version.max(self.holdings.given_up(unit));
        UnitVersion(last.0.saturating_add(1)).max(ruling.floor)
    }

    /// Nobody owns it, and its last owner has surely stopped.
    pub(super) fn is_free(&self, unit: Unit, now: Instant) -> bool {
        let State::Master(ruling) = &self.state else { return false };
        match ruling.phases.get(&unit) {
            Some(Phase::Pool { from, unknown }) => *from <= now && (!*unknown || ruling.suspects.is_empty()),
            _ => false,
        }
    }

    /// Gives a unit of the pool to the least loaded (CL-61).
    fn assign_from_pool(&mut self, unit: Unit, shares: &mut [Share], now: Instant) -> Option<(MemberId, Assignment)> {
        let to = balance::least(shares)?;
        shares.iter_mut().filter(|share| share.member == to).for_each(|share| share.units += 1);
        let version = self.next_version(unit);
        self.set_phase(unit, Phase::Assigning { to, version, after: None, sent: now });
        self.counters.assigned += 1;
        Some((to, Assignment { unit, version, owner: to }))
    }

    fn set_phase(&mut self, unit: Unit, phase: Phase) {
        if let State::Master(ruling) = &mut self.state {
            ruling.phases.insert(unit, phase);
            self.shown.changed(unit);
        }
    }

    fn say_assign(&mut self, to: MemberId, units: &[Assignment], after: Option<StateMark>) {
        let Some((_, term)) = self.ruler() else { return };
        for part in self.recorded(units).chunks(ASSIGNMENTS_MAX) {
            self.send(Destination::Member(to), term, Body::UnitAssign { units: part.to_vec(), after });
        }
    }

    /// A packet for a unit came to the master before the unit's owner was known (CL-37, CL-61, CL-64), or to a member between two
    /// owners.
    pub(super) fn held(&mut self, unit: Unit, frame: HeldFrame, now: Instant) {
        if self.held_between(unit, &frame, now) {
            return;
        }
        let State::Master(ruling) = &self.state else {
            self.hold.dropped += 1;
            return;
        };
        let settled = !ruling.phases.contains_key(&unit);
        self.hold.push(unit, frame, &self.config.constants, now);
        if settled {
            return self.release_held(unit); // its owner was settled while the packet was on its way here
        }
        if self.is_free(unit, now) && !self.is_frozen() {
            let mut shares = self.shares(now);
            if let Some((to, assignment)) = self.assign_from_pool(unit, &mut shares, now) {
                self.say_assign(to, &[assignment], None);
            }
        }
    }

    /// Sends what was held to the unit's owner (CL-64).
    pub(super) fn release_held(&mut self, unit: Unit) {
        let (Some(owner), Some((_, term))) = (self.table.get(unit).owner, self.ruler()) else { return };
        for frame in self.hold.take(unit) {
            if owner == self.me() {
                self.show(); // it must find its unit open
                self.commands.push_back(Command::Inject { unit, frame });
            } else {
                let HeldFrame { port, frame } = frame;
                self.send(Destination::Member(owner), term, Body::ForwardedPacket { unit, port, frame });
            }
        }
    }

    /// The new owner has it; or, of a unit that wants to join: that is what it owns.
    pub(super) fn assign_ack(&mut self, from: MemberId, term: Term, units: &[Assignment], now: Instant) {
        let State::Master(ruling) = &self.state else {
            if self.ruler().is_some_and(|(_, ours)| ours == term) {
                self.taken_by_others(units);
            } else {
                self.claimed(from, units, now);
            }
            return;
        };
        if term != ruling.term {
            self.counters.stale += 1;
            return;
        }
        // A member that lost us asks to join again before we noticed.
        if !ruling.peers.contains_key(&from) && from != self.me() || ruling.pending.contains_key(&from) {
            return self.claimed(from, units, now);
        }
        // Anything but the acknowledgement that is waited for takes nothing from us: it may be what one says it owns that
        // asks to join once more.
        for assignment in units.iter().filter(|assignment| assignment.owner == from) {
            let State::Master(ruling) = &mut self.state else { return };
            let unit = assignment.unit;
            let phase = ruling.phases.get(&unit).copied();
            let Some(Phase::Assigning { to, version, .. }) = phase else { continue };
            if (to, version) == (from, assignment.version) {
                ruling.phases.remove(&unit);
                let old = self.table.get(unit).owner.filter(|old| *old != from);
                self.decree(unit, Some(from), version, now);
                self.note_releasing(unit, old);
                self.release_held(unit);
            }
        }
    }

    /// The old owner has stopped: the new one's turn (H-CL-19).
    pub(super) fn deassign_ack(
        &mut self,
        from: MemberId,
        term: Term,
        units: &[Assignment],
        last_seq: u64,
        now: Instant,
    ) {
        if self.ruler() != Some((self.me(), term)) || !matches!(self.state, State::Master(_)) {
            self.counters.stale += 1;
            return;
        }
        let after = Some(StateMark { origin: from, seq: last_seq });
        let shares = self.shares(now);
        let mut batches: BTreeMap<MemberId, Vec<Assignment>> = BTreeMap::new();
        for assignment in units {
            let State::Master(ruling) = &self.state else { return };
            let unit = assignment.unit;
            let Some(Phase::Leaving { target, .. }) = ruling.phases.get(&unit).copied() else { continue };
            let entry = self.table.get(unit);
            if (entry.owner, entry.version) != (Some(from), assignment.version) {
                continue;
            }
            let usable = shares.iter().any(|share| share.member == target);
            let to = if usable { target } else { balance::least(&shares).unwrap_or(from) };
            let version = self.next_version(unit);
            self.set_phase(unit, Phase::Assigning { to, version, after, sent: now });
            batches.entry(to).or_default().push(Assignment { unit, version, owner: to });
        }
        for (to, units) in batches {
            self.say_assign(to, &units, after);
        }
    }

    /// The owner keeps a unit, by a greater version than anybody else has for it.
    pub(super) fn renew(&mut self, unit: Unit, owner: MemberId, now: Instant) {
        let version = self.next_version(unit);
        self.decree(unit, Some(owner), version, now);
    }

    /// Units that are ours by versions less than this one are given anew, by greater ones. A member gives them up for that.
    pub(super) fn renew_older(&mut self, version: UnitVersion, now: Instant) {
        let me = self.me();
        let older = |(unit, held): (Unit, super::holdings::Holding)| (held.version < version).then_some(unit);
        let units: Vec<Unit> = self.holdings.iter().filter_map(older).collect();
        match &mut self.state {
            State::Master(ruling) => {
                ruling.floor = ruling.floor.max(UnitVersion(version.0.saturating_add(1)));
                let stays = |unit: &Unit| self.holdings.is_own(*unit) && !ruling.phases.contains_key(unit);
                let units = units.into_iter().filter(stays);
                units.collect::<Vec<_>>().into_iter().for_each(|unit| self.renew(unit, me, now));
            }
            State::Member(_) => {
                for unit in units {
                    self.holdings.drop(unit);
                    self.holdings.give_up(unit, version);
                    self.shown.changed(unit);
                }
                self.lose_master(super::event::Why::OutOfDate, now);
            }
            _ => {}
        }
    }

    /// What the master writes into the table holds for itself too.
    pub(super) fn decree(&mut self, unit: Unit, owner: Option<MemberId>, version: UnitVersion, now: Instant) {
        self.table.set(unit, owner, version, now);
        self.shown.changed(unit);
        self.heed_table(unit, &TableEntry { owner, version });
    }

    /// A unit's former owner goes on with its data until it knows the table as it is now, or has stopped.
    fn note_releasing(&mut self, unit: Unit, old: Option<MemberId>) {
        let State::Master(ruling) = &mut self.state else { return };
        let old = old.filter(|old| *old != self.config.me);
        ruling.releasing.extend(old.map(|old| (unit, (old, self.table.version()))));
    }

    /// A member's units are nobody's, and free from then on.
    pub(super) fn orphan(&mut self, member: MemberId, from: Instant, now: Instant) {
        for unit in super::table::units() {
            let State::Master(ruling) = &mut self.state else { return };
            let entry = *self.table.get(unit);
            let pool = Phase::Pool { from, unknown: false };
            match ruling.phases.get(&unit).copied() {
                // It may have taken it without our hearing of it.
                Some(Phase::Assigning { to, version, .. }) if to == member => {
                    ruling.phases.insert(unit, pool);
                    self.decree(unit, None, version, now);
                    self.note_releasing(unit, entry.owner);
                }
                Some(Phase::Assigning { .. }) if entry.owner == Some(member) => {
                    self.decree(unit, None, entry.version, now);
                    self.note_releasing(unit, entry.owner);
                }
                None | Some(Phase::Leaving { .. }) if entry.owner == Some(member) => {
                    ruling.phases.insert(unit, pool);
                    self.decree(unit, None, entry.version, now);
                }
                _ => {}
            }
        }
    }

    /// Units that are on their way, and units that nobody owns (H-CL-21).
    pub(super) fn tick(&mut self, now: Instant) {
        let State::Master(ruling) = &self.state else { return };
        let early = now < ruling.wait_for_peers;
        let waits = early && ruling.peers.values().any(|peer| !peer.confirmed || !self.is_eligible(peer, now));
        let limit = if self.is_frozen() || waits { 0 } else { self.config.constants.pool_per_tick };
        self.bound_suspects(now);
        let State::Master(ruling) = &mut self.state else { return };
        ruling.suspects.retain(|_, until| *until > now);
        let pool: Vec<_> = ruling.phases.keys().copied().collect();
        // Those whose last owner has stopped since are held from now on.
        pool.iter().for_each(|unit| self.shown.changed(*unit));
        let (wanted, others): (Vec<_>, Vec<_>) =
            pool.into_iter().filter(|unit| self.is_free(*unit, now)).partition(|unit| self.hold.waits_for(*unit));
        let wanted = wanted.into_iter().filter(|_| !self.is_frozen());
        let mut shares = self.shares(now);
        let mut batches: BTreeMap<MemberId, Vec<Assignment>> = BTreeMap::new();
        for unit in wanted.chain(others.into_iter().take(limit)).collect::<Vec<_>>() {
            let Some((to, assignment)) = self.assign_from_pool(unit, &mut shares, now) else { break };
            batches.entry(to).or_default().push(assignment);
        }
        for (to, units) in batches {
            self.say_assign(to, &units, None);
        }
        self.drain(now);
        self.resend(now);
    }

    /// What was not acknowledged is said again.
    pub(super) fn resend(&mut self, now: Instant) {
        let resend = self.config.constants.resend;
        let State::Master(ruling) = &mut self.state else { return };
        let term = ruling.term;
        let mut assign = BTreeMap::<_, Vec<Assignment>>::new();
        let mut deassign: BTreeMap<MemberId, Vec<Assignment>> = BTreeMap::new();
        for (unit, phase) in &mut ruling.phases {
            let unit = *unit;
            match phase {
                Phase::Assigning { to, version, after, sent } if *sent + resend <= now => {
                    *sent = now;
                    let key = (*to, after.map(|mark| (mark.origin, mark.seq)));
                    assign.entry(key).or_default().push(Assignment { unit, version: *version, owner: *to });
                }
                Phase::Leaving { target, sent } if *sent + resend <= now => {
                    *sent = now;
                    let entry = self.table.get(unit);
                    let Some(owner) = entry.owner else { continue };
                    let assignment = Assignment { unit, version: entry.version, owner: *target };
                    deassign.entry(owner).or_default().push(assignment);
                }
                _ => {}
            }
        }
        for ((to, after), units) in assign {
            self.say_assign(to, &units, after.map(|(origin, seq)| StateMark { origin, seq }));
        }
        for (owner, units) in deassign {
            for part in units.chunks(ASSIGNMENTS_MAX) {
                self.send(Destination::Member(owner), term, Body::UnitDeassign(part.to_vec()));
            }
        }
    }
}
