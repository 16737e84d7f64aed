//! The loop around the server: datagrams in, one synchronised write for all that arrived meanwhile, replies out.
//!
//! ```text
//!  socket ──drain──▶ Server ──commands──▶ changes ──commit (one fsync)──▶ replies ──▶ socket
//!     ▲                                       │ failed                                  │
//!     │ fills during the fsync                └── kept, replies dropped ── retry        │
//!     └─────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! While one batch is being synchronised the next one gathers in the socket, so batches grow with the load and the
//! cost of an fsync is shared by all of them. The loop itself waits for the disk: it has a thread of its own. When the disk
//! takes no more, nothing is answered, because nothing could be kept: clients turn to another server. The changes stay in
//! memory until they can be written.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gateway_core::line::HardwareAddress;
use gateway_store::{Change, Durability, Settings, Store};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::config::place::Place;
use crate::event::{Event, Status};
use crate::server::{Command, Server};
use crate::shell::clock;
use crate::shell::datagrams::{self, Inbox};
use crate::shell::lookup::{Lookup, Question};
use crate::shell::ping::Pinger;
use crate::shell::reading;
use crate::shell::service6;
use crate::shell::service6::{Six, Sources};
use crate::shell::streams::{Answers, Streams};
use crate::subnets::{self, Ask, Subnets};
use crate::v6;

/// Datagrams handled between two writes.
pub(crate) const BATCH: usize = 1024;
/// Octets the kernel may keep for us during a write.
pub(crate) const RECEIVE_BUFFER: usize = 8 << 20;
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
    server: Server,
    /// The server's own address.
    listen: Ipv4Addr,
    store: Store,
    socket: UdpSocket,
    /// Present where bulk leasequery is answered.
    streams: Option<Streams>,
    /// Present where DHCPv6 is served.
    six: Option<Six>,
    /// Present where subnets come from other servers, or go to them.
    subnets: Option<Subnets>,
    /// What an operator did with them, answered when it is on disk.
    asked: Vec<Ask>,
    /// Changes not yet on disk, the latest for each key.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    inbox: Inbox,
    /// To DHCPv4's relays and clients.
    datagrams: Vec<(SocketAddrV4, Vec<u8>)>,
    replies: Vec<Reply>,
    /// Present while it runs, where addresses are asked before they are offered.
    pinger: Option<Arc<Pinger>>,
    store_ok: bool,
    status: watch::Sender<Status>,
    lookup: Lookup,
    questions: mpsc::Receiver<Question>,
}

/// What else leaves once everything before it is on disk.
#[derive(Debug)]
enum Reply {
    Six(SocketAddrV6, Vec<u8>),
    /// To a connection of bulk leasequery, and of that of DHCPv6.
    Piece(u64, Vec<u8>),
    Piece6(u64, Vec<u8>),
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
        let status = server.status();
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
            datagrams: Vec::new(),
            replies: Vec::new(),
            pinger: None,
            store_ok: true,
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
        let mut sources = self.six.as_ref().map(Six::sources).transpose()?;
        let mut shutdown = core::pin::pin!(shutdown);
        let mut buffer = vec![0; 65536];
        let mut status_due = tokio::time::Instant::now() + STATUS_EVERY;
        let this = &mut self;
        let pinger = this.server.asks_addresses().then(|| Pinger::open(this.listen)).transpose().context(PING)?;
        let pinger = pinger.map(Arc::new);
        this.pinger.clone_from(&pinger);
        loop {
            let timeouts = [this.server.poll_timeout(), this.six.as_ref().and_then(|six| six.server.poll_timeout())];
            let timeouts = timeouts.into_iter().chain([this.subnets.as_ref().and_then(Subnets::poll_timeout)]);
            let due = timeouts.flatten().min().map(|at| at.since(clock::now()));
            let due = if this.pending.is_empty() { due } else { Some(due.map_or(RETRY, |due| due.min(RETRY))) };
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                () = tokio::time::sleep_until(status_due) => {}
                () = tokio::time::sleep(due.unwrap_or(STATUS_EVERY)) => {
                    this.server.handle_timeout(clock::now(), clock::unix());
                    if let Some(six) = &mut this.six {
                        six.server.handle_timeout(clock::now(), clock::unix());
                    }
                    if let Some(subnets) = &mut this.subnets {
                        subnets.handle_timeout(clock::now());
                    }
                }
                ready = socket.readable() => {
                    this.drain(ready.context("DHCP socket")?);
                }
                Some(question) = this.questions.recv() => {
                    let ask = question.answer(&mut this.server, this.six.as_ref().map(|six| &six.server));
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
                        six.take(input?, sources, &mut buffer);
                    }
                }
            }
            this.carry_out(sources.as_ref());
            if tokio::time::Instant::now() >= status_due {
                status_due = tokio::time::Instant::now() + STATUS_EVERY;
                this.status.send_replace(Status { store_ok: this.store_ok, ..this.server.status() });
            }
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

    /// Commands to disk and to the network, in that order.
    fn carry_out(&mut self, sources: Option<&Sources>) {
        let changed = self.tend_subnets();
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Persist { key, value } => {
                    self.pending.insert(key, Some(value));
                }
                Command::Forget { key } => {
                    self.pending.insert(key, None);
                }
                Command::Send { to, payload } => self.datagrams.push((to, payload)),
                Command::Probe { address } => self.pinger.iter().for_each(|pinger| pinger.ask(address)),
                Command::Stream { connection, octets } => self.replies.push(Reply::Piece(connection, octets)),
                Command::Close { connection } => self.streams.iter_mut().for_each(|open| open.close(connection)),
                Command::Tell(event) => log(&event),
            }
        }
        self.gather6();
        if !self.pending.is_empty() {
            self.commit();
        }
        self.answer_subnets(changed);
        self.send();
        for reply in self.replies.drain(..) {
            match (reply, sources, &mut self.six) {
                (Reply::Six(to, payload), Some(sources), _) => {
                    if let Err(error) = send(&sources.datagrams, &payload, to.into()) {
                        tracing::debug!(%error, %to, "send");
                    }
                }
                (Reply::Piece(connection, octets), ..) => {
                    self.streams.iter_mut().for_each(|open| open.write(connection, octets.clone()));
                }
                (Reply::Piece6(connection, octets), _, Some(six)) => six.streams.write(connection, octets),
                _ => {}
            }
        }
    }

    /// Subnets from and for other servers, and what operators do with them: what came of it.
    fn tend_subnets(&mut self) -> Vec<(Ask, Result<(), String>)> {
        let Some(subnets) = &mut self.subnets else {
            self.asked.drain(..).for_each(Ask::decline);
            return Vec::new();
        };
        let (now, server) = (clock::now(), &mut self.server);
        let mut done = Vec::new();
        for ask in self.asked.drain(..) {
            let changed = ask.change.map_or(Ok(()), |change| subnets.change(&change, server, now));
            done.push((ask, changed));
        }
        subnets.turn(&mut self.server, now, clock::unix());
        while let Some(command) = subnets.poll_command() {
            match command {
                Command::Persist { key, value } => drop(self.pending.insert(key, Some(value))),
                Command::Forget { key } => drop(self.pending.insert(key, None)),
                Command::Send { to, payload } => self.datagrams.push((to, payload)),
                _ => {} // it has no others
            }
        }
        while let Some(event) = subnets.poll_event() {
            subnets::log(&event);
        }
        done
    }

    /// Tells operators what there is, when it is on disk.
    fn answer_subnets(&self, done: Vec<(Ask, Result<(), String>)>) {
        let Some(subnets) = &self.subnets else { return };
        for (Ask { change, answer }, done) in done {
            let unwritten = change.is_some() && !self.store_ok;
            let done = if unwritten { Err("it can't be written yet; the log says why".to_owned()) } else { done };
            let _ = answer.send(done.map(|()| subnets.view(clock::now())));
        }
    }

    /// Sends to DHCPv4's relays and clients, without waiting long: a full buffer is given one chance to drain.
    fn send(&mut self) {
        let (mut at, mut patient) = (0, true);
        while let Some((to, _)) = self.datagrams.get(at) {
            match datagrams::send(self.socket.as_raw_fd(), &self.datagrams[at..]) {
                Ok(sent) => {
                    at += sent;
                    patient = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && patient => {
                    std::thread::yield_now();
                    patient = false;
                }
                Err(error) => {
                    tracing::debug!(%error, %to, "send");
                    at += 1;
                }
            }
        }
        self.datagrams.clear();
    }

    /// What the DHCPv6 half wants done.
    fn gather6(&mut self) {
        let Some(six) = &mut self.six else { return };
        while let Some(command) = six.server.poll_command() {
            match command {
                v6::Command::Persist { key, value } => {
                    self.pending.insert(key, Some(value));
                }
                v6::Command::Forget { key } => {
                    self.pending.insert(key, None);
                }
                v6::Command::Send { to, payload } => self.replies.push(Reply::Six(to, payload)),
                v6::Command::Stream { connection, octets } => self.replies.push(Reply::Piece6(connection, octets)),
                v6::Command::Close { connection } => six.streams.close(connection),
                v6::Command::Tell(event) => service6::log(&event),
            }
        }
    }

    fn commit(&mut self) {
        let changes = self.pending.iter().map(|(key, value)| Change { key, value: value.as_deref() });
        match self.store.commit(changes, Durability::Disk) {
            Ok(()) => {
                self.pending.clear();
                if !self.store_ok {
                    tracing::info!("the lease store takes writes again");
                }
                self.store_ok = true;
            }
            Err(error) => {
                let unanswered = self.datagrams.len() + self.replies.len();
                self.datagrams.clear();
                self.replies.clear();
                if self.store_ok {
                    tracing::error!(%error, unanswered, "leases can't be written: nothing is answered until they can");
                }
                self.store_ok = false;
                std::thread::sleep(Duration::from_millis(100)); // no faster than that against a full disk
            }
        }
    }
}

/// Sends without waiting long: a full buffer is given one chance to drain.
pub(crate) fn send(socket: &tokio::net::UdpSocket, payload: &[u8], to: SocketAddr) -> io::Result<()> {
    match socket.try_send_to(payload, to) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            std::thread::yield_now();
            socket.try_send_to(payload, to)?;
        }
        result => {
            result?;
        }
    }
    Ok(())
}

/// A socket for [`Service::with_socket`], bound in the current network namespace.
pub(crate) fn bind(address: SocketAddrV4) -> anyhow::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    datagrams::widen(&socket, RECEIVE_BUFFER);
    // Without SO_REUSEADDR, which would let a second server take the same address and lease the same pools beside us.
    socket.bind(&address.into()).with_context(|| {
        format!("DHCP server socket on {address} (does another DHCP server or relay run here? `ss -lunp` shows them)")
    })?;
    Ok(socket.into())
}

/// Bulk leasequery's connections, in the current network namespace.
pub(crate) fn listen(address: SocketAddrV4) -> anyhow::Result<Streams> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Else a restart would wait for connections of the former life to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).with_context(|| {
        format!("bulk leasequery on {address} (does another server listen there? `ss -lntp` shows it)")
    })?;
    Ok(Streams::listen(socket)?)
}

impl Answers for Server {
    fn connect(&mut self, connection: u64, peer: SocketAddr) -> bool {
        matches!(peer, SocketAddr::V4(peer) if self.handle_connect(connection, peer, clock::now()))
    }

    fn octets(&mut self, connection: u64, octets: &[u8]) {
        self.handle_stream(connection, octets, clock::now(), clock::unix());
    }

    fn written(&mut self, connection: u64) {
        self.handle_written(connection, clock::now(), clock::unix());
    }

    fn closed(&mut self, connection: u64) {
        self.handle_closed(connection);
    }
}

pub(crate) fn log(event: &Event) {
    match event {
        Event::BulkReleased { relay, key_id, scope, txid, released, skipped } => {
            tracing::info!(%relay, ?key_id, ?scope, txid = format_args!("{txid:016x}"), released, skipped, "single logout");
        }
        Event::BulkRefused { relay, device, reason } => {
            tracing::warn!(%relay, ?device, ?reason, "single logout refused");
        }
        Event::Exhausted { link } => tracing::debug!(%link, "no address left"),
        Event::Conflict { address, evidence, client } => {
            let client = client.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            tracing::warn!(%address, ?evidence, ?client, "somebody unknown uses an address: nobody gets it for a while");
        }
        Event::ReservedInUse { address, holder } => {
            let holder = holder.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            tracing::warn!(%address, ?holder, "a reserved address is in use by another");
        }
        Event::StaleEpoch { scope, ended } => tracing::debug!(?scope, ?ended, "login with an epoch already ended"),
    }
}
