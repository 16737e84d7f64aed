//! What other members say about leases: per prefix the greatest change counts, as with DHCPv4 ([`crate::session`]). Of two
//! subscribers whose prefixes overlap, the greater change has it, too.

use core::net::Ipv6Addr;

use super::command::Command;
use super::lease::{Cohort, Lease, Session};
use super::table::Sessions;
use crate::line::FpcId;
use crate::replication::{Change, Initial6, LeaseState, Record, Stamp};
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::session::cohort::Link;
use crate::session::wheel::Timer;
use crate::time::Instant;
use crate::wire::dhcp6::{DuidBuf, Prefix};

impl Sessions {
    /// Takes in a change of another member; gives back what is none of the table's.
    pub fn handle_replica(&mut self, record: Record, now: Instant) -> Option<Record> {
        let Record { stamp, change } = record;
        if let Some(share) = &mut self.share {
            share.clock.observe(stamp);
        }
        match change {
            Change::Lease6(state) => self.put(stamp, *state, now),
            Change::Orphaned6 { prefix, of } => {
                if let Some(slot) = self.slot(prefix).filter(|slot| self.leases[*slot].stamp <= of) {
                    self.orphan_silently(slot);
                }
            }
            Change::Ended6 { prefix, of } => self.end_replica(prefix, of),
            Change::Cutoff6 { fpc, server, server_id, tagged, ended } => {
                self.cut_off(&fpc, (server, server_id, tagged), ended);
            }
            change => return Some(Record { stamp, change }),
        }
        None
    }

    fn unusable_replica(&mut self) {
        if let Some(share) = &mut self.share {
            share.unusable += 1;
        }
    }

    /// A whole lease.
    pub(super) fn put(&mut self, stamp: Stamp, state: LeaseState, now: Instant) {
        let LeaseState { initial, essential } = state;
        let prefix = essential.prefix;
        if self.share.as_ref().is_none_or(|share| share.has_buried(prefix, stamp)) {
            return;
        }
        let resident = self.by_prefix.get(prefix);
        if let Some(slot) = resident {
            let same = self.leases[slot].stamp == stamp;
            if same && essential.orphaned && self.is_live(slot) {
                self.orphan_silently(slot);
            }
            if self.leases[slot].stamp >= stamp && !self.is_outlived(slot, initial.fpc, essential.epoch) {
                return;
            }
        }
        let configured = self.share.as_ref().map_or((0, 0), |share| share.config.configured);
        let placed = usize::from(initial.fpc.0) < configured.0 && usize::from(initial.line.port.0) < configured.1;
        let cohort = placed
            .then(|| self.cohort_for(initial.fpc, (initial.server, initial.server_id.clone(), initial.tagged)))
            .flatten();
        let Some(cohort) = cohort else { return self.unusable_replica() };
        let expires = self.clock.from_unix_millis(essential.expires);
        let ended = self.cohorts.get(cohort).and_then(|cohort| cohort.ended);
        if expires <= now || ended.is_some_and(|ended| essential.epoch <= ended) {
            // It is over already; what it took the place of is over, too.
            return self.end_replica(prefix, stamp);
        }
        if !self.makes_way(prefix, stamp, &initial) {
            return self.end_replica(prefix, stamp);
        }
        let session = Session {
            client: initial.client,
            line: initial.line,
            mac: initial.mac,
            relayed: initial.relayed,
            peer: initial.peer,
            slots: Vec::new(),
        };
        let mut fresh = true;
        let (slot, former) = match resident.or_else(|| self.free_slot()) {
            Some(slot) if resident.is_some() => {
                let live = self.is_live(slot);
                let former = self.detach(slot).session;
                fresh = !(live && self.sessions[former].client == session.client);
                (slot, Some(former))
            }
            Some(slot) => (slot, None),
            None => return self.unusable_replica(),
        };
        let number = self.session_for(session, stamp);
        let lease = Lease {
            prefix,
            kind: initial.kind,
            iaid: initial.iaid,
            cohort,
            epoch: essential.epoch,
            // It was before now, whatever the other member's clock says; releases compare it with their decision.
            at: self.clock.from_unix_millis(essential.at).min(now),
            expires,
            orphaned: essential.orphaned,
            stamp,
            session: number,
            port: initial.line.port,
            link: Link::NONE,
            timer: Timer::IDLE,
        };
        self.attach(slot, lease);
        former.into_iter().for_each(|former| self.close(former));
        self.mention(slot);
        self.persist(slot);
        self.commands.push_back(Command::InstallRoute(self.route_of(slot, fresh)));
    }

    fn free_slot(&mut self) -> Option<u32> {
        if self.leases.len() >= self.capacity {
            let slot = self.cohorts.reclaimable()?;
            self.release_slot(slot);
        }
        self.leases.lowest_free()
    }

    /// The number of a client's session on a line. What is newer tells the MAC and the address that it has.
    fn session_for(&mut self, session: Session, stamp: Stamp) -> u32 {
        let Some(number) = self.number(session.line, session.client.as_duid()) else {
            let number = self.sessions.lowest_free().expect("more sessions than leases have room");
            self.open(number, session);
            return number;
        };
        let slots = self.sessions[number].slots.clone();
        if slots.iter().all(|slot| self.leases[*slot].stamp < stamp) {
            self.sessions[number].peer = session.peer;
            if self.readdress(number, session.mac, session.relayed) {
                for slot in slots.into_iter().filter(|slot| self.is_live(*slot)).collect::<Vec<_>>() {
                    self.persist(slot);
                    self.commands.push_back(Command::InstallRoute(self.route_of(slot, false)));
                }
            }
        }
        number
    }

    /// Ends what overlaps and is older, and reclaims what has ended; false when something newer overlaps.
    fn makes_way(&mut self, prefix: Prefix, stamp: Stamp, of: &Initial6) -> bool {
        let theirs = |slot: &u32| {
            let session = &self.sessions[self.leases[*slot].session];
            session.client == of.client || (!of.relayed && session.is_of(of.line, of.mac))
        };
        let others = self.by_prefix.overlapping(prefix).filter(|slot| self.is_live(*slot) && !theirs(slot));
        let others: Vec<u32> = others.collect();
        if others.iter().any(|slot| self.leases[*slot].stamp > stamp) {
            return false;
        }
        for slot in others {
            let Lease { prefix, stamp, .. } = self.leases[slot];
            self.end_replica(prefix, stamp);
        }
        self.unearth(prefix);
        true
    }

    /// What was put at a prefix up to `of` is over.
    pub(super) fn end_replica(&mut self, prefix: Prefix, of: Stamp) {
        if let Some(share) = &mut self.share {
            share.bury(prefix, of, None);
        }
        if let Some(slot) = self.by_prefix.get(prefix).filter(|slot| self.leases[*slot].stamp <= of) {
            self.release_slot(slot);
        }
    }

    fn cut_off(&mut self, fpc: &str, of: (Ipv6Addr, DuidBuf, bool), ended: Epoch) {
        let names = self.share.as_ref().map(|share| &share.config.fpcs);
        let place = names.and_then(|names| names.iter().position(|name| name == fpc));
        let fpc = place.and_then(|place| u16::try_from(place).ok()).map(FpcId);
        match fpc.and_then(|fpc| self.cohort_for(fpc, of)) {
            Some(cohort) if self.cohorts.get(cohort).is_some_and(|cohort| cohort.ended < Some(ended)) => {
                self.end_cohort_silently(cohort, ended);
            }
            Some(_) => {}
            None => self.unusable_replica(),
        }
    }

    /// By server, what it calls itself, and whether it has our scope.
    fn cohort_for(&mut self, fpc: FpcId, of: (Ipv6Addr, DuidBuf, bool)) -> Option<CohortId> {
        let (server, server_id, tagged) = of;
        let is_of =
            |cohort: &Cohort| (cohort.server, cohort.tagged) == (server, tagged) && cohort.server_id == server_id;
        match self.cohorts.find(fpc, is_of) {
            Some(cohort) => Some(cohort),
            None => self.create_cohort(Cohort { fpc, server, server_id, tagged, ended: None }).ok(),
        }
    }
}
