//! A login: what an ACK tells about a subscriber (BR-4).

use core::net::Ipv4Addr;

use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::{Epoch, ScopeKind};
use crate::time::Instant;

/// One completed DORA exchange, or its renewal, as the relay read it from the ACK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: HardwareAddress,
    /// Option 61 as the client sent it; a RELEASE on its behalf must repeat it (RFC 2131 4.4.6).
    pub client_id: Option<Box<[u8]>>,
    /// Where the client is.
    pub line: Line,
    /// The line card of that port.
    pub fpc: FpcId,
    /// Epoch of that line card when the request was relayed.
    pub epoch: Epoch,
    /// The server, by the address it is configured with (the source of its reply).
    pub server: Ipv4Addr,
    /// Option 54 of the ACK: usually the server's address, or the relay's own where RFC 5107 is in use.
    pub server_identifier: Ipv4Addr,
    /// The giaddr the request carried.
    pub giaddr: Ipv4Addr,
    /// The value of option 82 as the relay sent it; empty when it sent none.
    pub agent_information: Box<[u8]>,
    /// The scope the server stored with the binding: present only when the ACK carried it back (H-BR-3). A login
    /// without it can only be released individually.
    pub scope: Option<ScopeKind>,
    /// When the exchange took place.
    pub at: Instant,
    /// End of the lease; [`Instant::NEVER`] for an infinite one.
    pub expires: Instant,
}
