//! UDP to and from DHCP servers: a socket for each giaddr, bound to (giaddr, 67).
//!
//! Nearly all of what servers send is taken by the data plane before it gets here. What does arrive: the answers of a
//! server on this very host, datagrams that came in fragments, and everything on hosts without the data plane.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::Context;
use gateway_core::wire::dhcp4::SERVER_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::segments;
use super::send::send_all;
use super::watch::watch;

/// A datagram that came through the stack.
pub(crate) struct Received {
    /// Who sent it.
    pub(crate) from: SocketAddrV4,
    /// The DHCP message.
    pub(crate) payload: Vec<u8>,
}

/// A datagram to a server.
#[derive(Clone)]
pub(crate) struct Datagram {
    /// Source address.
    pub(crate) giaddr: Ipv4Addr,
    /// Destination; the port is 67.
    pub(crate) server: Ipv4Addr,
    /// The DHCP message.
    pub(crate) payload: Vec<u8>,
}

/// The sockets.
pub(crate) struct Upstream {
    sockets: BTreeMap<Ipv4Addr, Arc<AsyncFd<UdpSocket>>>,
    /// The kernel segments for us, as far as we know.
    segments: Cell<bool>,
}

impl Upstream {
    /// Binds a socket for each giaddr; what they receive goes to `received`. An address that the host does not have
    /// yet can be bound as well. Must be called within a tokio runtime.
    pub(crate) fn open(giaddrs: &[Ipv4Addr], received: &mpsc::Sender<Received>) -> anyhow::Result<Self> {
        let mut sockets = BTreeMap::new();
        for &giaddr in giaddrs {
            if sockets.contains_key(&giaddr) {
                continue;
            }
            let socket = bind(giaddr).with_context(|| {
                format!("bind UDP {giaddr}:{SERVER_PORT} (does another DHCP relay or server run here? `ss -lunp` shows them)")
            })?;
            let socket = Arc::new(watch(socket)?);
            tokio::spawn(receive(giaddr, Arc::clone(&socket), received.clone()));
            sockets.insert(giaddr, socket);
        }
        Ok(Self { sockets, segments: Cell::new(true) })
    }

    /// Sends the datagrams in order for each giaddr. What can't be sent is lost and given to `failed`.
    pub(crate) fn send(&self, mut datagrams: &[Datagram], mut failed: impl FnMut(&Datagram, io::Error)) {
        while let Some(first) = datagrams.first() {
            let same = datagrams.iter().take_while(|datagram| datagram.giaddr == first.giaddr).count();
            let (run, rest) = datagrams.split_at(same);
            datagrams = rest;
            let Some(socket) = self.sockets.get(&first.giaddr) else {
                run.iter().for_each(|datagram| failed(datagram, io::ErrorKind::AddrNotAvailable.into()));
                continue;
            };
            self.send_run(socket.get_ref().as_fd(), run, &mut failed);
        }
    }

    fn send_run(&self, socket: BorrowedFd<'_>, run: &[Datagram], failed: &mut impl FnMut(&Datagram, io::Error)) {
        let one_by_one = |places: &[usize], failed: &mut dyn FnMut(&Datagram, io::Error)| {
            let each = |i: usize| {
                let datagram = &run[places[i]];
                (&datagram.payload[..], c_address(address(datagram.server)))
            };
            send_all(socket, places.len(), each, |index, error| failed(&run[places[index]], error));
        };
        let Some(places) = segments::alike(run).filter(|_| self.segments.get()) else {
            return one_by_one(&(0..run.len()).collect::<Vec<_>>(), failed);
        };
        let (mut rest, mut single) = (&places[..], Vec::new());
        while !rest.is_empty() {
            let (alike, others) = segments::run(run, rest);
            rest = others;
            if alike.len() == 1 {
                single.push(alike[0]);
            } else if let Err(error) = segments::send(socket, address(run[alike[0]].server), run, alike) {
                // An old kernel refuses where the device computes no checksums, any kernel where the MTU is small.
                if matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE)) {
                    tracing::debug!(%error, "no segmentation of UDP here");
                    self.segments.set(false);
                }
                single.extend(alike);
            }
        }
        one_by_one(&single, failed);
    }
}

fn bind(giaddr: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Without SO_REUSEADDR, which would let a second relay take the same address and half of the answers.
    // Bound also while the host lacks the address, and sent from it then: it goes with the interface of a line card,
    // and the single logout is due just after.
    socket.set_ip_transparent_v4(true)?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    socket.bind(&SocketAddr::from((giaddr, SERVER_PORT)).into())?;
    Ok(socket.into())
}

async fn receive(giaddr: Ipv4Addr, socket: Arc<AsyncFd<UdpSocket>>, received: mpsc::Sender<Received>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        match ready.try_io(|socket| socket.get_ref().recv_from(&mut buffer)) {
            Ok(Ok((length, SocketAddr::V4(from)))) => {
                let message = Received { from, payload: buffer[..length].to_vec() };
                if received.send(message).await.is_err() {
                    return;
                }
            }
            Ok(Ok(_)) | Err(_) => {}
            // An ICMP error about an earlier datagram: the server is not there. The relay's timers deal with it.
            Ok(Err(error)) => tracing::debug!(%giaddr, %error, "a datagram could not be delivered"),
        }
    }
}

fn address(server: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(server, SERVER_PORT)
}

/// The address in its C form.
pub(super) fn c_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is second on an address is told so. In a network namespace of its own, for the sake of the port.
    #[test]
    fn an_address_has_one_relay() {
        let bound = std::thread::spawn(|| {
            // SAFETY: a plain system call; it concerns this thread only.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "run by root");
            let giaddr = Ipv4Addr::new(100, 64, 0, 1);
            drop(bind(giaddr).unwrap());
            let _first = bind(giaddr).expect("free again at once");
            bind(giaddr).map(drop)
        });
        assert_eq!(bound.join().unwrap().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
