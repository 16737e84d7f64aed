//! What an operator asks for, and what the operator sees.

use core::fmt;

use super::Cluster;
use super::state::State;
use super::view::{ClusterView, MemberView, Role, UnitView};
use crate::member::MemberId;
use crate::time::Instant;

/// An operator's wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Move this member's units to others, and give it none. The master's matter.
    Drain(MemberId),
    /// It may have units again. The master's matter.
    Undrain(MemberId),
    /// This member leaves as soon as its units are with others; [`Command::Left`](super::Command::Left) says when. A master
    /// that is alone leaves at once.
    Exit,
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperatorError {
    /// Ask that one, if there is one.
    NotMaster(Option<MemberId>),
    /// No such member is configured.
    Unknown(MemberId),
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMaster(Some(master)) => write!(f, "member {master} is master"),
            Self::NotMaster(None) => f.write_str("there is no master"),
            Self::Unknown(member) => write!(f, "member {member} is not configured"),
        }
    }
}

impl core::error::Error for OperatorError {}

impl Cluster {
    /// An operator wants something.
    ///
    /// # Errors
    /// It can't be done here, or not at all.
    pub fn handle_operator(&mut self, request: Request, now: Instant) -> Result<(), OperatorError> {
        self.wake(now);
        let done = self.operate(request, now);
        self.settle(now);
        done
    }

    fn operate(&mut self, request: Request, now: Instant) -> Result<(), OperatorError> {
        let (member, drain) = match request {
            Request::Drain(member) => (member, true),
            Request::Undrain(member) => (member, false),
            Request::Exit => {
                self.leaving = true;
                match &mut self.state {
                    State::Joining(_) | State::Offering(_) => self.leave(now),
                    State::Member(following) => following.next_keepalive = now,
                    State::Master(_) | State::Left => {}
                }
                return Ok(());
            }
        };
        self.config.member(member).ok_or(OperatorError::Unknown(member))?;
        let master = self.master();
        let State::Master(ruling) = &mut self.state else { return Err(OperatorError::NotMaster(master)) };
        if drain {
            ruling.drained.insert(member);
        } else {
            ruling.drained.remove(&member);
        }
        ruling.next_keepalive = now;
        Ok(())
    }

    /// The master this member follows, itself included.
    pub fn master(&self) -> Option<MemberId> {
        self.ruler().map(|(master, _)| master)
    }

    /// What this member is.
    pub fn role(&self) -> Role {
        match self.state {
            State::Joining(_) => Role::Joining,
            State::Offering(_) => Role::Offering,
            State::Member(_) => Role::Member,
            State::Master(_) => Role::Master,
            State::Left => Role::Left,
        }
    }

    /// The cluster as this member sees it.
    pub fn view(&self) -> ClusterView {
        let counts = self.table.counts();
        let ruling = match &self.state {
            State::Master(ruling) => Some(ruling),
            _ => None,
        };
        let ruled = self.ruler().is_some();
        let member = |config: &super::MemberConfig| {
            let id = config.id;
            let peer = ruling.and_then(|ruling| ruling.peers.get(&id));
            let me = id == self.me();
            let drained = match ruling {
                Some(ruling) => ruling.drained.contains(&id) || peer.is_some_and(|peer| peer.leaving),
                None => self.list.drained.contains(&id) || self.list.leaving.contains(&id),
            };
            MemberView {
                id,
                name: config.name.clone(),
                ip: config.ip,
                member: match ruling {
                    Some(_) => me || peer.is_some(),
                    None => ruled && self.list.members.contains(&id),
                },
                connected: me || self.connected.contains(&id),
                draining: drained || (me && self.leaving),
                units: counts[usize::from(id.get())],
                load: if me { Some(self.load) } else { peer.map(|peer| peer.load) },
                loss: peer.map(|peer| peer.loss.probability(self.config.constants.estimator)),
                heard: peer.map(|peer| peer.heard),
            }
        };
        let unit = |unit| {
            let entry = self.table.get(unit);
            let moving = ruling.is_some_and(|ruling| ruling.phases.contains_key(&unit));
            let (owner, version) = (entry.owner, entry.version);
            UnitView { unit, owner, version, since: entry.since, moves: entry.moves, moving }
        };
        ClusterView {
            me: self.me(),
            role: self.role(),
            master: self.master(),
            term: self.ruler().map_or(self.term, |(_, term)| term),
            fenced: self.fenced,
            degraded: self.degraded,
            keeper: self.keeper(),
            n: match &self.state {
                State::Member(following) => following.n,
                State::Master(ruling) => ruling.n,
                _ => self.config.constants.n_min,
            },
            members: self.config.members.iter().map(member).collect(),
            units: super::table::units().map(unit).collect(),
        }
    }
}
