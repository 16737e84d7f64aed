//! What the node is told by the configuration.

use gateway_common::unit::UnitKey;

use crate::capability::CapabilityConfig;
use crate::fpc::{FpcConfig, PortConfig};
use crate::member::MemberId;
use crate::relay::RelayConfig;
use crate::release::ReleaseConfig;
use crate::session::{Lockout, StaticSubscriber};
use crate::time::Duration;
use crate::v6;

/// The validated configuration of a node. Line cards and ports are in the same order in `fpcs`, `ports` and `relay`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Sessions there is room for: the capacity of the maps.
    pub capacity: u32,
    /// The line cards; `FpcId` is the place in this list.
    pub fpcs: Vec<FpcConfig>,
    /// The access ports; `PortId` is the place in this list.
    pub ports: Vec<PortConfig>,
    /// Subscribers that are there without a lease.
    pub statics: Vec<StaticSubscriber>,
    /// Lock-out of clients that log in and out in short cycles.
    pub lockout: Option<Lockout>,
    /// For how long nobody must have used a lease until its client may have it with another MAC or on another line.
    pub takeover_after: Duration,
    /// What the relay adds and refuses, and who the servers are.
    pub relay: RelayConfig,
    /// How line cards are released. Its list of names is filled in from `fpcs`.
    pub release: ReleaseConfig,
    /// How capability is judged.
    pub capability: CapabilityConfig,
    /// DHCPv6, where it is served.
    pub v6: Option<V6Config>,
    /// Which member of a cluster it is, if of any. Line cards and ports are then in the same order on all members.
    pub cluster: Option<MemberId>,
    /// By which its clients are of their units.
    pub unit_key: UnitKey,
}

/// What the node is told about DHCPv6. Limits of ports and the lock-out hold for it by themselves: a subscriber that speaks
/// both counts once for either.
#[derive(Clone, Debug)]
pub struct V6Config {
    /// Leases there is room for: the capacity of the IPv6 maps.
    pub capacity: u32,
    /// What one client, and one MAC, may have.
    pub limits: v6::session::Limits,
    /// What the relay adds and refuses, and who the servers are. Line cards and ports are in the same order as above.
    pub relay: v6::relay::RelayConfig,
    /// How clients are released. Its `restart_hold` is that of DHCPv4.
    pub release: v6::release::ReleaseConfig,
}
