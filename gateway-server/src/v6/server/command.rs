//! What the server wants done.

use core::net::SocketAddrV6;

#[cfg(doc)]
use super::Server;
use crate::v6::event::Event;

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
    /// Remove a record from disk.
    Forget {
        /// Its key.
        key: Vec<u8>,
    },
    /// Send a datagram.
    Send {
        /// Relay or client.
        to: SocketAddrV6,
        /// A DHCPv6 message.
        payload: Vec<u8>,
        /// Whether it waits for the records before it. An ADVERTISE promises nothing.
        waits: bool,
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
