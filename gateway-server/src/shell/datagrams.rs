//! Many datagrams in one system call: recvmmsg(2) and sendmmsg(2). Under load what a login costs is mostly the way in and
//! out of the kernel.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};

/// Datagrams in one call.
pub(crate) const MOST: usize = 64;
/// Octets of the longest datagram there is.
const LONGEST: usize = 65536;

/// Gives a socket a receive buffer of so many octets: what arrives while a batch is being written waits there. Beyond
/// `net.core.rmem_max` the kernel lets only CAP_NET_ADMIN go.
pub(crate) fn widen(socket: &impl AsRawFd, octets: usize) {
    let set = |option| {
        let value = octets as libc::c_int; // some megabytes
        let length = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the option's value is a live integer of this length.
        unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), length) == 0
        }
    };
    if !set(libc::SO_RCVBUFFORCE) && !set(libc::SO_RCVBUF) {
        tracing::debug!("the kernel grants no larger receive buffer");
    }
}

/// Room for what arrives.
pub(crate) struct Inbox {
    /// The kernel maps in no more of it than is written to.
    octets: Vec<u8>,
    received: [(SocketAddrV4, usize); MOST],
}

impl core::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Inbox")
    }
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        Self { octets: vec![0; MOST * LONGEST], received: [(nobody, 0); MOST] }
    }

    /// Takes what a UDP socket has for us, without waiting.
    pub(crate) fn receive(&mut self, socket: RawFd) -> io::Result<Datagrams<'_>> {
        let mut sources = [sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); MOST];
        let mut parts = [libc::iovec { iov_base: core::ptr::null_mut(), iov_len: LONGEST }; MOST];
        // SAFETY: plain data, for which zero is a valid value.
        let mut headers: [libc::mmsghdr; MOST] = unsafe { core::mem::zeroed() };
        let rooms = self.octets.chunks_exact_mut(LONGEST);
        for (((header, part), source), room) in headers.iter_mut().zip(&mut parts).zip(&mut sources).zip(rooms) {
            part.iov_base = room.as_mut_ptr().cast();
            header.msg_hdr = message(source, part);
        }
        // SAFETY: each header points to an address, a part and room of the length it says, all of which live on.
        let count = unsafe {
            libc::recvmmsg(socket, headers.as_mut_ptr(), MOST as u32, libc::MSG_DONTWAIT, core::ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for ((received, header), source) in self.received.iter_mut().zip(&headers[..count]).zip(&sources) {
            let address = Ipv4Addr::from(u32::from_be(source.sin_addr.s_addr));
            *received = (SocketAddrV4::new(address, u16::from_be(source.sin_port)), header.msg_len as usize);
        }
        Ok(Datagrams { octets: &self.octets, received: &self.received[..count] })
    }
}

/// What was taken.
pub(crate) struct Datagrams<'a> {
    octets: &'a [u8],
    received: &'a [(SocketAddrV4, usize)],
}

impl<'a> Datagrams<'a> {
    /// Source and payload of each, in the order of their arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddrV4, &'a [u8])> + use<'a> {
        let octets = self.octets.chunks_exact(LONGEST);
        self.received.iter().zip(octets).map(|((source, length), octets)| (*source, &octets[..*length]))
    }
}

/// Sends datagrams until all are sent or the socket takes no more; how many are sent, or why the first is not.
pub(crate) fn send(socket: RawFd, datagrams: &[(SocketAddrV4, Vec<u8>)]) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(MOST)];
    let mut targets = [sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); MOST];
    let mut parts = [libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 }; MOST];
    // SAFETY: plain data, for which zero is a valid value.
    let mut headers: [libc::mmsghdr; MOST] = unsafe { core::mem::zeroed() };
    for (((header, part), target), (to, payload)) in headers.iter_mut().zip(&mut parts).zip(&mut targets).zip(datagrams)
    {
        *target = sockaddr(*to);
        *part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        header.msg_hdr = message(target, part);
    }
    let count = datagrams.len() as u32; // at most MOST
    // SAFETY: each header points to an address and a part that live on; the kernel only reads the payloads.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn message(address: &mut libc::sockaddr_in, part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: plain data, for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_name = core::ptr::from_mut(address).cast();
    message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn socket() -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!("bound to IPv4") };
        (socket, address)
    }

    /// More datagrams than go into one call arrive whole and in order, with their sources; an empty and a long one are no
    /// exception, and nothing is left over.
    #[test]
    fn all_arrive() {
        let ((ours, our_address), (theirs, their_address)) = (socket(), socket());
        let length = |number: usize| if number == 70 { 60_000 } else { number * 7 };
        let sent: Vec<_> = (0..100).map(|number| (their_address, vec![number as u8; length(number)])).collect();
        let mut at = 0;
        let (mut inbox, mut received) = (Inbox::new(), Vec::new());
        while at < sent.len() {
            at += send(ours.as_raw_fd(), &sent[at..]).unwrap();
            let datagrams = inbox.receive(theirs.as_raw_fd()).unwrap();
            received.extend(datagrams.iter().map(|(source, payload)| {
                assert_eq!(source, our_address);
                (their_address, payload.to_vec())
            }));
        }
        while let Ok(datagrams) = inbox.receive(theirs.as_raw_fd()) {
            received.extend(datagrams.iter().map(|(_, payload)| (their_address, payload.to_vec())));
        }
        assert!(received == sent);
        let empty = inbox.receive(theirs.as_raw_fd()).map(|_| ()).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }

    /// A datagram that can't be sent is told as the first that was not.
    #[test]
    fn one_that_can_not_be_sent() {
        let ((ours, _), (_theirs, to)) = (socket(), socket());
        let sent = [(to, vec![1]), (to, vec![0; 70_000]), (to, vec![3])];
        assert_eq!(send(ours.as_raw_fd(), &sent).unwrap(), 1);
        assert!(send(ours.as_raw_fd(), &sent[1..]).is_err());
        assert_eq!(send(ours.as_raw_fd(), &sent[2..]).unwrap(), 1);
    }
}
