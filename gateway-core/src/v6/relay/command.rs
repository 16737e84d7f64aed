//! What the relay asks for, and what it counts.

use core::net::Ipv6Addr;

use crate::line::Line;
use crate::reason::reasons;
use crate::session::EndReason;
use crate::v6::{Login, Over};
use crate::wire::dhcp6::release::Part;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send to a server, from `source` port 547 to port 547.
    ToServer(ToServer),
    /// Send to a client, or to a relay below, in a frame of its own.
    ToClient(ToClient),
    /// A REPLY grants leases. Precedes the [`Command::ToClient`] that carries it, so that what it causes is durable first.
    /// What the same REPLY says is over makes room for that; it ends by the [`Command::Unbound`] in between.
    Bound(Box<Login>, Over),
    /// A server says that leases are over. Means something only for leases that this client has from this server.
    Unbound {
        /// The client.
        client: DuidBuf,
        /// Where it asked.
        line: Line,
        /// The server.
        server: Ipv6Addr,
        /// The leases.
        leases: Vec<Prefix>,
        /// All leases of these IAs.
        ias: Vec<(IaKind, u32)>,
        /// Why.
        reason: EndReason,
    },
    /// A server says that all leases of a client are over, but for these: a relay below has asked for it.
    Cleared {
        /// The client.
        client: DuidBuf,
        /// Where it is.
        line: Line,
        /// The server.
        server: Ipv6Addr,
        /// What it keeps.
        except: Vec<Part>,
    },
    /// The answer to a release or to a leasequery of our own.
    ForRelease {
        /// The server.
        server: Ipv6Addr,
        /// The message, out of its RELAY-REPL.
        payload: Vec<u8>,
    },
}

/// A message to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToServer {
    /// Our address it is sent from, port 547.
    pub source: Ipv6Addr,
    /// Where it goes, port 547; ff05::1:3 is possible.
    pub server: Ipv6Addr,
    /// The message.
    pub payload: Vec<u8>,
}

/// A message to a client or to a relay below: from port 547 of the port's own link-local address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToClient {
    /// Port and tags.
    pub line: Line,
    /// The MAC its request came with.
    pub destination_mac: [u8; 6],
    /// The client's address, or that of the relay below.
    pub destination: Ipv6Addr,
    /// 546, or 547 for a relay, unless that one asked for another (RFC 8357).
    pub port: u16,
    /// The message.
    pub payload: Vec<u8>,
}

reasons! {
    /// Why a message was dropped.
    pub enum Reason {
        /// Not a DHCPv6 message, cut, or one that grants leases and can't be read.
        Malformed = "malformed",
        /// On a port that is not configured.
        UnknownPort = "unknown_port",
        /// A server's message from a subscriber, or one that no server sends from a server (RR-32, RR-38).
        WrongDirection = "wrong_direction",
        /// A subscriber sent what only relays and administrators send: LEASEQUERY, RECONFIGURE-REQUEST.
        NotClients = "not_clients",
        /// RELEASE-REQUEST from a subscriber's port (RR-41, H-RR-8).
        ForgedRelease = "forged_release",
        /// A RELAY-FORW where relays are not trusted.
        UntrustedRelay = "untrusted_relay",
        /// From an address of ours, or with our Relay-Id in it.
        SpoofedRelay = "spoofed_relay",
        /// From an address that can't be answered.
        Source = "source",
        /// Passed too many relays.
        Hops = "hops",
        /// Too long for an option.
        TooLong = "too_long",
        /// RELEASE or DECLINE of a client that the sender is not.
        NotTheirs = "not_theirs",
        /// What makes or extends leases, or its answer, while the FPC's restart is being decided (H-BR-9).
        Frozen = "frozen",
        /// Not from a configured server.
        UnknownServer = "unknown_server",
        /// A reply without an Interface-Id, or not with one of ours.
        ForeignInterface = "foreign_interface",
        /// A reply for a link-address that is not that of the client's FPC.
        ForeignLink = "foreign_link",
        /// A REPLY with leases for a request of an older epoch (H-BR-9).
        StaleEpoch = "stale_epoch",
        /// A REPLY that leases what no subscriber can have: a link-local or multicast address, our own, everything.
        UnfitLease = "unfit_lease",
    }
}
