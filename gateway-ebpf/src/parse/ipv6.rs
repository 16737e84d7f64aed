//! IPv6 with a bounded walk over extension headers (RFC 8200). IPv6 is classified, hashed and counted; its relay and
//! forwarding come later.

use gateway_common::unit::{self, Unit};
use network_types::ip::Ipv6Hdr;

use super::dhcp::v6::{CLIENT_PORT, SERVER_PORT, peer_address};
use super::ethernet::Frame;
use super::transport::{self, ICMPV6, UDP};
use crate::packet::Packet;

/// Extension headers that are walked; what lies behind more of them is not looked at.
const MAX_EXTENSIONS: usize = 6;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Neighbour discovery: router solicitation to redirect (RFC 4861).
const ND: core::ops::RangeInclusive<u8> = 133..=137;

/// What an IPv6 packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Neighbour discovery, which never leaves its link and belongs to no unit.
    NeighbourDiscovery,
    /// Multicast that is not DHCPv6.
    Multicast(Unit),
    /// Anything else, DHCPv6 included, with its unit.
    Unicast(Unit),
}

/// Classifies an IPv6 packet.
#[inline(always)]
pub(crate) fn classify(packet: &Packet, frame: &Frame) -> Option<Class> {
    let header: Ipv6Hdr = packet.read(frame.network)?;
    let end = frame.network + Ipv6Hdr::LEN + u16::from_be_bytes(header.payload_len) as usize;
    if header.vcf[0] >> 4 != 6 || end > packet.len() {
        return None;
    }
    let (protocol, at) = walk(packet, header.next_hdr, frame.network + Ipv6Hdr::LEN, end)?;
    let forwarded = unit::forwarded_v6(unit::words(header.src_addr), unit::words(header.dst_addr));
    let ports = transport::parse(packet, protocol, at, end)?;
    if protocol == UDP {
        // DHCPv6 from a client hashes by its link-local address, and so does what a server sends back through us.
        if ports.destination == SERVER_PORT {
            let client = peer_address(packet, at).unwrap_or(header.src_addr);
            return Some(Class::Unicast(unit::dhcp6(unit::words(client))));
        }
        if ports.destination == CLIENT_PORT {
            return Some(Class::Unicast(unit::dhcp6(unit::words(header.dst_addr))));
        }
    }
    if protocol == ICMPV6 && header.hop_limit == 255 && ND.contains(&packet.read::<u8>(at)?) {
        return Some(Class::NeighbourDiscovery);
    }
    Some(if header.dst_addr[0] == 0xff { Class::Multicast(forwarded) } else { Class::Unicast(forwarded) })
}

/// The protocol behind the extension headers, and where it starts. Behind a fragment header, and behind too many
/// headers, nothing is known: the header's own number is returned, which is no transport.
#[inline(always)]
fn walk(packet: &Packet, mut next: u8, mut at: usize, end: usize) -> Option<(u8, usize)> {
    for _ in 0..MAX_EXTENSIONS {
        let unit = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => 8,
            AUTHENTICATION => 4,
            _ => return Some((next, at)),
        };
        let header: [u8; 2] = packet.read(at)?;
        // In units beyond the first 8 octets.
        at += 8 + header[1] as usize * unit;
        next = header[0];
        if at > end {
            return None;
        }
    }
    Some((if is_extension(next) { FRAGMENT } else { next }, at))
}

#[inline(always)]
fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION)
}
