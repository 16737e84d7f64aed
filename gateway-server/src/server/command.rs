//! What the server wants done.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::event::Event;
#[cfg(doc)]
use crate::server::Server;

/// What the shell must do, in the order in which it is polled. Every record must be durable before a message that
/// was polled after it leaves, unless the message says that it need not wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record on disk.
    Persist {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Take a record off the disk. Need not be durable by itself.
    Forget {
        /// Its key.
        key: Vec<u8>,
    },
    /// Send a datagram.
    Send {
        /// Relay or client.
        to: SocketAddrV4,
        /// A DHCP message.
        payload: Vec<u8>,
        /// Whether it waits for the records before it. An OFFER promises nothing: what it offers may be gone by the time it is
        /// asked for, whoever forgot it. One that is signed waits all the same, so that signatures arrive in the order of their
        /// numbers.
        waits: bool,
    },
    /// Send an echo request to an address, and say when it is answered ([`Server::handle_echo`]).
    Probe {
        /// Whom to ask.
        address: Ipv4Addr,
    },
    /// Write to a connection, and say when that is done ([`Server::handle_written`]).
    Stream {
        /// As [`Server::handle_connect`] numbered it.
        connection: u64,
        /// Messages behind their lengths.
        octets: Vec<u8>,
    },
    /// End a connection. Nothing more is heard of it.
    Close {
        /// As [`Server::handle_connect`] numbered it.
        connection: u64,
    },
    /// Tell the operator.
    Tell(Event),
}
