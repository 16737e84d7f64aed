//! The gateway's decisions, without I/O, without a clock, without a runtime.
//!
//! Every core has one shape: `handle_<input>(.., now)`, `handle_timeout(now)`, `poll_timeout() -> Option<Instant>`,
//! `poll_command() -> Option<Command>`. Time and randomness come in as arguments; a packet, a map write and a
//! durable record are commands that the shell carries out in the order in which they are polled.

pub mod association;
pub mod capability;
pub mod cluster;
pub mod delegation;
pub mod fpc;
mod hex;
pub mod line;
pub mod liveness;
pub mod login;
pub mod member;
pub mod node;
mod octets;
mod reason;
pub mod recover;
pub mod relay;
pub mod release;
pub mod replication;
pub mod scope;
#[cfg(test)]
mod seeds;
pub mod seen;
pub mod session;
pub mod sightings;
pub mod subnet;
pub mod time;
pub mod v6;
pub mod wire;

pub use hex::hex;
