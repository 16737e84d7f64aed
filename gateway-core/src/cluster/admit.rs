//! Letting units in (CL-9 to CL-13, CL-38 to CL-41): the master's side, and the candidate's.

use super::config::Quorum;
use super::event::{Event, Why};
use super::state::{Claim, Pending, Phase, State};
use super::{Cluster, Command, Destination};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::{Assignment, Body, JoinRefusal, JoinRequest};

impl Cluster {
    pub(super) fn join_request(&mut self, member: MemberId, term: Term, request: &JoinRequest, now: Instant) {
        if request.supports.is_some_and(|supported| supported != self.me()) {
            return;
        }
        let claim = self.claims.entry(member).or_default();
        if (claim.holds, claim.highest) != (request.holds, request.highest) {
            *claim = Claim { holds: request.holds, highest: request.highest, ..Claim::default() };
        }
        let objection = self.config_objection(request);
        match &mut self.state {
            State::Master(_) => self.consider(member, request, now),
            State::Offering(offering) if request.supports.is_some() && term == offering.rank.term => {
                if objection.is_some() {
                    return;
                }
                offering.supporters.insert(member, request.ruled);
                self.conclude_offer(now);
            }
            State::Joining(_) | State::Offering(_) | State::Member(_) if request.supports.is_some() => {
                let came_to_nothing = term <= self.offered && self.ruled.is_none_or(|ruled| ruled < term);
                if came_to_nothing && self.config.quorum != Quorum::None {
                    // It may not have heard that this offer is over.
                    self.withdraw(Destination::Member(member), term);
                }
                self.refuse(member, JoinRefusal::NotMaster);
            }
            _ => {}
        }
    }

    fn config_objection(&self, request: &JoinRequest) -> Option<JoinRefusal> {
        let own = (self.config.config_version, self.config.config_digest);
        ((request.config_version, request.config_digest) != own).then_some(JoinRefusal::Configuration)
    }

    /// A unit wants to join this master.
    fn consider(&mut self, member: MemberId, request: &JoinRequest, now: Instant) {
        if let Some(reason) = self.config_objection(request) {
            if request.config_version > self.config.config_version {
                self.tell(Event::ConfigurationBehind { member, version: request.config_version });
            }
            return self.turn_away(member, reason);
        }
        if !self.connected.contains(&member) {
            return self.turn_away(member, JoinRefusal::NotAuthenticated);
        }
        if self.coordinated.as_ref().is_some_and(|from_outside| !from_outside.members.contains(&member)) {
            return self.turn_away(member, JoinRefusal::NotAuthenticated);
        }
        let State::Master(ruling) = &mut self.state else { return };
        let known = ruling.peers.contains_key(&member) || self.list.members.contains(&member);
        let ask = self.config.objectors && !known;
        let asked = ruling.pending.contains_key(&member);
        ruling.pending.entry(member).or_insert(Pending { since: now, approved: !ask });
        self.refuse(member, JoinRefusal::InProgress); // CL-38
        if ask && !asked {
            self.commands.push_back(Command::AskToJoin(member));
        }
        self.admit_pending(member, now);
    }

    fn turn_away(&mut self, member: MemberId, reason: JoinRefusal) {
        self.tell(Event::RefusedMember { member, reason });
        self.refuse(member, reason);
    }

    pub(super) fn refuse(&mut self, member: MemberId, reason: JoinRefusal) {
        // An offer that it supports may come to nothing, and is no reason for others to wait for a later term.
        let term = self.ruler().map_or(self.before_support.unwrap_or(self.term), |(_, term)| term);
        let retry_ms = self.config.constants.refused_retry.as_millis() as u16;
        self.send(Destination::Member(member), term, Body::JoinRefused { reason, retry_ms });
    }

    /// The applications have answered (CL-40, CL-41).
    pub(super) fn approved(&mut self, member: MemberId, approve: bool, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let Some(pending) = ruling.pending.get_mut(&member) else { return };
        pending.approved = approve;
        if approve {
            return self.admit_pending(member, now);
        }
        ruling.pending.remove(&member);
        self.turn_away(member, JoinRefusal::Objection);
    }

    /// Nobody may think for ever (H-CL-28).
    pub(super) fn pending_timeout(&mut self, now: Instant) {
        let limit = self.config.constants.join_limit;
        let State::Master(ruling) = &mut self.state else { return };
        let late = ruling.pending.iter().filter(|(_, pending)| pending.since + limit <= now);
        let late: Vec<_> = late.map(|(member, pending)| (*member, pending.approved)).collect();
        late.iter().for_each(|(member, _)| _ = ruling.pending.remove(member));
        for (member, _) in late.into_iter().filter(|(_, approved)| !approved) {
            self.turn_away(member, JoinRefusal::Objection);
        }
    }

    /// Lets in who may, and has said what it owns.
    fn admit_pending(&mut self, member: MemberId, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let approved = ruling.pending.get(&member).is_some_and(|pending| pending.approved);
        if !approved || !self.claims.get(&member).is_some_and(Claim::is_complete) {
            return;
        }
        ruling.pending.remove(&member);
        self.admit(member, None, now);
        self.claims.remove(&member);
        if let State::Master(ruling) = &mut self.state {
            ruling.frozen_until = now + self.config.constants.freeze;
            ruling.next_keepalive = now;
        }
    }

    /// A member more, with what it owns. `support`: it supported us, counted from then on.
    pub(super) fn admit(&mut self, member: MemberId, support: Option<Instant>, now: Instant) {
        let claim = self.claims.remove(&member).unwrap_or_default();
        let State::Master(ruling) = &mut self.state else { return };
        let fencing = self.config.constants.fencing.unwrap_or_default();
        let eligible = if support.is_some() { now } else { now + fencing };
        // What it promised in an earlier life it keeps, since it supports nobody for a while after its start.
        let old = ruling.peers.remove(&member);
        let support = support.or(old.as_ref().map(|old| old.support)).unwrap_or(Instant::ZERO);
        let eligible = old.as_ref().filter(|old| !old.confirmed).map_or(eligible, |old| old.eligible);
        ruling.peers.insert(member, Self::new_peer(self.config.constants.n_min, support, eligible, now));
        if ruling.suspects.remove(&member).is_some() {
            // It was the last that units without a known owner had to wait for, perhaps.
            self.shown.all_changed();
        }
        self.note_back(member);
        let State::Master(ruling) = &mut self.state else { return };
        let term = ruling.term;
        self.accept_claim(member, &claim, now);
        let State::Master(ruling) = &self.state else { return };
        let body = Body::JoinOk {
            members: ruling.peers.len() as u8 + 1,
            watchdog_ms: self.config.constants.watchdog.as_millis() as u16,
        };
        self.send(Destination::Member(member), term, body);
        match old {
            None => self.tell(Event::MemberCame(member)),
            Some(old) if old.confirmed => {
                self.tell(Event::MemberWent { member, why: Why::Restarted });
                self.tell(Event::MemberCame(member));
            }
            Some(_) => {} // it asks again because it did not hear our answer
        }
        self.note_degraded();
    }

    /// What the member says it owns is compared with what the table says.
    fn accept_claim(&mut self, member: MemberId, claim: &Claim, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        ruling.floor = ruling.floor.max(UnitVersion(claim.highest.0.saturating_add(1)));
        let (mut settled, mut displaced) = (Vec::new(), Vec::new());
        for unit in super::table::units() {
            let claimed = claim.units.get(&unit).copied();
            let entry = *self.table.get(unit);
            match (ruling.phases.get(&unit).copied(), claimed) {
                (Some(Phase::Pool { .. }), Some(version)) if version >= entry.version => {
                    ruling.phases.remove(&unit);
                    settled.push((unit, Some(member), version));
                }
                (Some(Phase::Assigning { to, version, .. }), Some(claimed)) if to == member && claimed == version => {
                    ruling.phases.remove(&unit);
                    settled.push((unit, Some(member), version));
                }
                // It may have taken it, and lost it again: by that version it takes it no more.
                (Some(Phase::Assigning { to, version, after, .. }), _) if to == member => {
                    let version = UnitVersion(version.0.saturating_add(1)).max(ruling.floor);
                    let sent = Instant::ZERO;
                    ruling.phases.insert(unit, Phase::Assigning { to, version, after, sent });
                }
                // The old owner does nothing for it any more.
                (Some(Phase::Assigning { .. }), None) if entry.owner == Some(member) => {
                    settled.push((unit, None, entry.version));
                }
                // It has lost it, or was restarted.
                (None, None) if entry.owner == Some(member) => {
                    ruling.phases.insert(unit, Phase::Pool { from: now, unknown: false });
                    settled.push((unit, None, entry.version));
                }
                (None, Some(version)) if entry.owner == Some(member) && version > entry.version => {
                    settled.push((unit, Some(member), version));
                }
                // Both sides of a split went on. Ours remains; by a version that is greater than the other's.
                (None, Some(version)) if entry.owner != Some(member) && version >= entry.version => {
                    displaced.extend(entry.owner.map(|owner| (unit, owner)));
                }
                _ => {}
            }
        }
        for (unit, owner, version) in settled {
            self.decree(unit, owner, version, now);
            self.release_held(unit);
        }
        for (unit, owner) in displaced {
            self.renew(unit, owner, now);
        }
    }

    /// A part of a claim, of who is no member yet.
    pub(super) fn claimed(&mut self, member: MemberId, units: &[Assignment], now: Instant) {
        let Some(claim) = self.claims.get_mut(&member) else { return };
        claim.units.extend(units.iter().map(|assignment| (assignment.unit, assignment.version)));
        if claim.units.len() > usize::from(claim.holds) {
            claim.units.clear(); // of two claims: it will be said again
        }
        match &self.state {
            State::Offering(_) => self.conclude_offer(now),
            State::Master(_) => self.admit_pending(member, now),
            _ => {}
        }
    }
}
