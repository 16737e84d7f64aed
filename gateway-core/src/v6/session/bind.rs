//! How leases begin and go on.

use super::command::Command;
use super::lease::{Cohort, Lease, Session};
use super::record;
use super::table::Sessions;
use crate::replication::Stamp;
use crate::scope::Epoch;
use crate::session::cohort::Link;
use crate::session::wheel::Timer;
use crate::session::{Bound, CohortId, EndReason, Refusal};
use crate::time::Instant;
use crate::v6::{Grant, Login, Over};
use crate::wire::dhcp6::Duid;

impl Sessions {
    /// A REPLY grants leases to a client: makes its session, extends its leases, or moves them to another line. What it
    /// does not mention stays until its own end (RFC 8415 section 18.2.10.1).
    ///
    /// A prefix that another client has goes over to this one when the same server says so: it knows that the other's
    /// lease is over. One that only overlaps another subscriber's, or is another server's, is refused.
    ///
    /// Records are persisted before routes are installed; whoever sends the REPLY afterwards keeps that order. A refused
    /// login leaves the leases as they were, and its REPLY must not reach the client.
    pub fn bind(&mut self, login: Login, now: Instant) -> Result<Bound, Refusal> {
        self.bind_in_place(login, &Over::default(), now)
    }

    /// The same, where the REPLY says that others of the client's leases are `over`. They don't count for what it may have,
    /// and stay until [`Sessions::unbind`] is called, which is only for a login that is not refused.
    pub fn bind_in_place(&mut self, login: Login, over: &Over, now: Instant) -> Result<Bound, Refusal> {
        let is_of = |cohort: &Cohort| {
            (cohort.server, cohort.tagged) == (login.server, login.tagged) && cohort.server_id == login.server_id
        };
        let cohort = self.cohorts.find(login.fpc, is_of);
        if cohort.and_then(|id| self.cohorts.get(id)?.ended).is_some_and(|ended| login.epoch <= ended) {
            return Err(Refusal::Stale);
        }
        if self.is_greedy(&login, over) {
            return Err(Refusal::TooManyLeases);
        }
        if login.granted.iter().any(|grant| self.is_in_the_way(grant, &login)) {
            return Err(Refusal::Overlap);
        }
        let known = self.number(login.line, login.client.as_duid());
        let logged_in = self.by_client(login.line, login.client.as_duid()).is_some();
        if !logged_in {
            self.room_for(&login)?;
        }
        self.find_room(&login.granted)?;
        let cohort = match cohort {
            Some(cohort) => cohort,
            None => {
                let Login { fpc, server, tagged, .. } = login;
                let server_id = login.server_id.clone();
                self.create_cohort(Cohort { fpc, server, server_id, tagged, ended: None })?
            }
        };
        // What had to be reclaimed may have been the last of a session that had ended.
        let known = known.filter(|_| self.number(login.line, login.client.as_duid()).is_some());
        let number = known.unwrap_or_else(|| self.begin(&login));
        let session = &mut self.sessions[number];
        session.peer = login.peer;
        let readdressed = self.readdress(number, login.mac, login.relayed);
        let mut emptied = Vec::new();
        let mut bound = if logged_in { Bound::Renewed } else { Bound::New };
        for grant in &login.granted {
            match self.by_prefix.get(grant.prefix) {
                Some(slot) if self.leases[slot].session == number && self.is_live(slot) => {
                    self.extend(slot, cohort, login.epoch, grant, now, readdressed);
                }
                taken => {
                    let mut fresh = true;
                    if let Some(slot) = taken {
                        let (former, moved) = self.take_from(slot, login.client.as_duid());
                        emptied.push(former);
                        if moved {
                            (fresh, bound) = (false, Bound::Moved);
                        }
                    }
                    let Some(slot) = taken.or_else(|| self.leases.lowest_free()) else { return Err(Refusal::Full) };
                    let Grant { prefix, kind, iaid, expires } = *grant;
                    let lease = Lease {
                        prefix,
                        kind,
                        iaid,
                        cohort,
                        epoch: login.epoch,
                        at: now,
                        expires,
                        orphaned: false,
                        stamp: Stamp::NONE,
                        session: number,
                        port: login.line.port,
                        link: Link::NONE,
                        timer: Timer::IDLE,
                    };
                    self.attach(slot, lease);
                    self.say_lease(slot, true);
                    self.persist(slot);
                    self.commands.push_back(Command::InstallRoute(self.route_of(slot, fresh)));
                }
            }
        }
        emptied.into_iter().for_each(|former| self.close(former));
        if readdressed {
            let mentioned = |slot: &u32| login.granted.iter().any(|grant| grant.prefix == self.leases[*slot].prefix);
            let others: Vec<u32> =
                self.sessions[number].slots.iter().copied().filter(|slot| !mentioned(slot)).collect();
            for slot in others.into_iter().filter(|slot| self.is_live(*slot)).collect::<Vec<_>>() {
                self.say_lease(slot, true);
                self.persist(slot);
                self.commands.push_back(Command::InstallRoute(self.route_of(slot, false)));
            }
        }
        Ok(bound)
    }

    /// Whether a client may not have this.
    fn is_in_the_way(&self, grant: &Grant, login: &Login) -> bool {
        let theirs = |slot: u32| {
            let session = &self.sessions[self.leases[slot].session];
            session.client == login.client || (!login.relayed && session.is_of(login.line, login.mac))
        };
        let held = self.slot(grant.prefix).filter(|slot| !theirs(*slot));
        held.is_some_and(|slot| self.cohort_of(slot).server_id != login.server_id)
            || self.by_prefix.overlapping(grant.prefix).any(|slot| self.is_live(slot) && !theirs(slot))
    }

    /// Makes sure that there is a slot for everything that has none yet, and that no dead route hides it.
    fn find_room(&mut self, granted: &[Grant]) -> Result<(), Refusal> {
        granted.iter().for_each(|grant| self.unearth(grant.prefix));
        loop {
            let wanted = granted.iter().filter(|grant| self.by_prefix.get(grant.prefix).is_none()).count();
            if wanted <= (self.capacity - self.leases.len()) as usize {
                return Ok(());
            }
            let slot = self.cohorts.reclaimable().ok_or(Refusal::Full)?;
            self.release_slot(slot);
        }
    }

    /// A new session, with no lease yet.
    fn begin(&mut self, login: &Login) -> u32 {
        let number = self.sessions.lowest_free().expect("more sessions than leases have room");
        let Login { client, line, mac, relayed, peer, .. } = login.clone();
        self.open(number, Session { client, line, mac, relayed, peer, slots: Vec::with_capacity(2) });
        number
    }

    /// Empties a slot for another session. Tells whose it was, and whether that was the same client on another line.
    fn take_from(&mut self, slot: u32, client: Duid<'_>) -> (u32, bool) {
        let live = self.is_live(slot);
        let Lease { session, prefix, .. } = self.detach(slot);
        let Session { client: former, line, mac, .. } = &self.sessions[session];
        let moved = live && former.as_duid() == client;
        if live && !moved {
            let (client, reason) = (former.clone(), EndReason::Replaced);
            self.commands.push_back(Command::Ended { prefix, client, line: *line, mac: *mac, reason });
        }
        (session, moved)
    }

    pub(super) fn create_cohort(&mut self, cohort: Cohort) -> Result<CohortId, Refusal> {
        let (fpc, value) = (cohort.fpc, record::encode_cohort(&cohort, &self.numbering));
        let id = self.cohorts.create(cohort).ok_or(Refusal::Full)?;
        self.commands.push_back(Command::Persist { key: record::cohort_key(id), value, sync: false });
        // The cell may hold what an earlier cohort of that number left.
        self.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch: Epoch(0), fpc });
        Ok(id)
    }

    /// The route is rewritten only when its cohort, its epoch or the client's MAC changed.
    fn extend(&mut self, slot: u32, cohort: CohortId, epoch: Epoch, grant: &Grant, now: Instant, install: bool) {
        let retagged = (self.leases[slot].cohort, self.leases[slot].epoch) != (cohort, epoch);
        self.count_out(slot);
        self.cohorts.mark(&mut self.leases[slot], false);
        if retagged {
            self.cohorts.unlink(&mut self.leases, slot);
            let lease = &mut self.leases[slot];
            (lease.cohort, lease.epoch) = (cohort, epoch);
            self.cohorts.link(&mut self.leases, slot);
        }
        self.count_in(slot);
        self.wheel.remove(&mut self.leases, slot);
        let lease = &mut self.leases[slot];
        (lease.kind, lease.at, lease.expires) = (grant.kind, now, grant.expires);
        lease.iaid = grant.iaid.or(lease.iaid);
        self.wheel.insert(&mut self.leases, slot);
        self.say_lease(slot, true);
        self.persist(slot);
        self.commands.push_back(if retagged || install {
            Command::InstallRoute(self.route_of(slot, false))
        } else {
            Command::SetExpiry { slot, expires: grant.expires }
        });
    }

    pub(super) fn persist(&mut self, slot: u32) {
        let lease = &self.leases[slot];
        let value = record::encode_lease(slot, lease, &self.sessions[lease.session], &self.numbering, &self.clock);
        self.commands.push_back(Command::Persist { key: record::lease_key(lease.prefix), value, sync: false });
    }

    /// Puts a lease into a free slot, its session, the index, its generation and the wheel.
    pub(super) fn attach(&mut self, slot: u32, lease: Lease) {
        let before = self.by_prefix.insert(lease.prefix, slot);
        debug_assert_eq!(before, None, "a prefix is leased at most once");
        self.sessions[lease.session].slots.push(slot);
        self.leases.insert(slot, lease);
        self.cohorts.link(&mut self.leases, slot);
        self.wheel.insert(&mut self.leases, slot);
        self.count_in(slot);
    }

    /// Inverse of [`Sessions::attach`]. A session that has no lease left has to be closed, unless it gets another.
    pub(super) fn detach(&mut self, slot: u32) -> Lease {
        self.count_out(slot);
        self.wheel.remove(&mut self.leases, slot);
        self.cohorts.unlink(&mut self.leases, slot);
        let lease = self.leases.remove(slot).expect("slot in use");
        self.by_prefix.remove(lease.prefix);
        self.sessions[lease.session].slots.retain(|other| *other != slot);
        lease
    }

    pub(super) fn count_in(&mut self, slot: u32) {
        if self.is_live(slot) {
            let lease = &self.leases[slot];
            self.counts.add(lease.port, self.cohort_of(slot).fpc, lease.orphaned);
        }
    }

    pub(super) fn count_out(&mut self, slot: u32) {
        if self.is_live(slot) {
            let lease = &self.leases[slot];
            self.counts.subtract(lease.port, self.cohort_of(slot).fpc, lease.orphaned);
        }
    }
}
