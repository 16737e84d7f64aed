//! Frames to clients. A client without an address can't be reached through the kernel's stack (RFC 2131 4.1), and a
//! client behind VLAN tags has no interface of its own, so replies leave as whole Ethernet frames.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

use super::send::send_all;

/// One frame, Ethernet header and tags included.
pub(crate) struct Frame {
    /// Interface to send it on.
    pub(crate) ifindex: u32,
    /// From the destination MAC on.
    pub(crate) octets: Vec<u8>,
}

/// An AF_PACKET socket that only sends.
pub(crate) struct RawSender {
    socket: OwnedFd,
}

impl RawSender {
    /// Needs CAP_NET_RAW.
    pub(crate) fn open() -> anyhow::Result<Self> {
        // Protocol 0: the kernel gives this socket nothing to receive.
        let socket = Socket::new(Domain::from(libc::AF_PACKET), Type::RAW, Some(Protocol::from(0)))
            .context("open a packet socket (needs CAP_NET_RAW)")?;
        // Enough for a burst of answers while a slow driver sends.
        socket.set_send_buffer_size(4 << 20)?;
        Ok(Self { socket: socket.into() })
    }

    /// Sends the frames in order. What can't be sent is lost, as on any link, and given to `failed`.
    pub(crate) fn send(&self, frames: &[Frame], mut failed: impl FnMut(&Frame, io::Error)) {
        let each = |index: usize| (&frames[index].octets[..], address(frames[index].ifindex));
        send_all(self.socket.as_fd(), frames.len(), each, |index, error| failed(&frames[index], error));
    }
}

fn address(ifindex: u32) -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_IP as u16).to_be(),
        sll_ifindex: ifindex as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    }
}
