//! The codecs: raw, lossless, and total. No octet string makes a decoder panic, and what is only relayed is never
//! re-encoded.

pub mod agent;
pub mod bulk_release;
pub mod cluster;
pub mod dhcp4;
pub mod dhcp6;
pub mod forcerenew;
pub mod frame;
pub mod frame6;
pub mod leasequery;
pub mod neighbour;
pub mod relay_auth;
pub mod router;
pub mod sctp;
pub mod server_auth;
pub mod subnet_allocation;

#[cfg(test)]
pub(crate) mod arbitrary;
mod malformed;
mod tlv;

pub use malformed::Malformed;
