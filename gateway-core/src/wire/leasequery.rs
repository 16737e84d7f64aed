//! DHCPv4 leasequery: by address (RFC 4388), which is how a release is verified at a server that does not answer it, and
//! in bulk (RFC 6926).

mod bulk;

pub use bulk::{BulkAnswer, BulkQuery, By, QueryError, bulk, done, status};

use core::net::Ipv4Addr;

use super::dhcp4::{Builder, Message, REQUEST, code, kind};
use crate::line::HardwareAddress;

/// Asks for the lease of one address. `giaddr` is where the answer goes. The hardware address stays zero and there
/// is no option 61, which is what makes it a query by address (RFC 4388 6.1).
pub fn by_address(address: Ipv4Addr, giaddr: Ipv4Addr, xid: u32) -> Vec<u8> {
    let wanted = [code::LEASE_TIME, code::CLIENT_ID, code::AGENT_INFORMATION, code::LAST_TRANSACTION];
    Builder::new(REQUEST)
        .xid(xid)
        .ciaddr(address)
        .giaddr(giaddr)
        .kind(kind::LEASEQUERY)
        .option(code::PARAMETER_LIST, &wanted)
        .padded()
        .finish()
}

/// What a server says about an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaseAnswer {
    /// The server's address, without a lease.
    Unassigned {
        /// The address asked about.
        address: Ipv4Addr,
    },
    /// Not the server's address, or it won't tell.
    Unknown,
    /// A lease.
    Active {
        /// The leased address.
        address: Ipv4Addr,
        /// Who has it.
        hardware: HardwareAddress,
        /// Option 61 of the lease.
        client_id: Option<Vec<u8>>,
        /// Seconds left (option 51).
        remaining: Option<u32>,
        /// Seconds since the client last spoke (option 91).
        last_transaction: Option<u32>,
        /// Option 82 as the server last stored it.
        agent_information: Option<Vec<u8>>,
    },
}

impl LeaseAnswer {
    /// Reads a reply; `None` when it is not an answer to a leasequery. Match it with the question by its xid.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        match message.kind()? {
            kind::LEASEUNASSIGNED => Some(Self::Unassigned { address: message.ciaddr() }),
            kind::LEASEUNKNOWN => Some(Self::Unknown),
            kind::LEASEACTIVE => Some(Self::Active {
                address: message.ciaddr(),
                hardware: message.hardware(),
                client_id: message.option(code::CLIENT_ID).map(Into::into),
                remaining: message.u32_option(code::LEASE_TIME),
                last_transaction: message.u32_option(code::LAST_TRANSACTION),
                agent_information: message.option(code::AGENT_INFORMATION).map(Into::into),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
