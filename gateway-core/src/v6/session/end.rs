//! How leases end: one by one, or a whole cohort at once.

use core::net::Ipv6Addr;

use super::command::Command;
use super::lease::{Lease, Session};
use super::record;
use super::table::Sessions;
use crate::line::{HardwareAddress, Line};
use crate::scope::Epoch;
use crate::session::wheel::Due;
use crate::session::{CohortId, EndReason};
use crate::time::Instant;
use crate::wire::dhcp6::{Duid, IaKind, Prefix};

/// Leases that one [`Sessions::handle_timeout`] reclaims, and lets expire.
const BATCH: usize = 512;

impl Sessions {
    /// Ends the lease of exactly this prefix. False when there is none.
    pub fn end(&mut self, prefix: Prefix, reason: EndReason) -> bool {
        let Some(slot) = self.slot(prefix) else { return false };
        self.end_slot(slot, reason);
        true
    }

    /// A server says that leases of a client are over, and all of some IAs. What is not this client's, on this line,
    /// from this server, stays: nobody else can take it back. Returns how many ended.
    #[expect(clippy::too_many_arguments, reason = "what a REPLY says")]
    pub fn unbind(
        &mut self,
        client: Duid<'_>,
        line: Line,
        server: Ipv6Addr,
        leases: &[Prefix],
        ias: &[(IaKind, u32)],
        reason: EndReason,
        now: Instant,
    ) -> usize {
        let mut slots: Vec<u32> = leases.iter().filter_map(|prefix| self.slot(*prefix)).collect();
        if let Some(session) = self.by_client(line, client) {
            let of_ia = self.leases(session).filter(|(_, lease)| lease.is_in(ias));
            slots.extend(of_ia.map(|(slot, _)| slot));
        }
        slots.retain(|slot| self.is_theirs(*slot, client, line, server));
        slots.sort_unstable();
        slots.dedup();
        if let Some(slot) = slots.first().filter(|_| reason == EndReason::Released) {
            let session = &self.sessions[self.leases[*slot].session];
            if let Some(mac) = session.own_mac() {
                self.lockouts.handle_logout((session.line, HardwareAddress::ethernet(mac)), now);
            }
        }
        slots.iter().for_each(|slot| self.end_slot(*slot, reason));
        slots.len()
    }

    /// A server confirmed that all leases of a cohort up to `cutoff` are gone: ends them, in constant time and with one
    /// durable record, however many there are. Returns how many. Their memory, records and map entries are reclaimed by
    /// [`Sessions::handle_timeout`].
    pub fn end_cohort(&mut self, id: CohortId, cutoff: Epoch) -> u64 {
        let leases = self.end_cohort_silently(id, cutoff);
        self.say_cutoff(id);
        leases
    }

    /// The same where the other members know it already.
    pub(super) fn end_cohort_silently(&mut self, id: CohortId, cutoff: Epoch) -> u64 {
        let Some(fpc) = self.cohorts.get(id).map(|cohort| cohort.fpc) else { return 0 };
        let ended = self.cohorts.end(id, cutoff);
        self.counts.subtract_all(fpc, &ended);
        let value = record::encode_cohort(self.cohorts.get(id).expect("looked up above"), &self.numbering);
        self.commands.push_back(Command::Persist { key: record::cohort_key(id), value, sync: true });
        self.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch: self.least_epoch(id), fpc });
        ended.sessions
    }

    /// Marks a lease as released but not confirmed: it stays until its end, or until it is heard of again.
    pub fn orphan(&mut self, prefix: Prefix) -> bool {
        let Some(slot) = self.slot(prefix).filter(|slot| !self.leases[*slot].orphaned) else { return false };
        self.orphan_silently(slot);
        if self.share.is_some() {
            self.say_orphaned(slot);
        }
        true
    }

    pub(super) fn orphan_silently(&mut self, slot: u32) {
        if self.leases[slot].orphaned {
            return;
        }
        self.count_out(slot);
        self.cohorts.mark(&mut self.leases[slot], true);
        self.count_in(slot);
        self.persist(slot);
    }

    /// Lets leases end and reclaims ended ones, a bounded number of each.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..BATCH {
            match self.wheel.advance(&mut self.leases, now) {
                Due::Slot(slot) if !self.is_live(slot) => {}
                Due::Slot(slot) => self.end_slot(slot, EndReason::Expired),
                Due::Moved => {}
                Due::None => break,
            }
        }
        for _ in 0..BATCH {
            let Some(slot) = self.cohorts.reclaimable() else { break };
            self.release_slot(slot);
        }
    }

    /// Reclaims ended leases that overlap a prefix which is about to be leased. The data plane takes the first route that it
    /// finds for an address, of whatever length, and a dead one lets nobody pass.
    pub(super) fn unearth(&mut self, prefix: Prefix) {
        let dead: Vec<u32> = self.by_prefix.overlapping(prefix).filter(|slot| !self.is_live(*slot)).collect();
        dead.into_iter().for_each(|slot| self.release_slot(slot));
    }

    /// When [`Sessions::handle_timeout`] is wanted; at once while there is something to reclaim.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.cohorts.has_reclaimable() { Some(Instant::ZERO) } else { self.wheel.next() }
    }

    /// Whether a live lease is this client's, on this line, from this server.
    pub(super) fn is_theirs(&self, slot: u32, client: Duid<'_>, line: Line, server: Ipv6Addr) -> bool {
        let session = &self.sessions[self.leases[slot].session];
        session.client.as_duid() == client && session.line == line && self.cohort_of(slot).server == server
    }

    fn end_slot(&mut self, slot: u32, reason: EndReason) {
        self.say_ended(slot, reason);
        let Lease { prefix, session, .. } = self.leases[slot];
        let Session { client, line, mac, .. } = self.sessions[session].clone();
        self.release_slot(slot);
        self.commands.push_back(Command::Ended { prefix, client, line, mac, reason });
    }

    pub(super) fn release_slot(&mut self, slot: u32) {
        let Lease { prefix, session, .. } = self.detach(slot);
        self.close(session);
        self.commands.push_back(Command::Forget { key: record::lease_key(prefix) });
        self.commands.push_back(Command::RemoveRoute(prefix));
    }
}
