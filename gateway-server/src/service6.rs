//! The DHCPv6 half of the loop: a UDP socket, and the TCP connections of bulk leasequery.
//!
//! Each connection has a task, which reads while nothing is to be written and writes one piece at a time, so that a slow
//! reader holds up nobody but itself.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock;
use crate::service::{BATCH, RECEIVE_BUFFER};
use crate::v6::{Config, Event, Server, StartError};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;
/// Words of connections that may wait for the loop.
const HEARD: usize = 64;
/// Octets read from a connection at once.
const READ: usize = 4096;
/// How long to wait before a connection is accepted again after that failed.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The server with its sockets.
#[derive(Debug)]
pub(crate) struct Six {
    pub(crate) server: Server,
    datagrams: UdpSocket,
    connections: TcpListener,
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
    Datagrams,
    Connected(TcpStream, SocketAddrV6),
    Said(u64, Said),
}

/// The sockets as the runtime watches them.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) datagrams: tokio::net::UdpSocket,
    connections: tokio::net::TcpListener,
    said: mpsc::Receiver<(u64, Said)>,
    say: mpsc::Sender<(u64, Said)>,
}

impl Sources {
    /// Waits for the next input.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Input> {
        loop {
            tokio::select! {
                ready = self.datagrams.readable() => {
                    ready.context("DHCPv6 socket")?;
                    return Ok(Input::Datagrams);
                }
                accepted = self.connections.accept() => match accepted {
                    Ok((stream, SocketAddr::V6(peer))) => return Ok(Input::Connected(stream, peer)),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a connection of bulk leasequery can't be accepted");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
                Some((connection, said)) = self.said.recv() => return Ok(Input::Said(connection, said)),
            }
        }
    }
}

impl Six {
    /// Binds the sockets in the current network namespace.
    pub(crate) fn open(config: Config, records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> anyhow::Result<Self> {
        let address = SocketAddrV6::new(config.listen, config.ports.server, 0, 0);
        let datagrams = socket(Type::DGRAM, Protocol::UDP, address)?;
        if datagrams.set_recv_buffer_size(RECEIVE_BUFFER).is_err() {
            tracing::debug!("the kernel grants a smaller receive buffer");
        }
        let connections = socket(Type::STREAM, Protocol::TCP, address)?;
        connections.listen(BACKLOG)?;
        let server = Server::new(config, records, clock::now(), clock::unix()).map_err(|error: StartError| error)?;
        let status = server.status();
        tracing::info!(leases = status.active, capacity = %status.capacity, %address, "DHCPv6 server ready");
        Ok(Self {
            server,
            datagrams: datagrams.into(),
            connections: connections.into(),
            open: BTreeMap::new(),
            next: 0,
        })
    }

    /// The sockets once more, for the runtime.
    pub(crate) fn sources(&self) -> io::Result<Sources> {
        let (say, said) = mpsc::channel(HEARD);
        let datagrams = tokio::net::UdpSocket::from_std(self.datagrams.try_clone()?)?;
        let connections = tokio::net::TcpListener::from_std(self.connections.try_clone()?)?;
        Ok(Sources { datagrams, connections, said, say })
    }

    /// Gives an input to the server.
    pub(crate) fn take(&mut self, input: Input, sources: &Sources, buffer: &mut [u8]) {
        let (now, unix) = (clock::now(), clock::unix());
        match input {
            Input::Datagrams => self.drain(&sources.datagrams, buffer),
            Input::Connected(stream, peer) => {
                let connection = self.next;
                self.next += 1;
                if self.server.handle_connect(connection, peer, now) {
                    let (pieces, wanted) = mpsc::channel(1);
                    let task = tokio::spawn(converse(connection, stream, wanted, sources.say.clone())).abort_handle();
                    self.open.insert(connection, Open { pieces, task });
                }
            }
            Input::Said(connection, Said::Octets(octets)) => self.server.handle_stream(connection, &octets, now, unix),
            Input::Said(connection, Said::Written) => self.server.handle_written(connection, now, unix),
            Input::Said(connection, Said::Closed) => {
                self.open.remove(&connection);
                self.server.handle_closed(connection);
            }
        }
    }

    fn drain(&mut self, socket: &tokio::net::UdpSocket, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            match socket.try_recv_from(buffer) {
                Ok((length, SocketAddr::V6(source))) => {
                    self.server.handle_message(source, &buffer[..length], clock::now(), clock::unix());
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => tracing::debug!(%error, "receive"),
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

fn socket(kind: Type, protocol: Protocol, address: SocketAddrV6) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, kind.nonblocking(), Some(protocol))?;
    socket.set_only_v6(true)?;
    // An address may still be in duplicate address detection when the server starts.
    socket.set_freebind_v6(true)?;
    if kind == Type::STREAM {
        // Else a restart would wait for connections of the former life to be forgotten.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into()).with_context(|| {
        format!(
            "DHCPv6 server socket on {address} (does another DHCPv6 server or relay run here? `ss -lntup` shows them)"
        )
    })?;
    Ok(socket)
}

pub(crate) fn log(event: &Event) {
    match event {
        Event::Released { relay, peer, clients, released, spared, no_binding } => {
            tracing::info!(relay = %relay.as_duid(), %peer, clients, released, spared, no_binding, "release request");
        }
        Event::ReleaseRefused { peer, reason } => tracing::warn!(%peer, ?reason, "release request refused"),
        Event::Reset { peer, scope, txid, released, skipped } => {
            tracing::info!(%peer, ?scope, txid = format_args!("{txid:016x}"), released, skipped, "single logout");
        }
        Event::StaleEpoch { scope, ended } => tracing::debug!(?scope, ?ended, "login with an epoch already ended"),
        Event::Exhausted { link } => tracing::debug!(%link, "no address or prefix left"),
    }
}
