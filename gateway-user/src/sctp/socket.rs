//! A one-to-one socket: what is set before the association, and what changes while it lives.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use socket2::{Domain, SockAddr};

use super::address::{self, STORAGE};
use super::event::PEER_ADDR_CHANGE;
use super::option::{self, Name};
use super::status::{self, PATH, Path, STATUS, Status};

/// Identifiers of HMACs in the order in which they are preferred (RFC 4895, section 3.3): SHA-256, and SHA-1, which must be there.
const HMACS: [u16; 2] = [3, 1];
/// Chunk type of a configuration message (SC-38).
const ASCONF: u8 = 0xc1;
/// The key that there is without any (RFC 4895, section 6.1).
const EMPTY_KEY: u16 = 0;
/// `SPP_HB_ENABLE`.
const HEARTBEAT: u32 = 1;
/// `MSG_NOTIFICATION`: what was received is the kernel's own word.
const NOTIFICATION: libc::c_int = 0x8000;
/// Octets that an option with a list of addresses may have: sixteen of IPv6 (H-SC-10), and more than that.
const LIST: usize = 2048;

/// An endpoint pair's shared key (RFC 4895, section 2.1), by its number.
#[derive(Clone)]
pub struct Key {
    /// Number that both sides know it by.
    pub number: u16,
    /// The key.
    pub octets: Vec<u8>,
}

/// How soon a silent path is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Least, first and greatest time that an answer is waited for.
    pub rto: [Duration; 3],
    /// Between two heartbeats on an idle path, beyond the RTO.
    pub heartbeat: Duration,
    /// Answers that a path may miss before it counts as unreachable.
    pub path_misses: u16,
    /// Answers in a row that the association may miss on all paths before it ends.
    pub misses: u16,
}

impl Default for Timing {
    /// For links of one site: a path that is gone costs a fifth of a second. It is left after the first answer that does not
    /// come, and given up after two; the association waits for a link that is put in again.
    fn default() -> Self {
        let [least, first, greatest] = [200, 500, 1000].map(Duration::from_millis);
        Self { rto: [least, first, greatest], heartbeat: Duration::from_millis(500), path_misses: 2, misses: 16 }
    }
}

/// As the options have it; what is longer than they can say is as long as they can.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// `struct sctp_initmsg`: streams as usual; a few attempts, each no longer than the greatest wait, in milliseconds. 0 would be
/// the kernel's own.
fn set_up(greatest: u32) -> Vec<u8> {
    let greatest = u16::try_from(greatest).unwrap_or(u16::MAX);
    [0, 0, 4, greatest].map(u16::to_ne_bytes).concat()
}

/// `struct sctp_authkeyid`: of the socket's own association.
fn key_id(number: u16) -> [u8; 8] {
    let mut octets = [0; 8];
    octets[4..6].copy_from_slice(&number.to_ne_bytes());
    octets
}

/// What [`Socket::receive`] has received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// Octets of the stream; 0: it has ended.
    Octets(usize),
    /// The kernel's word, of this length.
    Notification(usize),
}

/// A socket. It does not block.
#[derive(Debug)]
pub struct Socket(socket2::Socket);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Socket {
    /// For IPv4 addresses, or for IPv6 and IPv4 addresses (SC-40). It announces that addresses may change, and tells of paths.
    ///
    /// # Errors
    /// The kernel has no SCTP, or one without RFC 4895 and RFC 5061.
    pub fn new(with_ipv6: bool) -> io::Result<Self> {
        let socket = super::open(if with_ipv6 { Domain::IPV6 } else { Domain::IPV4 })?;
        if with_ipv6 {
            socket.set_only_v6(false)?;
        }
        Self(socket).prepare(true)
    }

    /// A socket that announces neither RFC 4895 nor RFC 5061, as a peer without them.
    ///
    /// # Errors
    /// The kernel has no SCTP.
    pub fn without_changes() -> io::Result<Self> {
        let socket = Self(super::open(Domain::IPV4)?);
        socket.set(option::ASCONF_SUPPORTED, &option::of_association(0))?;
        socket.set(option::AUTH_SUPPORTED, &option::of_association(0))?;
        socket.prepare(false)
    }

    /// Authentication first: it makes the kernel list configuration chunks among those to be authenticated.
    fn prepare(self, changes: bool) -> io::Result<Self> {
        self.0.set_nonblocking(true)?;
        if changes {
            self.set(option::AUTH_SUPPORTED, &option::of_association(1))?;
            self.set(option::ASCONF_SUPPORTED, &option::of_association(1))?;
        }
        self.set(option::NODELAY, &1u32.to_ne_bytes())?;
        let mut event = [0; 8];
        event[4..6].copy_from_slice(&PEER_ADDR_CHANGE.to_ne_bytes());
        event[6] = 1;
        self.set(option::EVENT, &event)?;
        Ok(self)
    }

    fn set(&self, name: Name, value: &[u8]) -> io::Result<()> {
        option::set(self, name, value)
    }

    /// Authenticates configuration chunks with this key, by SHA-256 where the peer can (H-SC-1). Before the association.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn protect(&self, key: &Key) -> io::Result<()> {
        let mut idents = (HMACS.len() as u32).to_ne_bytes().to_vec();
        HMACS.iter().for_each(|ident| idents.extend(ident.to_ne_bytes()));
        self.set(option::HMAC_IDENT, &idents)?;
        // Everybody knows the empty key who heard the association begin.
        self.rekey(key, EMPTY_KEY)
    }

    /// Has this key in the place of a former one, also while the association lives.
    ///
    /// # Errors
    /// As the kernel has it; while the association lives, the peer has no RFC 4895.
    pub fn rekey(&self, key: &Key, former: u16) -> io::Result<()> {
        self.learn(key)?;
        self.use_key(key.number)?;
        self.set(option::AUTH_DELETE_KEY, &key_id(former))
    }

    /// Another key, also while the association lives; not used for sending before [`Socket::use_key`].
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn learn(&self, key: &Key) -> io::Result<()> {
        let mut value = vec![0; 4];
        value.extend(key.number.to_ne_bytes());
        value.extend((key.octets.len() as u16).to_ne_bytes());
        value.extend(&key.octets);
        self.set(option::AUTH_KEY, &value)
    }

    /// Sends with this key from now on.
    ///
    /// # Errors
    /// The key is not known.
    pub fn use_key(&self, number: u16) -> io::Result<()> {
        self.set(option::AUTH_ACTIVE_KEY, &key_id(number))
    }

    /// Has these chunk types authenticated too, whoever sends them to us. Before the association.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn authenticate(&self, chunk: u8) -> io::Result<()> {
        self.set(option::AUTH_CHUNK, &[chunk])
    }

    /// How soon a silent path is noticed; before the association.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn time(&self, timing: &Timing) -> io::Result<()> {
        let [least, first, greatest] = timing.rto.map(milliseconds);
        let rto = [0, first, greatest, least].map(u32::to_ne_bytes).concat();
        self.set(option::RTOINFO, &rto)?;
        let mut association = [0; 20];
        association[4..6].copy_from_slice(&timing.misses.to_ne_bytes());
        self.set(option::ASSOCINFO, &association)?;
        self.set(option::INITMSG, &set_up(greatest))?;
        let mut path = vec![0; 4 + STORAGE];
        path.extend(milliseconds(timing.heartbeat).to_ne_bytes());
        path.extend(timing.path_misses.to_ne_bytes());
        path.extend([0; 8]);
        path.extend(HEARTBEAT.to_ne_bytes());
        path.resize(156, 0);
        self.set(option::PEER_ADDR_PARAMS, &path)
    }

    /// Lets the kernel add and remove addresses by itself as interfaces have them; for a socket that is bound to none.
    /// Only so an association outlives the loss of its only address (H-SC-3): nobody can remove the last one by hand.
    ///
    /// # Errors
    /// The socket is bound to an address.
    pub fn follow_interfaces(&self) -> io::Result<()> {
        self.set(option::AUTO_ASCONF, &1u32.to_ne_bytes())
    }

    /// Binds to all these addresses, which have one port (SC-2).
    ///
    /// # Errors
    /// No address is given, one is not this host's, or its port is in use.
    pub fn bind(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        let Some((first, others)) = addresses.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        self.0.bind(&SockAddr::from(*first))?;
        others.iter().try_for_each(|other| self.add(*other))
    }

    /// Lets a socket that listens, and those of the associations that it takes, be bound to one address: each then may be
    /// given addresses that another has. Before it is bound.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn share_port(&self) -> io::Result<()> {
        self.0.set_reuse_port(true)
    }

    /// Takes associations from now on.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn listen(&self, backlog: i32) -> io::Result<()> {
        self.0.listen(backlog)
    }

    /// An association that came in, if any waits. It announces what the listening socket does.
    ///
    /// # Errors
    /// None waits: [`io::ErrorKind::WouldBlock`].
    pub(super) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (socket, from) = self.0.accept()?;
        let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        // The kernel does not pass it on.
        socket.set_reuse_port(self.0.reuse_port()?)?;
        Ok((Self(socket).prepare(true)?, from))
    }

    /// Begins an association with the endpoint that has all these addresses; it stands when the socket is writable.
    ///
    /// # Errors
    /// There is no way to it, as far as that is known at once.
    pub(super) fn begin(&self, peers: &[SocketAddr]) -> io::Result<()> {
        match self.set(option::CONNECTX, &address::list(peers)) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            done => done,
        }
    }

    /// What went wrong since it was asked last.
    pub(super) fn take_error(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// ADD (SC-11): the peer is told of one more address of ours. Before the association: binds to it too.
    ///
    /// # Errors
    /// The address is not this host's, or the socket's already.
    pub fn add(&self, own: SocketAddr) -> io::Result<()> {
        self.set(option::BINDX_ADD, &address::list(&[own]))
    }

    /// REMOVE (SC-12): the peer is told to send no more to this address of ours.
    ///
    /// # Errors
    /// It is the last one: [`io::ErrorKind::ResourceBusy`]; or not the socket's.
    pub fn remove(&self, own: SocketAddr) -> io::Result<()> {
        self.set(option::BINDX_REM, &address::list(&[own]))
    }

    /// SET PRIMARY (SC-13): the peer is asked to send to this address of ours, which was added before (SC-15).
    ///
    /// # Errors
    /// The address is not the socket's, or the peer can't do that.
    pub fn ask_for(&self, own: SocketAddr) -> io::Result<()> {
        self.with_address(option::SET_PEER_PRIMARY_ADDR, own)
    }

    /// Sends to this address of the peer from now on (SC-7).
    ///
    /// # Errors
    /// It is none of the peer's.
    pub fn prefer(&self, peer: SocketAddr) -> io::Result<()> {
        self.with_address(option::PRIMARY_ADDR, peer)
    }

    fn with_address(&self, name: Name, address: SocketAddr) -> io::Result<()> {
        let mut value = vec![0; 4];
        value.extend(address::storage(Some(address)));
        self.set(name, &value)
    }

    /// The addresses that the socket is bound to.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn own(&self) -> io::Result<Vec<SocketAddr>> {
        self.addresses(option::GET_LOCAL_ADDRS, 0)
    }

    /// Our addresses that the association has: one that was added from when the peer is told, one that was removed until the
    /// peer has answered.
    ///
    /// # Errors
    /// There is no association.
    pub fn members(&self) -> io::Result<Vec<SocketAddr>> {
        self.addresses(option::GET_LOCAL_ADDRS, self.status()?.id)
    }

    /// The peer's addresses.
    ///
    /// # Errors
    /// There is no association.
    pub fn peers(&self) -> io::Result<Vec<SocketAddr>> {
        self.addresses(option::GET_PEER_ADDRS, 0)
    }

    /// Of an association; 0: of the socket, where it has some by itself.
    fn addresses(&self, name: Name, association: u32) -> io::Result<Vec<SocketAddr>> {
        let mut value = vec![0; LIST];
        value[..4].copy_from_slice(&association.to_ne_bytes());
        option::get(self, name, &mut value)?;
        let count = option::number(&value, 4);
        let (mut rest, mut addresses) = (&value[8..], Vec::new());
        for _ in 0..count {
            let Some((address, len)) = address::first(rest) else { break };
            addresses.push(address);
            rest = rest.get(len..).unwrap_or_default();
        }
        Ok(addresses)
    }

    /// What is known of the path to an address of the peer.
    ///
    /// # Errors
    /// It is none of the peer's.
    pub fn path(&self, peer: SocketAddr) -> io::Result<Path> {
        let mut value = vec![0; 4];
        value.extend(address::storage(Some(peer)));
        value.resize(PATH, 0);
        option::get(self, option::GET_PEER_ADDR_INFO, &mut value)?;
        status::path(&value).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// What is known of the association.
    ///
    /// # Errors
    /// There is none.
    pub fn status(&self) -> io::Result<Status> {
        let mut value = [0; STATUS];
        option::get(self, option::STATUS, &mut value)?;
        Ok(status::status(&value))
    }

    /// Whether the peer takes configuration chunks, authenticated ones alone.
    pub fn can_change(&self) -> bool {
        let mut value = [0; 8 + 64];
        let read = option::get(self, option::PEER_AUTH_CHUNKS, &mut value);
        let count = option::number(&value, 4) as usize;
        read.is_ok() && value[8..].iter().take(count).any(|chunk| *chunk == ASCONF)
    }

    /// Octets of the stream, or the kernel's word.
    pub(super) fn receive(&self, octets: &mut [u8]) -> io::Result<Received> {
        let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
        // SAFETY: all zero is a message header without anything.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        // SAFETY: the header names one part, which is a slice that outlives the call and is ours to be written.
        let len = unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut header, 0) };
        if len < 0 {
            return Err(io::Error::last_os_error());
        }
        let received = if header.msg_flags & NOTIFICATION != 0 { Received::Notification } else { Received::Octets };
        Ok(received(len as usize))
    }

    /// Sends octets of the stream as one message.
    pub(super) fn send(&self, octets: &[u8]) -> io::Result<usize> {
        self.0.send_with_flags(octets, libc::MSG_NOSIGNAL)
    }

    /// Ends the association when all that was sent has arrived.
    pub(super) fn shut_down(&self) -> io::Result<()> {
        self.0.shutdown(std::net::Shutdown::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wait that is longer than an option can say is no shorter than the longest that it can.
    #[test]
    fn waits_that_are_long() {
        let wait = |greatest| u16::from_ne_bytes(set_up(greatest)[6..].try_into().unwrap());
        assert_eq!([1000, 65_535, 65_536, 65_537, u32::MAX].map(wait), [1000, 65_535, 65_535, 65_535, 65_535]);
        assert_eq!(milliseconds(Duration::from_secs(3)), 3000);
        assert_eq!(milliseconds(Duration::from_secs(5_000_000)), u32::MAX);
    }
}
