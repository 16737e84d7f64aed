//! What differs between IPv4 and IPv6 for a socket that DHCP messages go through.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;

use gateway_core::wire::{dhcp4, dhcp6};
use socket2::{Domain, Protocol, Socket, Type};

/// An address of either version.
pub(crate) trait Family: Copy + Ord + Display + Into<IpAddr> + Send + Sync + 'static {
    /// Where servers and relays listen.
    const PORT: u16;
    /// Where a relayed message has what tells its client from others: `chaddr`, or link-address and peer-address of a
    /// RELAY-FORW.
    const CLIENT: Range<usize>;
    /// A socket address in its C form.
    type Raw;

    /// A socket whose address the host need not have: it goes with the interface of a line card, and what its logout takes
    /// is due just after.
    fn open() -> io::Result<Socket>;

    /// The address with [`Self::PORT`].
    fn raw(self) -> Self::Raw;
}

impl Family for Ipv4Addr {
    const PORT: u16 = dhcp4::SERVER_PORT;
    const CLIENT: Range<usize> = 28..44;
    type Raw = libc::sockaddr_in;

    fn open() -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_ip_transparent_v4(true)?;
        Ok(socket)
    }

    fn raw(self) -> Self::Raw {
        libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: Self::PORT.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(self.octets()) },
            sin_zero: [0; 8],
        }
    }
}

impl Family for Ipv6Addr {
    const PORT: u16 = dhcp6::SERVER_PORT;
    const CLIENT: Range<usize> = 2..34;
    type Raw = libc::sockaddr_in6;

    fn open() -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
        // RFC 8415 section 19.1: messages that a relay sends by multicast.
        socket.set_multicast_hops_v6(u32::from(dhcp6::HOP_COUNT_LIMIT))?;
        Ok(socket)
    }

    fn raw(self) -> Self::Raw {
        libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as libc::sa_family_t,
            sin6_port: Self::PORT.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: self.octets() },
            sin6_scope_id: 0,
        }
    }
}

/// The socket of one address.
pub(super) fn bind<A: Family>(address: A) -> io::Result<UdpSocket> {
    let socket = A::open()?;
    // Without SO_REUSEADDR, which would let a second relay take the same address and half of the answers.
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    socket.bind(&SocketAddr::from((address.into(), A::PORT)).into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice<A: Family>(address: A) -> io::ErrorKind {
        drop(bind(address).expect("an address that the host lacks"));
        let _first = bind(address).expect("free again at once");
        bind(address).map(drop).expect_err("it is taken").kind()
    }

    /// Whoever is second on an address is told so. In a network namespace of its own, for the sake of the ports.
    #[test]
    fn an_address_has_one_relay() {
        let bound = std::thread::spawn(|| {
            // SAFETY: a plain system call; it concerns this thread only.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "run by root");
            let address = "2001:db8::1".parse::<Ipv6Addr>().unwrap();
            (twice(Ipv4Addr::new(100, 64, 0, 1)), twice(address))
        });
        assert_eq!(bound.join().unwrap(), (io::ErrorKind::AddrInUse, io::ErrorKind::AddrInUse));
    }
}
