//! What the relay asks for, and what it counts.

use core::net::Ipv4Addr;

use crate::capability::Observation;
use crate::line::{HardwareAddress, Line};
use crate::login::Login;
use crate::time::Instant;
use crate::wire::frame::BROADCAST_MAC;

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send to a server, from `giaddr` port 67 to port 67.
    ToServer(ToServer),
    /// Send to a client in a frame of its own.
    ToClient(ToClient),
    /// An ACK: a login, or its renewal through the relay. Precedes the [`Command::ToClient`] that carries the ACK,
    /// so that what it causes is durable first.
    Bound(Box<Login>),
    /// A renewal that bypassed the relay was acknowledged. Means something only for a login of this address,
    /// hardware address and server; it keeps its epoch (H-BR-7).
    Renewed {
        /// The leased address.
        address: Ipv4Addr,
        /// The client.
        hardware: HardwareAddress,
        /// The server.
        server: Ipv4Addr,
        /// New end of the lease.
        expires: Instant,
    },
    /// The client released its address. Check it against the login: anybody can say so.
    Released {
        /// The address.
        address: Ipv4Addr,
        /// The client.
        hardware: HardwareAddress,
        /// Where it said so.
        line: Line,
    },
    /// The client found its address in use.
    Declined {
        /// The address.
        address: Ipv4Addr,
        /// The client.
        hardware: HardwareAddress,
        /// Where it said so.
        line: Line,
    },
    /// A server said NAK. With several servers another may still say ACK.
    Refused {
        /// The address that was asked for, if it is known.
        address: Option<Ipv4Addr>,
        /// The client.
        hardware: HardwareAddress,
        /// Where it is.
        line: Line,
        /// The server.
        server: Ipv4Addr,
    },
    /// What an OFFER or ACK to a message with our option 82 says about its server. A NAK says nothing: many servers
    /// leave option 82 out of it.
    Heard {
        /// The server.
        server: Ipv4Addr,
        /// What it showed.
        observation: Observation,
        /// The reply carried a valid RFC 4030 signature.
        authenticated: bool,
    },
    /// The answer to a single logout or to a leasequery; authentication is already judged.
    ForRelease {
        /// The server.
        server: Ipv4Addr,
        /// The message.
        payload: Vec<u8>,
    },
    /// Make durable, before anything that follows is sent: replay counters up to this one may be in use (H-BR-14).
    ReserveReplay {
        /// The server they are for.
        server: Ipv4Addr,
        /// The first counter that is not reserved.
        through: u64,
    },
}

/// A message to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToServer {
    /// Our address it is sent from, port 67.
    pub giaddr: Ipv4Addr,
    /// Where it goes, port 67.
    pub server: Ipv4Addr,
    /// The message.
    pub payload: Vec<u8>,
}

/// A message to a client: from `source` port 67 to `destination` port 68.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToClient {
    /// Port and tags.
    pub line: Line,
    /// The client's MAC, or broadcast.
    pub destination_mac: [u8; 6],
    /// Our giaddr.
    pub source: Ipv4Addr,
    /// The client's address, which it may not know yet, or 255.255.255.255.
    pub destination: Ipv4Addr,
    /// The message.
    pub payload: Vec<u8>,
}

impl ToClient {
    /// Whether everybody on the line gets it.
    pub fn is_broadcast(&self) -> bool {
        self.destination_mac == BROADCAST_MAC
    }
}

/// Why a message was dropped, or went without something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Not a DHCP message, cut, or with an overlong option.
    Malformed,
    /// On a port that is not configured.
    UnknownPort,
    /// `op` says reply, but it came from a subscriber; or the other way round.
    WrongDirection,
    /// No message type, or one that this side may not send.
    Kind,
    /// A client without a hardware address.
    NoHardware,
    /// Passed too many relays.
    Hops,
    /// Option 82 from an untrusted port.
    UntrustedOption82,
    /// Our own giaddr or our own relay-id from a subscriber, or any giaddr on an FPC that is not trusted.
    SpoofedRelay,
    /// Elements of a single logout, from a subscriber.
    ForgedRelease,
    /// RELEASE or DECLINE of an address that the sender is not known to have.
    NotTheirs,
    /// DISCOVER, REQUEST or its answer while the FPC's restart is being decided (H-BR-9).
    Frozen,
    /// Not from a configured server.
    UnknownServer,
    /// A reply for a giaddr that is not ours, or not that of the client's FPC.
    ForeignGiaddr,
    /// A reply that nobody asked for.
    Unasked,
    /// A reply to a request of an older epoch (H-BR-9).
    StaleEpoch,
    /// The authentication policy was not met.
    Unauthenticated,
    /// Counted, not dropped: sent without option 82 because it did not fit (RFC 3046 2.1).
    WithoutOption82,
    /// Counted, not dropped: a login that came from below with its own option 82 (H-BR-4).
    DownstreamOption82,
    /// Counted, not dropped: a login that no single logout will cover (H-BR-3, H-BR-4).
    UntaggedLogin,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::UnknownPort,
        Self::WrongDirection,
        Self::Kind,
        Self::NoHardware,
        Self::Hops,
        Self::UntrustedOption82,
        Self::SpoofedRelay,
        Self::ForgedRelease,
        Self::NotTheirs,
        Self::Frozen,
        Self::UnknownServer,
        Self::ForeignGiaddr,
        Self::Unasked,
        Self::StaleEpoch,
        Self::Unauthenticated,
        Self::WithoutOption82,
        Self::DownstreamOption82,
        Self::UntaggedLogin,
    ];

    /// A name for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownPort => "unknown_port",
            Self::WrongDirection => "wrong_direction",
            Self::Kind => "kind",
            Self::NoHardware => "no_hardware",
            Self::Hops => "hops",
            Self::UntrustedOption82 => "untrusted_option_82",
            Self::SpoofedRelay => "spoofed_relay",
            Self::ForgedRelease => "forged_release",
            Self::NotTheirs => "not_theirs",
            Self::Frozen => "frozen",
            Self::UnknownServer => "unknown_server",
            Self::ForeignGiaddr => "foreign_giaddr",
            Self::Unasked => "unasked",
            Self::StaleEpoch => "stale_epoch",
            Self::Unauthenticated => "unauthenticated",
            Self::WithoutOption82 => "without_option_82",
            Self::DownstreamOption82 => "downstream_option_82",
            Self::UntaggedLogin => "untagged_login",
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
