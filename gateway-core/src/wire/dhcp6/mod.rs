//! DHCPv6 messages (RFC 8415): read in place, built from scratch, wrapped for relays and unwrapped again.
//!
//! A reader checks the lengths of a container's options when it is made, and names the offset of the first that lies;
//! offsets count from the first octet of the message that was received, however deep the option is. What is nested is
//! read when it is asked for, and never to more than a fixed depth. The messages that a relay passes on are copied
//! whole: nothing is decoded and encoded again.
//!
//! ```text
//! client, server   type u8, transaction id u24, options
//! relay            type u8, hop count u8, link-address 16, peer-address 16, options     option 9: the message within
//! option           code u16, length u16, value
//! ```

#[cfg(test)]
pub(crate) mod arbitrary;
mod builder;
pub mod code;
mod duid;
mod fields;
mod forward;
mod ia;
pub mod kind;
pub mod leasequery;
mod malformed;
mod message;
mod nest;
mod options;
mod relay;
pub mod release;
mod splice;
pub mod status;
#[cfg(test)]
mod tests;

pub use builder::{Builder, TooLong};
pub use duid::{Duid, DuidBuf, DuidKind};
pub use fields::{ClientLinkLayer, RemoteId, Requested};
pub use forward::{NotRelayed, relay_forward};
pub use ia::{Binding, Ia, IaKind, Lease, Prefix};
pub use malformed::Malformed;
pub use message::Message;
pub use nest::Nest;
pub use options::{Opt, Options, OptionsIter};
pub use relay::RelayMessage;
pub use splice::splice;
pub use status::Status;

use core::net::Ipv6Addr;

/// Octets before the options of a client's or server's message (RFC 8415 section 8).
pub const HEADER: usize = 4;
/// Octets before the options of a relay message (RFC 8415 section 9).
pub const RELAY_HEADER: usize = 34;
/// Octets before an option's value (RFC 8415 section 21.1).
pub const OPTION_HEADER: usize = 4;
/// A relay drops what comes with this hop count or more (RFC 8415 sections 7.6 and 19.1.2; 32 in RFC 3315).
pub const HOP_COUNT_LIMIT: u8 = 8;
/// Relay messages that may be within one another: hop counts 0 to [`HOP_COUNT_LIMIT`].
pub const NEST_MAX: usize = HOP_COUNT_LIMIT as usize + 1;
/// Port of clients (RFC 8415 section 7.2).
pub const CLIENT_PORT: u16 = 546;
/// Port of servers and relays (RFC 8415 section 7.2).
pub const SERVER_PORT: u16 = 547;
/// All_DHCP_Relay_Agents_and_Servers (RFC 8415 section 7.1).
pub const ALL_RELAYS_AND_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All_DHCP_Servers (RFC 8415 section 7.1).
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
