//! The cluster's link: the UDP socket that control datagrams go through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use anyhow::Context;
use gateway_core::time::{Duration, Instant};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::io::clock;

/// Bound to the members' port on one interface, and in their group. An interface that is made anew has another index, and what was
/// bound to the former one is deaf: then the socket is opened again.
pub(super) struct Link {
    interface: String,
    ip: Ipv4Addr,
    group: SocketAddrV4,
    /// `None`: it could not be opened again yet.
    open: Option<Open>,
    again: Again,
    hail: Hail,
}

struct Open {
    socket: UdpSocket,
    /// The interface's index when it was opened.
    index: u32,
}

impl Link {
    /// `ip` is this member's own address on `interface`. Must be called within a tokio runtime.
    pub(super) fn open(interface: &str, ip: Ipv4Addr, group: SocketAddrV4) -> anyhow::Result<Self> {
        let open = bind(interface, ip, group)
            .with_context(|| format!("open the cluster's link: UDP port {} on {interface}", group.port()))?;
        Ok(Self {
            interface: interface.to_owned(),
            ip,
            group,
            open: Some(open),
            again: Again::new(),
            hail: Hail::new(clock::now()),
        })
    }

    /// To all members that listen. What can't be sent is lost like on any link; whoever needs it says it again.
    pub(super) fn send_to_group(&mut self, datagram: &[u8]) {
        self.send(datagram, self.group);
    }

    /// To one member's own address.
    pub(super) fn send_to(&mut self, datagram: &[u8], ip: Ipv4Addr) {
        self.send(datagram, SocketAddrV4::new(ip, self.group.port()));
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddrV4) {
        let Some(open) = &self.open else { return };
        if let Err(error) = open.socket.try_send_to(datagram, to.into()) {
            tracing::trace!(%to, %error, "a control datagram could not be sent");
            // Or the interface is another one by now.
            if error.kind() != io::ErrorKind::WouldBlock {
                self.again.soon(clock::now());
            }
        }
    }

    /// Returns when there may be something to receive.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.open {
            Some(open) => open.socket.readable().await,
            None => std::future::pending().await,
        }
    }

    /// The next datagram that waits: its length, and who is said to have sent it.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Ipv4Addr)> {
        match self.open.as_ref()?.socket.try_recv_from(buffer) {
            Ok((length, SocketAddr::V4(from))) => Some((length, *from.ip())),
            // Nothing there, or the error of an earlier sending.
            Ok(_) | Err(_) => None,
        }
    }

    /// Gives up a socket that is no good; another is opened soon.
    pub(super) fn close(&mut self, now: Instant) {
        self.open = None;
        self.again.soon(now);
    }

    /// When [`Link::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.again.at, self.hail.due()].into_iter().flatten().min()
    }

    /// The index of the interface on which our address is to be announced now: the others may know it at the MAC of an
    /// interface that is gone, and take half a minute to doubt that.
    pub(super) fn hail(&mut self, now: Instant) -> Option<u32> {
        self.hail.is_due(now).then(|| self.open.as_ref().map(|open| open.index))?
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.again.at.is_some_and(|at| at <= now) {
            self.look(now);
        }
    }

    /// Whether the socket is bound to the interface that has the name now; opens it again if not.
    pub(super) fn look(&mut self, now: Instant) {
        if let (Some(open), Ok(present)) = (&self.open, index(&self.interface))
            && open.index == present
        {
            return self.again.done();
        }
        match bind(&self.interface, self.ip, self.group) {
            Ok(open) => {
                tracing::info!(interface = self.interface, "the cluster's link is open again");
                self.open = Some(open);
                self.again.done();
                self.hail = Hail::new(now);
            }
            Err(error) => {
                if self.open.take().is_some() {
                    tracing::warn!(interface = self.interface, %error, "the cluster's link is gone");
                } else {
                    tracing::debug!(interface = self.interface, %error, "the cluster's link can't be opened");
                }
                self.again.failed(now);
            }
        }
    }
}

/// When to look again: soon at first, then ever later.
#[derive(Debug)]
struct Again {
    at: Option<Instant>,
    wait: Duration,
}

impl Again {
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_secs(1);

    const fn new() -> Self {
        Self { at: None, wait: Self::LEAST }
    }

    /// Something went wrong.
    fn soon(&mut self, now: Instant) {
        self.at.get_or_insert(now + self.wait);
    }

    /// So did the attempt to mend it.
    fn failed(&mut self, now: Instant) {
        self.at = Some(now + self.wait);
        self.wait = (2 * self.wait).min(Self::MOST);
    }

    /// All is well.
    fn done(&mut self) {
        *self = Self::new();
    }
}

/// When our address is announced: as soon as the socket is open, and twice more, since a frame may be lost.
#[derive(Debug)]
struct Hail {
    at: Instant,
    left: u8,
}

impl Hail {
    const TIMES: u8 = 3;
    const PAUSE: Duration = Duration::from_secs(1);

    const fn new(now: Instant) -> Self {
        Self { at: now, left: Self::TIMES }
    }

    fn due(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.at)
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|at| at <= now);
        if is_due {
            (self.at, self.left) = (now + Self::PAUSE, self.left - 1);
        }
        is_due
    }
}

/// The index of the interface that has this name now.
pub(super) fn index(interface: &str) -> io::Result<u32> {
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: a string that ends with a zero, which the call only reads.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

fn bind(interface: &str, ip: Ipv4Addr, group: SocketAddrV4) -> io::Result<Open> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    let index = index(interface)?;
    // Only what comes in on the link, and the group's as well as our own.
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, group.port())).into())?;
    socket.join_multicast_v4_n(group.ip(), &InterfaceIndexOrAddress::Index(index))?;
    socket.set_multicast_if_v4(&ip)?;
    // We don't want to hear ourselves (CL-21), and control messages have no business beyond the link.
    socket.set_multicast_loop_v4(false)?;
    socket.set_multicast_ttl_v4(1)?;
    socket.set_recv_buffer_size(4 << 20)?;
    Ok(Open { socket: UdpSocket::from_std(socket.into())?, index })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three times, a second apart.
    #[test]
    fn announced_three_times() {
        let mut hail = Hail::new(Instant::ZERO);
        let mut at = Vec::new();
        for tenth in 0..100 {
            let now = Instant::ZERO + Duration::from_millis(100 * tenth);
            at.extend(hail.is_due(now).then_some(tenth));
        }
        assert_eq!(at, [0, 10, 20]);
        assert_eq!(hail.due(), None);
    }

    /// Attempts on a link that is gone come ever more slowly, and at once again after it was there.
    #[test]
    fn attempts_are_bounded() {
        let (mut again, mut now) = (Again::new(), Instant::ZERO);
        assert_eq!(again.at, None);
        again.soon(now);
        again.soon(now + Duration::from_millis(5));
        assert_eq!(again.at, Some(now + Again::LEAST), "what is asked again is not put off");
        let mut waits = Vec::new();
        for _ in 0..8 {
            now = again.at.unwrap();
            again.failed(now);
            waits.push(again.at.unwrap().since(now).as_millis());
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        again.done();
        assert_eq!(again.at, None);
        again.soon(now);
        assert_eq!(again.at, Some(now + Again::LEAST));
    }
}
