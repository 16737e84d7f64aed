//! A member is lost: who has its last words?
//!
//! It may have told only some of the others. So each keeps the last changes of everybody, and when it loses a member it says
//! to all how much it has of it (an ACK about a third member); whoever has more passes it on. When all who are in reach have
//! said so, and nothing is lacking here, the lost one is settled.

use super::command::Command;
use super::engine::Replication;
use super::frame::Frame;
use crate::member::MemberId;
use crate::time::Instant;

impl Replication {
    pub(super) fn lost(&mut self, member: MemberId, now: Instant) {
        self.unsettled.insert(member, false);
        let others: Vec<MemberId> = self.connected().collect();
        for other in others {
            self.state_position(member, other);
            if let Some(seq) = self.peer(other).stated.get(&member).copied()
                && seq < self.positions.get(member)
            {
                self.stream(other, member, seq);
            }
        }
        self.fetch_lost(member, now);
        for origin in self.unsettled.keys().copied().collect::<Vec<_>>() {
            self.settle(origin);
        }
    }

    /// Says how much we have of a member that we have lost.
    pub(super) fn state_position(&mut self, origin: MemberId, to: MemberId) {
        if self.synced {
            let seq = self.positions.get(origin);
            self.send(to, &Frame::Ack { origin, seq });
        }
    }

    pub(super) fn settle(&mut self, origin: MemberId) {
        let here = self.positions.get(origin);
        let all = self.peers.values().filter(|peer| peer.synced);
        let settled = all.map(|peer| peer.stated.get(&origin)).all(|stated| stated.is_some_and(|seq| *seq <= here));
        if settled && self.synced && self.unsettled.insert(origin, true) == Some(false) {
            self.commands.push_back(Command::Settled { origin });
        }
    }

    /// Whether nobody in reach has more of a member that is gone than we have.
    pub fn is_settled(&self, origin: MemberId) -> bool {
        self.unsettled.get(&origin).copied().unwrap_or(true)
    }
}
