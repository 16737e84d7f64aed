//! IPv6 with a bounded walk over extension headers (RFC 8200). IPv6 is classified, hashed and counted; its relay and
//! forwarding come later.

use gateway_common::unit::{self, Unit};

use super::dhcp::v6::{CLIENT_PORT, SERVER_PORT, peer_address};
use super::ethernet::Frame;
use super::transport::{self, ICMPV6, UDP};
use crate::packet::{Packet, plain};

/// Extension headers that are walked; what lies behind more of them is not looked at.
const MAX_EXTENSIONS: usize = 6;

/// Offset in the frame up to which headers are looked at; also the bound that the verifier needs.
const FURTHEST: usize = 2048;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Neighbour discovery: router solicitation to redirect (RFC 4861).
const ND: core::ops::RangeInclusive<u8> = 133..=137;

/// The fixed header (RFC 8200, section 3). The addresses are words, so that they are read and hashed as such.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    version: [u8; 4],
    payload_len: [u8; 2],
    next: u8,
    hop_limit: u8,
    source: Address,
    destination: Address,
}

const HEADER: usize = size_of::<Header>();

/// An address as it lies in the packet, in words.
type Address = [u32; 4];

plain!(Header);

/// What an IPv6 packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Neighbour discovery, which never leaves its link and belongs to no unit.
    NeighbourDiscovery,
    /// Multicast that is not DHCPv6.
    Multicast(Unit),
    /// DHCPv6, with its unit.
    Dhcp(Unit),
    /// Anything else, with its unit.
    Unicast(Unit),
}

/// Classifies an IPv6 packet.
#[inline(always)]
pub(crate) fn classify(packet: &Packet, frame: &Frame) -> Option<Class> {
    let header: Header = packet.read(frame.network)?;
    let end = frame.network + HEADER + u16::from_be_bytes(header.payload_len) as usize;
    if header.version[0] >> 4 != 6 || end > packet.len() {
        return None;
    }
    let (protocol, at) = walk(packet, header.next, frame.network + HEADER, end)?;
    let ports = transport::parse(packet, protocol, at, end)?;
    if protocol == UDP {
        // DHCPv6 from a client hashes by its link-local address, and so does what a server sends back through us.
        if ports.destination == SERVER_PORT {
            let client = peer_address(packet, at).unwrap_or(header.source);
            return Some(Class::Dhcp(unit::dhcp6(client.map(u32::from_be))));
        }
        if ports.destination == CLIENT_PORT {
            return Some(Class::Dhcp(unit::dhcp6(header.destination.map(u32::from_be))));
        }
    }
    if protocol == ICMPV6 && header.hop_limit == 255 && ND.contains(&icmp_type(packet, at)?) {
        return Some(Class::NeighbourDiscovery);
    }
    let unit = unit::forwarded_v6(header.source.map(u32::from_be), header.destination.map(u32::from_be));
    let is_multicast = header.destination[0].to_ne_bytes()[0] == 0xff;
    Some(if is_multicast { Class::Multicast(unit) } else { Class::Unicast(unit) })
}

/// Type of the ICMPv6 message at `at`. The whole header is read: of a check for one octet only, the verifier would
/// learn nothing.
#[inline(always)]
fn icmp_type(packet: &Packet, at: usize) -> Option<u8> {
    let header: [u8; 4] = packet.read(at)?;
    Some(header[0])
}

/// The protocol behind the extension headers, and where it starts. Behind a fragment header, and behind too many or
/// too long headers, nothing is known: a number is returned that is no transport.
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
        if at > FURTHEST {
            return Some((FRAGMENT, 0));
        }
    }
    Some((if is_extension(next) { FRAGMENT } else { next }, at))
}

#[inline(always)]
fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION)
}
