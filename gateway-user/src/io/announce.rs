//! Gratuitous ARP and unsolicited neighbour advertisements: telling a line which MAC an address has now (CL-19, CL-27).

use std::net::{IpAddr, Ipv4Addr};

use gateway_common::vlan::VlanTags;
use gateway_core::wire::router::Announcement;

use super::raw::Frame;

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, their lengths, and the operation: a reply, as caches take it without having asked (RFC 5944 4.6).
const HEAD: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];

/// To everybody behind these tags of `ifindex`: `address` is at `announced`. It leaves from the interface's own MAC, so that
/// switches don't learn a shared one (H-CL-14).
pub(crate) fn at(ifindex: u32, tags: VlanTags, own: [u8; 6], announced: [u8; 6], address: IpAddr) -> Frame {
    let octets = match address {
        IpAddr::V4(address) => arp(tags, own, announced, address),
        IpAddr::V6(target) => Announcement { source_mac: own, tags, target, target_mac: announced }.build(),
    };
    Frame { ifindex, octets }
}

fn arp(tags: VlanTags, own: [u8; 6], announced: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let ip = address.octets();
    let mut octets = [BROADCAST, own].concat();
    for tag in [tags.outer, tags.inner].into_iter().take(tags.count()) {
        octets.extend(tag.tpid.to_be_bytes());
        octets.extend(tag.vid.to_be_bytes());
    }
    octets.extend(ETHERTYPE_ARP);
    octets.extend(HEAD);
    // Sender and target are the same, as in every gratuitous ARP (RFC 5227 3).
    for _ in 0..2 {
        octets.extend(announced);
        octets.extend(ip);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_common::vlan::VlanTag;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const SHARED: [u8; 6] = [2, 0, 0, 0, 0, 9];

    /// CL-19, H-CL-12, H-CL-14: the announced MAC is in the ARP packet, the member's own in the Ethernet header.
    #[test]
    fn layout() {
        let address = Ipv4Addr::new(100, 64, 0, 1).into();
        let frame = at(7, VlanTags::NONE, OWN, SHARED, address);
        assert_eq!(frame.ifindex, 7);
        assert_eq!(frame.octets.len(), 42);
        assert_eq!(frame.octets[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(frame.octets[20..22], [0, 2]);
        assert_eq!(frame.octets[22..32], [2, 0, 0, 0, 0, 9, 100, 64, 0, 1]);
        assert_eq!(frame.octets[32..42], frame.octets[22..32]);
        let tag = |tpid, vid| VlanTag { tpid, vid };
        let tags = VlanTags { outer: tag(0x88a8, 100), inner: tag(0x8100, 7) };
        let tagged = at(7, tags, OWN, SHARED, address).octets;
        assert_eq!(tagged[12..20], [0x88, 0xa8, 0, 100, 0x81, 0, 0, 7]);
        assert_eq!([&tagged[..12], &tagged[20..]].concat(), frame.octets);
    }

    /// CL-27, H-CL-12: the same for IPv6, where a neighbour advertisement says it.
    #[test]
    fn both_protocols() {
        let target = "fe80::1".parse().unwrap();
        let frame = at(7, VlanTags::NONE, OWN, SHARED, IpAddr::V6(target));
        let expected = Announcement { source_mac: OWN, tags: VlanTags::NONE, target, target_mac: SHARED };
        assert_eq!((frame.ifindex, Announcement::parse(&frame.octets)), (7, Ok(expected)));
    }
}
