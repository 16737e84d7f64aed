//! The start: the IPv6 routes that the pinned maps hold against what the store says.

use std::collections::HashSet;

use gateway_core::node::Node;
use gateway_core::time::Instant;
use gateway_core::v6::session::Route;
use gateway_core::wire::dhcp6::Prefix;

use super::outbox::{Outbox, kernel_route6, lead, route6};
use super::ports::Ports;
use super::reconcile::Found;
use crate::io::netlink::Routes;

/// Routes installed to a system call.
const AT_ONCE: usize = 1024;

/// Makes the routes match the node's leases. Forwarding of those that match goes on throughout.
pub(super) fn routes(node: &Node, ports: &Ports, outbox: &mut Outbox, now: Instant) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let Some(routes) = outbox.six.as_ref().map(|six| &six.routes) else { return Ok(found) };
    let mut right = vec![false; routes.capacity() as usize];
    let mut stale = Vec::new();
    routes.for_each(|address, length, have| {
        let want = Prefix::new(address, length).and_then(|prefix| node.route6(prefix));
        let expected = want.and_then(|want| Some(route6(&want, ports.link(want.port)?.ifindex).route));
        if expected == Some(have) {
            if let Some(right) = right.get_mut(have.slot as usize) {
                *right = true;
            }
            found.kept += 1;
        } else if want.is_none() {
            stale.push((address, length));
        }
    })?;
    found.removed = routes.remove(&stale)? as u64;

    let mut missing = Vec::new();
    for mut route in node.routes6() {
        if right.get(route.slot as usize).copied().unwrap_or(false) {
            // A renewal may have been stored and not yet written to the cell.
            routes.set_expires(route.slot, route.expires.as_nanos());
            continue;
        }
        // A cell that earlier belonged to another lease has its counters.
        route.fresh = true;
        missing.push(route);
    }
    found.installed = missing.len() as u64;
    for batch in missing.chunks(AT_ONCE) {
        outbox.install6(ports, batch.iter().copied(), now);
    }
    if let Some(six) = &mut outbox.six {
        six.routes.arrange()?;
    }
    kernel_routes(node, ports, outbox)?;
    Ok(found)
}

/// Removes kernel routes without a lease and adds those that are missing or lead elsewhere. Returns when the kernel has them.
fn kernel_routes(node: &Node, ports: &Ports, outbox: &mut Outbox) -> anyhow::Result<()> {
    let (Some(kernel), Some(six)) = (&mut outbox.kernel, &outbox.six) else { return Ok(()) };
    kernel.wait()?;
    let wanted = |route: Route| kernel_route6(&route, ports.link(route.port)?, six.announce);
    let have: HashSet<_> = Routes::open()?.list6()?.into_iter().collect();
    for route in &have {
        let want = node.route6(route.prefix).and_then(wanted);
        if want.as_ref().map(lead) != Some(lead(route)) {
            kernel.remove6(route.prefix, lead(route));
        }
    }
    for route in node.routes6().filter_map(wanted).filter(|route| !have.contains(route)) {
        kernel.add6(route);
    }
    kernel.wait()
}
