//! How much there is, in a few numbers.

use std::collections::BTreeMap;

use gateway_core::delegation::{DelegationView, Holder};
use gateway_core::subnet::Subnet;

/// Addresses of the subnets that a server administers, and what happened to them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All of them.
    pub administered: u64,
    /// In nobody's hands.
    pub free: u64,
    /// Of other servers and devices, offered ones too.
    pub leased: u64,
    /// For this server's own subscribers, whoever assigns them.
    pub own: u64,
    /// Of these, leased to one.
    pub own_in_use: u64,
    /// Those of former holders, resting.
    pub resting: u64,
    /// The subnets of its own subscribers, in their order.
    pub subnets: Vec<Subnet>,
    /// What happened since the start, by kind.
    pub events: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn of(view: &DelegationView, events: &BTreeMap<&'static str, u64>) -> Self {
        let mut tally = Self { events: events.clone(), ..Self::default() };
        for block in view.roots.iter().flat_map(|root| &root.blocks) {
            let size = u64::from(block.subnet.size());
            tally.administered += size;
            match block.holder {
                Holder::Pool => tally.free += size,
                Holder::Own | Holder::Provider => {
                    tally.own += size;
                    tally.subnets.push(block.subnet);
                    tally.own_in_use += block.usage.map_or(0, |usage| usage.in_use);
                }
                Holder::Offered(_) | Holder::Leased { .. } => tally.leased += size,
                Holder::Resting(_) => tally.resting += size,
            }
        }
        tally
    }
}
