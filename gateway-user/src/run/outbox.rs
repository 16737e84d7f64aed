//! What the node wants done, carried out in batches: one store commit, then map writes, then sends.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use gateway_common::Ip4;
use gateway_common::fpc::Cohort;
use gateway_common::route::AccessRoute;
use gateway_common::vlan::VlanTags;
use gateway_core::line::{FpcId, Line};
use gateway_core::node::{Command, Event, Node, Probe, Route};
use gateway_core::replication::Said;
use gateway_core::scope::Epoch;
use gateway_core::time::Instant;
use gateway_core::v6;
use gateway_core::wire::dhcp4::{CLIENT_PORT, SERVER_PORT};
use gateway_core::wire::dhcp6::Prefix;
use gateway_core::wire::frame;

use super::aggregates::Aggregates;
use super::calls::Calls;
use super::failed::Failed;
use super::outbox6::{Six, ToClient6};
use super::ports::Ports;
use super::sharing::{Aside, Sharing, Waited};
use super::throttle::Throttle;
use crate::config::Announce;
use crate::dataplane::Dataplane;
use crate::io::netlink::{KernelRoute, RouteWriter};
use crate::io::raw::{Frame, RawSender};
use crate::io::udp::{Datagram, Upstream};
use crate::store::{Store, Write};

/// Commands in one batch: bounds what a timeout that does much work keeps in memory.
const BATCH: usize = 8192;

pub(super) enum MapWrite {
    Install(Route),
    Remove(Ipv4Addr),
    Expiry(u32, Instant),
    LeastEpoch(u32, Epoch, FpcId),
    Install6(v6::session::Route),
    Remove6(Prefix),
    Expiry6(u32, Instant),
    Seen6(u32, Instant),
}

/// A message to a client.
pub(super) struct ToClient {
    line: Line,
    destination_mac: [u8; 6],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: Vec<u8>,
}

/// What leaves together.
#[derive(Default)]
pub(super) struct Sends {
    to_servers: Vec<Datagram<Ipv4Addr>>,
    to_clients: Vec<ToClient>,
    pub(super) to_servers6: Vec<Datagram<Ipv6Addr>>,
    pub(super) to_clients6: Vec<ToClient6>,
    probes: Vec<Probe>,
}

impl Sends {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        let to_servers = self.to_servers.len() + self.to_servers6.len();
        to_servers + self.to_clients.len() + self.to_clients6.len() + self.probes.len()
    }
}

/// The means to act, and the batch that is being gathered.
pub(super) struct Outbox {
    pub(super) store: Store,
    pub(super) raw: RawSender,
    upstream: Upstream<Ipv4Addr>,
    /// Where IPv6 is served.
    pub(super) six: Option<Six>,
    pub(super) kernel: Option<RouteWriter>,
    pub(super) aggregates: Aggregates,
    records: Vec<Write>,
    sync: bool,
    map_writes: Vec<MapWrite>,
    pub(super) sends: Sends,
    /// What was to be sent to servers and was not.
    unsent: Vec<Datagram<Ipv4Addr>>,
    /// Connections to servers that are asked what they have leased.
    pub(super) calls: Calls,
    said: Vec<Said>,
    aside: Aside,
    pub(super) frames: Vec<Frame>,
    events: Vec<Event>,
    keys: Vec<Ip4>,
    values: Vec<AccessRoute>,
    failed: Failed<Ipv4Addr>,
    pub(super) failed6: Failed<(Ipv6Addr, u8)>,
    pub(super) lost_frames: Throttle,
    pub(super) lost_datagrams: Throttle,
    pub(super) lost_writes: Throttle,
}

impl Outbox {
    /// `kernel` is `None` when sessions get no kernel routes.
    pub(super) fn new(
        store: Store,
        raw: RawSender,
        upstream: Upstream<Ipv4Addr>,
        six: Option<Six>,
        kernel: Option<RouteWriter>,
        announce: Announce,
        calls: Calls,
    ) -> Self {
        Self {
            calls,
            store,
            raw,
            upstream,
            six,
            kernel,
            aggregates: Aggregates::new(announce),
            records: Vec::new(),
            sync: false,
            map_writes: Vec::new(),
            sends: Sends::default(),
            unsent: Vec::new(),
            said: Vec::new(),
            aside: Aside::default(),
            frames: Vec::new(),
            events: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            failed: Failed::default(),
            failed6: Failed::default(),
            lost_frames: Throttle::new("a frame to a client could not be sent"),
            lost_datagrams: Throttle::new("a datagram to a server could not be sent"),
            lost_writes: Throttle::new("a map could not be written"),
        }
    }

    /// Carries out everything the node wants done, and gives its events to `tell`.
    pub(super) fn carry_out(
        &mut self,
        node: &mut Node,
        dataplane: &Dataplane,
        ports: &Ports,
        mut sharing: Option<&mut Sharing>,
        now: Instant,
        mut tell: impl FnMut(Event),
    ) {
        loop {
            let gathered = self.gather(node);
            if gathered == 0 {
                // Others may have answered meanwhile.
                self.leave(sharing.as_deref_mut(), ports, now);
                if self.unsent.is_empty() {
                    return;
                }
            }
            // What is told to others must not be forgotten: no commit, no sends (H-BR-6). Map writes may go first,
            // since a start compares the maps with the store.
            let committed = self.store.commit(std::mem::take(&mut self.records), std::mem::take(&mut self.sync));
            self.write_maps(dataplane, ports, now);
            if !committed {
                self.unsent.append(&mut self.sends.to_servers);
                self.sends = Sends::default();
            }
            if let Some(sharing) = &mut sharing {
                let sends = std::mem::take(&mut self.sends);
                sharing.share(&mut self.said, &mut self.aside, sends, now);
            }
            self.leave(sharing.as_deref_mut(), ports, now);
            for Datagram { server, payload, .. } in self.unsent.drain(..) {
                node.handle_unsent(server, &payload, now);
            }
            self.events.drain(..).for_each(&mut tell);
            if let Some(kernel) = &mut self.kernel {
                kernel.flush_late(now);
            }
        }
    }

    /// Writes what was put off for a later batch. Call it when there may be none for a while.
    pub(super) fn settle(&mut self) {
        if let Some(kernel) = &mut self.kernel {
            kernel.flush();
        }
    }

    /// Sends what may leave: what is here, and what enough members know of by now.
    fn leave(&mut self, sharing: Option<&mut Sharing>, ports: &Ports, now: Instant) {
        let Some(sharing) = sharing else { return self.send(ports, now) };
        while let Some(waited) = sharing.waited() {
            match waited {
                Waited::Leaves(sends) => {
                    self.sends = sends;
                    self.send(ports, now);
                }
                Waited::Stays(mut sends) => self.unsent.append(&mut sends.to_servers),
            }
        }
    }

    fn gather(&mut self, node: &mut Node) -> usize {
        for gathered in 0..BATCH {
            let Some(command) = node.poll_command() else { return gathered };
            match command {
                Command::Persist { key, value, sync } => {
                    self.sync |= sync;
                    self.records.push(Write::Put { key, value });
                }
                Command::Forget { key } => self.records.push(Write::Remove { key }),
                Command::InstallRoute(route) => self.map_writes.push(MapWrite::Install(route)),
                Command::RemoveRoute(address) => self.map_writes.push(MapWrite::Remove(address)),
                Command::SetExpiry { slot, expires } => self.map_writes.push(MapWrite::Expiry(slot, expires)),
                Command::SetLeastEpoch { cohort, epoch, fpc } => {
                    self.map_writes.push(MapWrite::LeastEpoch(cohort.0.into(), epoch, fpc));
                }
                Command::SendToServer { giaddr, server, payload } => {
                    self.sends.to_servers.push(Datagram { source: giaddr, server, payload });
                }
                Command::SendToClient { line, destination_mac, source, destination, payload } => {
                    self.sends.to_clients.push(ToClient { line, destination_mac, source, destination, payload });
                }
                Command::InstallRoute6(route) => self.map_writes.push(MapWrite::Install6(route)),
                Command::RemoveRoute6(prefix) => self.map_writes.push(MapWrite::Remove6(prefix)),
                Command::SetExpiry6 { slot, expires } => self.map_writes.push(MapWrite::Expiry6(slot, expires)),
                Command::SetSeen6 { slot, at } => self.map_writes.push(MapWrite::Seen6(slot, at)),
                Command::Probe(probe) => self.sends.probes.push(probe),
                Command::SendToServer6 { source, server, payload } => {
                    self.sends.to_servers6.push(Datagram { source, server, payload });
                }
                Command::SendToClient6 { line, destination_mac, destination, port, payload } => {
                    self.sends.to_clients6.push(ToClient6 { line, destination_mac, destination, port, payload });
                }
                call @ (Command::Dial { .. } | Command::Converse { .. } | Command::HangUp { .. }) => {
                    // Nothing on disk is waited for: it is a question.
                    self.calls.carry_out(call);
                }
                Command::Replicate(said) => self.said.push(said),
                Command::ForKeeper { server, payload } => self.aside.for_keeper.push((server, payload)),
                Command::Sightings { to, message } => self.aside.sightings.push((to, message)),
                Command::Tell(event) => self.events.push(event),
            }
        }
        BATCH
    }

    /// In order; neighbouring writes of a kind in one system call.
    fn write_maps(&mut self, dataplane: &Dataplane, ports: &Ports, now: Instant) {
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
    pub(super) fn install(
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
    pub(super) fn retry(&mut self, node: &Node, dataplane: &Dataplane, ports: &Ports, now: Instant) {
        // Whose cell was to begin anew began at the first attempt. What failed may have been a change of a route that is
        // there: then the cell has what its subscriber has sent, and when.
        let routes: Vec<Route> = self.failed.turn().into_iter().filter_map(|address| node.route(address)).collect();
        self.install(dataplane, ports, routes.into_iter(), now);
        let prefixes = self.failed6.turn().into_iter();
        let routes = prefixes.filter_map(|(address, length)| node.route6(Prefix::new(address, length)?));
        self.install6(ports, routes, now);
    }

    /// How many subscribers' routes are missing in the maps, and why the last one is.
    pub(super) fn missing_routes(&self) -> Option<(usize, &str)> {
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

    fn send(&mut self, ports: &Ports, now: Instant) {
        for message in self.sends.to_clients.drain(..) {
            let Some(link) = ports.link(message.line.port) else {
                self.lost_frames.warn("its interface is gone", now);
                continue;
            };
            let frame = frame::Datagram {
                source_mac: link.mac,
                destination_mac: message.destination_mac,
                tags: message.line.tags,
                source: SocketAddrV4::new(message.source, SERVER_PORT),
                destination: SocketAddrV4::new(message.destination, CLIENT_PORT),
                payload: &message.payload,
            };
            match frame.build() {
                Some(octets) => self.frames.push(Frame { ifindex: link.ifindex, octets }),
                None => self.lost_frames.warn("it is too long", now),
            }
        }
        self.frames6(ports, now);
        for probe in self.sends.probes.drain(..) {
            match ports.link(probe.line.port) {
                Some(link) => self.frames.extend(super::probes::frames(&probe, link)),
                None => self.lost_frames.warn("its interface is gone", now),
            }
        }
        if !self.frames.is_empty() {
            self.raw.send(&self.frames, |_, error| self.lost_frames.warn(error, now));
            self.frames.clear();
        }
        if !self.sends.to_servers.is_empty() {
            self.upstream.send(&self.sends.to_servers, |datagram, error| {
                let (source, server) = (datagram.source, datagram.server);
                self.lost_datagrams.warn(format_args!("{source} to {server}: {error}"), now);
                self.unsent.push(datagram.clone());
            });
            self.sends.to_servers.clear();
        }
        self.send6(ports, now);
    }

    /// Keeps kernel routes back while something more urgent needs the processors, or lets them go.
    pub(super) fn hold_kernel_routes(&mut self, held: bool) {
        if let Some(kernel) = &mut self.kernel {
            kernel.hold(held);
        }
    }

    /// Waits until the kernel has all routes that it was to get, and with `remove` takes all of this gateway's away again.
    /// Sessions get none afterwards.
    pub(super) fn finish_kernel_routes(&mut self, remove: bool) -> anyhow::Result<()> {
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
    pub(super) fn kernel(&mut self) -> Option<&mut RouteWriter> {
        self.kernel.as_mut()
    }
}

/// The map's form of a route.
pub(super) fn access_route<A>(route: &Route<A>, ifindex: u32) -> AccessRoute {
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
