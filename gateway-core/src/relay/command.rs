//! What the relay asks for, and what it counts.

use core::net::Ipv4Addr;

use crate::capability::Observation;
use crate::line::{HardwareAddress, Line};
use crate::login::Login;
use crate::reason::reasons;
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

reasons! {
    /// Why a message was dropped, or went without something.
    pub enum Reason {
        /// Not a DHCP message, cut, or with an overlong option.
        Malformed = "malformed",
        /// On a port that is not configured.
        UnknownPort = "unknown_port",
        /// `op` says reply, but it came from a subscriber; or the other way round.
        WrongDirection = "wrong_direction",
        /// No message type, or one that this side may not send.
        Kind = "kind",
        /// A client without a hardware address.
        NoHardware = "no_hardware",
        /// Passed too many relays.
        Hops = "hops",
        /// Option 82 from an untrusted port.
        UntrustedOption82 = "untrusted_option_82",
        /// Our own giaddr or our own relay-id from a subscriber, or any giaddr on an FPC that is not trusted.
        SpoofedRelay = "spoofed_relay",
        /// Elements of a single logout, from a subscriber.
        ForgedRelease = "forged_release",
        /// RELEASE or DECLINE of an address that the sender is not known to have.
        NotTheirs = "not_theirs",
        /// DISCOVER, REQUEST or its answer while the FPC's restart is being decided (H-BR-9).
        Frozen = "frozen",
        /// Not from a configured server.
        UnknownServer = "unknown_server",
        /// A reply for a giaddr that is not ours, or not that of the client's FPC.
        ForeignGiaddr = "foreign_giaddr",
        /// A reply that nobody asked for.
        Unasked = "unasked",
        /// A reply to a request of an older epoch (H-BR-9).
        StaleEpoch = "stale_epoch",
        /// The authentication policy was not met.
        Unauthenticated = "unauthenticated",
        /// An OFFER or ACK of an address that no subscriber can have: a group's, our own, that of every host itself.
        UnfitLease = "unfit_lease",
        /// Counted, not dropped: sent without option 82 because it did not fit (RFC 3046 2.1).
        WithoutOption82 = "without_option_82",
        /// Counted, not dropped: a login that came from below with its own option 82 (H-BR-4).
        DownstreamOption82 = "downstream_option_82",
        /// Counted, not dropped: a login that no single logout will cover (H-BR-3, H-BR-4).
        UntaggedLogin = "untagged_login",
    }
}
