//! Frames to and from an interface by AF_PACKET, many in one system call.

use core::time::Duration;
use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use super::ether;

/// Frames in one system call.
const BATCH: usize = 64;
/// Octets of a frame.
const FRAME: usize = 2048;
/// Octets the kernel may keep for us.
const BUFFER: libc::c_int = 64 << 20;
/// `PACKET_IGNORE_OUTGOING` of linux/if_packet.h.
const IGNORE_OUTGOING: libc::c_int = 23;

/// A raw socket on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    frames: Box<[[u8; FRAME]; BATCH]>,
    controls: Box<[[u64; 8]; BATCH]>,
}

impl PacketSocket {
    /// On `interface` of the current network namespace.
    pub fn open(interface: &str) -> Result<Self> {
        // Protocol 0: nothing arrives before bind has chosen the interface.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        let name = CString::new(interface)?;
        // SAFETY: `name` is a string that ends in NUL.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        anyhow::ensure!(index != 0, "no interface {interface}");
        let mut storage = SockAddrStorage::zeroed();
        // SAFETY: sockaddr_ll is one of the address forms that the storage is made for.
        let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index.try_into()?;
        // SAFETY: a sockaddr_ll was written.
        let address = unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
        set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1).context("PACKET_AUXDATA")?;
        set(&socket, libc::SOL_PACKET, IGNORE_OUTGOING, 1).context("PACKET_IGNORE_OUTGOING")?;
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER).context("SO_RCVBUFFORCE")?;
        set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER).context("SO_SNDBUFFORCE")?;
        socket.set_nonblocking(true)?;
        socket.bind(&address)?;
        Ok(Self { socket, frames: Box::new([[0; FRAME]; BATCH]), controls: Box::new([[0; 8]; BATCH]) })
    }

    /// Waits for a frame, at most this long.
    pub fn wait(&self, limit: Duration) {
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = libc::timespec {
            tv_sec: limit.as_secs().min(1) as libc::time_t,
            tv_nsec: libc::c_long::from(limit.subsec_nanos()),
        };
        // SAFETY: one pollfd and one timespec that outlive the call; a null mask leaves signals alone.
        unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, core::ptr::null()) };
    }

    /// Receives what is there, up to one batch. Each frame has its tags in place. The number of frames; also 0 while the
    /// interface is down or gone.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8])) -> usize {
        let mut parts: Vec<libc::iovec> = self
            .frames
            .iter_mut()
            .map(|frame| libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: FRAME })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(self.controls.iter_mut())
            .map(|(part, control)| {
                // SAFETY: all-zero is a valid mmsghdr (null pointers, zero lengths).
                let mut header: libc::mmsghdr = unsafe { core::mem::zeroed() };
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of_val(control);
                header
            })
            .collect();
        // SAFETY: each header describes a buffer and a control buffer that live until the call returns.
        let received = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                core::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).unwrap_or(0);
        for (header, frame) in headers.iter().zip(self.frames.iter()).take(received) {
            let frame = &frame[..(header.msg_len as usize).min(FRAME)];
            match tag(&header.msg_hdr) {
                None => take(frame),
                Some((tpid, tci)) => {
                    let mut whole = frame.to_vec();
                    ether::restore_tag(&mut whole, tpid, tci);
                    take(&whole);
                }
            }
        }
        received
    }

    /// Sends frames, in order; how many of them are done with. A full queue takes none; an interface that is down or gone
    /// swallows all, as a cable that was pulled does.
    pub fn send(&self, frames: &[Vec<u8>]) -> usize {
        let frames = &frames[..frames.len().min(BATCH)];
        let mut parts: Vec<libc::iovec> = frames
            .iter()
            .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                // SAFETY: all-zero is a valid mmsghdr (null pointers, zero lengths).
                let mut header: libc::mmsghdr = unsafe { core::mem::zeroed() };
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        // SAFETY: each header describes a frame that lives until the call returns and that sending does not write to.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint, // at most BATCH
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).unwrap_or_else(|_| match io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR) => 0,
            _ => frames.len(),
        })
    }

    /// Most frames that [`Self::send`] takes at once.
    pub const BATCH: usize = BATCH;
}

fn set(socket: &Socket, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int, and `value` is one.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// TPID and TCI of the tag that the kernel has taken out of the frame.
fn tag(header: &libc::msghdr) -> Option<(u16, u16)> {
    // SAFETY: recvmmsg has filled the header and its control buffer.
    let mut item = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !item.is_null() {
        // SAFETY: not null, so it points to a control header in the buffer, and tpacket_auxdata follows the kind
        // PACKET_AUXDATA; the read makes no assumption on alignment.
        unsafe {
            if (*item).cmsg_level == libc::SOL_PACKET && (*item).cmsg_type == libc::PACKET_AUXDATA {
                let data = libc::CMSG_DATA(item).cast::<libc::tpacket_auxdata>().read_unaligned();
                let valid = data.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
                let tpid =
                    if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0 { data.tp_vlan_tpid } else { 0x8100 };
                return valid.then_some((tpid, data.tp_vlan_tci));
            }
            item = libc::CMSG_NXTHDR(header, item);
        }
    }
    None
}
