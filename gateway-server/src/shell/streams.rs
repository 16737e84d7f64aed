//! TCP connections of bulk leasequery, of either version.
//!
//! Each connection has a task, which reads while nothing is to be written and writes one piece at a time, so that a slow
//! reader holds up nobody but itself.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::Socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;
/// Words of connections that may wait for the loop.
const HEARD: usize = 64;
/// Octets read from a connection at once.
const READ: usize = 4096;
/// How long to wait before a connection is accepted again after that failed.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Who answers on connections.
pub(crate) trait Answers {
    /// Whether somebody may connect.
    fn connect(&mut self, connection: u64, peer: SocketAddr) -> bool;
    /// Octets came.
    fn octets(&mut self, connection: u64, octets: &[u8]);
    /// The last piece was written.
    fn written(&mut self, connection: u64);
    /// It is no more.
    fn closed(&mut self, connection: u64);
}

/// A listener and the connections that it has accepted.
#[derive(Debug)]
pub(crate) struct Streams {
    listener: TcpListener,
    /// Where each open connection's task takes pieces from.
    open: BTreeMap<u64, Open>,
    next: u64,
}

#[derive(Debug)]
struct Open {
    pieces: mpsc::Sender<Vec<u8>>,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a connection says.
#[derive(Debug)]
pub(crate) enum Said {
    /// Octets came.
    Octets(Vec<u8>),
    /// A piece was written.
    Written,
    /// It is no more.
    Closed,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Input {
    Connected(TcpStream, SocketAddr),
    Said(u64, Said),
}

/// The listener as the runtime watches it.
#[derive(Debug)]
pub(crate) struct Sources {
    listener: tokio::net::TcpListener,
    said: mpsc::Receiver<(u64, Said)>,
    say: mpsc::Sender<(u64, Said)>,
}

impl Sources {
    /// Waits for the next input.
    pub(crate) async fn next(&mut self) -> Input {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => return Input::Connected(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection of bulk leasequery can't be accepted");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
                Some((connection, said)) = self.said.recv() => return Input::Said(connection, said),
            }
        }
    }
}

impl Streams {
    /// On a socket that is bound.
    pub(crate) fn listen(socket: Socket) -> io::Result<Self> {
        socket.listen(BACKLOG)?;
        Ok(Self { listener: socket.into(), open: BTreeMap::new(), next: 0 })
    }

    /// The listener once more, for the runtime.
    pub(crate) fn sources(&self) -> io::Result<Sources> {
        let (say, said) = mpsc::channel(HEARD);
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
        Ok(Sources { listener, said, say })
    }

    /// Gives an input to whoever answers.
    pub(crate) fn take(&mut self, input: Input, sources: &Sources, answers: &mut impl Answers) {
        match input {
            Input::Connected(stream, peer) => {
                let connection = self.next;
                self.next += 1;
                if answers.connect(connection, peer) {
                    let (pieces, wanted) = mpsc::channel(1);
                    let task = tokio::spawn(converse(connection, stream, wanted, sources.say.clone())).abort_handle();
                    self.open.insert(connection, Open { pieces, task });
                }
            }
            Input::Said(connection, Said::Octets(octets)) => answers.octets(connection, &octets),
            Input::Said(connection, Said::Written) => answers.written(connection),
            Input::Said(connection, Said::Closed) => {
                self.open.remove(&connection);
                answers.closed(connection);
            }
        }
    }

    /// Has a connection's task write a piece; there is one at a time.
    pub(crate) fn write(&mut self, connection: u64, octets: Vec<u8>) {
        if let Some(open) = self.open.get(&connection) {
            // A task that has ended says so by itself.
            let _ = open.pieces.try_send(octets);
        }
    }

    /// Ends a connection.
    pub(crate) fn close(&mut self, connection: u64) {
        self.open.remove(&connection);
    }
}

/// A connection's task.
async fn converse(
    connection: u64,
    mut stream: TcpStream,
    mut wanted: mpsc::Receiver<Vec<u8>>,
    say: mpsc::Sender<(u64, Said)>,
) {
    let mut buffer = vec![0; READ];
    loop {
        let said = tokio::select! {
            piece = wanted.recv() => match piece {
                Some(octets) => stream.write_all(&octets).await.map(|()| Said::Written),
                None => return,
            },
            read = stream.read(&mut buffer) => match read {
                Ok(0) => Ok(Said::Closed),
                read => read.map(|length| Said::Octets(buffer[..length].to_vec())),
            },
        };
        let said = said.unwrap_or(Said::Closed);
        let is_over = matches!(said, Said::Closed);
        if say.send((connection, said)).await.is_err() || is_over {
            return;
        }
    }
}
