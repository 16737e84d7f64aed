//! The loop around the server: datagrams in, one synchronised write for all that arrived meanwhile, replies out.
//!
//! ```text
//!  socket ──drain──▶ Server ──commands──▶ changes ──commit (one fsync)──▶ replies ──▶ socket
//!     ▲                 │                     │ failed                                  │
//!     │                 └─── OFFERs ───▶      └── kept, replies dropped ── retry        │
//!     │ fills during the fsync                                                          │
//!     └─────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! While one batch is being synchronised the next one gathers in the socket, so batches grow with the load and the
//! cost of an fsync is shared by all of them. The loop itself waits for the disk: it has a thread of its own. When the disk
//! takes no more, nothing is answered, because nothing could be kept: clients turn to another server. The changes stay in
//! memory until they can be written.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gateway_store::{Durability, Settings, Store};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::config::place::Place;
use crate::event::Status;
use crate::load::Latency;
use crate::server::Server;
use crate::shell::clock;
use crate::shell::datagrams::{self, Inbox};
use crate::shell::lookup::{Lookup, Question};
use crate::shell::pace::Pace;
use crate::shell::ping::Pinger;
use crate::shell::reading;
use crate::shell::service6::Six;
use crate::shell::sockets::{bind, listen};
use crate::shell::streams::Streams;
use crate::subnets::{self, Ask, Subnets};
use crate::v6;

/// Datagrams handled between two writes.
pub(crate) const BATCH: usize = 1024;
/// How long to wait before the disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The leases' place on disk.
pub const LEASES: Settings = Settings { records: "leases", memtable: 16 << 20, durability: Durability::Disk };
/// What needs a socket for pings.
pub(crate) const PING: &str = "the socket for ping_check (it needs CAP_NET_RAW)";
/// How often the status is renewed.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// A server with its store and socket.
#[derive(Debug)]
pub struct Service {
    pub(super) server: Server,
    /// The server's own address.
    listen: Ipv4Addr,
    pub(super) store: Store,
    pub(super) socket: UdpSocket,
    /// Present where bulk leasequery is answered.
    pub(super) streams: Option<Streams>,
    /// Present where DHCPv6 is served.
    pub(super) six: Option<Six>,
    /// Present where subnets come from other servers, or go to them.
    pub(super) subnets: Option<Subnets>,
    /// What an operator did with them, answered when it is on disk.
    pub(super) asked: Vec<Ask>,
    /// Changes not yet on disk, the latest for each key.
    pub(super) pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    inbox: Inbox,
    /// Present while it runs, where addresses are asked before they are offered.
    pub(super) pinger: Option<Arc<Pinger>>,
    pub(super) store_ok: bool,
    latency: Latency,
    status: watch::Sender<Status>,
    pub(super) lookup: Lookup,
    questions: mpsc::Receiver<Question>,
}

impl Service {
    /// Opens the store and reads it, binds the socket in the current network namespace.
    pub fn open(config: Config) -> anyhow::Result<Self> {
        let address = SocketAddrV4::new(config.listen, config.ports.server);
        let socket = bind(address)?;
        // Where nobody may ask, nobody need connect.
        let asked = config.leasequery.enabled && !config.leasequery.requestors.is_empty();
        let streams = asked.then(|| listen(address)).transpose()?;
        Ok(Self { streams, ..Self::with_socket(config, socket)? })
    }

    /// The same with a socket that is already bound, perhaps in another network namespace, and without bulk leasequery.
    pub fn with_socket(mut config: Config, socket: UdpSocket) -> anyhow::Result<Self> {
        socket.set_nonblocking(true)?;
        let Place::Directory(directory) = &config.store else {
            bail!("leases in a database are those of servers that share")
        };
        let store = Store::open(directory, LEASES).context("open the lease store")?;
        let started = std::time::Instant::now();
        let subnets = subnets::open(&mut config, &store)?;
        let six = config.v6.clone();
        let listen = config.listen;
        let (mut records6, expected) = (Vec::new(), store.about());
        // Without a lease that it granted the server would grant its address again: one unreadable record ends the start.
        let server = reading::with(&store, |records| {
            let records = records.filter(|(key, value)| {
                let is_six = key.as_ref().first() == Some(&v6::record::CLASS);
                // Those of the half that is not configured are left alone: it may be again.
                if is_six && six.is_some() {
                    records6.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
                }
                !is_six
            });
            Server::restore(config, records, expected, clock::now(), clock::unix())
        });
        let mut server = server.context("read the leases")??;
        server.seed(crate::shell::ping::random().context("random octets")?);
        let six = six.map(|config| Six::open(config, records6)).transpose()?;
        let status = status(&server, six.as_ref(), true);
        tracing::info!(
            leases = status.active,
            capacity = status.capacity,
            address = %socket.local_addr()?,
            took = ?started.elapsed(),
            "DHCP server ready"
        );
        let (status, _) = watch::channel(status);
        let (lookup, questions) = Lookup::channel(status.subscribe());
        Ok(Self {
            server,
            listen,
            store,
            socket,
            streams: None,
            six,
            subnets,
            asked: Vec::new(),
            pending: BTreeMap::new(),
            inbox: Inbox::new(),
            pinger: None,
            store_ok: true,
            latency: Latency::default(),
            status,
            lookup,
            questions,
        })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.socket.local_addr()
    }

    /// A view of how the server is, renewed twice a second.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Where what is leased can be asked.
    pub fn lookup(&self) -> Lookup {
        self.lookup.clone()
    }

    /// Serves until `shutdown` completes. Everything answered is on disk then. It waits for the disk without yielding: give it
    /// a thread of its own.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        // Not told when there is room to send, which would wake it after each reply.
        // SAFETY: the `AsyncFd` owns its copy of the descriptor, which nobody closes or exchanges while it lives.
        let socket = unsafe { AsyncFd::register_with_interest(self.socket.try_clone()?, Interest::READABLE) }?;
        let mut streams = self.streams.as_ref().map(Streams::sources).transpose()?;
        let mut sources = self.six.as_ref().map(|six| six.sockets.sources()).transpose()?;
        let mut shutdown = core::pin::pin!(shutdown);
        let mut buffer = vec![0; 65536];
        let mut pace = Pace::default();
        let mut status_due = tokio::time::Instant::now() + STATUS_EVERY;
        let this = &mut self;
        let pinger = this.pinger()?.map(Arc::new);
        this.pinger.clone_from(&pinger);
        loop {
            let timeouts = [this.server.poll_timeout(), this.six.as_ref().and_then(|six| six.server.poll_timeout())];
            let timeouts = timeouts.into_iter().chain([this.subnets.as_ref().and_then(Subnets::poll_timeout)]);
            let timeout = timeouts.flatten().min();
            // When the messages of this turn were read, if there are any.
            let mut read = None;
            let before = this.acknowledged();
            let due = timeout.map(|at| at.since(clock::now()));
            let due = if this.pending.is_empty() { due } else { Some(due.map_or(RETRY, |due| due.min(RETRY))) };
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                () = tokio::time::sleep_until(status_due) => {}
                () = tokio::time::sleep(due.unwrap_or(STATUS_EVERY)) => {}
                ready = socket.readable() => {
                    read = Some(clock::now());
                    this.drain(ready.context("DHCP socket")?);
                }
                Some(question) = this.questions.recv() => {
                    let ask = question.answer(&mut this.server, this.six.as_ref().map(|six| &six.server), clock::now(), clock::unix());
                    this.asked.extend(ask);
                }
                answered = async { pinger.as_ref().expect("there").answer().await }, if pinger.is_some() => {
                    this.server.handle_echo(answered, clock::now(), clock::unix());
                }
                input = async { streams.as_mut().expect("there").next().await }, if streams.is_some() => {
                    if let (Some(open), Some(streams)) = (&mut this.streams, &streams) {
                        open.take(input, streams, &mut this.server);
                    }
                }
                input = async { sources.as_mut().expect("there").next().await }, if sources.is_some() => {
                    if let (Some(six), Some(sources)) = (&mut this.six, &sources) {
                        read = Some(clock::now());
                        six.take(input?, sources, &mut buffer);
                    }
                }
            }
            // Whatever came first: the sleep is a new one in each turn, and never ends while something comes in each.
            if timeout.is_some_and(|at| at <= clock::now()) {
                this.handle_timeout();
            }
            let began = clock::now();
            let wrote = this.carry_out(sources.as_ref());
            let done = clock::now();
            if let Some(read) = read.filter(|_| this.store_ok) {
                this.latency.note(done.since(read), this.acknowledged() - before);
            }
            if wrote {
                std::thread::sleep(pace.written(began, done));
            }
            if tokio::time::Instant::now() >= status_due {
                status_due = tokio::time::Instant::now() + STATUS_EVERY;
                this.server.watch_clock(clock::now(), clock::unix());
                this.six.iter_mut().for_each(|six| six.server.watch_clock(clock::now(), clock::unix()));
                let subnets = this.subnets.as_ref().map(|subnets| subnets.tally(clock::now()));
                let both = status(&this.server, this.six.as_ref(), this.store_ok);
                this.status.send_replace(Status { subnets, latency: this.latency, ..both });
            }
        }
    }

    /// Where addresses are asked always, or those of a subnet whose leases were forgotten.
    fn pinger(&self) -> anyhow::Result<Option<Pinger>> {
        if !self.server.asks_addresses() && self.subnets.is_none() {
            return Ok(None);
        }
        match Pinger::open(self.listen).context(PING) {
            Err(error) if !self.server.asks_addresses() => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "if the store is ever lost, addresses can't be asked before they are offered again"
                );
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    /// ACKs and REPLYs so far.
    fn acknowledged(&self) -> u64 {
        self.server.acknowledged() + self.six.as_ref().map_or(0, |six| six.server.acknowledged())
    }

    fn handle_timeout(&mut self) {
        self.server.handle_timeout(clock::now(), clock::unix());
        if let Some(six) = &mut self.six {
            six.server.handle_timeout(clock::now(), clock::unix());
        }
        if let Some(subnets) = &mut self.subnets {
            subnets.handle_timeout(clock::now());
        }
    }

    fn drain(&mut self, mut ready: AsyncFdReadyGuard<'_, UdpSocket>) {
        let Self { inbox, server, subnets, .. } = self;
        for _ in 0..BATCH / datagrams::MOST {
            match inbox.receive(ready.get_inner().as_raw_fd()) {
                Ok(received) => {
                    let (now, unix) = (clock::now(), clock::unix());
                    for (source, payload) in received.iter() {
                        let of_subnets = subnets.as_mut().is_some_and(|all| all.handle_message(source, payload, now));
                        if !of_subnets {
                            server.handle_message(source, payload, now, unix);
                        }
                    }
                    if received.iter().count() < datagrams::MOST {
                        return ready.clear_ready();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ready.clear_ready(),
                // A relay that went away answers with ICMP; the next datagram is none the worse for it.
                Err(error) => tracing::debug!(%error, "receive"),
            }
        }
    }
}

/// How both halves are.
fn status(server: &Server, six: Option<&Six>, store_ok: bool) -> Status {
    let six = six.map(|six| v6::Status { store_ok, ..six.server.status() });
    Status { store_ok, six, ..server.status() }
}
