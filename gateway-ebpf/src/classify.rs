//! What an IPv4 packet is, and which work unit it belongs to.

use gateway_common::Ip4;
use gateway_common::unit::{self, Unit, UnitKey};

use crate::packet::Packet;
use crate::parse::dhcp::{self, CLIENT_PORT, Dhcp, SERVER_PORT};
use crate::parse::ethernet::Frame;
use crate::parse::ipv4::{self, Ipv4, Part};
use crate::parse::transport::{self, Ports, UDP};

/// What an IPv4 packet is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// DHCP for a server or relay.
    ToServer(Dhcp),
    /// DHCP for a client.
    ToClient(Dhcp),
    /// To the port of a DHCP client, and not from that of a server, or the first part of such. A client hears it all the
    /// same.
    ToClientPort,
    /// A fragment of DHCP for a server, whose client nobody can tell.
    DhcpFragment,
    /// Anything else.
    Data,
}

impl Kind {
    /// Whether the packet belongs to a unit's DHCP: it has the client's hardware address.
    #[inline(always)]
    pub(crate) fn is_dhcp(&self) -> bool {
        matches!(self, Self::ToServer(_) | Self::ToClient(_))
    }
}

/// A classified IPv4 packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Classified {
    /// Its header.
    pub(crate) ip: Ipv4,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its work unit.
    pub(crate) unit: Unit,
}

/// Parses and classifies the IPv4 packet in a frame. `cluster` is the address the members share, or 0.0.0.0; `key` that of the
/// units.
#[inline(always)]
pub(crate) fn ipv4(packet: &Packet, frame: &Frame, cluster: Ip4, key: &UnitKey) -> Option<Classified> {
    let ip = ipv4::parse(packet, frame)?;
    let (source, destination) = (ip.source.to_host(), ip.destination.to_host());
    if ip.part != Part::Whole {
        let kind = fragment(packet, &ip);
        return Some(Classified { ip, kind, unit: unit::forwarded_v4(key, source, destination) });
    }
    let ports = transport::parse(packet, ip.protocol, ip.transport, ip.end)?;
    if ip.protocol == UDP {
        if ports.destination == SERVER_PORT {
            let dhcp = dhcp::parse(packet, &ip, key)?;
            return Some(Classified { ip, kind: Kind::ToServer(dhcp), unit: dhcp.unit });
        }
        if ports == (Ports { source: SERVER_PORT, destination: CLIENT_PORT }) {
            let dhcp = dhcp::parse(packet, &ip, key)?;
            return Some(Classified { ip, kind: Kind::ToClient(dhcp), unit: dhcp.unit });
        }
    }
    let to_client_port = ip.protocol == UDP && ports.destination == CLIENT_PORT;
    let kind = if to_client_port { Kind::ToClientPort } else { Kind::Data };
    let to_cluster = ip.destination == cluster && cluster != Ip4::UNSPECIFIED && transport::has_ports(ip.protocol);
    let unit = match to_cluster {
        true => unit::local(key, source, ports.source),
        false => unit::forwarded_v4(key, source, destination),
    };
    Some(Classified { ip, kind, unit })
}

/// What a fragment is: its first says so; of the later ones those to everybody are DHCP for a server.
#[inline(always)]
fn fragment(packet: &Packet, ip: &Ipv4) -> Kind {
    if ip.protocol != UDP {
        return Kind::Data;
    }
    let port = if ip.part == Part::First { packet.read::<[u8; 2]>(ip.transport + 2) } else { None };
    match port.map(u16::from_be_bytes) {
        Some(SERVER_PORT) => Kind::DhcpFragment,
        _ if ip.destination == Ip4::BROADCAST => Kind::DhcpFragment,
        Some(CLIENT_PORT) => Kind::ToClientPort,
        _ => Kind::Data,
    }
}
