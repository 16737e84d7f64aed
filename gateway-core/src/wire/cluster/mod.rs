//! Messages among the members of a cluster (section 4b of the wire reference).
//!
//! ```text
//! header         0 magic "GWC1"     4 version = 1   5 type   6 flags u16 = 0
//!                8 cluster u32, CRC-32C of its name           12 sender u32, its number
//!               16 term u32                                   20 seq u64, counts the sender's messages
//!               28 body length u16                            30 u16 = 0
//! body          32, by type
//! authenticator    key-id u16, algorithm u16 (1 = HMAC-SHA-256), MAC 32, over all octets before the MAC
//! ```
//!
//! | type | name | body |
//! |---|---|---|
//! | 1 | JOIN-REQ | ip 4, configuration version u32, configuration digest u64, supported member u8 or 0, units held u16, highest unit version u32, term last followed u32 |
//! | 2 | JOIN-OK | members u8, watchdog u16 ms |
//! | 3 | JOIN-NAK | reason u8, retry u16 ms |
//! | 4 | MASTER-OFFER | ip 4, configuration version u32, members u8 |
//! | 5 | OTHER-MASTER-EXISTS | master u8, ip 4, members u8 |
//! | 6 | MASTER-KEEPALIVE | keepalive seq u64, n u8, watchdog u16 ms, count u8, {member u32, ip 4, units u16, heard keepalive u64, leaving u8} × count, drained u8, {member u8} × drained, table version u32, table digest u64, entries u8; unless 0: first unit u16, {owner u8 or 0, unit version u32} × entries |
//! | 7 | MEMBER-KEEPALIVE | keepalive seq u64, units u16, load u32, table version u32, heard keepalive u64, leaving u8, ready u8 |
//! | 8 | EXIT | reason u8 |
//! | 9 | UNIT-ASSIGN | origin u8 or 0, its state seq u64, count u16, {unit u16, unit version u32, owner u8} × count |
//! | 10, 11 | UNIT-ASSIGN-ACK, UNIT-DEASSIGN | count u16, {unit u16, unit version u32, owner u8} × count |
//! | 12 | UNIT-DEASSIGN-ACK | last state seq u64, then as 10 |
//! | 20 | FWD-PACKET | unit u16, port u16 (65535: an upstream port), frame |
//! | 21, 22 | UNIT-STOP, UNIT-STOPPED | as 10: units that the sender of 21 holds until the receiver has stopped |
//! | 23 | FRAME-LEFT | unit u16, unit version u32, digest of the frame u64 |
//!
//! All integers are in network order. Types 13 to 19 are frames of the members' TLS streams and no datagrams. There is no
//! certificate in JOIN-REQ: that a unit has the key of its certificate is proved on its TLS connection (H-CL-9), which is
//! also where members tell each other the keys of their authenticators. Every datagram but FWD-PACKET is 1400 octets at
//! most, so that none is fragmented.

#[cfg(test)]
mod arbitrary;
mod body;
mod fields;
mod header;
mod message;
mod refused;
mod seal;
#[cfg(test)]
mod tests;

pub use header::cluster_id;
pub use message::{
    ASSIGNMENTS_MAX, Assignment, Body, Header, JoinRefusal, JoinRequest, MEMBERS_MAX, MasterKeepalive, MasterOffer,
    MemberKeepalive, MemberState, StateMark, TABLE_CHUNK, TableChunk, TableEntry,
};
pub use refused::{Refused, Unencodable};
pub use seal::{Key, Keyring, Received, ReplayWindow, Sealer, encode};

/// Longest datagram but for a FWD-PACKET, in octets of UDP payload.
pub const DATAGRAM_MAX: usize = 1400;

/// Longest frame in a FWD-PACKET, from its Ethernet header on: a jumbo frame with two VLAN tags.
pub const FRAME_MAX: usize = 9216;
