//! A login: what a REPLY tells about a client.

use core::net::Ipv6Addr;

use crate::line::{FpcId, Line};
use crate::scope::Epoch;
use crate::time::Instant;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// One lease that a REPLY grants, or extends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// What is leased; an address has 128 bits.
    pub prefix: Prefix,
    /// In which sort of IA.
    pub kind: IaKind,
    /// What the client calls that IA; `None` where a server that was asked did not tell.
    pub iaid: Option<u32>,
    /// End of the valid lifetime; [`Instant::NEVER`] for an infinite one.
    pub expires: Instant,
}

/// What a REPLY says is over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Over {
    /// These leases.
    pub leases: Vec<Prefix>,
    /// All leases of these IAs.
    pub ias: Vec<(IaKind, u32)>,
}

/// One REPLY that grants leases, as the relay read it. What it does not mention stays as it is (RFC 8415 section
/// 18.2.10.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// Option 1: the client. A release on its behalf must repeat it (RR-17).
    pub client: DuidBuf,
    /// Where the client is.
    pub line: Line,
    /// The MAC its frames come with: its own, or that of a relay below.
    pub mac: [u8; 6],
    /// It speaks through a relay below, whose MAC many clients may have in common.
    pub relayed: bool,
    /// Where its messages come from, and replies go to: its link-local address, or the address of a relay below.
    pub peer: Ipv6Addr,
    /// The line card of that port.
    pub fpc: FpcId,
    /// Epoch of that line card when the request was relayed.
    pub epoch: Epoch,
    /// The server, by the source of its reply.
    pub server: Ipv6Addr,
    /// Option 2: the server, as a release has to name it (RR-14, RR-23).
    pub server_id: DuidBuf,
    /// The server is capable of a single logout and has stored our scope with these leases.
    pub tagged: bool,
    /// What it grants; never empty.
    pub granted: Vec<Grant>,
    /// When the exchange took place.
    pub at: Instant,
}
