//! What the node is told by the configuration.

use crate::fpc::{FpcConfig, PortConfig};
use crate::session::{Lockout, StaticSubscriber};

/// The validated configuration of a node.
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
}
