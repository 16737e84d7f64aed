//! IPv6 with a bounded walk over extension headers (RFC 8200).
//!
//! [`classify`] knows no more than the work unit needs, because the hot line waits for it. What is not dropped there is
//! parsed again: [`parse`] reads the fixed header, [`kind`] looks behind the extension headers.

use gateway_common::Ip6;
use gateway_common::unit::{self, Unit, UnitKey};

use super::dhcp::v6::{CLIENT_PORT, SERVER_PORT, peer_address};
use super::ethernet::Frame;
use super::transport::{self, ICMPV6, SCTP, UDP};
use crate::opaque::opaque;
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

/// Octets of the fixed header.
pub(crate) const HEADER: usize = size_of::<Header>();

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

/// Classifies an IPv6 packet, by this key of the units.
#[inline(always)]
pub(crate) fn classify(packet: &Packet, frame: &Frame, key: &UnitKey) -> Option<Class> {
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
            return Some(Class::Dhcp(unit::dhcp6(key, client.map(u32::from_be))));
        }
        if ports.destination == CLIENT_PORT {
            return Some(Class::Dhcp(unit::dhcp6(key, header.destination.map(u32::from_be))));
        }
    }
    if protocol == ICMPV6 && header.hop_limit == 255 && ND.contains(&icmp_type(packet, at)?) {
        return Some(Class::NeighbourDiscovery);
    }
    let unit = unit::forwarded_v6(key, header.source.map(u32::from_be), header.destination.map(u32::from_be));
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
        // Kernel 6.1 knows the bound of this register only, not of a copy that was on the stack before.
        at = opaque(at);
    }
    Some((if is_extension(next) { FRAGMENT } else { next }, at))
}

#[inline(always)]
fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION)
}

/// What the fixed header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ipv6 {
    /// Source address.
    pub(crate) source: Ip6,
    /// Destination address.
    pub(crate) destination: Ip6,
    /// Version, traffic class and flow label, network order.
    pub(crate) flow: u32,
    /// Hop limit.
    pub(crate) hop_limit: u8,
    /// What the first header behind this is.
    pub(crate) next: u8,
    /// Octets from the IP header to the end of the packet.
    pub(crate) total_len: u16,
}

/// Parses the fixed header at `network`, which decides where a packet goes.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, network: usize) -> Option<Ipv6> {
    let [first, source @ .., c, d]: [u64; HEADER / 8] = packet.read(network)?;
    let [version, .., length_high, length_low, next, hop_limit] = first.to_ne_bytes();
    let total_len = HEADER + u16::from_be_bytes([length_high, length_low]) as usize;
    if version >> 4 != 6 || network + total_len > packet.len() {
        return None;
    }
    Some(Ipv6 {
        source: Ip6(source),
        destination: Ip6([c, d]),
        flow: first as u32,
        hop_limit,
        next,
        // No frame is as long as 65 536 octets.
        total_len: total_len as u16,
    })
}

/// The destination address of the packet at `network`.
#[inline(always)]
pub(crate) fn destination(packet: &Packet, network: usize) -> Option<Ip6> {
    packet.read(network + DESTINATION).map(Ip6)
}

const DESTINATION: usize = 24;

const _: () = assert!(cfg!(target_endian = "little"), "the flow is the lower half of the first word");

/// What an IPv6 packet is, in one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(u32);

impl Kind {
    /// Anything else.
    pub(crate) const DATA: Self = Self(0);
    /// ICMPv6 that is no neighbour discovery.
    pub(crate) const ICMP: Self = Self(1);
    /// A fragment of DHCP for a server, whose message nobody can tell.
    pub(crate) const DHCP_FRAGMENT: Self = Self(2);
    /// From a server's port to a client's.
    pub(crate) const TO_CLIENT: Self = Self(3);
    /// From another port to a DHCP client's.
    pub(crate) const TO_CLIENT_PORT: Self = Self(4);
    /// A header chain that runs out of the packet.
    pub(crate) const MALFORMED: Self = Self(5);
    const DISCOVERY: u32 = 6;
    const HIDDEN_DISCOVERY: u32 = 7;
    const TO_SERVER: u32 = 8;
    const SCTP: u32 = 9;

    /// The kind that was passed as a number.
    #[inline(always)]
    pub(crate) fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The kind as a number.
    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Neighbour discovery: its ICMPv6 type, and whether it follows the fixed header at once, as everybody sends it.
    #[inline(always)]
    pub(crate) fn discovery(self) -> Option<(u8, bool)> {
        match self.0 & 0xff {
            Self::DISCOVERY => Some(((self.0 >> 8) as u8, true)),
            Self::HIDDEN_DISCOVERY => Some(((self.0 >> 8) as u8, false)),
            _ => None,
        }
    }

    /// SCTP in one piece: where its header is.
    #[inline(always)]
    pub(crate) fn sctp(self) -> Option<usize> {
        if self.0 & 0xff == Self::SCTP { Some((self.0 >> 8) as usize) } else { None }
    }

    /// DHCPv6 for a server or relay: its message type.
    #[inline(always)]
    pub(crate) fn to_server(self) -> Option<u8> {
        if self.0 & 0xff == Self::TO_SERVER { Some((self.0 >> 8) as u8) } else { None }
    }
}

/// What the packet is whose IPv6 header at `network` was parsed.
#[inline(always)]
pub(crate) fn kind(packet: &Packet, network: usize) -> Kind {
    look(packet, network).unwrap_or(Kind::MALFORMED)
}

#[inline(always)]
fn look(packet: &Packet, network: usize) -> Option<Kind> {
    let ip = parse(packet, network)?;
    let end = network + ip.total_len as usize;
    let (protocol, at, is_fragment) = walk_through(packet, ip.next, network + HEADER, end)?;
    if is_fragment {
        let to_server = protocol == UDP && packet.read::<[u8; 4]>(at)?[2..] == SERVER_PORT.to_be_bytes();
        return Some(if to_server || ip.destination == Ip6::ALL_DHCP { Kind::DHCP_FRAGMENT } else { Kind::DATA });
    }
    let ports = transport::parse(packet, protocol, at, end)?;
    match protocol {
        UDP if ports.destination == SERVER_PORT => {
            let message: [u8; 4] = packet.read(at + UDP_HEADER)?;
            Some(Kind(Kind::TO_SERVER | (message[0] as u32) << 8))
        }
        UDP if ports.destination == CLIENT_PORT && ports.source == SERVER_PORT => Some(Kind::TO_CLIENT),
        UDP if ports.destination == CLIENT_PORT => Some(Kind::TO_CLIENT_PORT),
        ICMPV6 => {
            let octet = icmp_type(packet, at)?;
            if ip.hop_limit != 255 || !ND.contains(&octet) {
                return Some(Kind::ICMP);
            }
            let which = if at == network + HEADER { Kind::DISCOVERY } else { Kind::HIDDEN_DISCOVERY };
            Some(Kind(which | (octet as u32) << 8))
        }
        // Not beyond `FURTHEST`.
        SCTP => Some(Kind(Kind::SCTP | (at as u32) << 8)),
        _ => Some(Kind::DATA),
    }
}

const UDP_HEADER: usize = size_of::<network_types::udp::UdpHdr>();
/// Octets of a fragment header.
const FRAGMENT_HEADER: usize = 8;
/// The bits of a fragment header's third and fourth octet that tell where the fragment begins.
const FRAGMENT_OFFSET: u16 = 0xfff8;

/// As [`walk`], but goes on behind the header of a first fragment, which must hold all headers (RFC 7112), and takes a chain
/// that is longer than it walks for no packet: DHCP could hide behind it. Tells whether the packet is a fragment; of a
/// later one nothing is known.
#[inline(always)]
fn walk_through(packet: &Packet, mut next: u8, mut at: usize, end: usize) -> Option<(u8, usize, bool)> {
    let mut is_fragment = false;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION => {
                let header: [u8; 2] = packet.read(at)?;
                let unit = if next == AUTHENTICATION { 4 } else { 8 };
                at += 8 + header[1] as usize * unit;
                next = header[0];
            }
            FRAGMENT => {
                let header: [u8; 4] = packet.read(at)?;
                is_fragment = true;
                if u16::from_be_bytes([header[2], header[3]]) & FRAGMENT_OFFSET != 0 {
                    return Some((FRAGMENT, 0, true));
                }
                at += FRAGMENT_HEADER;
                next = header[0];
            }
            _ => return Some((next, at, is_fragment)),
        }
        if at > end {
            return None;
        }
        if at > FURTHEST {
            return None;
        }
        at = opaque(at);
    }
    if is_extension(next) || next == FRAGMENT { None } else { Some((next, at, is_fragment)) }
}
