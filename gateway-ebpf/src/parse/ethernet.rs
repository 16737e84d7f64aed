//! Ethernet and up to two VLAN tags.

use gateway_common::vlan::{VlanTag, VlanTags};
use network_types::eth::{EthHdr, EtherType};
use network_types::vlan::VlanHdr;

use crate::packet::Packet;

/// Ethertypes as they lie in the frame.
pub(crate) const IPV4: u16 = EtherType::Ipv4 as u16;
/// ARP.
pub(crate) const ARP: u16 = EtherType::Arp as u16;
/// IPv6.
pub(crate) const IPV6: u16 = EtherType::Ipv6 as u16;
const CUSTOMER_TAG: u16 = EtherType::Ieee8021q as u16;
const SERVICE_TAG: u16 = EtherType::Ieee8021ad as u16;

/// What the Ethernet header says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Frame {
    /// The VLAN tags.
    pub(crate) tags: VlanTags,
    /// The ethertype behind the tags, network order. A third tag is an ethertype that is not served.
    pub(crate) ethertype: u16,
    /// Where the network header starts.
    pub(crate) network: usize,
}

/// Parses the Ethernet header and at most two tags.
#[inline(always)]
pub(crate) fn parse(packet: &Packet) -> Option<Frame> {
    let ethernet: EthHdr = packet.read(0)?;
    let mut frame = Frame { tags: VlanTags::NONE, ethertype: ethernet.ether_type, network: EthHdr::LEN };
    if !is_tag(frame.ethertype) {
        return Some(frame);
    }
    let outer: VlanHdr = packet.read(EthHdr::LEN)?;
    frame.tags.outer = tag(frame.ethertype, &outer);
    frame.ethertype = outer.ether_type;
    frame.network = EthHdr::LEN + VlanHdr::LEN;
    if !is_tag(frame.ethertype) {
        return Some(frame);
    }
    let inner: VlanHdr = packet.read(EthHdr::LEN + VlanHdr::LEN)?;
    frame.tags.inner = tag(frame.ethertype, &inner);
    frame.ethertype = inner.ether_type;
    frame.network = EthHdr::LEN + 2 * VlanHdr::LEN;
    Some(frame)
}

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    ethertype == CUSTOMER_TAG || ethertype == SERVICE_TAG
}

#[inline(always)]
fn tag(tpid: u16, header: &VlanHdr) -> VlanTag {
    VlanTag { tpid: u16::from_be(tpid), vid: header.vid() }
}

/// Destination address of the frame.
#[inline(always)]
pub(crate) fn destination(packet: &Packet) -> Option<[u8; 6]> {
    packet.read(0)
}

/// Source address of the frame.
#[inline(always)]
pub(crate) fn source(packet: &Packet) -> Option<[u8; 6]> {
    packet.read(6)
}
