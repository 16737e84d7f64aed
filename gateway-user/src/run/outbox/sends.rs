//! What leaves: frames to clients, datagrams to servers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use gateway_core::line::Line;
use gateway_core::node::Probe;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp4::{CLIENT_PORT, SERVER_PORT};
use gateway_core::wire::frame;

use super::Outbox;
use super::six::ToClient6;
use crate::io::raw::Frame;
use crate::io::udp::Datagram;
use crate::run::ports::Ports;
use crate::run::probes;

/// A message to a client.
pub(super) struct ToClient {
    pub(super) line: Line,
    pub(super) destination_mac: [u8; 6],
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) payload: Vec<u8>,
}

/// What leaves together.
#[derive(Default)]
pub(in crate::run) struct Sends {
    pub(super) to_servers: Vec<Datagram<Ipv4Addr>>,
    pub(super) to_clients: Vec<ToClient>,
    pub(super) to_servers6: Vec<Datagram<Ipv6Addr>>,
    pub(super) to_clients6: Vec<ToClient6>,
    pub(super) probes: Vec<Probe>,
}

impl Sends {
    pub(in crate::run) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(in crate::run) fn len(&self) -> usize {
        let to_servers = self.to_servers.len() + self.to_servers6.len();
        to_servers + self.to_clients.len() + self.to_clients6.len() + self.probes.len()
    }
}

impl Outbox {
    pub(super) fn send(&mut self, ports: &Ports, now: Instant) {
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
                Some(link) => self.frames.extend(probes::frames(&probe, link)),
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
}
