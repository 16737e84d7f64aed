//! The session table: who is logged in, where, and since when.

use core::hash::BuildHasher;
use core::net::Ipv4Addr;
use std::collections::VecDeque;

use gateway_common::fpc::FIRST_COHORT6;
use gateway_common::unit::{UNITS, Unit};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::clients::Clients;
use super::cohort::{Cohorts, Grouped, Link};
use super::command::{Command, Route};
use super::counts::Counts;
use super::lockout::Lockouts;
use super::numbering::Numbering;
use super::share::Share;
use super::slab::Slab;
use super::wheel::{Timed, Timer, Wheel};
use super::words::{Cohort, CohortId, Lockout, Refusal};
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::release::Individual;
use crate::replication::Stamp;
use crate::scope::Epoch;
use crate::time::{Instant, WallClock};

/// One login, as long as it lasts.
#[derive(Clone, Debug)]
pub struct Session {
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: HardwareAddress,
    /// Option 61 as the client sent it.
    pub client_id: Option<Box<[u8]>>,
    /// Where the client is.
    pub line: Line,
    /// FPC, server and scope.
    pub cohort: CohortId,
    /// Epoch of the FPC when it logged in.
    pub epoch: Epoch,
    /// Option 54 of the ACK.
    pub server_identifier: Ipv4Addr,
    /// The giaddr its request carried.
    pub giaddr: Ipv4Addr,
    /// The value of option 82 as the relay sent it.
    pub agent_information: Box<[u8]>,
    /// Time of the last exchange between client and server.
    pub at: Instant,
    /// End of the lease; [`Instant::NEVER`] for an infinite one and for static subscribers.
    pub expires: Instant,
    /// Logged out, but its server never confirmed.
    pub orphaned: bool,
    /// From the configuration; there is no lease.
    pub is_static: bool,
    /// The change, of whichever member, that made it what it is; [`Stamp::NONE`] outside of a cluster, and for what makes way
    /// for whatever comes.
    pub stamp: Stamp,
    /// What was said of it last is a renewal, which says nothing to whom the rest is unknown.
    pub(super) renewed: bool,
    /// Some members may not have it: somebody has ended what was renewed since.
    pub(super) lacking: bool,
    pub(super) link: Link,
    pub(super) timer: Timer,
}

impl Session {
    pub(super) fn blank() -> Self {
        Self {
            address: Ipv4Addr::UNSPECIFIED,
            hardware: HardwareAddress::NONE,
            client_id: None,
            line: Line { port: PortId(0), tags: gateway_common::vlan::VlanTags::NONE },
            cohort: CohortId(0),
            epoch: Epoch(0),
            server_identifier: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            agent_information: Box::default(),
            at: Instant::ZERO,
            expires: Instant::NEVER,
            orphaned: false,
            is_static: false,
            stamp: Stamp::NONE,
            renewed: false,
            lacking: false,
            link: Link::NONE,
            timer: Timer::IDLE,
        }
    }

    pub(super) fn route(&self, slot: u32, fresh: bool) -> Route {
        Route {
            address: self.address,
            slot,
            epoch: self.epoch,
            port: self.line.port,
            cohort: self.cohort,
            // Only Ethernet clients are admitted.
            mac: self.hardware.mac().unwrap_or_default(),
            tags: self.line.tags,
            expires: self.expires,
            fresh,
        }
    }
}

impl Timed for Session {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
    fn expires(&self) -> Instant {
        self.expires
    }
}

impl Grouped for Session {
    fn link(&self) -> &Link {
        &self.link
    }
    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }
    fn cohort(&self) -> CohortId {
        self.cohort
    }
    fn epoch(&self) -> Epoch {
        self.epoch
    }
    fn port(&self) -> PortId {
        self.line.port
    }
    fn orphaned(&self) -> bool {
        self.orphaned
    }
    fn set_orphaned(&mut self, orphaned: bool) {
        self.orphaned = orphaned;
    }
}

/// How the table is made.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Sessions there is room for.
    pub capacity: u32,
    /// Clients each port may have, by [`PortId`]; `None` is no limit.
    pub port_limits: Vec<Option<u32>>,
    /// Lock-out of clients that log in and out in short cycles.
    pub lockout: Option<Lockout>,
}

/// All sessions.
///
/// ```text
///  by address ─┐                      ┌─ cohort ─ generation (epoch) ─ list of its sessions
///  by client  ─┼─▶ slot ─▶ session ◀──┤
///  lowest free ┘                      └─ timer wheel (end of the lease)
/// ```
///
/// Invariants: an address has at most one session; a session is in exactly one generation's list, and in the wheel
/// unless it never expires or is overdue; a session of an ended generation is invisible to every query and is reclaimed by
/// [`Sessions::handle_timeout`] or by the next login that wants its address.
#[derive(Debug)]
pub struct Sessions {
    pub(super) slab: Slab<Session>,
    pub(super) by_address: HashTable<u32>,
    pub(super) clients: Clients,
    pub(super) hasher: DefaultHashBuilder,
    pub(super) cohorts: Cohorts<Cohort>,
    pub(super) wheel: Wheel,
    pub(super) lockouts: Lockouts,
    pub(super) clock: WallClock,
    pub(super) started: Instant,
    pub(super) numbering: Numbering,
    pub(super) port_limits: Vec<Option<u32>>,
    /// Live sessions.
    pub(super) counts: Counts,
    /// Resident sessions of each work unit.
    pub(super) unit_counts: Box<[u32]>,
    /// Present in a cluster.
    pub(super) share: Option<Box<Share<Ipv4Addr>>>,
    /// What the last [`Sessions::bind`] took the place of.
    pub(super) superseded: Option<Individual>,
    pub(super) commands: VecDeque<Command>,
}

impl Sessions {
    /// An empty table.
    pub fn new(config: SessionConfig, clock: WallClock, now: Instant) -> Self {
        Self {
            slab: Slab::new(config.capacity),
            // At full size from the start: growing would move every entry, and stall every login, once in a while.
            by_address: HashTable::with_capacity(config.capacity as usize),
            clients: Clients::default(),
            hasher: DefaultHashBuilder::default(),
            cohorts: Cohorts::new(0..FIRST_COHORT6 as u16),
            wheel: Wheel::new(now),
            lockouts: Lockouts::new(config.lockout),
            clock,
            started: now,
            numbering: Numbering::default(),
            port_limits: config.port_limits,
            counts: Counts::default(),
            unit_counts: vec![0; UNITS as usize].into(),
            share: None,
            superseded: None,
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

    /// Whether this client may log in. A client that is logged in always may: it renews.
    pub fn admits(&self, line: Line, hardware: &HardwareAddress, now: Instant) -> Result<(), Refusal> {
        if self.by_client(line, hardware).is_some() {
            return Ok(());
        }
        if let Some(until) = self.lockouts.locked(&(line, *hardware), now) {
            return Err(Refusal::LockedOut { until });
        }
        if self.port_is_full(line.port) { Err(Refusal::PortFull) } else { Ok(()) }
    }

    pub(super) fn port_is_full(&self, port: PortId) -> bool {
        let limit = self.port_limits.get(usize::from(port.0)).copied().flatten();
        limit.is_some_and(|limit| self.port_count(port) >= limit)
    }

    /// Live sessions.
    pub fn count(&self) -> u64 {
        self.counts.all()
    }

    /// Live sessions of an FPC, and the orphaned ones among them. Constant work.
    pub fn fpc_count(&self, fpc: FpcId) -> (u64, u64) {
        self.counts.fpc(fpc)
    }

    /// Live sessions on a port. Constant work.
    pub fn port_count(&self, port: PortId) -> u32 {
        self.counts.port(port)
    }

    /// Sessions whose client's DHCP is of this unit, those included that have ended and wait to be reclaimed. Constant work.
    pub fn unit_count(&self, unit: Unit) -> u32 {
        self.unit_counts[unit.index() as usize]
    }

    /// Sessions in memory, those included that have ended and wait to be reclaimed.
    pub fn resident(&self) -> u32 {
        self.slab.len()
    }

    /// The live session that holds this address.
    pub fn get(&self, address: Ipv4Addr) -> Option<&Session> {
        self.slot(address).map(|slot| &self.slab[slot])
    }

    /// The live session that holds this address, by its slot.
    pub fn slot(&self, address: Ipv4Addr) -> Option<u32> {
        self.resident_slot(address).filter(|slot| !self.cohorts.has_ended(&self.slab[*slot]))
    }

    /// Live sessions from slot `from` on, with their slots, in the order of slots.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (u32, &Session)> {
        self.slab.iter_from(from).filter(|(_, session)| !self.cohorts.has_ended(*session))
    }

    /// The route that the data plane should have for this address.
    pub fn route(&self, address: Ipv4Addr) -> Option<Route> {
        self.slot(address).map(|slot| self.slab[slot].route(slot, false))
    }

    /// All routes that the data plane should have.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.iter_from(0).map(|(slot, session)| session.route(slot, false))
    }

    /// A cohort.
    pub fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(id)
    }

    /// All cohorts.
    pub fn cohorts(&self) -> impl Iterator<Item = (CohortId, &Cohort)> {
        self.cohorts.iter()
    }

    /// Live sessions of a cohort. Constant work.
    pub fn cohort_count(&self, id: CohortId) -> u64 {
        self.cohorts.count(id, Epoch(u32::MAX)).0
    }

    /// The cell of `COHORTS` that belongs to a cohort.
    pub fn least_epoch(&self, id: CohortId) -> Epoch {
        let ended = self.cohorts.get(id).and_then(|cohort| cohort.ended);
        Epoch(ended.map_or(0, |ended| ended.0.saturating_add(1)))
    }

    /// The FPC of a session.
    pub fn fpc(&self, session: &Session) -> FpcId {
        self.cohorts.get(session.cohort).expect("a session's cohort exists").fpc
    }

    /// The greatest epoch of an FPC's live sessions.
    pub fn latest_epoch(&self, fpc: FpcId) -> Option<Epoch> {
        self.cohorts.of_fpc(fpc).filter_map(|id| self.cohorts.latest(id)).max()
    }

    pub(super) fn resident_slot(&self, address: Ipv4Addr) -> Option<u32> {
        let hash = self.hasher.hash_one(address);
        self.by_address.find(hash, |slot| self.slab[*slot].address == address).copied()
    }
}
