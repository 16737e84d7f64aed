//! Time.

use super::event::Why;
use super::state::{Phase, State};
use super::{Cluster, Command};
use crate::time::Instant;

impl Cluster {
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake(now);
        self.hold.expire(&self.config.constants, now);
        self.changeovers.expire(now);
        self.part_with_gone(false, now);
        match self.state {
            State::Joining(_) => self.joining_timeout(now),
            State::Offering(_) => self.offering_timeout(now),
            State::Member(_) => self.following_timeout(now),
            State::Master(_) => self.master_timeout(now),
            State::Left => {}
        }
        self.take_ready(now);
        self.settle(now);
    }

    /// When to call [`Cluster::handle_timeout`] next, if nothing else happens before. It is never further away than what
    /// the member may stand still (H-CL-27).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Joining(joining) => self.joining_deadline(joining),
            State::Offering(offering) => self.offering_deadline(offering),
            State::Member(following) => self.following_deadline(following),
            State::Master(_) => self.master_deadline(),
            State::Left => return None,
        };
        let lease = match self.state {
            State::Master(_) => None,
            _ => Some(self.lease_end()).filter(|_| !self.fenced),
        };
        let pause = self.config.constants.pause_limit.map(|limit| self.last_seen + limit / 2);
        let hold = self.hold.deadline(&self.config.constants);
        let others = [lease, pause, self.taking_deadline(), self.parting_deadline(), hold];
        others.into_iter().flatten().chain([own]).min().filter(|time| *time != Instant::NEVER)
    }

    pub(super) fn master_timeout(&mut self, now: Instant) {
        let State::Master(ruling) = &self.state else { return };
        let silent: Vec<_> =
            ruling.peers.iter().filter(|(_, peer)| self.patience(ruling, peer) <= now).map(|(id, _)| *id).collect();
        silent.into_iter().for_each(|member| self.remove_peer(member, Why::Silence, now));
        self.pending_timeout(now);
        let constants = self.config.constants.clone();
        let State::Master(ruling) = &mut self.state else { return };
        if ruling.announcements.handle_timeout(&constants, now) {
            self.commands.push_back(Command::Announce);
        }
        let (balance, tick, keepalive) = (ruling.next_balance, ruling.next_tick, ruling.next_keepalive);
        if balance <= now {
            self.rebalance(now);
        }
        if tick <= now {
            self.tick(now);
            let State::Master(ruling) = &mut self.state else { return };
            ruling.next_tick = now + constants.tick;
        }
        if keepalive <= now {
            self.master_keepalive(now);
        }
        let gone = matches!(&self.state, State::Master(ruling) if ruling.peers.is_empty() || self.owns_nothing());
        if self.leaving && gone {
            self.leave(now);
        }
    }

    /// Nothing is this member's, nor anything that others wait to hear of.
    pub(super) fn owns_nothing(&self) -> bool {
        self.holdings.is_empty() && self.table.count(self.me()) == 0 && !self.changeovers.lingers(self.last_seen)
    }

    fn master_deadline(&self) -> Instant {
        let State::Master(ruling) = &self.state else { return Instant::NEVER };
        let silent = ruling.peers.values().map(|peer| self.patience(ruling, peer)).min();
        let pending = ruling.pending.values().map(|pending| pending.since + self.config.constants.join_limit).min();
        // With nothing on its way and nothing to give away there is nothing to look at, once what is free is held.
        let looked = |from: Instant| from + self.config.constants.tick <= ruling.next_tick;
        let work = |phase: &Phase| match phase {
            Phase::Pool { from, .. } => self.config.constants.pool_per_tick > 0 || !looked(*from),
            Phase::Assigning { .. } | Phase::Leaving { .. } => true,
        };
        let busy = !ruling.suspects.is_empty()
            || self.hold.len() > 0
            || self.leaving
            || !ruling.drained.is_empty()
            || ruling.peers.values().any(|peer| peer.leaving)
            || ruling.phases.values().any(work);
        let tick = busy.then_some(ruling.next_tick);
        [silent, pending, tick]
            .into_iter()
            .flatten()
            .chain([self.reigns_until(ruling), ruling.next_keepalive, ruling.next_balance, ruling.announcements.due])
            .min()
            .unwrap_or(Instant::NEVER)
    }

    /// The table has changed: those parts go to all at once.
    pub(super) fn push_table(&mut self, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let chunks: Vec<_> = self.table.chunks_after(ruling.pushed).collect();
        ruling.pushed = self.table.version();
        chunks.into_iter().for_each(|chunk| self.say_keepalive(Some(chunk), now));
    }
}
