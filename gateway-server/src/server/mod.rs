//! The server's decisions: a message and the time go in, commands come out.
//!
//! ```text
//!              DISCOVER                REQUEST                          RELEASE, DECLINE
//!   (none) ───────────────▶ Offered ───────────────▶ Active ───────────────────────────▶ Free / Held
//!                │             │ a few seconds          │ lease over, or a single logout        │
//!                │             └──────▶ Free ◀──────────┘                                       │
//!                └──────────────────────── again ◀──────────────────────────────────────────────┘
//! ```

mod auth;
mod bulk;
mod bulk_query;
mod clients;
mod command;
pub(crate) mod conflict;
pub(crate) mod connections;
mod delegated;
mod forcerenew;
mod probe;
mod query;
mod recognise;
mod refused;
mod reply;
mod request;
mod reserved;
mod shared;
mod start;
mod terms;
pub(crate) mod transactions;
pub(crate) mod wall;

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::VecDeque;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::{REQUEST, code, kind};

use self::auth::{Counter, Peers};
pub use self::command::Command;
use self::conflict::Declines;
use self::connections::{Connections, Teller as _};
use self::forcerenew::Nonces;
pub use self::forcerenew::RenewError;
pub(crate) use self::forcerenew::Told;
use self::probe::Probes;
use self::refused::Refused;
use self::request::Request;
pub use self::shared::is_common;
pub use self::start::StartError;
use crate::config::reservation::Reservations;
use crate::config::{Config, Subnet};
use crate::event::{Counters, Event, Status};
use crate::exchange::{Filter, Lease};
use crate::leases::{self, Leases, Slot};
use crate::load::{self, Fill, Latency};
use crate::record::{self, Now};
use crate::server::transactions::Transactions;
use crate::server::wall::Wall;

/// How long settling a backlog may wait for the next turn.
const TICK: Duration = Duration::from_millis(5);
/// Leases settled in one turn of the background work, which a login may have to wait for.
const TURN: usize = 200;

/// The server, without I/O and without a clock.
#[derive(Debug)]
pub struct Server {
    /// Its subnets are areas ([`crate::config::area`]).
    config: Config,
    reservations: Reservations,
    leases: Leases,
    transactions: Transactions,
    connections: Connections<Ipv4Addr>,
    peers: Peers,
    counter: Counter,
    probes: Probes,
    declines: Declines,
    nonces: Nonces,
    commands: VecDeque<Command>,
    counters: Counters,
    not_before: Instant,
    /// Other servers have the same leases.
    is_shared: bool,
    /// The message was verified before, and is handled once more.
    again: bool,
    /// The last message was dropped as a replay.
    was_replayed: bool,
    /// Clients that were refused where subnets come and go.
    refused: Refused,
    wall: Wall,
}

impl Server {
    /// A datagram from `source` arrived on the server's port.
    pub fn handle_message(&mut self, source: SocketAddrV4, payload: &[u8], now: Instant, unix: Duration) {
        let now = Now { at: now, unix };
        self.was_replayed = false;
        if self.is_shared {
            self.leases.advance(u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX));
            self.counter.advance(unix);
        }
        self.wall.look(&now);
        let Some(mut request) = Request::read(source, payload, &self.config.bulk_release.code_points) else {
            self.counters.malformed += 1;
            return;
        };
        if request.message.op() != REQUEST {
            self.counters.unexpected += 1;
            return;
        }
        if request.is_bulk_release(&self.config.bulk_release.code_points) {
            self.handle_bulk_release(request, &now);
            return;
        }
        if !self.authenticate(&mut request) {
            return;
        }
        self.recognise(&mut request, &now);
        match request.message.kind() {
            Some(kind::DISCOVER) => self.handle_discover(&request, &now),
            Some(kind::REQUEST) => self.handle_request(&request, &now),
            Some(kind::DECLINE) => self.handle_decline(&request, &now),
            Some(kind::RELEASE) => self.handle_release(&request, &now),
            Some(kind::INFORM) => self.handle_inform(&request),
            Some(kind::LEASEQUERY) => self.handle_leasequery(&request, &now),
            // BOOTP, which knows no leases and would keep its address for ever (RFC 2131 section 3 would allow it).
            None if request.message.option(code::MESSAGE_TYPE).is_none() => self.counters.bootp += 1,
            _ => self.counters.unexpected += 1,
        }
    }

    /// What the clocks say now, of which nothing else may have told for long: records go by the wall clock, which may have been set.
    pub fn watch_clock(&mut self, now: Instant, unix: Duration) {
        self.wall.look(&Now { at: now, unix });
    }

    /// Time passed: leases expire, ended ones are reclaimed, old results are forgotten; a bounded part at a time.
    pub fn handle_timeout(&mut self, now: Instant, unix: Duration) {
        let now = Now { at: now, unix };
        self.tend_connections(&now);
        self.tend_probes(&now);
        self.wall.look(&now);
        self.write_anew(&now);
        if now.at < self.not_before {
            return;
        }
        self.leases.expire(&now, TURN);
        self.leases.reclaim(&now, TURN);
        for (device, txid) in self.transactions.expire(now.at) {
            self.commands.push_back(Command::Forget { key: record::result_key(&device, txid) });
        }
        self.not_before = now.at + TICK;
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.leases.next_expiry(), self.leases.next_reclaim(), self.transactions.next_expiry()];
        let due = due.into_iter().flatten().min().map(|at| at.max(self.not_before));
        let at_once = [self.connections.due(&self.config.leasequery), self.probes.next_due(), self.wall.due()];
        due.into_iter().chain(at_once.into_iter().flatten()).min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// How full the subnets are, each with all of its parts.
    fn fills(&self) -> Vec<Fill> {
        let subnets = self.config.subnets.iter().zip(0..).filter(|(subnet, _)| !subnet.pools.is_empty());
        let name = |subnet: &Subnet| format!("{}/{}", subnet.prefix, subnet.length);
        load::sums(subnets.map(|(subnet, index)| Fill { name: name(subnet), ..self.leases.fill(index) }))
    }

    /// How things are. `store_ok` and `latency` are the shell's to know.
    pub fn status(&self) -> Status {
        Status {
            active: self.leases.active(),
            known: self.leases.known(),
            capacity: self.leases.capacity(),
            scopes: self.leases.scopes(),
            store_ok: true,
            store: self.config.store.to_string(),
            fills: self.fills(),
            latency: Latency::default(),
            counters: self.counters,
            six: None,
            subnets: None,
        }
    }

    /// ACKs so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.counters.ack
    }

    /// Leases that a filter admits, of up to `most` addresses from number `from` on, and the number to go on from. They are
    /// numbered as they were first leased, and keep their numbers for the life of the server.
    pub fn leases(
        &self,
        from: u64,
        most: usize,
        filter: &Filter,
        now: Instant,
        unix: Duration,
    ) -> (Vec<Lease>, Option<u64>) {
        let now = Now { at: now, unix };
        leases::page((from, most), self.leases.known(), filter, |slot| self.leases.told(slot, &now))
    }

    /// Some of what the wall clock has a bearing on, where it was set. Servers that share leases go by their database's.
    fn write_anew(&mut self, now: &Now) {
        let slots = self.wall.turn(self.leases.known() as usize, now);
        if self.is_shared {
            return;
        }
        for slot in slots.filter_map(|slot| Slot::try_from(slot).ok()) {
            self.leases.settle(slot, now);
            if self.leases.has_end(slot) {
                self.persist(slot, now);
            }
        }
    }

    fn persist(&mut self, slot: Slot, now: &Now) {
        let key = record::lease_key(self.leases.get(slot).address);
        let value = self.leases.record(slot).encode(now);
        self.commands.push_back(Command::Persist { key, value });
    }

    fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }
}
