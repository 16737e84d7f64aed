//! What the shell carries out for the node.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Event;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::member::MemberId;
use crate::replication::Said;
use crate::scope::Epoch;
use crate::session::{self, CohortId, Route};
use crate::sightings::Message;
use crate::time::Instant;
use crate::v6;
use crate::wire::dhcp6::Prefix;

/// One thing for the shell to do.
///
/// The shell polls the commands of one batch of input until there are none left and then does, in this order:
///
/// 1. all [`Command::Persist`] and [`Command::Forget`] as one atomic batch of the store (in their order: the last
///    word about a key counts), flushed to the disk when any of them says `sync`;
/// 2. all map writes, in their order;
/// 3. all sends, in their order;
/// 4. the events.
///
/// So what a client or a server is told is on disk before (H-BR-6, BR-4). If the batch cannot be committed (a full
/// disk), the shell keeps its records for the next attempt, still does the map writes, and drops the sends: clients
/// and the release state machines repeat what got no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record into the store.
    Persist {
        /// The record's key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// It must be on the disk (not only in the file system's cache) before anything is sent.
        sync: bool,
    },
    /// Delete a record from the store. Never urgent: a record that comes back after a crash is recognised as ended.
    Forget {
        /// The record's key.
        key: Vec<u8>,
    },
    /// Put or overwrite an access route.
    InstallRoute(Route),
    /// Delete the access route of this address.
    RemoveRoute(Ipv4Addr),
    /// Store a new end of the lease into a cell of `SUBSCRIBERS`.
    SetExpiry {
        /// The cell.
        slot: u32,
        /// End of the lease.
        expires: Instant,
    },
    /// Put or overwrite the access route of an IPv6 address or prefix; its slot is a cell of `SUBSCRIBERS6`.
    InstallRoute6(v6::session::Route),
    /// Delete the access route of exactly this prefix.
    RemoveRoute6(Prefix),
    /// Store a new end of the lease into a cell of `SUBSCRIBERS6`.
    SetExpiry6 {
        /// The cell.
        slot: u32,
        /// End of the lease.
        expires: Instant,
    },
    /// Write a cell of `COHORTS`: routes of this cohort with a lesser epoch are dead.
    SetLeastEpoch {
        /// The cell.
        cohort: CohortId,
        /// The least epoch that is still valid.
        epoch: Epoch,
        /// The FPC, for whoever reads the map by hand.
        fpc: FpcId,
    },
    /// Send a DHCP message from giaddr:67 to server:67.
    SendToServer {
        /// Source address.
        giaddr: Ipv4Addr,
        /// Destination address.
        server: Ipv4Addr,
        /// The UDP payload, signed where it has to be.
        payload: Vec<u8>,
    },
    /// Send a DHCP message from source:67 to destination:68 on a subscriber's line.
    SendToClient {
        /// Port and tags of the frame.
        line: Line,
        /// Destination of the frame.
        destination_mac: [u8; 6],
        /// Source address: the giaddr.
        source: Ipv4Addr,
        /// Destination address: the client's own or 255.255.255.255.
        destination: Ipv4Addr,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// Send a DHCPv6 message from source:547 to server:547. The server may be a multicast address.
    SendToServer6 {
        /// Source address: the link-address of the client's FPC.
        source: Ipv6Addr,
        /// Destination address.
        server: Ipv6Addr,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// Send a DHCPv6 message on a subscriber's line, from port 547 of the port's own link-local address.
    SendToClient6 {
        /// Port and tags of the frame.
        line: Line,
        /// Destination of the frame.
        destination_mac: [u8; 6],
        /// Destination address: the client's link-local one, or that of a relay below.
        destination: Ipv6Addr,
        /// Destination port: 546, or a relay's.
        port: u16,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// Note in a cell of `SUBSCRIBERS6` that its subscriber was seen, by what the data plane does not count.
    SetSeen6 {
        /// The cell.
        slot: u32,
        /// When.
        at: Instant,
    },
    /// Ask a subscriber whether it is there.
    Probe(Probe),
    /// Tell the other members of the cluster. What is sent in the same batch waits until enough of them know
    /// ([`crate::replication::Gate`]).
    Replicate(Said),
    /// Give this to the member that keeps what has no client: an answer to something that this member did not ask.
    ForKeeper {
        /// The server that sent it.
        server: IpAddr,
        /// The message; its authentication is already judged.
        payload: Vec<u8>,
    },
    /// Tell a member whom this one has seen, or ask it: lost when it is not in reach.
    Sightings {
        /// Whom.
        to: MemberId,
        /// What.
        message: Message,
    },
    /// Connect to a server by TCP, for what it has leased (RFC 5460, RFC 6926). There is one connection to a server at a time.
    /// Say what becomes of it by [`super::Node::handle_dialled`] and [`super::Node::handle_hung_up`].
    Dial {
        /// The server, on its usual port.
        server: IpAddr,
        /// The address that it knows us by.
        source: Option<IpAddr>,
    },
    /// Send octets on that connection.
    Converse {
        /// The server.
        server: IpAddr,
        /// What to send.
        octets: Vec<u8>,
    },
    /// End that connection, or the attempt. Nothing is said of it any more.
    HangUp {
        /// The server.
        server: IpAddr,
    },
    /// Something worth logging, or showing in `--watch` and `top`.
    Tell(Event),
}

/// A question to a subscriber that has fallen silent, on its line and by unicast to its MAC: by ARP, by a neighbour
/// solicitation from the port's own link-local address, or by both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Port and tags of the frame.
    pub line: Line,
    /// Destination of the frame.
    pub mac: [u8; 6],
    /// Our address, and the one asked for.
    pub ipv4: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The address asked for.
    pub ipv6: Option<Ipv6Addr>,
}

impl From<session::Command> for Command {
    fn from(command: session::Command) -> Self {
        match command {
            session::Command::Persist { key, value, sync } => Self::Persist { key, value, sync },
            session::Command::Forget { key } => Self::Forget { key },
            session::Command::InstallRoute(route) => Self::InstallRoute(route),
            session::Command::RemoveRoute(address) => Self::RemoveRoute(address),
            session::Command::SetExpiry { slot, expires } => Self::SetExpiry { slot, expires },
            session::Command::SetLeastEpoch { cohort, epoch, fpc } => Self::SetLeastEpoch { cohort, epoch, fpc },
            session::Command::Ended { address, hardware, reason } => {
                Self::Tell(Event::LoggedOut { address, hardware, reason })
            }
            session::Command::Replicate(said) => Self::Replicate(said),
        }
    }
}

impl From<v6::session::Command> for Command {
    fn from(command: v6::session::Command) -> Self {
        use v6::session::Command as Six;
        match command {
            Six::Persist { key, value, sync } => Self::Persist { key, value, sync },
            Six::Forget { key } => Self::Forget { key },
            Six::InstallRoute(route) => Self::InstallRoute6(route),
            Six::RemoveRoute(prefix) => Self::RemoveRoute6(prefix),
            Six::SetExpiry { slot, expires } => Self::SetExpiry6 { slot, expires },
            Six::SetLeastEpoch { cohort, epoch, fpc } => Self::SetLeastEpoch { cohort, epoch, fpc },
            Six::Replicate(said) => Self::Replicate(said),
            Six::Ended { prefix, client, line, mac, reason } => {
                let hardware = HardwareAddress::ethernet(mac);
                Self::Tell(Event::LoggedOut6 { prefix, client, hardware, line, reason })
            }
        }
    }
}
