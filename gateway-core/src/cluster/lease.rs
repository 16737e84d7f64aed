//! Time that one member may count on another for (H-CL-6, H-CL-20, H-CL-27).

use std::collections::VecDeque;

use super::command::Command;
use super::config::{Coordination, Quorum};
use super::event::{Event, Why};
use super::state::{Ruling, State};
use super::{Cluster, ClusterConfig};
use crate::member::{MemberId, Term};
use crate::time::{Duration, Instant};

/// Whom this member supports as master, and until when it supports no other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promise {
    /// The candidate it supported; `None`: whoever was master, or, after a start, it does not know.
    pub(super) to: Option<(MemberId, Term)>,
    pub(super) until: Instant,
}

/// When this member's keepalives were sent.
#[derive(Debug, Default)]
pub(super) struct Sent(VecDeque<(u64, Instant)>);

impl Sent {
    pub(super) fn push(&mut self, seq: u64, keep: Duration, now: Instant) {
        self.0.push_back((seq, now));
        while self.0.front().is_some_and(|(_, sent)| *sent + keep < now) {
            self.0.pop_front();
        }
    }

    pub(super) fn time(&self, seq: u64) -> Option<Instant> {
        let first = self.0.front()?.0;
        self.0.get(usize::try_from(seq.checked_sub(first)?).ok()?).map(|(_, sent)| *sent)
    }
}

impl Ruling {
    /// Until when enough members support it: a majority. Of one member the majority is itself.
    pub(super) fn lease(&self, config: &ClusterConfig) -> Instant {
        if config.coordination == Coordination::Members && config.quorum != Quorum::Majority {
            return Instant::NEVER;
        }
        let needed = config.needed_without_coordinator();
        let Some(others) = needed.checked_sub(1).filter(|others| *others > 0) else {
            return Instant::NEVER;
        };
        let mut supports: Vec<_> = self.peers.values().map(|peer| peer.support).collect();
        supports.sort_unstable_by(|a, b| b.cmp(a));
        supports.get(others - 1).map_or(Instant::ZERO, |support| *support + config.constants.support)
    }
}

impl Cluster {
    /// Comes before everything else that happens: if we stood still, or nobody knows of us any more, others may own
    /// what was ours, and we act no more (H-CL-27).
    pub(super) fn wake(&mut self, now: Instant) {
        let stood = now.since(self.last_seen);
        self.last_seen = now;
        if self.config.constants.pause_limit.is_some_and(|limit| stood > limit) {
            self.retire(Why::Paused(stood), now);
        }
        match &self.state {
            State::Left => {}
            State::Master(ruling) if self.reigns_until(ruling) <= now => {
                self.retire(Why::Quorum, now);
            }
            State::Master(_) => {}
            _ if self.lease_end() <= now && !self.fenced => self.retire(Why::Silence, now),
            _ => {}
        }
    }

    /// How long this member supports nobody else.
    pub(super) fn support_time(&self) -> Duration {
        self.config.constants.support + self.config.constants.margin
    }

    /// Until when this member may act without being master.
    pub(super) fn lease_end(&self) -> Instant {
        if self.config.constants.fencing.is_some() { self.lease } else { Instant::NEVER }
    }

    /// Until when the data plane may serve what is ours if nothing more is heard of this core: it may stand still, or be
    /// gone, and then nobody else can fence it (H-CL-20, H-CL-27). With the constants of the source document nobody fences
    /// itself, but what a dead unit leaves behind must not go on either: others take over when a watchdog interval is over.
    pub fn acts_until(&self) -> Instant {
        let Some(fencing) = self.config.constants.fencing else {
            return self.last_seen + self.config.constants.watchdog;
        };
        match &self.state {
            State::Master(ruling) => self.reigns_until(ruling).min(self.last_seen + fencing),
            _ => self.lease,
        }
    }

    /// Stops acting at once, whatever it is.
    pub(super) fn retire(&mut self, why: Why, now: Instant) {
        match self.state {
            State::Left => {}
            State::Master(_) => self.step_down(why, now),
            State::Member(_) => {
                self.fence(why);
                self.lose_master(why, now);
            }
            // It owns nothing any more, and says so. An offer that it makes or supports is what ends the silence.
            State::Joining(_) | State::Offering(_) if why == Why::Silence => {
                self.fence(why);
                if let State::Joining(joining) = &mut self.state {
                    joining.next_request = now;
                }
            }
            State::Joining(_) | State::Offering(_) => {
                self.fence(why);
                self.look_for_master(now);
            }
        }
    }

    /// Processes nothing from here on.
    pub(super) fn fence(&mut self, why: Why) {
        let held: Vec<_> = self.holdings.iter().map(|(unit, _)| unit).collect();
        held.into_iter().for_each(|unit| self.holdings.drop(unit));
        self.changeovers.clear();
        self.shown.all_changed();
        if !self.fenced {
            self.fenced = true;
            self.counters.fenced += 1;
            self.commands.push_back(Command::Fence);
            self.tell(Event::Fenced(why));
        }
    }

    /// Acts again.
    pub(super) fn unfence(&mut self) {
        if self.fenced {
            self.fenced = false;
            self.commands.push_back(Command::Unfence);
            self.tell(Event::Unfenced);
            self.shown.all_changed();
        }
    }

    /// Whether this member may follow that master now, given whom it supports.
    pub(super) fn may_follow(&self, master: MemberId, now: Instant) -> bool {
        self.config.quorum == Quorum::None
            || self.promise.until <= now
            || self.promise.to.is_none_or(|(supported, _)| supported == master)
    }
}
