//! Watching an interface: every DHCP message on it, in both directions, decoded and counted.

use crate::dhcp::{self, Seen};
use crate::dhcp6::Seen6;
use crate::namespace::Namespace;
use crate::wait;
use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A message that can be told from other frames.
pub trait Message: Clone + Send + 'static {
    /// Reads an Ethernet frame; `taken_tag` is the VLAN tag that the kernel took out of it.
    fn parse(frame: &[u8], taken_tag: Option<u16>) -> Option<Self>;

    /// The name of its type.
    fn name(&self) -> String;
}

impl Message for Seen {
    fn parse(frame: &[u8], taken_tag: Option<u16>) -> Option<Self> {
        Seen::parse(frame, taken_tag)
    }

    fn name(&self) -> String {
        dhcp::name(self.kind)
    }
}

impl Message for Seen6 {
    fn parse(frame: &[u8], _: Option<u16>) -> Option<Self> {
        Seen6::parse(frame)
    }

    fn name(&self) -> String {
        format!("type {}", self.kind)
    }
}

/// A capture of DHCP messages.
pub type Capture = CaptureOf<Seen>;
/// A capture of DHCPv6 messages.
pub type Capture6 = CaptureOf<Seen6>;

/// A running capture on one interface; dropped, it ends.
///
/// XDP redirects and drops before AF_PACKET sees a frame: watch the far end of a veth pair whose near end is the
/// gateway's.
#[derive(Debug)]
pub struct CaptureOf<M> {
    seen: Arc<Mutex<Vec<M>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Message> CaptureOf<M> {
    /// Start to watch `interface` in `space`. Frames from now on are seen.
    pub fn start(space: &Namespace, interface: &str) -> Result<Self> {
        let socket = space.run(|| open(interface))?.with_context(|| format!("cannot watch {interface}"))?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (store, ending) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                if let Some(message) = receive(&socket) {
                    store.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                }
            }
        });
        Ok(CaptureOf { seen, stop, thread: Some(thread) })
    }

    /// All messages so far, in order.
    pub fn messages(&self) -> Vec<M> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Messages by the name of their type.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.with(|seen| {
            let mut counts = BTreeMap::new();
            for message in seen {
                *counts.entry(message.name()).or_default() += 1;
            }
            counts
        })
    }

    /// Forget what was seen.
    pub fn clear(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The first message, past or future, that fits. After `limit` the error lists what was seen instead.
    pub fn wait_for(&self, what: &str, limit: Duration, fits: impl Fn(&M) -> bool) -> Result<M> {
        wait::until(what, limit, || self.with(|seen| seen.iter().find(|message| fits(message)).cloned()))
            .with_context(|| format!("seen: {:?}", self.counts()))
    }

    fn with<T>(&self, look: impl FnOnce(&[M]) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Capture {
    /// Messages of a type so far.
    pub fn count(&self, kind: u8) -> usize {
        self.with(|seen| seen.iter().filter(|message| message.kind == kind).count())
    }
}

impl<M> Drop for CaptureOf<M> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("lab: a capture has panicked");
        }
    }
}

fn open(interface: &str) -> Result<Socket> {
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
    // The outer VLAN tag is not in the frame that AF_PACKET delivers, but beside it.
    set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    // Above the host's limit, so that a thousand logins at once lose no frame.
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    socket.bind(&address)?;
    Ok(socket)
}

fn set(socket: &Socket, level: i32, option: i32, value: libc::c_int) -> Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int, and `value` is one.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

/// The next frame, if it is a DHCP message. `None` also after the read timeout.
fn receive<M: Message>(socket: &Socket) -> Option<M> {
    let mut frame = [0u8; 4096];
    let mut control = [0u64; 16];
    let mut part = IoSliceMut::new(&mut frame);
    // SAFETY: all-zero is a valid msghdr (null pointers, zero lengths).
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = (&raw mut part).cast();
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: the header describes buffers that live until the call returns; IoSliceMut has iovec's layout.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let Ok(length) = usize::try_from(length) else {
        let error = std::io::Error::last_os_error();
        // A removed or downed interface ends nothing: it may come back up.
        let expected = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NetworkDown);
        if !expected {
            std::thread::sleep(Duration::from_millis(10));
        }
        return None;
    };
    let tag = tag(&header);
    M::parse(&frame[..length.min(frame.len())], tag)
}

/// The VLAN tag that the kernel has taken out of the frame.
fn tag(header: &libc::msghdr) -> Option<u16> {
    // SAFETY: recvmsg has filled the header and its control buffer.
    let mut item = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !item.is_null() {
        // SAFETY: not null, so it points to a control header in the buffer, and tpacket_auxdata follows the kind
        // PACKET_AUXDATA; the read makes no assumption on alignment.
        unsafe {
            if (*item).cmsg_level == libc::SOL_PACKET && (*item).cmsg_type == libc::PACKET_AUXDATA {
                let data = libc::CMSG_DATA(item).cast::<libc::tpacket_auxdata>().read_unaligned();
                return (data.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then_some(data.tp_vlan_tci);
            }
            item = libc::CMSG_NXTHDR(header, item);
        }
    }
    None
}
