//! The sockets of a server, and how it sends.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use crate::server::Server;
use crate::shell::clock;
use crate::shell::datagrams;
use crate::shell::streams::{Answers, Streams};

/// Octets the kernel may keep for us during a write.
pub(crate) const RECEIVE_BUFFER: usize = 8 << 20;

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
