//! DHCPv4 messages (RFC 2131, 2132, 3396): read in place, built from scratch, or passed on with an option more or less.

mod builder;
mod message;
mod rewrite;

pub use builder::Builder;
pub use message::{Message, Options};
pub use rewrite::{relay_down, relay_up};

/// Octets before the options: the fixed part and the magic cookie.
pub const HEADER: usize = 240;
/// Least size of a BOOTP message (RFC 951, RFC 1542 section 2.1); some clients ignore shorter ones.
pub const LEAST: usize = 300;
/// The magic cookie at offset 236.
pub const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Broadcast bit of `flags`.
pub const BROADCAST: u16 = 0x8000;
/// Port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// Port of clients.
pub const CLIENT_PORT: u16 = 68;
/// `op` of what clients send.
pub const REQUEST: u8 = 1;
/// `op` of what servers send.
pub const REPLY: u8 = 2;

/// Offsets of the fixed part.
pub mod field {
    #![expect(missing_docs, reason = "the field names of RFC 2131 figure 1")]
    pub const OP: usize = 0;
    pub const HTYPE: usize = 1;
    pub const HLEN: usize = 2;
    pub const HOPS: usize = 3;
    pub const XID: usize = 4;
    pub const SECS: usize = 8;
    pub const FLAGS: usize = 10;
    pub const CIADDR: usize = 12;
    pub const YIADDR: usize = 16;
    pub const SIADDR: usize = 20;
    pub const GIADDR: usize = 24;
    pub const CHADDR: usize = 28;
    pub const SNAME: usize = 44;
    pub const FILE: usize = 108;
    pub const MAGIC: usize = 236;
}

/// Values of option 53.
pub mod kind {
    #![expect(missing_docs, reason = "the names of the IANA registry")]
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const DECLINE: u8 = 4;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
    pub const RELEASE: u8 = 7;
    pub const INFORM: u8 = 8;
    pub const FORCERENEW: u8 = 9;
    pub const LEASEQUERY: u8 = 10;
    pub const LEASEUNASSIGNED: u8 = 11;
    pub const LEASEUNKNOWN: u8 = 12;
    pub const LEASEACTIVE: u8 = 13;
    pub const BULKLEASEQUERY: u8 = 14;
    pub const LEASEQUERYDONE: u8 = 15;
    /// The answer to a single logout. The registry leaves 19 to 255 unassigned; configurable.
    pub const BULK_RELEASE_REPLY: u8 = 250;
}

/// Option codes.
pub mod code {
    #![expect(missing_docs, reason = "the names of the IANA registry")]
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const INTERFACE_MTU: u8 = 26;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const VENDOR: u8 = 43;
    pub const REQUESTED_IP: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_SIZE: u8 = 57;
    pub const T1: u8 = 58;
    pub const T2: u8 = 59;
    pub const CLASS_ID: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const USER_CLASS: u8 = 77;
    pub const RAPID_COMMIT: u8 = 80;
    pub const AGENT_INFORMATION: u8 = 82;
    pub const AUTHENTICATION: u8 = 90;
    pub const LAST_TRANSACTION: u8 = 91;
    pub const ASSOCIATED_IP: u8 = 92;
    pub const SUBNET_SELECTION: u8 = 118;
    pub const FORCERENEW_NONCE: u8 = 145;
    pub const STATUS_CODE: u8 = 151;
    pub const BASE_TIME: u8 = 152;
    pub const START_TIME_OF_STATE: u8 = 153;
    pub const QUERY_START: u8 = 154;
    pub const QUERY_END: u8 = 155;
    pub const DHCP_STATE: u8 = 156;
    pub const SUBNET_ALLOCATION: u8 = 220;
    pub const VSS: u8 = 221;
    pub const END: u8 = 255;
}

#[cfg(test)]
mod tests;
