//! The loop of a server whose leases are in a database: datagrams in, one turn for all that arrived meanwhile, replies out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};

use super::batch::{Datagram, Reply};
use super::turn::{Failure, aside, turn};
use crate::config::Config;
use crate::config::place::{Place, Postgres};
use crate::event::Status;
use crate::server::Server;
use crate::shared::postgres::{self, Link};
use crate::shell::clock;
use crate::shell::log::log;
use crate::shell::lookup::{Lookup, Question};
use crate::shell::ping::Pinger;
use crate::shell::service::{BATCH, PING};
use crate::shell::sockets::{RECEIVE_BUFFER, bind, listen, send};
use crate::shell::streams::{self, Streams};

/// How often the table is brought up to date when nobody asks.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// How long to wait before the database is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A server with its sockets; its table comes with the connection to the database.
#[derive(Debug)]
pub struct Shared {
    config: Config,
    place: Postgres,
    socket: UdpSocket,
    /// Present where bulk leasequery is answered.
    streams: Option<Streams>,
    status: watch::Sender<Status>,
    lookup: Lookup,
    questions: mpsc::Receiver<Question>,
}

/// What happened besides messages.
#[derive(Default)]
struct Aside {
    stream: Option<streams::Input>,
    /// An address that answered an echo request.
    answered: Option<Ipv4Addr>,
    question: Option<Question>,
}

/// How a connection came to its end.
enum End {
    Shutdown,
    Lost(Failure<postgres::Error>),
}

impl Shared {
    /// Binds the sockets in the current network namespace.
    ///
    /// # Errors
    /// When they can't be bound, or the configuration can't work.
    pub fn open(config: Config) -> anyhow::Result<Self> {
        let Place::Postgres(place) = &config.store else { bail!("a server alone has a directory for its leases") };
        if config.v6.is_some() {
            bail!(
                "DHCPv6 leases can't be kept in PostgreSQL: let a server of its own, with a directory as its store, serve it"
            );
        }
        if config.delegated.is_some() {
            bail!(
                "subnets delegated to one server can't have their leases in the PostgreSQL of several: give it a directory as its store"
            );
        }
        config.validate()?;
        let address = SocketAddrV4::new(config.listen, config.ports.server);
        let socket = bind(address)?;
        socket.set_nonblocking(true)?;
        let asked = config.leasequery.enabled && !config.leasequery.requestors.is_empty();
        let streams = asked.then(|| listen(address)).transpose()?;
        let (status, _) = watch::channel(Status { store_ok: false, ..Status::default() });
        let (lookup, questions) = Lookup::channel(status.subscribe());
        Ok(Self { place: (**place).clone(), socket, streams, status, lookup, questions, config })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
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

    /// Serves until `shutdown` completes. Everything answered is durable then.
    ///
    /// # Errors
    /// When the database can't be used and waiting does not help: a wrong password, a schema of a later version. A database
    /// that is not there is waited for.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let socket = tokio::net::UdpSocket::from_std(self.socket.try_clone()?)?;
        let sources = self.streams.as_ref().map(Streams::sources).transpose()?;
        let pinger = self.config.ping_check.map(|_| Pinger::open(self.config.listen)).transpose().context(PING)?;
        let mut life = Life { shared: self, socket, sources, pinger, buffer: vec![0; 65536], former: None };
        let mut shutdown = core::pin::pin!(shutdown);
        loop {
            let Some((mut link, mut server)) = life.connect(shutdown.as_mut()).await? else { return Ok(()) };
            match life.serve(&mut link, &mut server, shutdown.as_mut()).await? {
                End::Shutdown => return Ok(()),
                End::Lost(why) => {
                    tracing::error!(%why, database = %life.shared.place, "the lease database is away: nothing is answered until it is back");
                    life.show(&server, false);
                    life.former = Some(server);
                }
            }
        }
    }
}

struct Life {
    shared: Shared,
    socket: tokio::net::UdpSocket,
    sources: Option<streams::Sources>,
    /// Present where addresses are asked before they are offered.
    pinger: Option<Pinger>,
    buffer: Vec<u8>,
    /// The server of the last connection. Its table counts for nothing.
    former: Option<Server>,
}

impl Life {
    /// Waits for the database, and reads the table. None at the end.
    async fn connect<S: Future<Output = ()>>(
        &mut self,
        mut shutdown: core::pin::Pin<&mut S>,
    ) -> anyhow::Result<Option<(Link, Server)>> {
        let (mut wait, mut told) = (RETRY.0, None);
        loop {
            let started = clock::now();
            let opened = tokio::select! {
                () = &mut shutdown => return Ok(None),
                opened = postgres::open(&self.shared.place, &self.shared.config) => opened,
            };
            let why = match opened {
                Ok((link, mut server)) => {
                    if let Some(former) = self.former.take() {
                        server.succeed(former);
                    }
                    let (status, took) = (server.status(), clock::now().since(started));
                    let address = self.socket.local_addr()?;
                    tracing::info!(leases = status.active, capacity = status.capacity, %address, database = %self.shared.place, ?took, "DHCP server ready");
                    self.show(&server, true);
                    self.discard();
                    return Ok(Some((link, server)));
                }
                Err(why) => why,
            };
            if why.is_final() && self.former.is_none() {
                return Err(anyhow::Error::new(why)).with_context(|| format!("the leases in {}", self.shared.place));
            }
            let text = why.to_string();
            if told.as_ref() != Some(&text) {
                tracing::warn!(why = text, database = %self.shared.place, "the lease database can't be used yet; trying again");
                told = Some(text);
            }
            tokio::select! {
                () = &mut shutdown => return Ok(None),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(RETRY.1);
        }
    }

    /// Serves until the connection ends.
    async fn serve<S: Future<Output = ()>>(
        &mut self,
        link: &mut Link,
        server: &mut Server,
        mut shutdown: core::pin::Pin<&mut S>,
    ) -> anyhow::Result<End> {
        let mut follow_due = tokio::time::Instant::now();
        loop {
            let due = server.poll_timeout().map_or(FOLLOW_EVERY, |at| at.since(clock::now()));
            let mut datagrams = Vec::new();
            let mut happened = Aside::default();
            tokio::select! {
                () = &mut shutdown => return Ok(End::Shutdown),
                () = tokio::time::sleep_until(follow_due) => {}
                () = tokio::time::sleep(due) => {}
                ready = self.socket.readable() => {
                    ready.context("DHCP socket")?;
                    datagrams = self.drain();
                }
                next = async { self.sources.as_mut().expect("there").next().await }, if self.sources.is_some() => {
                    happened.stream = Some(next);
                }
                answered = async { self.pinger.as_ref().expect("there").answer().await }, if self.pinger.is_some() => {
                    happened.answered = Some(answered);
                }
                Some(question) = self.shared.questions.recv() => happened.question = Some(question),
            }
            let is_aside = datagrams.is_empty();
            let replies = match is_aside {
                false => turn(link, server, datagrams).await,
                true => self.aside(link, server, happened).await,
            };
            match replies {
                Ok(replies) => self.send(replies),
                Err(why) => return Ok(End::Lost(why)),
            }
            // The sleep is a new one in each turn, and never ends while datagrams come in each.
            if !is_aside && server.poll_timeout().is_some_and(|at| at <= clock::now()) {
                match self.aside(link, server, Aside::default()).await {
                    Ok(replies) => self.send(replies),
                    Err(why) => return Ok(End::Lost(why)),
                }
            }
            if tokio::time::Instant::now() >= follow_due {
                follow_due = tokio::time::Instant::now() + FOLLOW_EVERY;
                self.show(server, true);
            }
        }
    }

    /// What time, connections, echoes and operators bring.
    async fn aside(
        &mut self,
        link: &mut Link,
        server: &mut Server,
        happened: Aside,
    ) -> Result<Vec<Reply>, Failure<postgres::Error>> {
        let (streams, sources) = (&mut self.shared.streams, &self.sources);
        let happen = |server: &mut Server, now, unix| {
            if let (Some(input), Some(open), Some(sources)) = (happened.stream, streams, sources) {
                open.take(input, sources, server);
            }
            if let Some(address) = happened.answered {
                server.handle_echo(address, now, unix);
            }
            server.handle_timeout(now, unix);
            if let Some(ask) = happened.question.and_then(|question| question.answer(server, None)) {
                ask.decline();
            }
        };
        aside(link, server, happen).await
    }

    /// What came while there was no database was for another server to answer, or is asked again.
    fn discard(&mut self) {
        for _ in 0..RECEIVE_BUFFER / (BATCH * 512) {
            if self.drain().is_empty() {
                break;
            }
        }
    }

    fn drain(&mut self) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        while datagrams.len() < BATCH {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((length, SocketAddr::V4(source))) => {
                    datagrams.push(Datagram { source, payload: self.buffer[..length].to_vec() });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A relay that went away answers with ICMP; the next datagram is none the worse for it.
                Err(error) => tracing::debug!(%error, "receive"),
            }
        }
        datagrams
    }

    fn send(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            match reply {
                Reply::Datagram(to, payload) => {
                    if let Err(error) = send(&self.socket, &payload, to.into()) {
                        tracing::debug!(%error, %to, "send");
                    }
                }
                Reply::Piece(connection, octets) => {
                    self.shared.streams.iter_mut().for_each(|open| open.write(connection, octets.clone()));
                }
                Reply::Close(connection) => {
                    self.shared.streams.iter_mut().for_each(|open| open.close(connection));
                }
                Reply::Probe(address) => self.pinger.iter().for_each(|pinger| pinger.ask(address)),
                Reply::Tell(event) => log(&event),
            }
        }
    }

    fn show(&self, server: &Server, store_ok: bool) {
        self.shared.status.send_replace(Status { store_ok, ..server.status() });
    }
}
