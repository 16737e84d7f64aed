//! ARP for IPv4 over Ethernet (RFC 826).

use gateway_common::Ip4;
use network_types::arp::ArpHdr;

use super::ethernet::Frame;
use crate::packet::Packet;

/// What an ARP packet says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Arp {
    /// [`REQUEST`], [`REPLY`] or anything else.
    pub(crate) operation: u16,
    /// Sender's hardware address.
    pub(crate) sender_mac: [u8; 6],
    /// Sender's protocol address; unspecified in a probe (RFC 5227).
    pub(crate) sender: Ip4,
    /// The address asked for or answered.
    pub(crate) target: Ip4,
}

/// Who has it?
pub(crate) const REQUEST: u16 = 1;
/// I have it.
pub(crate) const REPLY: u16 = 2;

const ETHERNET_IPV4: ([u8; 2], [u8; 2], u8, u8) = ([0, 1], [8, 0], 6, 4);

/// Parses the ARP packet of a frame.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, frame: &Frame) -> Option<Arp> {
    let header: ArpHdr = packet.read(frame.network)?;
    if (header.htype, header.ptype, header.hlen, header.plen) != ETHERNET_IPV4 {
        return None;
    }
    Some(Arp {
        operation: header.oper(),
        sender_mac: header.sha,
        sender: Ip4::new(header.spa),
        target: Ip4::new(header.tpa),
    })
}

/// The answer to `request`: `mac` has the target's address.
#[inline(always)]
pub(crate) fn answer(request: &Arp, mac: [u8; 6]) -> ArpHdr {
    let (htype, ptype, hlen, plen) = ETHERNET_IPV4;
    ArpHdr {
        htype,
        ptype,
        hlen,
        plen,
        oper: REPLY.to_be_bytes(),
        sha: mac,
        spa: request.target.octets(),
        tha: request.sender_mac,
        tpa: request.sender.octets(),
    }
}
