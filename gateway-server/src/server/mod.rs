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
mod terms;
pub(crate) mod transactions;
pub(crate) mod wall;

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::VecDeque;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::{REQUEST, code, kind};
use thiserror::Error;

use self::auth::{Counter, Peers};
use self::conflict::Declines;
use self::connections::{Connections, Teller as _};
use self::forcerenew::Nonces;
pub use self::forcerenew::RenewError;
pub(crate) use self::forcerenew::Told;
use self::probe::Probes;
use self::refused::Refused;
use self::request::Request;
pub use self::shared::is_common;
use crate::config::area;
use crate::config::delegated::Tenure;
use crate::config::reservation::Reservations;
use crate::config::{Config, ConfigError, Subnet};
use crate::event::{Counters, Event, Status};
use crate::exchange::{Filter, Lease};
use crate::leases::{self, Leases, Restore, Slot};
use crate::load::{self, Fill, Latency};
use crate::record::{self, Now, Record};
use crate::server::transactions::Transactions;
use crate::server::wall::Wall;

/// What the shell must do, in the order in which it is polled. Every record must be durable before a message that
/// was polled after it leaves, unless the message says that it need not wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record on disk.
    Persist {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Take a record off the disk. Need not be durable by itself.
    Forget {
        /// Its key.
        key: Vec<u8>,
    },
    /// Send a datagram.
    Send {
        /// Relay or client.
        to: SocketAddrV4,
        /// A DHCP message.
        payload: Vec<u8>,
        /// Whether it waits for the records before it. An OFFER promises nothing: what it offers may be gone by the time it is
        /// asked for, whoever forgot it. One that is signed waits all the same, so that signatures arrive in the order of their
        /// numbers.
        waits: bool,
    },
    /// Send an echo request to an address, and say when it is answered ([`Server::handle_echo`]).
    Probe {
        /// Whom to ask.
        address: Ipv4Addr,
    },
    /// Write to a connection, and say when that is done ([`Server::handle_written`]).
    Stream {
        /// As [`Server::handle_connect`] numbered it.
        connection: u64,
        /// Messages behind their lengths.
        octets: Vec<u8>,
    },
    /// End a connection. Nothing more is heard of it.
    Close {
        /// As [`Server::handle_connect`] numbered it.
        connection: u64,
    },
    /// Tell the operator.
    Tell(Event),
}

/// How long settling a backlog may wait for the next turn.
const TICK: Duration = Duration::from_millis(5);
/// Leases settled in one turn of the background work, which a login may have to wait for.
const TURN: usize = 200;

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
    /// A server with the records that are on disk, in the order of their keys. `now` is since boot, `unix` since 1970.
    ///
    /// # Errors
    /// When the configuration can't work, and when a record can't be read: the address of a lease that is not known
    /// would be given to somebody else.
    pub fn new<R>(config: Config, records: R, now: Instant, unix: Duration) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    {
        Self::restore(config, records, 0, now, unix)
    }

    /// The same with records that somebody else has in memory, `expected` of them, about.
    pub(crate) fn restore<R, O>(
        mut config: Config,
        records: R,
        expected: usize,
        now: Instant,
        unix: Duration,
    ) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (O, O)>,
        O: AsRef<[u8]>,
    {
        config.validate()?;
        // Who asks and relays is no client.
        let hosts = [&config.bulk_release.relays[..], &config.leasequery.requestors, &[config.listen]].concat();
        config.excluded.extend(hosts);
        config.excluded.sort_unstable();
        let reservations = Reservations::new(core::mem::take(&mut config.reservations));
        let subnets = core::mem::take(&mut config.subnets).into_iter();
        config.subnets = subnets.flat_map(|subnet| area::areas(subnet, &reservations, &config.excluded)).collect();
        if config.subnets.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooManySubnets(config.subnets.len()).into());
        }
        let now = Now { at: now, unix };
        if let Some(delegated) = &config.delegated {
            let made = |(prefix, length)| delegated.subnet(prefix, length, None, Tenure::Unconfirmed);
            let held: Vec<Subnet> = delegated.held.iter().copied().map(made).collect();
            config
                .subnets
                .extend(held.into_iter().flat_map(|subnet| area::areas(subnet, &reservations, &config.excluded)));
        }
        let mut restore = Restore::new(&config.subnets, expected);
        let mut transactions = Transactions::default();
        let mut peers = Peers::new(config.bulk_release.replay_window);
        let mut nonces = Nonces::default();
        let mut reserved = 0;
        let mut over = Vec::new();
        for (key, value) in records {
            let (key, value) = (key.as_ref(), value.as_ref());
            match Record::decode(key, value, &now) {
                Some(Record::Cutoff(scope, cutoff)) => restore.cutoff(&scope, cutoff),
                Some(Record::Lease(address, lease)) => {
                    let is_over = lease.is_over(&now);
                    if !restore.lease(address, lease, &now) && is_over {
                        over.push(address);
                    }
                }
                Some(Record::Result { device, txid, record }) => transactions.restore(device, txid, record),
                Some(Record::Replay { key_id, relay, device, counter }) => {
                    peers.restore(key_id, relay, device, counter);
                }
                Some(Record::OwnCounter(number)) => reserved = number,
                Some(Record::Subnets) => {}
                Some(Record::Nonce(address, told)) => nonces.restore(address, told),
                Some(Record::Secret(secret)) => nonces.restore_secret(secret),
                None => return Err(StartError::Record(record::name(key))),
            }
        }
        let mut server = Self {
            leases: restore.finish(),
            transactions,
            connections: Connections::default(),
            peers,
            counter: Counter::after(reserved, unix),
            probes: Probes::default(),
            declines: Declines::default(),
            nonces,
            commands: VecDeque::new(),
            counters: Counters::default(),
            not_before: now.at,
            refused: Refused::default(),
            wall: Wall::default(),
            reservations,
            is_shared: false,
            again: false,
            was_replayed: false,
            config,
        };
        server.forget_lost(over);
        Ok(server)
    }

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
