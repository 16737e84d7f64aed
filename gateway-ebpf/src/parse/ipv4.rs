//! IPv4 with options and fragments (RFC 791).

use gateway_common::Ip4;
use network_types::ip::Ipv4Hdr;

use super::ethernet::Frame;
use crate::packet::Packet;

/// What of a datagram a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// Its first fragment, which has the transport header.
    First,
    /// A later fragment.
    Later,
}

/// What the IPv4 header says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ipv4 {
    /// Source address.
    pub(crate) source: Ip4,
    /// Destination address.
    pub(crate) destination: Ip4,
    /// Protocol number.
    pub(crate) protocol: u8,
    /// Time to live.
    pub(crate) ttl: u8,
    /// Type of service.
    pub(crate) tos: u8,
    /// Octets from the IP header to the end of the packet.
    pub(crate) total_len: u16,
    /// Whether the header has options.
    pub(crate) options: bool,
    /// Whole datagram or fragment.
    pub(crate) part: Part,
    /// Where the transport header starts.
    pub(crate) transport: usize,
    /// Where the IP packet ends: padding may follow.
    pub(crate) end: usize,
}

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Parses the IPv4 header of a frame.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, frame: &Frame) -> Option<Ipv4> {
    let header: Ipv4Hdr = packet.read(frame.network)?;
    // Version 4 and 20 octets: no options. Anything from 0x46 to 0x4f has some.
    if header.vihl < 0x45 || header.vihl > 0x4f {
        return None;
    }
    let header_len = (header.vihl & 0x0f) as usize * 4;
    let total_len = header.tot_len();
    let end = frame.network + total_len as usize;
    if (total_len as usize) < header_len || end > packet.len() {
        return None;
    }
    let fragment = u16::from_be_bytes(header.frags);
    let part = if fragment & (MORE_FRAGMENTS | OFFSET) == 0 {
        Part::Whole
    } else if fragment & OFFSET == 0 {
        Part::First
    } else {
        Part::Later
    };
    Some(Ipv4 {
        source: Ip4::new(header.src_addr),
        destination: Ip4::new(header.dst_addr),
        protocol: header.proto,
        ttl: header.ttl,
        tos: header.tos,
        total_len,
        options: header.vihl != 0x45,
        part,
        transport: frame.network + header_len,
        end,
    })
}

/// From 224.0.0.0 up: multicast, the reserved block, and the limited broadcast address.
#[inline(always)]
pub(crate) fn is_multicast(address: Ip4) -> bool {
    address.octets()[0] >= 224
}
