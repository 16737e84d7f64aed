//! The server's decisions: a datagram and the time go in, commands come out.
//!
//! ```text
//!           SOLICIT               REQUEST, rapid commit                 RELEASE, DECLINE, RELEASE-REQUEST
//!   (none) ─────────▶ Offered ─────────────────────────▶ Active ───────────────────────────▶ Free / Held
//!              │         │ a few seconds          │ valid lifetime over             │
//!              │         └──────▶ Free ◀──────────┘                                 │
//!              └─────────────────── again ◀─────────────────────────────────────────┘
//! ```

mod answer;
mod bulk;
mod clients;
mod command;
mod dropped;
mod query;
mod release;
mod renew;
mod request;
mod shared;
mod single;
mod tag;

use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::VecDeque;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::{Duid, Malformed, kind};
use thiserror::Error;

pub use self::command::Command;
use self::dropped::Dropped;
pub(crate) use self::request::MAX_PATH;
use self::request::Request;
use super::config::{Config, ConfigError, Subnet};
use super::event::{Counters, Event, Status};
use super::leases::{Leases, Restore, Slot, Way};
use super::record::{self, Record};
use crate::exchange::{Filter, Lease};
use crate::leases;
use crate::load::{self, Fill};
use crate::record::Now;
use crate::server::conflict::Declines;
use crate::server::connections::{Connections, Teller as _};
use crate::server::transactions::Transactions;
use crate::server::wall::Wall;

/// How long settling a backlog may wait for the next turn.
const TICK: Duration = Duration::from_millis(50);
/// Leases settled in one turn of the background work.
const TURN: usize = 2000;

/// Why a server can't start.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What a record on disk is for. Its value is damaged or of a later version.
    #[error("{0} can't be read: it is damaged, or a later version wrote it")]
    Record(String),
}

/// The server, without I/O and without a clock.
#[derive(Debug)]
pub struct Server {
    config: Config,
    leases: Leases,
    transactions: Transactions,
    connections: Connections<Ipv6Addr>,
    declines: Declines,
    commands: VecDeque<Command>,
    counters: Counters,
    not_before: Instant,
    /// Other servers have the same leases.
    is_shared: bool,
    wall: Wall,
}

impl Server {
    /// A server with the records that are on disk. `now` is since boot, `unix` since 1970.
    ///
    /// # Errors
    /// When the configuration can't work, and when a record can't be read: what is leased in it would be given to
    /// somebody else.
    pub fn new<R>(config: Config, records: R, now: Instant, unix: Duration) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    {
        config.validate()?;
        let now = Now { at: now, unix };
        let mut restore = Restore::new(&config);
        let mut transactions = Transactions::default();
        for (key, value) in records {
            match Record::decode(&key, &value, &now) {
                Some(Record::Lease(binding, lease)) => restore.lease(binding, lease, &now),
                Some(Record::Cutoff(scope, cutoff)) => restore.cutoff(&scope, cutoff),
                Some(Record::Result { device, txid, record }) => transactions.restore(device, txid, record),
                None => return Err(StartError::Record(record::name(&key))),
            }
        }
        Ok(Self {
            leases: restore.finish(&now),
            transactions,
            connections: Connections::default(),
            declines: Declines::default(),
            commands: VecDeque::new(),
            counters: Counters::default(),
            not_before: now.at,
            is_shared: false,
            wall: Wall::default(),
            config,
        })
    }

    /// A datagram from `source` arrived on the server's port.
    pub fn handle_message(&mut self, source: SocketAddrV6, payload: &[u8], now: Instant, unix: Duration) {
        let now = Now { at: now, unix };
        if self.is_shared {
            self.leases.advance(u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX));
        }
        self.wall.look(&now);
        let dropped = match Request::read(source, payload) {
            Ok(request) => self.dispatch(&request, &now).err(),
            Err(Malformed::Kind(_)) => Some(Dropped::Unexpected),
            Err(_) => Some(Dropped::Malformed),
        };
        let counters = &mut self.counters;
        match dropped {
            None => {}
            Some(Dropped::Malformed) => counters.malformed += 1,
            Some(Dropped::Unexpected) => counters.unexpected += 1,
            Some(Dropped::Unicast) => counters.unicast += 1,
            Some(Dropped::NoSubnet) => counters.no_subnet += 1,
            Some(Dropped::OtherServer) => counters.other_server += 1,
            Some(Dropped::NotHeld) => counters.not_held += 1,
        }
    }

    fn dispatch(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        if request.message.kind() == self.config.release.types.request() {
            return self.handle_release_request(request, now);
        }
        match request.message.kind() {
            kind::LEASEQUERY => self.handle_leasequery(request, now),
            // The socket has one global address, so what no relay brought was sent by unicast. No client is told
            // that it may do so (option 12), and who wrote it can't be known (RFC 8415 sections 16 and 18.4, RFC 9915).
            client if request.nest.is_none() && is_clients(client) => Err(Dropped::Unicast),
            kind::SOLICIT => self.handle_solicit(request, now),
            kind::REQUEST => self.handle_request(request, now),
            kind::CONFIRM => self.handle_confirm(request),
            kind::RENEW => self.handle_renew(request, now),
            kind::REBIND => self.handle_rebind(request, now),
            kind::RELEASE => self.handle_release(request, now),
            kind::DECLINE => self.handle_decline(request, now),
            kind::INFORMATION_REQUEST => self.handle_information(request),
            _ => Err(Dropped::Unexpected),
        }
    }

    /// What the clocks say now, as DHCPv4's half is told.
    pub fn watch_clock(&mut self, now: Instant, unix: Duration) {
        self.wall.look(&Now { at: now, unix });
    }

    /// Time passed: leases expire, ended ones are reclaimed, old results are forgotten, a bounded part at a time, and
    /// answers on connections go on.
    pub fn handle_timeout(&mut self, now: Instant, unix: Duration) {
        let now = Now { at: now, unix };
        self.tend_connections(&now);
        self.wall.look(&now);
        self.write_anew(&now);
        if self.not_before <= now.at {
            self.leases.expire(&now, TURN);
            self.leases.reclaim(&now, TURN);
            self.forget_results(&now);
            self.not_before = now.at + TICK;
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.leases.next_expiry(), self.leases.next_reclaim(), self.transactions.next_expiry()];
        let due = due.into_iter().flatten().min().map(|at| at.max(self.not_before));
        due.into_iter().chain(self.connections.due(&self.config.leasequery)).chain(self.wall.due()).min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// How full the pools are; those of addresses under the prefix of their subnet.
    fn fills(&self) -> Vec<Fill> {
        load::sums(self.leases.fills().map(|(subnet, fill)| {
            let name = if fill.name.is_empty() { self.subnet(subnet).prefix.to_string() } else { fill.name };
            Fill { name, ..fill }
        }))
    }

    /// How things are. `store_ok` is the shell's to know.
    pub fn status(&self) -> Status {
        Status {
            active: self.leases.active(),
            known: self.leases.known() as u64,
            capacity: self.leases.capacity(),
            scopes: self.leases.scopes(),
            store_ok: true,
            fills: self.fills(),
            counters: self.counters,
        }
    }

    /// Subnets that serve the client's link, in the order of the configuration. One at least.
    fn subnets(&self, request: &Request<'_>) -> Result<Vec<u16>, Dropped> {
        let link = request.link().ok_or(Dropped::NoSubnet)?;
        let serving = self.config.subnets.iter().zip(0..).filter(|(subnet, _)| subnet.serves(link));
        let found: Vec<u16> = serving.map(|(_, index)| index).collect();
        if found.is_empty() { Err(Dropped::NoSubnet) } else { Ok(found) }
    }

    fn subnet(&self, index: u16) -> &Subnet {
        &self.config.subnets[usize::from(index)]
    }

    /// Who the client is; it must say so (RFC 8415 section 16).
    fn client<'a>(&self, request: &Request<'a>) -> Result<Duid<'a>, Dropped> {
        request.message.client_id()?.ok_or(Dropped::Unexpected)
    }

    /// That the message is for this server, and for no other.
    fn for_us(&self, request: &Request<'_>) -> Result<(), Dropped> {
        match request.message.server_id()? {
            Some(server) if server == self.config.server_id.as_duid() => Ok(()),
            Some(_) => Err(Dropped::OtherServer),
            None => Err(Dropped::Unexpected),
        }
    }

    /// That the message is for any server.
    fn for_anyone(&self, request: &Request<'_>) -> Result<(), Dropped> {
        request.message.server_id()?.map_or(Ok(()), |_| Err(Dropped::Unexpected))
    }

    /// Puts a lease in force; it is durable before whatever is sent next.
    fn grant(&mut self, slot: Slot, way: &Way, now: &Now) {
        let subnet = self.subnet(self.leases.get(slot).subnet);
        let (preferred, expires) = (end(now, subnet.preferred), end(now, subnet.valid));
        self.leases.grant(slot, way, preferred, expires, now);
        self.persist(slot, now);
    }

    /// REPLYs so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.counters.reply
    }

    /// Leases that a filter admits, of up to `most` addresses from number `from` on, and the number to go on from. They are
    /// numbered as they were first leased, and keep their numbers until they are forgotten.
    pub fn leases(
        &self,
        from: u64,
        most: usize,
        filter: &Filter,
        now: Instant,
        unix: Duration,
    ) -> (Vec<Lease>, Option<u64>) {
        let now = Now { at: now, unix };
        leases::page((from, most), self.leases.known() as u64, filter, |slot| self.leases.told(slot, &now))
    }

    /// Takes records of leases that the table has no place for off the disk.
    fn forget_given_back(&mut self) {
        for binding in self.leases.given_back() {
            self.commands.push_back(Command::Forget { key: record::key(&binding) });
        }
    }

    /// Some of what the wall clock has a bearing on, where it was set. Servers that share leases go by their database's.
    fn write_anew(&mut self, now: &Now) {
        let slots = self.wall.turn(self.leases.known(), now);
        if self.is_shared {
            return;
        }
        for slot in slots.filter_map(|slot| Slot::try_from(slot).ok()) {
            if self.leases.has_end(slot, now) {
                self.persist(slot, now);
            }
        }
    }

    fn persist(&mut self, slot: Slot, now: &Now) {
        let key = record::key(&self.leases.get(slot).binding);
        let value = self.leases.record(slot).encode(now);
        self.commands.push_back(Command::Persist { key, value });
    }

    fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }
}

/// What clients send to servers.
fn is_clients(kind: u8) -> bool {
    use kind::{CONFIRM, DECLINE, INFORMATION_REQUEST, REBIND, RELEASE, RENEW, REQUEST, SOLICIT};
    matches!(kind, SOLICIT | REQUEST | CONFIRM | RENEW | REBIND | RELEASE | DECLINE | INFORMATION_REQUEST)
}

/// A lifetime on the wire: what does not fit is infinite.
fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

/// The end of a lifetime that begins now.
fn end(now: &Now, lifetime: Duration) -> Instant {
    if seconds(lifetime) == u32::MAX { Instant::NEVER } else { now.at + lifetime }
}
