//! A NETLINK_ROUTE socket.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use anyhow::Context;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// An rtnetlink socket that never blocks.
pub(super) struct RouteSocket(Socket);

impl RouteSocket {
    /// `groups` is the bit mask of multicast groups to hear.
    pub(super) fn open(groups: u32) -> anyhow::Result<Self> {
        let netlink = Domain::from(libc::AF_NETLINK);
        let socket = Socket::new(netlink, Type::RAW.nonblocking(), Some(Protocol::from(libc::NETLINK_ROUTE)))
            .context("open a netlink socket")?;
        socket.set_recv_buffer_size(1 << 20)?;
        // SAFETY: `sockaddr_nl` is plain data that fits the storage, and the length given is its own.
        let (_, address) = unsafe {
            SockAddr::try_init(|storage, length| {
                let address = storage.cast::<libc::sockaddr_nl>();
                (*address).nl_family = libc::AF_NETLINK as libc::sa_family_t;
                (*address).nl_groups = groups;
                *length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
                Ok(())
            })
        }?;
        socket.bind(&address).context("bind a netlink socket")?;
        Ok(Self(socket))
    }

    /// Has the kernel list only what the header of a dump asks for.
    pub(super) fn filter(&self) -> anyhow::Result<()> {
        let on: libc::c_int = 1;
        let (fd, option) = (self.0.as_raw_fd(), libc::NETLINK_GET_STRICT_CHK);
        let length = size_of_val(&on) as libc::socklen_t;
        // SAFETY: the option is an int, whose address and length are given.
        match unsafe { libc::setsockopt(fd, libc::SOL_NETLINK, option, (&raw const on).cast(), length) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()).context("have a netlink socket filter what it lists"),
        }
    }

    pub(super) fn send(&self, octets: &[u8]) -> io::Result<()> {
        // An unconnected netlink socket sends to the kernel.
        self.0.send(octets).map(drop)
    }

    /// One datagram into `buffer`; its length.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the kernel only writes initialised octets into it, and `u8` and `MaybeUninit<u8>` have one layout.
        let uninit = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        self.0.recv(uninit)
    }
}

impl AsRawFd for RouteSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
