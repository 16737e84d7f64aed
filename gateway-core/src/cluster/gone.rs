//! Members that are gone, and what they said last (H-CL-19, H-CL-20).
//!
//! A member may die having told only some of the others what it did. Replication passes that on, and says when a lost
//! member is settled: nobody in reach has more of it than we. Until then nothing of the pool is taken over, since its units
//! may be among that. A stream can be lost long before the member is (then nothing is lacking), and long after: that of a
//! host without power stands until TCP gives up. So it is closed when the cluster has given the member up.

use super::{Cluster, Command};
use crate::member::MemberId;
use crate::time::Instant;

impl Cluster {
    /// The cluster has given a member up. It may still come back with its units, until others may have them.
    pub(super) fn note_gone(&mut self, member: MemberId, now: Instant) {
        let constants = &self.config.constants;
        let rest = self.lease_length().saturating_sub(constants.watchdog).max(constants.watchdog);
        if self.connected.contains(&member) {
            self.gone.insert(member, now + rest);
        }
    }

    /// It is a member again.
    pub(super) fn note_back(&mut self, member: MemberId) {
        self.gone.remove(&member);
    }

    /// Closes the streams of those whose time is over; `all`: of all that are gone, since what they had is given to others.
    pub(super) fn part_with_gone(&mut self, all: bool, now: Instant) {
        let over = self.gone.iter().filter(|(_, until)| all || **until <= now);
        for member in over.map(|(member, _)| *member).collect::<Vec<_>>() {
            self.gone.remove(&member);
            if self.connected.remove(&member) {
                self.unsettled.insert(member);
                self.commands.push_back(Command::Disconnect(member));
            }
        }
    }

    pub(super) fn parting_deadline(&self) -> Option<Instant> {
        self.gone.values().min().copied()
    }
}
