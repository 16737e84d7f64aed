//! How sessions begin and go on.

use core::hash::BuildHasher;
use core::net::Ipv4Addr;

use super::command::Command;
use super::record;
use super::share::Decider;
use super::table::{Session, Sessions};
use super::words::{Bound, Cohort, CohortId, EndReason, Refusal, StaticSubscriber};
use crate::line::{FpcId, HardwareAddress, Line};
use crate::login::Login;
use crate::release::Individual;
use crate::scope::Epoch;
use crate::time::Instant;

/// What the table knows of the address that a client was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// Nobody has it.
    Nobody,
    /// The same client on the same line.
    Same(u32),
    /// The same client on another line.
    Moved(u32),
    /// Another client, or one whose session has ended and waits to be reclaimed.
    Other(u32),
}

impl Sessions {
    /// An ACK says that a client holds an address: makes its session, renews it, or moves it (BR-4).
    ///
    /// The record is persisted before the route is installed; whoever sends the ACK afterwards keeps that order.
    /// A refused login leaves the table as it was, and its ACK must not reach the client.
    pub fn bind(&mut self, login: Login, now: Instant) -> Result<Bound, Refusal> {
        if login.hardware.mac().is_none() {
            return Err(Refusal::NotEthernet);
        }
        if self.resident_slot(login.address).is_some_and(|slot| self.slab[slot].is_static) {
            return Err(Refusal::Static);
        }
        let cohort = self.cohorts.find(login.fpc, |cohort| cohort.is_of(login.server, login.scope.as_ref()));
        let ended = cohort.and_then(|cohort| self.cohorts.get(cohort)?.ended);
        if ended.is_some_and(|ended| login.epoch <= ended) {
            return Err(Refusal::Stale);
        }
        let holder = self.holder(&login);
        if let Holder::Same(slot) = holder {
            let cohort = self.cohort_or_new(&login, cohort)?;
            self.renew_slot(slot, cohort, login, Decider::Owner);
            return Ok(Bound::Renewed);
        }

        // What this login takes the place of makes room on its port.
        let previous = self.same_client_other_address(&login);
        let replaced = match holder {
            Holder::Moved(slot) | Holder::Other(slot) => Some(slot),
            _ => None,
        };
        let frees =
            |slot: &u32| self.slab[*slot].line.port == login.line.port && !self.cohorts.has_ended(&self.slab[*slot]);
        if self.port_is_full(login.line.port) && !previous.iter().chain(&replaced).any(frees) {
            return Err(Refusal::PortFull);
        }
        let cohort = self.cohort_or_new(&login, cohort)?;
        if let Some(previous) = previous {
            self.superseded = Some(self.individual(&self.slab[previous]));
            self.end_slot(previous, EndReason::Replaced);
        }
        let slot = match replaced {
            Some(slot) => {
                let live = !self.cohorts.has_ended(&self.slab[slot]);
                let Session { address, hardware, .. } = self.detach(slot);
                if live && holder == Holder::Other(slot) {
                    self.commands.push_back(Command::Ended { address, hardware, reason: EndReason::Replaced });
                }
                // The address keeps its slot, so its route is overwritten and never missing.
                slot
            }
            None => self.slab.lowest_free().or_else(|| self.reclaim()).ok_or(Refusal::Full)?,
        };
        let bound = if matches!(holder, Holder::Moved(_)) { Bound::Moved } else { Bound::New };
        let session = Session {
            address: login.address,
            hardware: login.hardware,
            client_id: login.client_id,
            line: login.line,
            cohort,
            epoch: login.epoch,
            server_identifier: login.server_identifier,
            giaddr: login.giaddr,
            agent_information: login.agent_information,
            at: now,
            expires: login.expires,
            ..Session::blank()
        };
        self.attach(slot, session);
        self.say_session(slot, Decider::Owner);
        self.persist(slot);
        self.install(slot, bound == Bound::New);
        Ok(bound)
    }

    /// The login that the last [`Sessions::bind`] ended because its client was given another address: its server still has
    /// the lease.
    pub fn take_superseded(&mut self) -> Option<Individual> {
        self.superseded.take()
    }

    /// A renewal that bypassed the relay was seen: only the end of the lease changes (H-BR-7).
    ///
    /// `epoch` is the FPC's current one. When a restart was decided since the login, the server will spare this
    /// binding, because its last transaction is newer than the decision; the session follows it into the current
    /// epoch, so that the confirmed logout does not end it here either.
    pub fn renew(&mut self, slot: u32, expires: Instant, epoch: Epoch, now: Instant) {
        self.extend(slot, expires, epoch, now, Decider::Owner);
    }

    /// A server that was asked says that a lease goes on, and when it last heard of the client.
    pub fn learn(&mut self, slot: u32, expires: Instant, epoch: Epoch, at: Instant) {
        self.extend(slot, expires, epoch, at, Decider::Keeper);
    }

    fn extend(&mut self, slot: u32, expires: Instant, epoch: Epoch, now: Instant, by: Decider) {
        let Some(session) = self.slab.get(slot) else { return };
        if session.is_static || self.cohorts.has_ended(session) {
            return;
        }
        let login = Login {
            address: session.address,
            hardware: session.hardware,
            client_id: None,
            line: session.line,
            fpc: self.fpc(session),
            epoch: epoch.max(session.epoch),
            server: self.cohorts.get(session.cohort).expect("a session's cohort exists").server,
            server_identifier: session.server_identifier,
            giaddr: session.giaddr,
            agent_information: session.agent_information.clone(),
            scope: None,
            at: now,
            expires,
        };
        let cohort = session.cohort;
        self.renew_slot(slot, cohort, login, by);
    }

    /// Adds the subscribers of the configuration. Call it after the records were restored.
    pub fn add_static(&mut self, subscriber: &StaticSubscriber, fpc: FpcId) -> Result<(), Refusal> {
        if subscriber.hardware.mac().is_none() {
            return Err(Refusal::NotEthernet);
        }
        if let Some(slot) = self.resident_slot(subscriber.address) {
            if self.slab[slot].is_static {
                return Err(Refusal::Static);
            }
            self.end_silently(slot, EndReason::Replaced);
        }
        let server = Ipv4Addr::UNSPECIFIED;
        let cohort = match self.cohorts.find(fpc, |cohort| cohort.is_of(server, None)) {
            Some(cohort) => cohort,
            None => self.create_cohort(Cohort { fpc, server, scope: None, ended: None }, false)?,
        };
        let slot = self.slab.lowest_free().ok_or(Refusal::Full)?;
        let (address, hardware, line) = (subscriber.address, subscriber.hardware, subscriber.line);
        self.attach(slot, Session { address, hardware, line, cohort, is_static: true, ..Session::blank() });
        self.install(slot, true);
        Ok(())
    }

    pub(super) fn holder(&self, login: &Login) -> Holder {
        self.holder_of(login.address, login.line, &login.hardware, login.client_id.as_deref())
    }

    /// The same as a client on a line sees it.
    pub(super) fn holder_of(
        &self,
        address: Ipv4Addr,
        line: Line,
        hardware: &HardwareAddress,
        client_id: Option<&[u8]>,
    ) -> Holder {
        let Some(slot) = self.resident_slot(address) else { return Holder::Nobody };
        let session = &self.slab[slot];
        let same_id = session.client_id.is_some() && session.client_id.as_deref() == client_id;
        if self.cohorts.has_ended(session) {
            Holder::Other(slot)
        } else if session.hardware == *hardware && session.line == line {
            Holder::Same(slot)
        } else if session.hardware == *hardware || same_id {
            Holder::Moved(slot)
        } else {
            Holder::Other(slot)
        }
    }

    /// The session that this client had so far, when it is given another address. A client with another client-id is
    /// another client, even with the same hardware address (a boot ROM and the system it loads).
    pub(super) fn same_client_other_address(&self, login: &Login) -> Option<u32> {
        let mut sessions = self.of_client_id(login.line, login.hardware, login.client_id.as_deref());
        let other = sessions.find(|(_, session)| session.address != login.address && !session.is_static);
        other.map(|(slot, _)| slot)
    }

    fn cohort_or_new(&mut self, login: &Login, found: Option<CohortId>) -> Result<CohortId, Refusal> {
        match found {
            Some(cohort) => Ok(cohort),
            None => {
                let (fpc, server, scope) = (login.fpc, login.server, login.scope.clone());
                self.create_cohort(Cohort { fpc, server, scope, ended: None }, true)
            }
        }
    }

    /// A new cohort, and its cell in the data plane, which may hold what an earlier cohort of that number left.
    pub(super) fn create_cohort(&mut self, cohort: Cohort, durable: bool) -> Result<CohortId, Refusal> {
        let (fpc, value) = (cohort.fpc, record::encode_cohort(&cohort, &self.numbering));
        let id = self.cohorts.create(cohort).ok_or(Refusal::Full)?;
        if durable {
            self.commands.push_back(Command::Persist { key: record::cohort_key(id), value, sync: false });
        }
        self.commands.push_back(Command::SetLeastEpoch { cohort: id, epoch: Epoch(0), fpc });
        Ok(id)
    }

    /// The same client on the same line. The route is rewritten only when its cohort or epoch changed.
    fn renew_slot(&mut self, slot: u32, cohort: CohortId, login: Login, by: Decider) {
        let whole = self.share.is_some() && self.says_all(slot, cohort, &login);
        let session = &self.slab[slot];
        let retagged = (session.cohort, session.epoch) != (cohort, login.epoch);
        if session.orphaned {
            self.mark(slot, false);
        }
        if retagged {
            self.count_out(slot);
            self.cohorts.unlink(&mut self.slab, slot);
            let session = &mut self.slab[slot];
            (session.cohort, session.epoch) = (cohort, login.epoch);
            self.cohorts.link(&mut self.slab, slot);
            self.count_in(slot);
        }
        self.wheel.remove(&mut self.slab, slot);
        // A server that does not echo the client-id, and a cache that lost it, leave what was known before.
        if login.client_id.as_ref().is_some_and(|told| self.slab[slot].client_id.as_ref() != Some(told)) {
            self.clients.remove(slot, &self.slab[slot]);
            self.slab[slot].client_id = login.client_id;
            self.clients.insert(slot, &self.slab[slot]);
        }
        let session = &mut self.slab[slot];
        session.server_identifier = login.server_identifier;
        session.giaddr = login.giaddr;
        session.agent_information = login.agent_information;
        (session.at, session.expires) = (login.at, login.expires);
        self.wheel.insert(&mut self.slab, slot);
        if whole {
            self.say_session(slot, by);
        } else {
            self.say_essential(slot, by);
        }
        self.persist(slot);
        if retagged {
            self.install(slot, false);
        } else {
            self.commands.push_back(Command::SetExpiry { slot, expires: login.expires });
        }
    }

    pub(super) fn persist(&mut self, slot: u32) {
        let session = &self.slab[slot];
        let key = record::session_key(session.address);
        let value = record::encode_session(slot, session, &self.numbering, &self.clock);
        self.commands.push_back(Command::Persist { key, value, sync: false });
    }

    pub(super) fn install(&mut self, slot: u32, fresh: bool) {
        self.commands.push_back(Command::InstallRoute(self.slab[slot].route(slot, fresh)));
    }

    /// Puts a session into a free slot, both indexes, its generation and the wheel.
    pub(super) fn attach(&mut self, slot: u32, session: Session) {
        let address_hash = self.hasher.hash_one(session.address);
        self.unit_counts[self.unit_of(&session.hardware).index() as usize] += 1;
        self.clients.insert(slot, &session);
        self.slab.insert(slot, session);
        let Self { slab, hasher, .. } = self;
        self.by_address.insert_unique(address_hash, slot, |slot| hasher.hash_one(slab[*slot].address));
        self.cohorts.link(&mut self.slab, slot);
        self.wheel.insert(&mut self.slab, slot);
        self.count_in(slot);
    }

    /// Inverse of [`Sessions::attach`].
    pub(super) fn detach(&mut self, slot: u32) -> Session {
        self.count_out(slot);
        self.wheel.remove(&mut self.slab, slot);
        self.cohorts.unlink(&mut self.slab, slot);
        let session = self.slab.remove(slot).expect("slot in use");
        self.unit_counts[self.unit_of(&session.hardware).index() as usize] -= 1;
        let address_hash = self.hasher.hash_one(session.address);
        if let Ok(entry) = self.by_address.find_entry(address_hash, |other| *other == slot) {
            entry.remove();
        }
        self.clients.remove(slot, &session);
        session
    }

    pub(super) fn count_in(&mut self, slot: u32) {
        let session = &self.slab[slot];
        if self.cohorts.has_ended(session) {
            return;
        }
        self.counts.add(session.line.port, self.fpc(session), session.orphaned);
    }

    pub(super) fn count_out(&mut self, slot: u32) {
        let session = &self.slab[slot];
        if self.cohorts.has_ended(session) {
            return;
        }
        self.counts.subtract(session.line.port, self.fpc(session), session.orphaned);
    }
}
