//! SCTP as the kernel has it: one-to-one sockets (RFC 6458, section 4) whose addresses change while the association lives.
//!
//! [`Socket`] is the kernel's socket and its options, [`Association`] a stream over it as TCP would be one: octets in order,
//! on stream 0. Chunks that change addresses are always authenticated (RFC 4895, H-SC-1): a socket that was not given a key
//! by [`Socket::protect`] changes none. A kernel without SCTP is found out by [`is_supported`].
//!
//! A [`Follower`] has an association's addresses follow those of the host's [`Links`].

mod address;
mod association;
mod event;
mod follower;
mod locals;
mod option;
mod signals;
mod socket;
mod status;

pub use association::{Association, Listener};
pub use event::PathChange;
pub use follower::Follower;
pub use locals::{Card, Links, Locals};
pub use socket::{Key, Socket, Timing};
pub use status::{Path, Status};

use std::io;

use socket2::{Domain, Protocol, Type};

/// Whether the kernel can make SCTP sockets, with RFC 4895 and RFC 5061. It may load a module for it.
pub fn is_supported() -> bool {
    Socket::new(false).is_ok()
}

fn open(domain: Domain) -> io::Result<socket2::Socket> {
    socket2::Socket::new(domain, Type::STREAM, Some(Protocol::SCTP))
}
