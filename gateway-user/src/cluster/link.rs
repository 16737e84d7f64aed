//! The cluster's link: the UDP socket that control datagrams go through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use anyhow::Context;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// Bound to the members' port on one interface, and in their group.
pub(super) struct Link {
    socket: UdpSocket,
    group: SocketAddrV4,
}

impl Link {
    /// `ip` is this member's own address on `interface`. Must be called within a tokio runtime.
    pub(super) fn open(interface: &str, ip: Ipv4Addr, group: SocketAddrV4) -> anyhow::Result<Self> {
        let socket = bind(interface, ip, group)
            .with_context(|| format!("open the cluster's link: UDP port {} on {interface}", group.port()))?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, group })
    }

    /// To all members that listen. What can't be sent is lost like on any link; whoever needs it says it again.
    pub(super) fn send_to_group(&self, datagram: &[u8]) {
        self.send(datagram, self.group);
    }

    /// To one member's own address.
    pub(super) fn send_to(&self, datagram: &[u8], ip: Ipv4Addr) {
        self.send(datagram, SocketAddrV4::new(ip, self.group.port()));
    }

    fn send(&self, datagram: &[u8], to: SocketAddrV4) {
        if let Err(error) = self.socket.try_send_to(datagram, to.into()) {
            tracing::trace!(%to, %error, "a control datagram could not be sent");
        }
    }

    /// Returns when there may be something to receive.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The next datagram that waits: its length, and who is said to have sent it.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Ipv4Addr)> {
        match self.socket.try_recv_from(buffer) {
            Ok((length, SocketAddr::V4(from))) => Some((length, *from.ip())),
            // Nothing there, or the error of an earlier sending.
            Ok(_) | Err(_) => None,
        }
    }
}

fn bind(interface: &str, ip: Ipv4Addr, group: SocketAddrV4) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    // Only what comes in on the link, and the group's as well as our own.
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, group.port())).into())?;
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: a string that ends with a zero, which the call only reads.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    socket.join_multicast_v4_n(group.ip(), &InterfaceIndexOrAddress::Index(index))?;
    socket.set_multicast_if_v4(&ip)?;
    // We don't want to hear ourselves (CL-21), and control messages have no business beyond the link.
    socket.set_multicast_loop_v4(false)?;
    socket.set_multicast_ttl_v4(1)?;
    socket.set_recv_buffer_size(4 << 20)?;
    Ok(socket.into())
}
