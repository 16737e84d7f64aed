//! Access routes, cells and cohorts: what the node wants written into maps, and the kernel's routes beside them.

use std::net::Ipv4Addr;

use gateway_common::Ip4;
use gateway_common::fpc::Cohort;
use gateway_common::route::AccessRoute;
use gateway_common::vlan::VlanTags;
use gateway_core::node::{Node, Route};
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::Prefix;

use super::{MapWrite, Outbox};
use crate::dataplane::Dataplane;
use crate::io::netlink::{KernelRoute, RouteWriter};
use crate::run::ports::Ports;

impl Outbox {
    /// In order; neighbouring writes of a kind in one system call.
    pub(super) fn write_maps(&mut self, dataplane: &Dataplane, ports: &Ports, now: Instant) {
        let writes = std::mem::take(&mut self.map_writes);
        for run in writes.chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)) {
            match run[0] {
                MapWrite::Install(_) => {
                    let routes = run.iter().filter_map(|write| match write {
                        MapWrite::Install(route) => Some(*route),
                        _ => None,
                    });
                    self.install(dataplane, ports, routes, now);
                }
                MapWrite::Remove(_) => self.remove(dataplane, run, now),
                MapWrite::Expiry(..) | MapWrite::LeastEpoch(..) => {
                    run.iter().for_each(|write| self.write_cell(dataplane, write, now));
                }
                MapWrite::Install6(_) | MapWrite::Remove6(_) | MapWrite::Expiry6(..) | MapWrite::Seen6(..) => {
                    self.write_maps6(ports, run, now)
                }
            }
        }
        self.map_writes = writes;
        self.map_writes.clear();
    }

    fn write_cell(&mut self, dataplane: &Dataplane, write: &MapWrite, now: Instant) {
        match *write {
            MapWrite::Expiry(slot, expires) => dataplane.subscribers.set_expires(slot, expires.as_nanos()),
            MapWrite::LeastEpoch(cohort, epoch, fpc) => {
                let value = Cohort { least_epoch: epoch.0, fpc: fpc.0.into() };
                if let Err(error) = dataplane.cohorts.put(&cohort, &value) {
                    self.lost_writes.warn(error, now);
                }
            }
            _ => {}
        }
    }

    /// Installs routes. Those of a port whose interface is missing come when it does.
    pub(in crate::run) fn install(
        &mut self,
        dataplane: &Dataplane,
        ports: &Ports,
        routes: impl Iterator<Item = Route>,
        now: Instant,
    ) {
        self.keys.clear();
        self.values.clear();
        for route in routes {
            let expires_ns = route.expires.as_nanos();
            if route.fresh {
                dataplane.subscribers.begin(route.slot, expires_ns);
            } else {
                dataplane.subscribers.set_expires(route.slot, expires_ns);
            }
            let Some(link) = ports.link(route.port) else { continue };
            self.keys.push(route.address.into());
            self.values.push(access_route(&route, link.ifindex));
            if let Some(kernel) = &mut self.kernel {
                let untagged = route.tags == VlanTags::NONE && !self.aggregates.replace(route.address);
                // Where it led before must not stay: the kernel would go on sending there, or to a MAC that has moved.
                let had = dataplane.routes.get(&route.address.into()).ok().flatten();
                let had = had.filter(|had| had.tags == VlanTags::NONE).map(|had| had.ifindex);
                if let Some(had) = had.filter(|had| !untagged || *had != link.ifindex) {
                    kernel.remove(route.address, had);
                }
                // The kernel takes no routes while an interface is down; they are installed again when it comes up.
                if link.up && untagged {
                    kernel.add(KernelRoute { address: route.address, ifindex: link.ifindex, mac: route.mac });
                }
            }
        }
        self.keys.iter().for_each(|key| self.failed.forget(&Ipv4Addr::from(*key)));
        let mut from = 0;
        while let Err((stored, error)) = dataplane.routes.put_all(&self.keys[from..], &self.values[from..]) {
            from += stored;
            self.failed.keep(self.keys[from].into(), &error);
            self.lost_writes.warn(error, now);
            from += 1;
        }
    }

    /// Tries routes again that could not be installed, some at a time.
    pub(in crate::run) fn retry(&mut self, node: &Node, dataplane: &Dataplane, ports: &Ports, now: Instant) {
        // Whose cell was to begin anew began at the first attempt. What failed may have been a change of a route that is
        // there: then the cell has what its subscriber has sent, and when.
        let routes: Vec<Route> = self.failed.turn().into_iter().filter_map(|address| node.route(address)).collect();
        self.install(dataplane, ports, routes.into_iter(), now);
        let prefixes = self.failed6.turn().into_iter();
        let routes = prefixes.filter_map(|(address, length)| node.route6(Prefix::new(address, length)?));
        self.install6(ports, routes, now);
    }

    /// How many subscribers' routes are missing in the maps, and why the last one is.
    pub(in crate::run) fn missing_routes(&self) -> Option<(usize, &str)> {
        let count = self.failed.len() + self.failed6.len();
        let why = [self.failed6.why(), self.failed.why()].into_iter().find(|why| !why.is_empty());
        (count > 0).then(|| (count, why.unwrap_or_default()))
    }

    fn remove(&mut self, dataplane: &Dataplane, run: &[MapWrite], now: Instant) {
        for write in run {
            if let MapWrite::Remove(address) = write {
                self.failed.forget(address);
            }
        }
        let addresses = run.iter().filter_map(|write| match write {
            MapWrite::Remove(address) => Some(*address),
            _ => None,
        });
        let Some(kernel) = &mut self.kernel else {
            self.keys.clear();
            self.keys.extend(addresses.map(Ip4::from));
            if let Err(error) = dataplane.routes.remove_all(&self.keys) {
                self.lost_writes.warn(error, now);
            }
            return;
        };
        for address in addresses {
            match dataplane.routes.take(&address.into()) {
                Ok(Some(route)) if route.tags == VlanTags::NONE => kernel.remove(address, route.ifindex),
                Ok(_) => {}
                Err(error) => self.lost_writes.warn(error, now),
            }
        }
    }

    /// Writes what was put off for a later batch. Call it when there may be none for a while.
    pub(in crate::run) fn settle(&mut self) {
        if let Some(kernel) = &mut self.kernel {
            kernel.flush();
        }
    }

    /// Keeps kernel routes back while something more urgent needs the processors, or lets them go.
    pub(in crate::run) fn hold_kernel_routes(&mut self, held: bool) {
        if let Some(kernel) = &mut self.kernel {
            kernel.hold(held);
        }
    }

    /// Waits until the kernel has all routes that it was to get, and with `remove` takes all of this gateway's away again.
    /// Sessions get none afterwards.
    pub(in crate::run) fn finish_kernel_routes(&mut self, remove: bool) -> anyhow::Result<()> {
        let Some(kernel) = self.kernel.take() else { return Ok(()) };
        let mut kernel = kernel.finish()?;
        if remove {
            for route in kernel.list()? {
                kernel.remove(route.address, route.ifindex);
            }
            for subnet in kernel.list_aggregates()? {
                kernel.remove_aggregate(subnet);
            }
            for route in kernel.list6()? {
                kernel.remove6(route.prefix, route.by.map(|(ifindex, _)| ifindex));
            }
            kernel.flush();
        }
        Ok(())
    }

    /// Access to the kernel's routes, when sessions have them.
    pub(in crate::run) fn kernel(&mut self) -> Option<&mut RouteWriter> {
        self.kernel.as_mut()
    }
}

/// The map's form of a route.
pub(in crate::run) fn access_route<A>(route: &Route<A>, ifindex: u32) -> AccessRoute {
    AccessRoute {
        slot: route.slot,
        epoch: route.epoch.0,
        ifindex,
        cohort: route.cohort.0,
        mac: route.mac,
        tags: route.tags,
        reserved: 0,
    }
}
