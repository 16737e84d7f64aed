//! The DHCPv6 half of the loop: a UDP socket, and the TCP connections of bulk leasequery.

use std::io;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

use crate::shell::clock;
use crate::shell::datagrams::widen;
use crate::shell::service::BATCH;
use crate::shell::sockets::RECEIVE_BUFFER;
use crate::shell::streams::{self, Answers, Streams};
use crate::shell::throttle::Throttle;
use crate::v6::{Config, Event, Server, StartError};

/// The sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    datagrams: UdpSocket,
    pub(crate) streams: Streams,
}

/// The server with its sockets.
#[derive(Debug)]
pub(crate) struct Six {
    pub(crate) server: Server,
    pub(crate) sockets: Sockets,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Input {
    Datagrams,
    Stream(streams::Input),
}

/// The sockets as the runtime watches them.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) datagrams: tokio::net::UdpSocket,
    pub(crate) streams: streams::Sources,
}

impl Sources {
    /// Waits for the next input.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Input> {
        tokio::select! {
            ready = self.datagrams.readable() => ready.context("DHCPv6 socket").map(|()| Input::Datagrams),
            input = self.streams.next() => Ok(Input::Stream(input)),
        }
    }
}

impl Answers for Server {
    fn connect(&mut self, connection: u64, peer: SocketAddr) -> bool {
        matches!(peer, SocketAddr::V6(peer) if self.handle_connect(connection, peer, clock::now()))
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

impl Sockets {
    /// Binds them in the current network namespace.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let address = SocketAddrV6::new(config.listen, config.ports.server, 0, 0);
        let datagrams = socket(Type::DGRAM, Protocol::UDP, address)?;
        widen(&datagrams, RECEIVE_BUFFER);
        let streams = Streams::listen(socket(Type::STREAM, Protocol::TCP, address)?)?;
        Ok(Self { datagrams: datagrams.into(), streams })
    }

    /// The same once more, for the runtime.
    pub(crate) fn sources(&self) -> io::Result<Sources> {
        let datagrams = tokio::net::UdpSocket::from_std(self.datagrams.try_clone()?)?;
        Ok(Sources { datagrams, streams: self.streams.sources()? })
    }
}

impl Six {
    /// Binds the sockets in the current network namespace.
    pub(crate) fn open(config: Config, records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> anyhow::Result<Self> {
        let (sockets, address) = (Sockets::open(&config)?, config.listen);
        let server = Server::new(config, records, clock::now(), clock::unix()).map_err(|error: StartError| error)?;
        let status = server.status();
        tracing::info!(leases = status.active, capacity = %status.capacity, %address, "DHCPv6 server ready");
        Ok(Self { server, sockets })
    }

    /// Gives an input to the server.
    pub(crate) fn take(&mut self, input: Input, sources: &Sources, buffer: &mut [u8]) {
        match input {
            Input::Datagrams => self.drain(&sources.datagrams, buffer),
            Input::Stream(input) => self.sockets.streams.take(input, &sources.streams, &mut self.server),
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

/// Anybody can send those.
static REFUSED: Throttle = Throttle::new();
static CONFLICT: Throttle = Throttle::new();

pub(crate) fn log(event: &Event) {
    match event {
        Event::Released { relay, peer, clients, released, spared, no_binding } => {
            tracing::info!(relay = %relay.as_duid(), %peer, clients, released, spared, no_binding, "release request");
        }
        Event::ReleaseRefused { peer, reason } => {
            if let Some(unsaid) = REFUSED.admits(clock::now()) {
                tracing::warn!(%peer, ?reason, unsaid, "release request refused");
            }
        }
        Event::Reset { peer, scope, txid, released, skipped } => {
            tracing::info!(%peer, ?scope, txid = format_args!("{txid:016x}"), released, skipped, "single logout");
        }
        Event::StaleEpoch { scope, ended } => tracing::debug!(?scope, ?ended, "login with an epoch already ended"),
        Event::Conflict { address, client } => {
            if let Some(unsaid) = CONFLICT.admits(clock::now()) {
                tracing::warn!(%address, client = %client.as_duid(), unsaid, "declined: nobody gets it for a while");
            }
        }
        Event::Exhausted { link } => tracing::debug!(%link, "no address or prefix left"),
    }
}
