//! What the table says to the other members of a cluster: the same as that of DHCPv4, but that a renewal says all there is
//! to know of a lease.

use gateway_common::unit::{self, Unit, UnitKey};

use super::command::Command;
use super::lease::{Lease, Session};
use super::table::Sessions;
use crate::replication::{Change, Essential6, Initial6, LeaseState, Said, Stamp, StampClock};
use crate::session::share::{self, Share, ShareConfig};
use crate::session::{CohortId, EndReason};
use crate::time::Instant;

impl Sessions {
    /// The table is one of a cluster's. Its stamps come from the clock that the member's other table has, too: of all that a
    /// member says, the later has the greater number. Call it once the records are restored.
    pub fn share(&mut self, config: ShareConfig, mut clock: StampClock, now: Instant) {
        // The others are told of what is from before, and what any of them knows by now that is newer counts.
        let before = self.leases.iter_from(0).filter(|(_, lease)| lease.stamp == Stamp::NONE);
        let before: Vec<u32> = before.map(|(slot, _)| slot).collect();
        for slot in before {
            self.leases[slot].stamp = share::alien(config.me, self.clock.to_unix_millis(self.leases[slot].at));
        }
        self.leases.iter_from(0).for_each(|(_, lease)| clock.observe(lease.stamp));
        self.share = Some(Box::new(Share::new(config, clock, now)));
    }

    /// Changes of other members that could not be carried out.
    pub fn unusable(&self) -> u64 {
        self.share.as_ref().map_or(0, |share| share.unusable)
    }

    /// Time has passed: for what is remembered of ends.
    pub fn handle_now(&mut self, now: Instant) {
        if let Some(share) = &mut self.share {
            share.now = now;
        }
    }

    /// Whether there is a word for it that others understand. One behind a card or port that is only in this member's records
    /// is this member's alone.
    pub(super) fn is_portable(&self, lease: &Lease) -> bool {
        self.share.as_ref().is_some_and(|share| {
            let (fpcs, ports) = share.config.configured;
            let fpc = self.cohorts.get(lease.cohort).map_or(u16::MAX, |cohort| cohort.fpc.0);
            usize::from(fpc) < fpcs && usize::from(lease.port.0) < ports
        })
    }

    fn say(&mut self, unit: Option<Unit>, change: impl FnOnce(&Self) -> Change) -> Stamp {
        let Some(share) = &mut self.share else { return Stamp::NONE };
        let stamp = share.clock.next_stamp();
        let change = change(self);
        self.commands.push_back(Command::Replicate(Said { stamp, unit, change }));
        stamp
    }

    /// The work unit of a client's messages: that of the address they come from (CL-52).
    pub fn unit_of(&self, session: &Session) -> Unit {
        let key = self.share.as_ref().map_or(&UnitKey::NONE, |share| &share.config.unit_key);
        unit::dhcp6(key, unit::words(session.peer.octets()))
    }

    fn unit_of_slot(&self, slot: u32) -> Unit {
        self.unit_of(&self.sessions[self.leases[slot].session])
    }

    /// Says all there is to know of a lease; before it is persisted, so that the record has the stamp. `owner`: the client's
    /// owner says so, who may be fenced.
    pub(super) fn say_lease(&mut self, slot: u32, owner: bool) {
        if self.is_portable(&self.leases[slot]) {
            let unit = owner.then(|| self.unit_of_slot(slot));
            self.leases[slot].stamp = self.say(unit, |table| Change::Lease6(Box::new(table.state(slot))));
        }
    }

    pub(super) fn say_orphaned(&mut self, slot: u32) {
        let Lease { prefix, stamp: of, .. } = self.leases[slot];
        self.say(None, |_| Change::Orphaned6 { prefix, of });
    }

    pub(super) fn say_ended(&mut self, slot: u32, reason: EndReason) {
        // Every member sees a lease end by itself.
        if self.share.is_none() || reason == EndReason::Expired {
            return;
        }
        let Lease { prefix, stamp: of, .. } = self.leases[slot];
        let keeper = matches!(reason, EndReason::LoggedOut | EndReason::Gone);
        let unit = (!keeper).then(|| self.unit_of_slot(slot));
        let said = self.say(unit, |_| Change::Ended6 { prefix, of });
        if let Some(share) = &mut self.share {
            share.bury(prefix, of, Some(said));
        }
    }

    pub(super) fn say_cutoff(&mut self, id: CohortId) {
        if let Some(change) = self.cutoff(id) {
            self.say(None, |_| change);
        }
    }

    /// What is known of the end of a cohort.
    pub(super) fn cutoff(&self, id: CohortId) -> Option<Change> {
        let cohort = self.cohorts.get(id)?;
        let (server, server_id, tagged, ended) =
            (cohort.server, cohort.server_id.clone(), cohort.tagged, cohort.ended?);
        let fpc = self.share.as_ref()?.config.fpcs.get(usize::from(cohort.fpc.0))?.clone();
        Some(Change::Cutoff6 { fpc, server, server_id, tagged, ended })
    }

    /// A lease as other members are told of it.
    pub(super) fn state(&self, slot: u32) -> LeaseState {
        let lease = &self.leases[slot];
        let (session, cohort) = (&self.sessions[lease.session], self.cohort_of(slot));
        let initial = Initial6 {
            client: session.client.clone(),
            line: session.line,
            mac: session.mac,
            relayed: session.relayed,
            peer: session.peer,
            fpc: cohort.fpc,
            server: cohort.server,
            server_id: cohort.server_id.clone(),
            tagged: cohort.tagged,
            kind: lease.kind,
            iaid: lease.iaid,
        };
        let essential = Essential6 {
            prefix: lease.prefix,
            epoch: lease.epoch,
            at: self.clock.to_unix_millis(lease.at),
            expires: self.clock.to_unix_millis(lease.expires),
            orphaned: lease.orphaned,
        };
        LeaseState { initial, essential }
    }
}
