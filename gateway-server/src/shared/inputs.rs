//! The loop of a server whose leases are in a database: datagrams in, one turn for all that arrived meanwhile, replies out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;

use super::batch::{Datagram, Reply, Version};
use super::service::Shared;
use super::tables::Tables;
use super::turn::{Failure, aside, turn};
use crate::shared::postgres::{self, Link};
use crate::shell::clock;
use crate::shell::log::log;
use crate::shell::lookup::Question;
use crate::shell::ping::Pinger;
use crate::shell::service::{BATCH, PING};
use crate::shell::service6::{self, Input, Sockets};
use crate::shell::sockets::{RECEIVE_BUFFER, send};
use crate::shell::streams::{self, Streams};

/// How often the tables are brought up to date when nobody asks.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// The sockets as the runtime watches them.
pub(super) struct Inputs {
    socket: tokio::net::UdpSocket,
    sources: Option<streams::Sources>,
    /// Present where DHCPv6 is served.
    six: Option<service6::Sources>,
    /// Present where addresses are asked before they are offered.
    pinger: Option<Pinger>,
    buffer: Vec<u8>,
}

/// What happened besides messages.
#[derive(Default)]
struct Aside {
    stream: Option<streams::Input>,
    stream6: Option<streams::Input>,
    /// An address that answered an echo request.
    answered: Option<Ipv4Addr>,
    question: Option<Question>,
}

/// How a connection came to its end.
pub(super) enum End {
    Shutdown,
    Lost(Failure<postgres::Error>),
}

impl Inputs {
    pub(super) fn open(shared: &Shared) -> anyhow::Result<Self> {
        let config = &shared.config;
        Ok(Self {
            socket: tokio::net::UdpSocket::from_std(shared.socket.try_clone()?)?,
            sources: shared.streams.as_ref().map(Streams::sources).transpose()?,
            six: shared.six.as_ref().map(Sockets::sources).transpose()?,
            pinger: config.ping_check.map(|_| Pinger::open(config.listen)).transpose().context(PING)?,
            buffer: vec![0; 65536],
        })
    }

    /// Serves until the connection ends.
    pub(super) async fn serve<S: Future<Output = ()>>(
        &mut self,
        shared: &mut Shared,
        link: &mut Link,
        tables: &mut Tables,
        mut shutdown: core::pin::Pin<&mut S>,
    ) -> anyhow::Result<End> {
        let mut follow_due = tokio::time::Instant::now();
        loop {
            let due = tables.poll_timeout().map_or(FOLLOW_EVERY, |at| at.since(clock::now()));
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
                input = async { self.six.as_mut().expect("there").next().await }, if self.six.is_some() => {
                    match input? {
                        Input::Datagrams => datagrams = self.drain(),
                        Input::Stream(input) => happened.stream6 = Some(input),
                    }
                }
                answered = async { self.pinger.as_ref().expect("there").answer().await }, if self.pinger.is_some() => {
                    happened.answered = Some(answered);
                }
                Some(question) = shared.questions.recv() => happened.question = Some(question),
            }
            let is_aside = datagrams.is_empty();
            let (read, before) = (clock::now(), tables.acknowledged());
            let replies = match is_aside {
                false => turn(link, tables, datagrams).await,
                true => self.aside(shared, link, tables, happened).await,
            };
            let replies = match replies {
                Ok(replies) => replies,
                Err(why) => return Ok(End::Lost(why)),
            };
            // What is handled twice is counted twice, and sent once.
            let sent = replies.iter().filter(|reply| matches!(reply, Reply::Datagram(..))).count() as u64;
            self.send(shared, replies);
            if !is_aside {
                shared.latency.note(clock::now().since(read), sent.min(tables.acknowledged() - before));
            }
            // The sleep is a new one in each turn, and never ends while datagrams come in each.
            if !is_aside && tables.poll_timeout().is_some_and(|at| at <= clock::now()) {
                match self.aside(shared, link, tables, Aside::default()).await {
                    Ok(replies) => self.send(shared, replies),
                    Err(why) => return Ok(End::Lost(why)),
                }
            }
            if tokio::time::Instant::now() >= follow_due {
                follow_due = tokio::time::Instant::now() + FOLLOW_EVERY;
                shared.show(tables, true);
            }
        }
    }

    /// What time, connections, echoes and operators bring.
    async fn aside(
        &self,
        shared: &mut Shared,
        link: &mut Link,
        tables: &mut Tables,
        happened: Aside,
    ) -> Result<Vec<Reply>, Failure<postgres::Error>> {
        let Aside { stream, stream6, answered, question } = happened;
        let happen = |tables: &mut Tables, now, unix| {
            if let (Some(input), Some(open), Some(sources)) = (stream, &mut shared.streams, &self.sources) {
                open.take(input, sources, &mut tables.four);
            }
            if let (Some(input), Some(open), Some(sources), Some(six)) =
                (stream6, &mut shared.six, &self.six, &mut tables.six)
            {
                open.streams.take(input, &sources.streams, six);
            }
            if let Some(address) = answered {
                tables.four.handle_echo(address, now, unix);
            }
            tables.handle_timeout(now, unix);
            let Tables { four, six } = tables;
            if let Some(ask) = question.and_then(|question| question.answer(four, six.as_ref(), now, unix)) {
                ask.decline();
            }
        };
        aside(link, tables, happen).await
    }

    /// What came while there was no database was for another server to answer, or is asked again.
    pub(super) fn discard(&mut self) {
        for _ in 0..RECEIVE_BUFFER / (BATCH * 512) {
            if self.drain().is_empty() {
                break;
            }
        }
    }

    /// Messages of either version, without waiting.
    fn drain(&mut self) -> Vec<Datagram> {
        let Self { socket, six, buffer, .. } = self;
        let mut datagrams = Vec::new();
        let sockets = [Some(&*socket), six.as_ref().map(|six| &six.datagrams)];
        for socket in sockets.into_iter().flatten() {
            let end = datagrams.len() + BATCH;
            while datagrams.len() < end {
                match socket.try_recv_from(buffer) {
                    Ok((length, source)) => datagrams.push(Datagram { source, payload: buffer[..length].to_vec() }),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // A relay that went away answers with ICMP; the next datagram is none the worse for it.
                    Err(error) => tracing::debug!(%error, "receive"),
                }
            }
        }
        datagrams
    }

    fn send(&self, shared: &mut Shared, replies: Vec<Reply>) {
        for reply in replies {
            match reply {
                Reply::Datagram(to, payload) => {
                    let socket = match (to, &self.six) {
                        (SocketAddr::V6(_), Some(six)) => &six.datagrams,
                        _ => &self.socket,
                    };
                    if let Err(error) = send(socket, &payload, to) {
                        tracing::debug!(%error, %to, "send");
                    }
                }
                Reply::Piece(version, connection, octets) => {
                    if let Some(open) = streams(shared, version) {
                        open.write(connection, octets);
                    }
                }
                Reply::Close(version, connection) => {
                    if let Some(open) = streams(shared, version) {
                        open.close(connection);
                    }
                }
                Reply::Probe(address) => self.pinger.iter().for_each(|pinger| pinger.ask(address)),
                Reply::Tell(event) => log(&event),
                Reply::Tell6(event) => service6::log(&event),
            }
        }
    }
}

/// The connections of a version.
fn streams(shared: &mut Shared, version: Version) -> Option<&mut Streams> {
    match version {
        Version::Four => shared.streams.as_mut(),
        Version::Six => shared.six.as_mut().map(|six| &mut six.streams),
    }
}
