//! Questions to subscribers that have fallen silent, as frames.

use gateway_core::node::Probe;
use gateway_core::wire::neighbour::{ArpRequest, Neighbour, NeighbourKind};
use gateway_core::wire::router::link_local;

use crate::io::netlink::Link;
use crate::io::raw::Frame;

/// One for each version of IP that the subscriber has, by unicast to it.
pub(super) fn frames(probe: &Probe, link: &Link) -> impl Iterator<Item = Frame> {
    let Probe { line, mac: destination_mac, ipv4, ipv6 } = *probe;
    let (source_mac, tags) = (link.mac, line.tags);
    let arp = ipv4.map(|(source, target)| ArpRequest { source_mac, destination_mac, tags, source, target }.build());
    let asked = ipv6.map(|target| Neighbour {
        kind: NeighbourKind::Solicitation,
        source_mac,
        destination_mac,
        tags,
        source: link_local(source_mac),
        destination: target,
        target,
    });
    let ifindex = link.ifindex;
    [arp, asked.map(|asked| asked.build())].into_iter().flatten().map(move |octets| Frame { ifindex, octets })
}
