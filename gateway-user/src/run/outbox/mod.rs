//! What the node wants done, carried out in batches: one store commit, then map writes, then sends.

mod maps;
mod sends;
mod six;

use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::Ip4;
use gateway_common::route::AccessRoute;
use gateway_core::line::FpcId;
use gateway_core::node::{Command, Event, Node, Route};
use gateway_core::replication::Said;
use gateway_core::scope::Epoch;
use gateway_core::time::Instant;
use gateway_core::v6;
use gateway_core::wire::dhcp6::Prefix;

use super::aggregates::Aggregates;
use super::calls::Calls;
use super::cluster::sharing::{Aside, Sharing, Waited};
use super::failed::Failed;
use super::ports::Ports;
use super::throttle::Throttle;
use crate::config::Announce;
use crate::dataplane::Dataplane;
use crate::io::netlink::RouteWriter;
use crate::io::raw::{Frame, RawSender};
use crate::io::udp::{Datagram, Upstream};
use crate::store::{Store, Write};
pub(super) use maps::access_route;
pub(super) use sends::Sends;
use sends::ToClient;
use six::ToClient6;
pub(super) use six::{Six, kernel_route6, lead, route6};

/// Commands in one batch: bounds what a timeout that does much work keeps in memory.
const BATCH: usize = 8192;

enum MapWrite {
    Install(Route),
    Remove(Ipv4Addr),
    Expiry(u32, Instant),
    LeastEpoch(u32, Epoch, FpcId),
    Install6(v6::session::Route),
    Remove6(Prefix),
    Expiry6(u32, Instant),
    Seen6(u32, Instant),
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
}
