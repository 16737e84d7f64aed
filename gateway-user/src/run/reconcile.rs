//! The start: what the pinned maps hold against what the store says.

use std::collections::HashSet;

use gateway_common::Ip4;
use gateway_core::node::{Node, Route};
use gateway_core::time::Instant;

use super::outbox::{Outbox, access_route};
use super::ports::Ports;
use crate::dataplane::Dataplane;

/// Routes installed to a system call.
const AT_ONCE: usize = 1024;

/// What a start found.
#[derive(Default, Debug)]
pub(super) struct Found {
    /// Routes that were right.
    pub(super) kept: u64,
    /// Routes without a session, removed.
    pub(super) removed: u64,
    /// Sessions without a (right) route, installed.
    pub(super) installed: u64,
}

/// Makes the routes match the node's sessions. Forwarding of those that match goes on throughout.
pub(super) fn routes(
    node: &Node,
    dataplane: &Dataplane,
    ports: &Ports,
    outbox: &mut Outbox,
    now: Instant,
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut right = vec![false; dataplane.subscribers.capacity() as usize];
    let mut stale = Vec::new();
    dataplane.routes.for_each(|address: Ip4, have| {
        let want = node.route(address.into());
        let expected = want.and_then(|want| Some(access_route(&want, ports.link(want.port)?.ifindex)));
        if expected == Some(have) {
            if let Some(right) = right.get_mut(have.slot as usize) {
                *right = true;
            }
            found.kept += 1;
        } else if want.is_none() {
            stale.push(address);
        }
    })?;
    found.removed = dataplane.routes.remove_all(&stale)? as u64;

    let mut batch: Vec<Route> = Vec::with_capacity(AT_ONCE);
    for mut route in node.routes() {
        if right.get(route.slot as usize).copied().unwrap_or(false) {
            // A renewal may have been stored and not yet written to the cell.
            dataplane.subscribers.set_expires(route.slot, route.expires.as_nanos());
            continue;
        }
        // A cell that earlier belonged to somebody else has his counters.
        route.fresh = true;
        batch.push(route);
        found.installed += 1;
        if batch.len() == AT_ONCE {
            outbox.install(dataplane, ports, batch.drain(..), now);
        }
    }
    outbox.install(dataplane, ports, batch.drain(..), now);
    kernel_routes(node, ports, outbox)?;
    Ok(found)
}

/// Removes kernel routes without a session and adds those that are missing or lead to another MAC. Returns when the kernel has
/// them.
fn kernel_routes(node: &Node, ports: &Ports, outbox: &mut Outbox) -> anyhow::Result<()> {
    use crate::io::netlink::{KernelRoute, Routes};
    use gateway_common::vlan::VlanTags;

    let Outbox { kernel: Some(kernel), aggregates, .. } = outbox else { return Ok(()) };
    let replaced = |address| aggregates.replace(address);
    kernel.wait()?;
    let have: HashSet<_> = Routes::open()?.list()?.into_iter().collect();
    for &KernelRoute { address, ifindex, .. } in &have {
        let want = node.route(address).filter(|route| route.tags == VlanTags::NONE && !replaced(address));
        if want.and_then(|route| ports.link(route.port)).map(|link| link.ifindex) != Some(ifindex) {
            kernel.remove(address, ifindex);
        }
    }
    for route in node.routes().filter(|route| route.tags == VlanTags::NONE && !replaced(route.address)) {
        let Some(link) = ports.link(route.port).filter(|link| link.up) else { continue };
        let want = KernelRoute { address: route.address, ifindex: link.ifindex, mac: route.mac };
        if !have.contains(&want) {
            kernel.add(want);
        }
    }
    kernel.wait()
}
