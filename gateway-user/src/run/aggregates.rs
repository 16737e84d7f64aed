//! The subnets of the embedded DHCP server's subscribers: how many access routes lie in each, and one route for all of them in the
//! kernel's table, for routing daemons to announce.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use gateway_common::vlan::VlanTags;
use gateway_core::node::{Node, Route};
use gateway_core::subnet::{NoSubnet, Subnet};

use super::Gateway;
use super::outbox::Outbox;
use super::ports::Ports;
use crate::config::Announce;
use crate::control::protocol::Response;
use crate::io::netlink::{KernelRoute, Routes};

/// Subnets that have a kernel route.
#[derive(Debug)]
pub(super) struct Aggregates {
    announce: Announce,
    have: BTreeSet<Subnet>,
}

impl Aggregates {
    pub(super) fn new(announce: Announce) -> Self {
        Self { announce, have: BTreeSet::new() }
    }

    /// Whether an address needs no route of its own, since its subnet has one instead.
    pub(super) fn replace(&self, address: Ipv4Addr) -> bool {
        let Ok(alone) = Subnet::new(address, 32) else { return false };
        // They are apart: the one that begins last before the address is the only one that it can be in.
        let before = || self.have.range(..=alone).next_back();
        self.announce == Announce::Instead && before().is_some_and(|subnet| subnet.contains(&alone))
    }

    /// Makes them these; what is new, and what goes.
    fn become_these(&mut self, wanted: impl IntoIterator<Item = Subnet>) -> (Vec<Subnet>, Vec<Subnet>) {
        let wanted: BTreeSet<Subnet> =
            if self.announce == Announce::No { BTreeSet::new() } else { wanted.into_iter().collect() };
        let (new, gone) = (wanted.difference(&self.have).copied(), self.have.difference(&wanted).copied());
        let changes = (new.collect(), gone.collect());
        self.have = wanted;
        changes
    }
}

impl Outbox {
    /// What an earlier process left. Whether it is right is known when the server has said what it has.
    pub(super) fn adopt_aggregates(&mut self) -> anyhow::Result<()> {
        if self.kernel.is_some() {
            self.aggregates.have = Routes::open()?.list_aggregates()?.into_iter().collect();
        }
        Ok(())
    }

    /// Gives each of these subnets, and no other, a kernel route.
    fn aggregate(&mut self, wanted: Vec<Subnet>, node: &Node, ports: &Ports) {
        let Some(kernel) = &mut self.kernel else { return };
        let (new, gone) = self.aggregates.become_these(wanted);
        new.iter().for_each(|subnet| kernel.add_aggregate(*subnet));
        gone.iter().for_each(|subnet| kernel.remove_aggregate(*subnet));
        if self.aggregates.announce != Announce::Instead {
            return;
        }
        let one = |route: Route| {
            let link = ports.link(route.port).filter(|link| link.up && route.tags == VlanTags::NONE)?;
            Some(KernelRoute { address: route.address, ifindex: link.ifindex, mac: route.mac })
        };
        // Subscribers of a subnet that has just come may have been quicker.
        for route in new.iter().flat_map(|subnet| routes_in(node, *subnet)).filter_map(one) {
            kernel.remove(route.address, route.ifindex);
        }
        for route in gone.iter().flat_map(|subnet| routes_in(node, *subnet)).filter_map(one) {
            kernel.add(route);
        }
    }
}

impl Gateway {
    /// Follows the subnets that the embedded server has now.
    pub(super) fn tend_aggregates(&mut self) {
        let has_any = self.config.dhcp_server.as_ref().is_some_and(|server| server.delegation.is_some());
        let wanted = match &self.embedded {
            Some(server) if has_any => match server.lookup().status().subnets {
                Some(tally) => tally.subnets,
                None => return, // it has not said yet
            },
            _ => Vec::new(),
        };
        self.outbox.aggregate(wanted, &self.node, &self.ports);
    }

    /// How many access routes lie in each of these.
    pub(super) fn access_routes(&self, subnets: &[String]) -> Response {
        let count = |subnet: &String| subnet.parse().map(|subnet| routes_in(&self.node, subnet).count() as u64);
        let counted: Result<Vec<u64>, NoSubnet> = subnets.iter().map(count).collect();
        counted.map_or_else(|error| Response::Error(error.to_string()), Response::AccessRoutes)
    }
}

/// Access routes in a subnet, by whichever way is the shorter.
fn routes_in(node: &Node, subnet: Subnet) -> Box<dyn Iterator<Item = Route> + '_> {
    if u64::from(subnet.size()) <= node.session_count() {
        let addresses = u32::from(subnet.base())..=u32::from(subnet.last());
        Box::new(addresses.filter_map(|address| node.route(address.into())))
    } else {
        let is_in = move |address: Ipv4Addr| Subnet::new(address, 32).is_ok_and(|alone| subnet.contains(&alone));
        Box::new(node.routes().filter(move |route| is_in(route.address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    /// Only what changes is written, and an address is in the subnet that has it and in no other.
    #[test]
    fn what_changes() {
        let mut instead = Aggregates::new(Announce::Instead);
        let [low, high, far] = ["10.96.0.0/26", "10.96.0.64/26", "10.97.0.0/24"].map(subnet);
        assert_eq!(instead.become_these([low, far]), (vec![low, far], vec![]));
        assert_eq!(instead.become_these([far, high]), (vec![high], vec![low]));
        let is_replaced = |text: &str| instead.replace(text.parse().unwrap());
        let inside = ["10.96.0.64", "10.96.0.127", "10.97.0.255"];
        let outside = ["0.0.0.0", "10.96.0.63", "10.96.0.128", "10.98.0.0", "255.255.255.255"];
        assert!(inside.into_iter().all(is_replaced) && !outside.into_iter().any(is_replaced));

        let mut beside = Aggregates::new(Announce::Beside);
        assert_eq!(beside.become_these([low]), (vec![low], vec![]));
        assert!(!beside.replace("10.96.0.1".parse().unwrap()));
        let mut none = Aggregates { announce: Announce::No, have: [low].into() };
        assert_eq!(none.become_these([low]), (vec![], vec![low]), "an earlier process had it");
    }
}
