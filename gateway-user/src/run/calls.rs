//! Connections to servers that are asked what they have leased: a task for each, which connects, reads and writes.
//!
//! What it reads waits in a short queue, so that a server that tells faster than sessions are made waits as well.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use gateway_core::node::{Command, Lost, Purpose, RequestError};
use gateway_core::time::Instant;
use gateway_core::wire::{dhcp4, dhcp6};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Gateway;
use crate::config::Recover;
use crate::control::protocol::Response;

/// Octets read at once.
const READ: usize = 16 << 10;
/// Words of all connections that may wait for the loop.
const HEARD: usize = 16;
/// Questions that may wait for a connection: there is one at a time.
const QUESTIONS: usize = 4;

/// What a connection says.
#[derive(Debug)]
pub(super) enum Said {
    /// It stands.
    Connected,
    /// Octets came.
    Octets(Vec<u8>),
    /// It has ended, or did not come about.
    Closed(String),
}

/// A word, with the server and the number of its connection.
pub(super) type Word = (IpAddr, u64, Said);

struct Call {
    number: u64,
    questions: mpsc::Sender<Vec<u8>>,
    task: AbortHandle,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections. There is one to a server at a time, and what an earlier one said last is not taken for the next one's.
pub(super) struct Calls {
    open: BTreeMap<IpAddr, Call>,
    next: u64,
    say: mpsc::Sender<Word>,
}

impl Calls {
    pub(super) fn new() -> (Self, mpsc::Receiver<Word>) {
        let (say, said) = mpsc::channel(HEARD);
        (Self { open: BTreeMap::new(), next: 0, say }, said)
    }

    /// Carries out what the node wants of a connection.
    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::Dial { server, source } => {
                let number = self.next;
                self.next += 1;
                let (questions, asked) = mpsc::channel(QUESTIONS);
                let task = tokio::spawn(call(server, source, number, asked, self.say.clone())).abort_handle();
                self.open.insert(server, Call { number, questions, task });
            }
            Command::Converse { server, octets } => {
                if let Some(call) = self.open.get(&server) {
                    // A task that has ended says so by itself.
                    let _ = call.questions.try_send(octets);
                }
            }
            Command::HangUp { server } => drop(self.open.remove(&server)),
            _ => {}
        }
    }

    /// Whether a word is of the connection that stands now.
    fn is_current(&self, server: IpAddr, number: u64) -> bool {
        self.open.get(&server).is_some_and(|call| call.number == number)
    }
}

/// A connection's task.
async fn call(
    server: IpAddr,
    source: Option<IpAddr>,
    number: u64,
    asked: mpsc::Receiver<Vec<u8>>,
    say: mpsc::Sender<Word>,
) {
    let why = match connect(server, source).await {
        Ok(stream) => converse(stream, server, number, asked, &say).await,
        Err(error) => format!("no connection to it: {error}"),
    };
    // When nobody listens any more, nobody wants to know.
    let _ = say.send((server, number, Said::Closed(why))).await;
}

async fn connect(server: IpAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let (socket, port) = match server {
        IpAddr::V4(_) => (TcpSocket::new_v4()?, dhcp4::SERVER_PORT),
        IpAddr::V6(_) => (TcpSocket::new_v6()?, dhcp6::SERVER_PORT),
    };
    if let Some(source) = source {
        // By this address the server knows whom it may tell.
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(SocketAddr::new(server, port)).await
}

/// Reads and writes until it ends; gives why.
async fn converse(
    mut stream: TcpStream,
    server: IpAddr,
    number: u64,
    mut asked: mpsc::Receiver<Vec<u8>>,
    say: &mpsc::Sender<Word>,
) -> String {
    let mut buffer = vec![0; READ];
    let mut said = Some(Said::Connected);
    loop {
        if let Some(said) = said.take()
            && say.send((server, number, said)).await.is_err()
        {
            return String::new();
        }
        let done = tokio::select! {
            question = asked.recv() => match question {
                Some(octets) => stream.write_all(&octets).await.map(|()| None),
                None => return String::new(),
            },
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return "it ended the connection".to_owned(),
                read => read.map(|length| Some(Said::Octets(buffer[..length].to_vec()))),
            },
        };
        match done {
            Ok(word) => said = word,
            Err(error) => return format!("the connection broke: {error}"),
        }
    }
}

impl Gateway {
    /// At the start: asks the servers when what is on disk can't be all.
    pub(super) fn recover_at_start(&mut self, now: Instant) {
        if self.config.gateway.recover == Recover::Off {
            return;
        }
        let why: Option<Lost> = self.node.recover_at_start(now);
        if let Some(why) = why {
            tracing::info!(%why, "asking the servers for what they leased through this gateway");
        }
    }

    /// A word of a connection.
    pub(super) fn heard_of_lease(&mut self, (server, number, said): Word, now: Instant) {
        if !self.outbox.calls.is_current(server, number) {
            return;
        }
        match said {
            Said::Connected => self.node.handle_dialled(server, now),
            Said::Octets(octets) => self.node.handle_stream(server, &octets, now),
            Said::Closed(why) => self.node.handle_hung_up(server, &why, now),
        }
    }

    /// An operator wants servers asked.
    pub(super) fn recover(&mut self, server: Option<IpAddr>, compare: bool, now: Instant) -> Response {
        let purpose = if compare { Purpose::Compare } else { Purpose::Restore };
        match self.node.recover(purpose, server, now) {
            Ok(1) => Response::Done("one server is asked".to_owned()),
            Ok(asked) => Response::Done(format!("{asked} servers are asked")),
            Err(error @ RequestError::UnknownServer) => {
                let four = self.config.servers.iter().map(|server| server.address.to_string());
                let six = self.config.dhcpv6.iter().flat_map(|six| six.servers.iter().map(ToString::to_string));
                Response::Error(format!("{error}; there are: {}", four.chain(six).collect::<Vec<_>>().join(", ")))
            }
            Err(error) => self.refused(error),
        }
    }
}
