//! Turning a frame into the one that leaves: a new Ethernet header with other tags, and one hop less.

use gateway_common::vlan::{VlanTag, VlanTags};
use network_types::eth::EthHdr;
use network_types::vlan::VlanHdr;

use crate::context::Context;
use crate::packet::{Packet, plain};
use crate::parse::ethernet::Frame;

/// Octets of an Ethernet header with `tags`.
#[inline(always)]
fn header_len(tags: &VlanTags) -> usize {
    EthHdr::LEN + VlanHdr::LEN * tags.count()
}

/// The link-layer header a frame leaves with.
pub(crate) struct Link {
    /// Destination address.
    pub(crate) destination: [u8; 6],
    /// Source address.
    pub(crate) source: [u8; 6],
    /// Tags.
    pub(crate) tags: VlanTags,
}

/// Gives an IP packet its new link-layer header, and `take_hop` takes one hop off it at the offset where it begins now.
/// `None`, and the frame as it was, when there is no room for the tags.
#[inline(always)]
pub(crate) fn forward(
    context: &Context,
    frame: &Frame,
    link: &Link,
    ethertype: u16,
    take_hop: impl FnOnce(&Packet, usize) -> Option<()>,
) -> Option<()> {
    retag(context, frame, &link.tags)?;
    let packet = context.packet();
    write_header(&packet, link, ethertype)?;
    take_hop(&packet, header_len(&link.tags))
}

/// Takes the tags off a frame that goes to the kernel's own forwarding, which has no interface for them.
/// `None`, and the frame as it was, when there is nothing to take off.
#[inline(always)]
pub(crate) fn untag(context: &Context, frame: &Frame, destination: [u8; 6], source: [u8; 6]) -> Option<()> {
    let link = Link { destination, source, tags: VlanTags::NONE };
    if frame.tags == link.tags {
        return None;
    }
    retag(context, frame, &link.tags)?;
    write_header(&context.packet(), &link, frame.ethertype)
}

/// Makes room for `tags` instead of the frame's own.
#[inline(always)]
fn retag(context: &Context, frame: &Frame, tags: &VlanTags) -> Option<()> {
    let octets = frame.network as i32 - header_len(tags) as i32;
    if context.move_head(octets) { Some(()) } else { None }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct OneTag {
    addresses: [[u8; 6]; 2],
    tpid: u16,
    tci: u16,
    ethertype: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct TwoTags {
    addresses: [[u8; 6]; 2],
    outer_tpid: u16,
    outer_tci: u16,
    inner_tpid: u16,
    inner_tci: u16,
    ethertype: u16,
}

plain!(OneTag, TwoTags);

#[inline(always)]
fn write_header(packet: &Packet, link: &Link, ethertype: u16) -> Option<()> {
    let addresses = [link.destination, link.source];
    let VlanTags { outer, inner } = link.tags;
    match link.tags.count() {
        0 => packet.write(0, EthHdr { dst_addr: link.destination, src_addr: link.source, ether_type: ethertype }),
        1 => packet.write(0, OneTag { addresses, tpid: outer.tpid.to_be(), tci: tci(outer), ethertype }),
        _ => packet.write(
            0,
            TwoTags {
                addresses,
                outer_tpid: outer.tpid.to_be(),
                outer_tci: tci(outer),
                inner_tpid: inner.tpid.to_be(),
                inner_tci: tci(inner),
                ethertype,
            },
        ),
    }
}

/// Tag control information without priority, network order.
#[inline(always)]
fn tci(tag: VlanTag) -> u16 {
    tag.vid.to_be()
}

/// The second half of an IPv4 header's first 12 octets: time to live, protocol, checksum.
#[repr(C)]
#[derive(Clone, Copy)]
struct Hop {
    ttl: u8,
    protocol: u8,
    check: u16,
}

plain!(Hop);

const HOP_OFFSET: usize = 8;
/// Where an IPv6 header has its hop limit.
const HOP_LIMIT_OFFSET: usize = 7;

/// Decrements the time to live of the IPv4 packet at `network` and mends its checksum (RFC 1624).
#[inline(always)]
pub(crate) fn take_hop(packet: &Packet, network: usize) -> Option<()> {
    let at = network + HOP_OFFSET;
    let hop: Hop = packet.read(at)?;
    packet.write(at, Hop { ttl: hop.ttl - 1, check: mend(hop.check), ..hop })
}

/// Decrements the hop limit of the IPv6 packet at `network`.
#[inline(always)]
pub(crate) fn take_hop6(packet: &Packet, network: usize, hop_limit: u8) -> Option<()> {
    packet.write(network + HOP_LIMIT_OFFSET, hop_limit - 1)
}

/// The checksum, in network order, after the 16-bit word of TTL and protocol fell by 0x0100: it rises by as much, in
/// ones' complement.
#[inline(always)]
fn mend(check: u16) -> u16 {
    let sum = check as u32 + 0x0100u16.to_be() as u32;
    (sum + (sum >= 0xffff) as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::{mend, take_hop};
    use crate::packet::Packet;

    fn checksum(header: &[u8]) -> u16 {
        let mut sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    /// A hop less leaves a header whose checksum is right, whatever it was.
    #[test]
    fn checksum_stays_right() {
        for id in 0..=u16::MAX {
            let mut header = [0x45, 0, 0, 84, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 2, 3, 192, 0, 2, 9];
            header[4..6].copy_from_slice(&id.to_be_bytes());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            take_hop(&Packet::in_slice(&header), 0).unwrap();
            assert_eq!(header[8], 63);
            assert_eq!(checksum(&header), 0, "id {id}");
        }
    }

    /// The carry wraps around.
    #[test]
    fn ones_complement() {
        assert_eq!(mend(0xff00u16.to_be()), 0x0001u16.to_be());
        assert_eq!(mend(0xfeffu16.to_be()), 0x0000u16.to_be());
    }
}
