//! A coordinator outside, which elects in place of the members (such as etcd).
//!
//! It says who is master, by which term, and who is a member. Everything else is as without it: members join that master,
//! say what they own, and own what it assigns to them; each fences itself when the master does not hear it.

use super::Cluster;
use super::config::Coordination;
use super::event::{Event, Why};
use super::state::State;
use crate::member::{MemberId, Term};
use crate::time::Instant;

/// What the coordinator says now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coordinated {
    /// The master it has elected.
    pub master: Option<MemberId>,
    /// The generation of that mastership: greater than all before (an etcd revision does).
    pub term: Term,
    /// Members whose leases at the coordinator stand.
    pub members: Vec<MemberId>,
}

impl Cluster {
    /// The coordinator has spoken; `None`: it can't be reached. Then everything stays as it is: the data plane goes on, no
    /// unit moves, and a master remains master while a majority of the members hears it. Repeated at least once in every
    /// lease. Without [`Coordination::External`] this does nothing.
    pub fn handle_coordination(&mut self, said: Option<Coordinated>, now: Instant) {
        if self.config.coordination != Coordination::External {
            return;
        }
        self.wake(now);
        match said {
            None => {
                if !core::mem::replace(&mut self.unreachable, true) {
                    self.tell(Event::CoordinatorUnreachable);
                }
            }
            Some(said) => {
                if core::mem::replace(&mut self.unreachable, false) {
                    self.tell(Event::CoordinatorBack);
                }
                self.coordinated = Some(said.clone());
                self.obey(&said, now);
            }
        }
        self.settle(now);
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
        let right = self.ruler().is_some_and(|ruler| Some(ruler) == said.master.map(|master| (master, said.term)));
        if right {
            let State::Master(ruling) = &self.state else { return };
            let gone: Vec<_> = ruling.peers.keys().copied().filter(|peer| !said.members.contains(peer)).collect();
            return gone.into_iter().for_each(|member| self.remove_peer(member, Why::Coordinator, now));
        }
        match self.state {
            State::Master(_) => self.step_down(Why::Coordinator, now),
            State::Member(_) => self.lose_master(Why::Coordinator, now),
            _ => {}
        }
        match said.master {
            Some(master) if master == me => self.become_master(said.term, &Default::default(), now, now),
            Some(master) => {
                if let State::Joining(joining) = &mut self.state {
                    joining.target = Some((master, said.term));
                }
                self.joining_timeout(now);
            }
            None => {}
        }
    }

    /// The coordinator can be reached and holds this member for the master: no majority needs to.
    pub(super) fn coordinator_vouches(&self) -> bool {
        let elected = self.coordinated.as_ref().and_then(|said| said.master);
        self.config.coordination == Coordination::External && !self.unreachable && elected == Some(self.me())
    }
}
