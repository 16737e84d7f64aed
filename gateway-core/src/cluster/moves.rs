//! Moves of units from one member to another (CL-32 to CL-35).

use std::collections::BTreeMap;

use gateway_common::unit::Unit;

use super::Cluster;
use super::balance;
use super::config::Quorum;
use super::event::Event;
use super::state::{Phase, State};
use crate::member::MemberId;
use crate::time::Instant;

impl Cluster {
    /// Begins to move units, each from one member to another (CL-34).
    fn begin_moves(&mut self, moves: &[(MemberId, MemberId)], now: Instant) {
        let fencing = self.lease_length();
        let State::Master(ruling) = &mut self.state else { return };
        // Of two moves of a unit the second begins when the first is known to its old owner, or that one has stopped.
        let gone = ruling.removed.is_none_or(|removed| removed + fencing <= now);
        ruling.releasing.retain(|_, (old, version)| match ruling.peers.get(old) {
            Some(peer) => peer.table_version < *version,
            None => !gone,
        });
        let mut left: BTreeMap<MemberId, Vec<MemberId>> = BTreeMap::new();
        moves.iter().for_each(|(from, to)| left.entry(*from).or_default().push(*to));
        let mut begun = 0;
        // From the last on: the keeper's unit moves only when nothing else is left.
        for unit in super::table::units().collect::<Vec<_>>().into_iter().rev() {
            let Some(owner) = self.table.get(unit).owner else { continue };
            let moving = ruling.phases.contains_key(&unit) || ruling.releasing.contains_key(&unit);
            let Some(targets) = left.get_mut(&owner).filter(|_| !moving) else { continue };
            let Some(target) = targets.pop() else { continue };
            // Sent in the same breath, with everything else that is to be said again.
            ruling.phases.insert(unit, Phase::Leaving { target, sent: Instant::ZERO });
            self.shown.changed(unit);
            begun += 1;
        }
        self.counters.moved += begun as u64;
        if begun > 0 {
            ruling.next_tick = now;
            self.show(); // held here before the old owner stops
            self.tell(Event::Moving { units: begun });
            self.resend(now);
        }
    }

    /// Every two seconds (CL-32), unless someone has just come (H-CL-22).
    pub(super) fn rebalance(&mut self, now: Instant) {
        let constants = &self.config.constants;
        let State::Master(ruling) = &mut self.state else { return };
        ruling.next_balance = now + constants.balance_every;
        let alone = self.config.quorum == Quorum::Degraded && ruling.peers.len() + 1 < self.config.majority();
        if ruling.frozen_until > now || alone || self.is_frozen() {
            return;
        }
        let (weigh, percent) = (constants.weigh_load, constants.hysteresis_percent);
        let moves = balance::plan(self.shares(now), weigh, percent, constants.moves_per_balance);
        self.begin_moves(&moves, now);
    }

    /// Moves units away from who is drained or wants to leave.
    pub(super) fn drain(&mut self, now: Instant) {
        if self.is_frozen() {
            return;
        }
        let State::Master(ruling) = &self.state else { return };
        let mut away: Vec<_> = ruling.drained.iter().copied().collect();
        away.extend(ruling.peers.iter().filter(|(_, peer)| peer.leaving).map(|(id, _)| *id));
        away.extend(Some(self.me()).filter(|_| self.leaving));
        if away.is_empty() {
            return;
        }
        let leaving = |phase: &&Phase| matches!(phase, Phase::Leaving { .. });
        let room = self.config.constants.drain_moves.saturating_sub(ruling.phases.values().filter(leaving).count());
        let settled = |unit: &Unit| !ruling.phases.contains_key(unit);
        let owners = super::table::units().filter(settled).filter_map(|unit| self.table.get(unit).owner);
        let mut shares = self.shares(now);
        // Where there is nobody else, who is drained keeps what it has.
        away.retain(|member| shares.iter().all(|share| share.member != *member));
        let owners: Vec<_> = owners.filter(|owner| away.contains(owner)).take(room).collect();
        let mut moves = Vec::new();
        for owner in owners {
            let Some(to) = balance::least(&shares) else { break };
            shares.iter_mut().filter(|share| share.member == to).for_each(|share| share.units += 1);
            moves.push((owner, to));
        }
        if !moves.is_empty() {
            self.begin_moves(&moves, now);
        }
    }
}
