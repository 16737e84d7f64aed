//! What the relay asks for, and what it counts.

use core::net::Ipv6Addr;

use crate::line::Line;
use crate::session::EndReason;
use crate::v6::{Grant, Login};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send to a server, from `source` port 547 to port 547.
    ToServer(ToServer),
    /// Send to a client, or to a relay below, in a frame of its own.
    ToClient(ToClient),
    /// A REPLY grants leases. Precedes the [`Command::ToClient`] that carries it, so that what it causes is durable first.
    Bound(Box<Login>),
    /// A renewal that bypassed the relay. Means something only for leases that this client has from this server; they
    /// keep their line.
    Renewed {
        /// The client.
        client: DuidBuf,
        /// The server.
        server: Ipv6Addr,
        /// The leases with their new ends.
        granted: Vec<Grant>,
    },
    /// A server says that leases are over. Means something only for leases that this client has from this server.
    Unbound {
        /// The client.
        client: DuidBuf,
        /// Where it asked; `None` when the REPLY bypassed the relay.
        line: Option<Line>,
        /// The server.
        server: Ipv6Addr,
        /// The leases.
        leases: Vec<Prefix>,
        /// All leases of these IAs.
        ias: Vec<(IaKind, u32)>,
        /// Why.
        reason: EndReason,
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

/// Why a message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Not a DHCPv6 message, cut, or one that grants leases and can't be read.
    Malformed,
    /// On a port that is not configured.
    UnknownPort,
    /// A server's message from a subscriber, or one that no server sends from a server (RR-32, RR-38).
    WrongDirection,
    /// A subscriber sent what only relays and administrators send: LEASEQUERY, RECONFIGURE-REQUEST.
    NotClients,
    /// RELEASE-REQUEST from a subscriber's port (RR-41, H-RR-8).
    ForgedRelease,
    /// A RELAY-FORW where relays are not trusted.
    UntrustedRelay,
    /// From an address of ours, or with our Relay-Id in it.
    SpoofedRelay,
    /// From an address that can't be answered.
    Source,
    /// Passed too many relays.
    Hops,
    /// Too long for an option.
    TooLong,
    /// RELEASE or DECLINE of a client that the sender is not.
    NotTheirs,
    /// What makes or extends leases, or its answer, while the FPC's restart is being decided (H-BR-9).
    Frozen,
    /// Not from a configured server.
    UnknownServer,
    /// A reply without an Interface-Id, or not with one of ours.
    ForeignInterface,
    /// A reply for a link-address that is not that of the client's FPC.
    ForeignLink,
    /// A REPLY with leases for a request of an older epoch (H-BR-9).
    StaleEpoch,
    /// A REPLY that leases what no subscriber can have: a link-local or multicast address, our own, everything.
    UnfitLease,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::UnknownPort,
        Self::WrongDirection,
        Self::NotClients,
        Self::ForgedRelease,
        Self::UntrustedRelay,
        Self::SpoofedRelay,
        Self::Source,
        Self::Hops,
        Self::TooLong,
        Self::NotTheirs,
        Self::Frozen,
        Self::UnknownServer,
        Self::ForeignInterface,
        Self::ForeignLink,
        Self::StaleEpoch,
        Self::UnfitLease,
    ];

    /// A name for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownPort => "unknown_port",
            Self::WrongDirection => "wrong_direction",
            Self::NotClients => "not_clients",
            Self::ForgedRelease => "forged_release",
            Self::UntrustedRelay => "untrusted_relay",
            Self::SpoofedRelay => "spoofed_relay",
            Self::Source => "source",
            Self::Hops => "hops",
            Self::TooLong => "too_long",
            Self::NotTheirs => "not_theirs",
            Self::Frozen => "frozen",
            Self::UnknownServer => "unknown_server",
            Self::ForeignInterface => "foreign_interface",
            Self::ForeignLink => "foreign_link",
            Self::StaleEpoch => "stale_epoch",
            Self::UnfitLease => "unfit_lease",
        }
    }
}

/// How often each [`Reason`] occurred.
#[derive(Clone, Debug, Default)]
pub struct Counters([u64; Reason::ALL.len()]);

impl Counters {
    /// How often.
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().map(|reason| (reason, self.get(reason)))
    }

    pub(super) fn add(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }
}
