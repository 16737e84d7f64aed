//! What the delegation is told.

use gateway_core::delegation::{DelegationConfig, Entry};
use gateway_core::subnet::Subnet;
use gateway_core::time::Duration;
use gateway_core::wire::server_auth::ServerKey;

/// Everything about subnets from and for other servers; what their hosts are told is in [`crate::Delegated`].
#[derive(Clone, Debug)]
pub struct SubnetsConfig {
    /// The core's part.
    pub delegation: DelegationConfig,
    /// Subnets that are entered here.
    pub roots: Vec<Root>,
    /// What all servers sign with. Without one, providers tell lessees nonces, and ask for early renewals by these (RFC 6704).
    pub key: Option<ServerKey>,
    /// UDP port of the other servers.
    pub port: u16,
}

/// A subnet that is entered here (SN-53).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    /// The subnet.
    pub subnet: Subnet,
    /// The longest lease of it; `None`: without a limit of its own.
    pub maximum: Option<Duration>,
    /// Nobody has any of it, even if this server has lost its store (H-SN-3).
    pub fresh: bool,
}

impl Root {
    pub(super) fn entry(&self) -> Entry {
        let Self { subnet, maximum, fresh } = *self;
        Entry { subnet, maximum, fresh }
    }
}
