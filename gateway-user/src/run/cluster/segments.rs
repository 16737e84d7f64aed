//! What the members share on the wire: the segments, the frames that are held for one another, and the load.

use std::net::IpAddr;

use gateway_common::punt::PuntHeader;
use gateway_common::unit::Unit;
use gateway_common::verdict::{Fate, Program};
use gateway_core::cluster::HeldFrame;
use gateway_core::line::PortId;
use gateway_core::replication::{self, Interface};
use gateway_core::time::Instant;

use crate::cluster::door::{Input, Segment};
use crate::run::Gateway;

impl Gateway {
    /// Tells the core how much we forward, for balancing.
    pub(in crate::run) fn tell_load(&mut self) {
        if self.membership.is_none() {
            return;
        }
        let forwarded = |program| {
            let counters = self.dataplane.counters(program).unwrap_or_default();
            let forwarded = counters.iter().filter(|(verdict, _)| verdict.fate() == Fate::Forwarded);
            forwarded.map(|(_, counter)| counter.packets).sum::<u64>()
        };
        let total = forwarded(Program::Access) + forwarded(Program::Upstream);
        if let Some(membership) = &mut self.membership {
            let before = std::mem::replace(&mut membership.forwarded, total);
            let load = u32::try_from(total.saturating_sub(before)).unwrap_or(u32::MAX);
            membership.tell(Input::Load(load));
        }
    }

    /// A frame of a unit whose owner can't have it yet.
    pub(in crate::run) fn held(&mut self, program: Program, header: &PuntHeader, frame: &[u8]) {
        let port = match program {
            Program::Access => self.ports.access_at(header.ifindex),
            Program::Upstream => None,
        };
        match (&self.membership, Unit::new(header.unit)) {
            (Some(membership), Some(unit)) if program == Program::Upstream || port.is_some() => {
                let frame = HeldFrame { port: port.map(|port| port.0), frame: frame.to_vec() };
                self.held_overrun += u64::from(!membership.core.hold(unit, frame));
            }
            _ => self.held_lost += 1,
        }
    }

    /// A frame that was held for us, as if it had just arrived.
    pub(in crate::run) fn inject(&mut self, held: &HeldFrame, now: Instant) {
        let link = match held.port {
            Some(place) => self.ports.link(PortId(place)),
            None => self.ports.upstream(),
        };
        let program = if held.port.is_some() { Program::Access } else { Program::Upstream };
        let Some(link) = link else { return };
        if let Err(error) = self.dataplane.inject(program, link.ifindex, &held.frame) {
            self.refused.warn(format_args!("a frame that was held is lost: {error:#}"), now);
        }
    }

    /// Our interfaces and the members' MACs on their segments, for the other members and for the core.
    pub(in crate::run) fn tell_segments(&mut self) {
        let Some(membership) = &mut self.membership else { return };
        let Some(cluster) = &self.config.cluster else { return };
        let mut own = Vec::new();
        let mut segments = Vec::new();
        for (place, entry) in self.ports.iter().enumerate() {
            let Some(link) = &entry.link else { continue };
            let is_link = entry.name == cluster.interface;
            let segment = match entry.access {
                _ if is_link => replication::Segment::Link,
                Some(port) => replication::Segment::Access(port.0),
                None => replication::Segment::Upstream((place - self.config.ports.len()) as u16),
            };
            own.push(Interface { segment, mac: link.mac });
            let on_segment = |interfaces: &Vec<Interface>| {
                interfaces.iter().find(|other| other.segment == segment).map(|other| other.mac)
            };
            let members = membership.interfaces.iter();
            let addresses = match entry.access {
                Some(port) => self.config.shared_on(port),
                None if is_link => Vec::new(),
                None => {
                    let (four, six) = (cluster.address.map(IpAddr::V4), cluster.address6.map(IpAddr::V6));
                    four.into_iter().chain(six).collect()
                }
            };
            segments.push(Segment {
                ifindex: link.ifindex,
                mac: link.mac,
                addresses,
                members: members.filter_map(|(member, all)| Some((*member, on_segment(all)?))).collect(),
                is_link,
            });
        }
        membership.sharing.replication.handle_interfaces(own);
        membership.tell(Input::Segments(segments));
    }
}
