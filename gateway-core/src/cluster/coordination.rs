//! A coordinator outside, which elects in place of the members (such as etcd).
//!
//! It says who is master, by which term, and who is a member; and it keeps what the master assigns, before the new owner
//! hears of it. Everything else is as without it: members join that master, say what they own, and own what it assigns to
//! them; each fences itself when the master does not hear it.
//!
//! A master is master on one of two words. On the coordinator's, for as long as its lease there stands for certain. And on
//! the members', while [`ClusterConfig::needed_without_coordinator`] of them hear it and say so: so that all goes on when
//! the coordinator can't be reached. Then nothing moves. Whom the coordinator elects meanwhile begins with what it has; what
//! members own that it does not hear of it leaves alone until so many have joined it
//! ([`ClusterConfig::needed_to_take_over`]) that the rest are too few for the other word, and until what they may have
//! said before is over.

use std::collections::BTreeMap;

use gateway_common::unit::Unit;

use super::config::Coordination;
use super::event::{Event, Why};
use super::state::{Phase, Ruling, State};
use super::{Cluster, Command};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::Assignment;

/// What the coordinator says now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coordinated {
    /// The master it has elected. `None`: nobody just now; whoever is heard as master goes on.
    pub master: Option<MemberId>,
    /// The generation of that mastership: greater than all before.
    pub term: Term,
    /// Members whose leases at the coordinator stand.
    pub members: Vec<MemberId>,
    /// Until then nobody else is elected, if this member is the master: its lease stands so long for certain, whatever
    /// becomes of its way to the coordinator.
    pub until: Instant,
    /// Until then the master before this one may believe the same of itself.
    pub rival_until: Instant,
    /// The greatest version by which a unit was ever assigned, as the coordinator has it.
    pub highest: UnitVersion,
}

/// What this member is, for who speaks with the coordinator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stand {
    /// It has no master. `lost`: it followed the one of this term, which fell silent or left. `heeded`: the last term that the
    /// coordinator told it of.
    Seeking {
        /// That master's term.
        lost: Option<Term>,
        /// The greatest term it was told.
        heeded: Term,
    },
    /// It hears the master of this term.
    Following(Term),
    /// It is master, of this term.
    Ruling(Term),
    /// It left, as the operator wished.
    Left,
}

/// What the coordinator was asked to keep: by unit, and whether it does.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Unit, (Assignment, bool)>);

impl Cluster {
    /// The coordinator has spoken; `None`: it can't be reached. Then the data plane goes on, no unit moves, and a master
    /// remains master while enough members hear it. Repeated at least once in every lease. Without
    /// [`Coordination::External`] this does nothing.
    pub fn handle_coordination(&mut self, said: Option<Coordinated>, now: Instant) {
        if self.config.coordination != Coordination::External {
            return;
        }
        match said {
            None => {
                self.wake(now);
                if !core::mem::replace(&mut self.unreachable, true) {
                    self.tell(Event::CoordinatorUnreachable);
                }
            }
            Some(said) => {
                // First what it says, since it may be what this member acts on.
                self.coordinated = Some(said.clone());
                self.wake(now);
                if core::mem::replace(&mut self.unreachable, false) {
                    self.tell(Event::CoordinatorBack);
                }
                self.obey(&said, now);
            }
        }
        self.settle(now);
    }

    /// The coordinator keeps these assignments, which [`Command::Record`] asked for.
    pub fn handle_recorded(&mut self, units: &[Assignment], now: Instant) {
        self.wake(now);
        for assignment in units {
            if let Some((asked, kept)) = self.records.0.get_mut(&assignment.unit)
                && *asked == *assignment
            {
                *kept = true;
            }
        }
        if let State::Master(ruling) = &mut self.state {
            for assignment in units {
                if let Some(Phase::Assigning { sent, .. }) = ruling.phases.get_mut(&assignment.unit) {
                    *sent = Instant::ZERO;
                }
            }
            self.resend(now);
        }
        self.settle(now);
    }

    /// What this member is, for who speaks with the coordinator.
    pub fn stand(&self) -> Stand {
        match &self.state {
            State::Master(ruling) => Stand::Ruling(ruling.term),
            State::Member(following) => Stand::Following(following.term),
            State::Left => Stand::Left,
            State::Joining(_) | State::Offering(_) => {
                Stand::Seeking { lost: self.lost, heeded: self.coordinated.as_ref().map_or(Term(0), |said| said.term) }
            }
        }
    }

    fn obey(&mut self, said: &Coordinated, now: Instant) {
        let me = self.me();
        if matches!(self.state, State::Left) {
            return;
        }
        self.term = self.term.max(said.term);
        if !said.members.contains(&me) {
            return self.retire(Why::Coordinator, now);
        }
        let Some(elected) = said.master else { return };
        if self.ruler() == Some((elected, said.term)) {
            let State::Master(ruling) = &self.state else { return };
            let gone: Vec<_> = ruling.peers.keys().copied().filter(|peer| !said.members.contains(peer)).collect();
            return gone.into_iter().for_each(|member| self.remove_peer(member, Why::Coordinator, now));
        }
        // It stepped down from that one: it is master again when it was elected again.
        if elected == me && self.ruled.is_some_and(|ruled| ruled >= said.term) {
            return;
        }
        match self.state {
            State::Master(_) => self.step_down(Why::Coordinator, now),
            State::Member(_) => self.lose_master(Why::Coordinator, now),
            _ => {}
        }
        if elected == me {
            self.records = Records::default();
            return self.become_master(said.term, &Default::default(), now, now);
        }
        if let State::Joining(joining) = &mut self.state {
            joining.target = Some((elected, said.term));
        }
        self.joining_timeout(now);
    }

    /// Whether a master that is heard may be asked. With a coordinator: the last one that it named; while it can't be
    /// reached also one by a greater term, which it must have elected since.
    pub(super) fn is_elected(&self, master: MemberId, term: Term) -> bool {
        if self.config.coordination == Coordination::Members {
            return true;
        }
        let Some(said) = &self.coordinated else { return false };
        let named = term == said.term && said.master.is_none_or(|elected| elected == master);
        named || (self.unreachable && term > said.term)
    }

    /// Until when nobody but this master can have been elected by the coordinator.
    fn vouched_until(&self, ruling: &Ruling) -> Instant {
        let elected = self.coordinated.as_ref().filter(|said| said.master == Some(self.config.me));
        elected.filter(|said| said.term == ruling.term).map_or(Instant::ZERO, |said| said.until)
    }

    /// Until when this member is master, if nothing more is heard.
    pub(super) fn reigns_until(&self, ruling: &Ruling) -> Instant {
        ruling.lease(&self.config).max(self.vouched_until(ruling))
    }

    /// Nothing moves: the coordinator is away, or this member is not master on its word.
    pub(super) fn is_frozen(&self) -> bool {
        let State::Master(ruling) = &self.state else { return self.unreachable };
        let external = self.config.coordination == Coordination::External;
        external && (self.unreachable || self.vouched_until(ruling) <= self.last_seen)
    }

    /// Enough have joined a master that was elected from outside: of those that did not, each has stopped when what it may
    /// have heard before is over.
    pub(super) fn bound_suspects(&mut self, now: Instant) {
        let over = self.support_time() + self.lease_length();
        let needed = self.config.needed_to_take_over();
        let rival = self.coordinated.as_ref().map_or(Instant::ZERO, |said| said.rival_until);
        let State::Master(ruling) = &mut self.state else { return };
        // A member whose keepalive has this term hears no other master.
        if ruling.peers.values().filter(|peer| peer.confirmed).count() + 1 >= needed {
            let until = now.max(rival) + over;
            ruling.suspects.values_mut().filter(|time| **time == Instant::NEVER).for_each(|time| *time = until);
        }
    }

    /// Those of the assignments that may be said: with a coordinator, what it keeps. The others it is asked to keep.
    pub(super) fn recorded(&mut self, units: &[Assignment]) -> Vec<Assignment> {
        if self.config.coordination == Coordination::Members {
            return units.to_vec();
        }
        let Some((_, term)) = self.ruler() else { return Vec::new() };
        let (mut kept, mut asked) = (Vec::new(), Vec::new());
        for assignment in units {
            match self.records.0.get(&assignment.unit) {
                Some((known, true)) if known == assignment => kept.push(*assignment),
                Some((known, false)) if known == assignment => {}
                _ => {
                    self.records.0.insert(assignment.unit, (*assignment, false));
                    asked.push(*assignment);
                }
            }
        }
        if !asked.is_empty() {
            self.commands.push_back(Command::Record { term, units: asked });
        }
        kept
    }
}
