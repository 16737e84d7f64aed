//! UDP to and from DHCP servers: a socket for each of the relay's addresses, bound to its port, 67 or 547.
//!
//! Nearly all of what servers send is taken by the data plane before it gets here. What does arrive: the answers of a
//! server on this very host, datagrams that came in fragments, and everything on hosts without the data plane.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::Context;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

pub(crate) use super::family::Family;
use super::family::bind;
use super::segments;
use super::send::send_all;
use super::watch::watch;

/// A datagram that came through the stack.
pub(crate) struct Received {
    /// Who sent it.
    pub(crate) from: IpAddr,
    /// The DHCP message.
    pub(crate) payload: Vec<u8>,
}

/// A datagram to a server.
#[derive(Clone)]
pub(crate) struct Datagram<A> {
    /// Source address.
    pub(crate) source: A,
    /// Destination; the port is that of servers.
    pub(crate) server: A,
    /// The DHCP message.
    pub(crate) payload: Vec<u8>,
}

/// The sockets.
pub(crate) struct Upstream<A> {
    sockets: BTreeMap<A, Arc<AsyncFd<UdpSocket>>>,
    /// The kernel segments for us, as far as we know.
    segments: Cell<bool>,
    /// Index of the interface that multicast leaves by; 0: none was chosen yet.
    multicast_by: Cell<u32>,
}

impl<A: Family> Upstream<A> {
    /// Binds a socket for each address; what they receive goes to `received`. An address that the host does not have
    /// yet can be bound as well. Must be called within a tokio runtime.
    pub(crate) fn open(addresses: &[A], received: &mpsc::Sender<Received>) -> anyhow::Result<Self> {
        let mut sockets = BTreeMap::new();
        for &address in addresses {
            if sockets.contains_key(&address) {
                continue;
            }
            let socket = bind(address).with_context(|| {
                let port = A::PORT;
                format!(
                    "bind UDP {address} port {port} (does another DHCP relay or server run here? `ss -lunp` shows them)"
                )
            })?;
            let socket = Arc::new(watch(socket)?);
            tokio::spawn(receive(address, Arc::clone(&socket), received.clone()));
            sockets.insert(address, socket);
        }
        Ok(Self { sockets, segments: Cell::new(true), multicast_by: Cell::new(0) })
    }

    /// Sends the datagrams in order for each source. What can't be sent is lost and given to `failed`.
    pub(crate) fn send(&self, mut datagrams: &[Datagram<A>], mut failed: impl FnMut(&Datagram<A>, io::Error)) {
        while let Some(first) = datagrams.first() {
            let same = datagrams.iter().take_while(|datagram| datagram.source == first.source).count();
            let (run, rest) = datagrams.split_at(same);
            datagrams = rest;
            let Some(socket) = self.sockets.get(&first.source) else {
                run.iter().for_each(|datagram| failed(datagram, io::ErrorKind::AddrNotAvailable.into()));
                continue;
            };
            self.send_run(socket.get_ref().as_fd(), run, &mut failed);
        }
    }

    fn send_run(&self, socket: BorrowedFd<'_>, run: &[Datagram<A>], failed: &mut impl FnMut(&Datagram<A>, io::Error)) {
        let one_by_one = |places: &[usize], failed: &mut dyn FnMut(&Datagram<A>, io::Error)| {
            let each = |i: usize| {
                let datagram = &run[places[i]];
                (&datagram.payload[..], datagram.server.raw())
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
            } else if let Err(error) = segments::send(socket, run[alike[0]].server.raw(), run, alike) {
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

impl Upstream<Ipv6Addr> {
    /// Has multicast leave by this interface from now on: servers may be at ff05::1:3.
    pub(crate) fn multicast_by(&self, ifindex: u32) {
        if self.multicast_by.replace(ifindex) == ifindex {
            return;
        }
        for socket in self.sockets.values() {
            let set = socket2::SockRef::from(socket.get_ref()).set_multicast_if_v6(ifindex);
            set.unwrap_or_else(|error| tracing::warn!(%error, ifindex, "multicast can't leave by this interface"));
        }
    }
}

async fn receive<A: Family>(address: A, socket: Arc<AsyncFd<UdpSocket>>, received: mpsc::Sender<Received>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        match ready.try_io(|socket| socket.get_ref().recv_from(&mut buffer)) {
            Ok(Ok((length, from))) => {
                let message = Received { from: from.ip(), payload: buffer[..length].to_vec() };
                if received.send(message).await.is_err() {
                    return;
                }
            }
            Err(_) => {}
            // An ICMP error about an earlier datagram: the server is not there. The relay's timers deal with it.
            Ok(Err(error)) => tracing::debug!(%address, %error, "a datagram could not be delivered"),
        }
    }
}
