//! The session table: which client has which leases, where, and until when.

use std::collections::VecDeque;

use gateway_common::fpc::{FIRST_COHORT6, MAX_COHORTS};

use super::clients::Clients;
use super::command::{Command, Route};
use super::index::Index;
use super::lease::{Cohort, Lease, Session};
use super::limits::Limits;
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::scope::Epoch;
use crate::session::cohort::Cohorts;
use crate::session::counts::Counts;
use crate::session::lockout::Lockouts;
use crate::session::share::Share;
use crate::session::slab::Slab;
use crate::session::wheel::Wheel;
use crate::session::{CohortId, Numbering, Refusal, SessionConfig};
use crate::time::{Instant, WallClock};
use crate::wire::dhcp6::{Duid, Prefix};

/// All sessions and leases.
///
/// ```text
///  by prefix ──▶ slot ─▶ lease ◀─┬─ cohort ─ generation (epoch) ─ list of its leases
///                          ▲     └─ timer wheel (end of the lease)
///  by client ──▶ session ──┘
/// ```
///
/// Invariants: a prefix is leased at most once; no two leases of different subscribers overlap; a lease has one session,
/// and a session one lease at least; a lease is in exactly one generation's list, and in the wheel unless it never ends;
/// a lease of an ended generation is invisible to every query and is reclaimed by [`Sessions::handle_timeout`] or by the
/// next login that wants its prefix.
#[derive(Debug)]
pub struct Sessions {
    pub(super) leases: Slab<Lease>,
    pub(super) sessions: Slab<Session>,
    pub(super) by_prefix: Index,
    pub(super) clients: Clients,
    pub(super) cohorts: Cohorts<Cohort>,
    pub(super) wheel: Wheel,
    pub(super) lockouts: Lockouts,
    pub(super) clock: WallClock,
    pub(super) numbering: Numbering,
    pub(super) capacity: u32,
    port_limits: Vec<Option<u32>>,
    pub(super) limits: Limits,
    /// Live leases.
    pub(super) counts: Counts,
    /// Present in a cluster.
    pub(super) share: Option<Box<Share<Prefix>>>,
    pub(super) commands: VecDeque<Command>,
}

impl Sessions {
    /// An empty table. Of the configuration `capacity` is in leases, `port_limits` in clients.
    pub fn new(config: SessionConfig, clock: WallClock, now: Instant) -> Self {
        Self {
            leases: Slab::new(config.capacity),
            // A client may appear on a new line before its old session is gone.
            sessions: Slab::new(config.capacity.saturating_add(1)),
            by_prefix: Index::new(),
            clients: Clients::new(config.capacity as usize),
            cohorts: Cohorts::new(FIRST_COHORT6 as u16..MAX_COHORTS as u16),
            wheel: Wheel::new(now),
            lockouts: Lockouts::new(config.lockout),
            clock,
            numbering: Numbering::default(),
            capacity: config.capacity,
            port_limits: config.port_limits,
            limits: Limits::default(),
            counts: Counts::default(),
            share: None,
            commands: VecDeque::new(),
        }
    }

    /// The wall clock was set.
    pub fn handle_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Whether this client may log in. A client that is logged in always may: it renews. `mac`: its own; `None` behind a
    /// relay below, where that of the relay says nothing about it.
    pub fn admits(&self, line: Line, client: Duid<'_>, mac: Option<[u8; 6]>, now: Instant) -> Result<(), Refusal> {
        if self.by_client(line, client).is_some() {
            return Ok(());
        }
        if let Some(until) = mac.and_then(|mac| self.lockouts.locked(&(line, HardwareAddress::ethernet(mac)), now)) {
            return Err(Refusal::LockedOut { until });
        }
        if mac.is_some_and(|mac| self.mac_is_full(line, mac)) {
            return Err(Refusal::MacFull);
        }
        if self.port_is_full(line.port) { Err(Refusal::PortFull) } else { Ok(()) }
    }

    pub(super) fn port_is_full(&self, port: PortId) -> bool {
        let limit = self.port_limits.get(usize::from(port.0)).copied().flatten();
        // A whole card's leases end at once, and their sessions go one by one: then there are fewer clients than either.
        let clients = self.clients.on_port(port);
        limit.is_some_and(|limit| clients.min(self.counts.port(port)) >= limit)
    }

    /// Leases there is room for.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Live leases.
    pub fn count(&self) -> u64 {
        self.counts.all()
    }

    /// Live leases of an FPC, and the orphaned ones among them. Constant work.
    pub fn fpc_count(&self, fpc: FpcId) -> (u64, u64) {
        self.counts.fpc(fpc)
    }

    /// Live leases on a port. Constant work.
    pub fn port_count(&self, port: PortId) -> u32 {
        self.counts.port(port)
    }

    /// Leases in memory, those included that have ended and wait to be reclaimed; and sessions.
    pub fn resident(&self) -> (u32, u32) {
        (self.leases.len(), self.sessions.len())
    }

    /// The live lease of exactly this prefix, and its session.
    pub fn get(&self, prefix: Prefix) -> Option<(&Lease, &Session)> {
        let lease = &self.leases[self.slot(prefix)?];
        Some((lease, &self.sessions[lease.session]))
    }

    /// The slot of the live lease of exactly this prefix.
    pub fn slot(&self, prefix: Prefix) -> Option<u32> {
        self.by_prefix.get(prefix).filter(|slot| self.is_live(*slot))
    }

    pub(super) fn is_live(&self, slot: u32) -> bool {
        !self.cohorts.has_ended(&self.leases[slot])
    }

    /// The session of a client on a line; it has a live lease.
    pub fn by_client(&self, line: Line, client: Duid<'_>) -> Option<&Session> {
        let session = &self.sessions[self.number(line, client)?];
        self.leases(session).next().map(|_| session)
    }

    /// The live leases of a session, with their slots.
    pub fn leases<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = (u32, &'a Lease)> {
        let live = session.slots.iter().filter(|slot| self.is_live(**slot));
        live.map(|slot| (*slot, &self.leases[*slot]))
    }

    /// Live leases from slot `from` on, with their slots and sessions, in the order of slots.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (u32, &Lease, &Session)> {
        let live = self.leases.iter_from(from).filter(|(_, lease)| !self.cohorts.has_ended(*lease));
        live.map(|(slot, lease)| (slot, lease, &self.sessions[lease.session]))
    }

    /// The route that the data plane should have for this prefix.
    pub fn route(&self, prefix: Prefix) -> Option<Route> {
        self.slot(prefix).map(|slot| self.route_of(slot, false))
    }

    /// All routes that the data plane should have.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.iter_from(0).map(|(slot, lease, session)| lease.route(slot, session, false))
    }

    pub(super) fn route_of(&self, slot: u32, fresh: bool) -> Route {
        let lease = &self.leases[slot];
        lease.route(slot, &self.sessions[lease.session], fresh)
    }

    /// Live leases of a cohort. Constant work.
    pub fn cohort_count(&self, id: CohortId) -> u64 {
        self.cohorts.count(id, Epoch(u32::MAX)).0
    }

    /// A cohort.
    pub fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(id)
    }

    /// All cohorts.
    pub fn cohorts(&self) -> impl Iterator<Item = (CohortId, &Cohort)> {
        self.cohorts.iter()
    }

    /// The cell of `COHORTS` that belongs to a cohort.
    pub fn least_epoch(&self, id: CohortId) -> Epoch {
        let ended = self.cohorts.get(id).and_then(|cohort| cohort.ended);
        Epoch(ended.map_or(0, |ended| ended.0.saturating_add(1)))
    }

    /// The greatest epoch of an FPC's live leases.
    pub fn latest_epoch(&self, fpc: FpcId) -> Option<Epoch> {
        self.cohorts.of_fpc(fpc).filter_map(|id| self.cohorts.latest(id)).max()
    }

    pub(super) fn cohort_of(&self, slot: u32) -> &Cohort {
        self.cohorts.get(self.leases[slot].cohort).expect("a lease's cohort exists")
    }
}
