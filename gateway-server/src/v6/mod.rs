//! The DHCPv6 half of the embedded server (RFC 8415): addresses, delegated prefixes, releases that relays start
//! (draft-gandhewar-dhc-v6-relay-initiated-release-01), and leasequery.
//!
//! The same shape as the v4 half: [`Server`] decides and touches nothing. Datagrams go in with the time, commands come
//! out, and no message leaves before every record polled ahead of it is on disk. Records of both halves may lie in one
//! store: those here have keys that begin with [`record::CLASS`].

pub mod config;
pub mod event;
pub(crate) mod leases;
pub mod record;
mod server;

pub use config::{
    Config, ConfigError, LeasequeryPolicy, PrefixPool, Refuse, Registered, ReleasePolicy, SingleLogoutPolicy, Subnet,
};
pub use event::{Counters, Event, Refusal, Status};
pub(crate) use server::MAX_PATH;
pub use server::{Command, Server, StartError};
