//! DHCPv6 leasequery (RFC 5007) and bulk leasequery (RFC 5460): what a server knows, asked by a relay.
//!
//! ```text
//! LEASEQUERY   14    1 requestor | [2 server] | 44 { type u8, link-address 16, 5, 1, 53, 37 or nothing, [6] }
//! -REPLY       15    2 server | 1 requestor | [13] | [45] | [48 link-address 16 …]
//! -DATA        17    45                                        TCP, any number after a REPLY with a 45
//! -DONE        16    [13]                                      TCP, after those
//! 45                 1 client | 5, 26 without an IA … | 46 seconds u32 | [47 { peer-address 16, RELAY-FORW }]
//! over TCP           length u16, message
//! ```

mod answer;
mod framing;
mod query;
mod record;
#[cfg(test)]
mod tests;

pub use answer::LeaseAnswer;
pub use framing::{FrameError, Frames, frame};
pub use query::{By, LeaseQuery, QueryError, Question};
pub use record::{Answering, ClientData, ClientRecord, RelayData};
