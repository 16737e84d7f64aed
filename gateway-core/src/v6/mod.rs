//! DHCPv6: the same nouns as for DHCPv4, in modules of their own.
//!
//! A *client* is a DUID on a line. Its *session* is what REPLYs told about it there: *leases*, each an address or a
//! delegated prefix with an end of its own. A lease is one access route; an address is a prefix of 128 bits.

mod login;
pub mod relay;
pub mod release;
pub mod session;

pub use login::{Grant, Login, Over};
