//! The IPv6 half of the outbox: access routes by prefix, messages to DHCPv6 servers and to clients.

use std::net::{Ipv6Addr, SocketAddrV6};

use gateway_common::route::AccessRoute;
use gateway_common::vlan::VlanTags;
use gateway_core::line::Line;
use gateway_core::time::Instant;
use gateway_core::v6::session::Route;
use gateway_core::wire::dhcp6::{Prefix, SERVER_PORT};
use gateway_core::wire::frame6::Datagram6;
use gateway_core::wire::router::link_local;

use super::{MapWrite, Outbox, access_route};
use crate::dataplane::routes6::{Route6, Routes6};
use crate::io::netlink::{KernelRoute6, Link};
use crate::io::raw::Frame;
use crate::io::udp::Upstream;
use crate::run::ports::Ports;

/// What it takes where IPv6 is served.
pub(in crate::run) struct Six {
    pub(in crate::run) routes: Routes6,
    /// Delegated prefixes behind VLAN tags get kernel routes, too.
    pub(in crate::run) announce: bool,
    pub(in crate::run) upstream: Upstream<Ipv6Addr>,
    /// The link-local address of all members of a cluster; `None`: each port has its own.
    pub(in crate::run) link_local: Option<Ipv6Addr>,
}

/// A message to a client, or to a relay below.
pub(super) struct ToClient6 {
    pub(super) line: Line,
    pub(super) destination_mac: [u8; 6],
    pub(super) destination: Ipv6Addr,
    pub(super) port: u16,
    pub(super) payload: Vec<u8>,
}

impl Outbox {
    /// Neighbouring writes of one kind.
    pub(super) fn write_maps6(&mut self, ports: &Ports, run: &[MapWrite], now: Instant) {
        match run[0] {
            MapWrite::Install6(_) => {
                let routes = run.iter().filter_map(|write| match write {
                    MapWrite::Install6(route) => Some(*route),
                    _ => None,
                });
                self.install6(ports, routes, now);
            }
            MapWrite::Remove6(_) => {
                let prefixes = run.iter().filter_map(|write| match write {
                    MapWrite::Remove6(prefix) => Some(*prefix),
                    _ => None,
                });
                self.remove6(prefixes, now);
            }
            _ => {
                let Some(six) = &self.six else { return };
                for write in run {
                    match *write {
                        MapWrite::Expiry6(slot, expires) => six.routes.set_expires(slot, expires.as_nanos()),
                        MapWrite::Seen6(slot, at) => six.routes.set_seen(slot, at.as_nanos()),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Installs routes. Those of a port whose interface is missing come when it does.
    pub(in crate::run) fn install6(&mut self, ports: &Ports, routes: impl Iterator<Item = Route>, now: Instant) {
        let Some(six) = &mut self.six else { return };
        let mut batch = Vec::new();
        for route in routes {
            let Some(link) = ports.link(route.port) else {
                six.routes.begin(route.slot, route.expires.as_nanos(), route.fresh);
                continue;
            };
            batch.push(route6(&route, link.ifindex));
            if let Some(kernel) = &mut self.kernel {
                let wanted = kernel_route6(&route, link, six.announce);
                // Where it led before must not stay: the kernel would go on sending there, or to a MAC that has moved.
                let had = six.routes.get(route.address.address(), route.address.length()).ok().flatten();
                let had = had.and_then(|had| lead6(route.address, &had, six.announce));
                if let Some(by) = had.filter(|by| wanted.as_ref().is_none_or(|wanted| lead(wanted) != *by)) {
                    kernel.remove6(route.address, by);
                }
                wanted.into_iter().for_each(|route| kernel.add6(route));
            }
        }
        let failed = &mut self.failed6;
        batch.iter().for_each(|route| failed.forget(&(route.prefix, route.length)));
        let mut from = 0;
        while let Err((stored, error)) = six.routes.install_or_arrange(&batch[from..], now) {
            from += stored;
            let route = &batch[from];
            // It may not have come to that, and whoever tries again does not.
            six.routes.begin(route.route.slot, route.expires_ns, route.fresh);
            failed.keep((route.prefix, route.length), &error);
            self.lost_writes.warn(error, now);
            from += 1;
        }
    }

    fn remove6(&mut self, prefixes: impl Iterator<Item = Prefix>, now: Instant) {
        let Some(six) = &mut self.six else { return };
        let prefixes: Vec<_> = prefixes.map(|prefix| (prefix.address(), prefix.length())).collect();
        if let Some(kernel) = &mut self.kernel {
            for &(address, length) in &prefixes {
                let (route, prefix) = (six.routes.get(address, length), Prefix::new(address, length));
                if let (Ok(Some(route)), Some(prefix)) = (route, prefix) {
                    kernel.remove6(prefix, (route.tags == VlanTags::NONE).then_some(route.ifindex));
                }
            }
        }
        prefixes.iter().for_each(|prefix| self.failed6.forget(prefix));
        if let Err(error) = six.routes.remove(&prefixes) {
            self.lost_writes.warn(error, now);
        }
    }

    /// Gathers the frames for DHCPv6 clients.
    pub(super) fn frames6(&mut self, ports: &Ports, now: Instant) {
        let shared = self.six.as_ref().and_then(|six| six.link_local);
        for ToClient6 { line, destination_mac, destination, port, payload } in self.sends.to_clients6.drain(..) {
            let Some(link) = ports.link(line.port) else {
                self.lost_frames.warn("its interface is gone", now);
                continue;
            };
            let frame = Datagram6 {
                source_mac: link.mac,
                destination_mac,
                tags: line.tags,
                source: SocketAddrV6::new(shared.unwrap_or_else(|| link_local(link.mac)), SERVER_PORT, 0, 0),
                destination: SocketAddrV6::new(destination, port, 0, 0),
                payload: &payload,
            };
            match frame.build() {
                Some(octets) => self.frames.push(Frame { ifindex: link.ifindex, octets }),
                None => self.lost_frames.warn("it is too long", now),
            }
        }
    }

    /// Sends what there is for DHCPv6 servers. What is lost is asked again by the client.
    pub(super) fn send6(&mut self, ports: &Ports, now: Instant) {
        let (Some(six), datagrams) = (&self.six, std::mem::take(&mut self.sends.to_servers6)) else { return };
        if datagrams.is_empty() {
            return;
        }
        if let Some(link) = ports.upstream().filter(|_| datagrams.iter().any(|datagram| datagram.server.is_multicast()))
        {
            six.upstream.multicast_by(link.ifindex);
        }
        six.upstream.send(&datagrams, |datagram, error| {
            let (source, server) = (datagram.source, datagram.server);
            self.lost_datagrams.warn(format_args!("{source} to {server}: {error}"), now);
        });
    }

    /// Sends frames that nothing has to be durable for.
    pub(in crate::run) fn send_frames(&mut self, frames: &[Frame], now: Instant) {
        if !frames.is_empty() {
            self.raw.send(frames, |_, error| self.lost_frames.warn(error, now));
        }
    }
}

/// The route that the kernel should have. It takes none while an interface is down; then it comes when that is up.
pub(in crate::run) fn kernel_route6(route: &Route, link: &Link, announce: bool) -> Option<KernelRoute6> {
    let prefix = route.address;
    match route.tags == VlanTags::NONE {
        true => link.up.then_some(KernelRoute6 { prefix, by: Some((link.ifindex, route.mac)) }),
        false => (announce && prefix.length() < 128).then_some(KernelRoute6 { prefix, by: None }),
    }
}

/// Whereto a kernel route leads: an interface, or nowhere.
pub(in crate::run) fn lead(route: &KernelRoute6) -> Option<u32> {
    route.by.map(|(ifindex, _)| ifindex)
}

/// Whereto the kernel's route leads that goes with what the map has; `None` when there is none.
fn lead6(prefix: Prefix, had: &AccessRoute, announce: bool) -> Option<Option<u32>> {
    match had.tags == VlanTags::NONE {
        true => Some(Some(had.ifindex)),
        false => (announce && prefix.length() < 128).then_some(None),
    }
}

/// The map's form of a route.
pub(in crate::run) fn route6(route: &Route, ifindex: u32) -> Route6 {
    Route6 {
        prefix: route.address.address(),
        length: route.address.length(),
        route: access_route(route, ifindex),
        expires_ns: route.expires.as_nanos(),
        fresh: route.fresh,
    }
}
