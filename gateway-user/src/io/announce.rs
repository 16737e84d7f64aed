//! Gratuitous ARP: telling a segment which MAC an address has now (CL-19, CL-27).

use std::net::Ipv4Addr;

use super::raw::Frame;

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, their lengths, and the operation: a reply, as caches take it without having asked (RFC 5944 4.6).
const HEAD: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];

/// An ARP reply to everybody on `ifindex`: `address` is at `announced`. It leaves from the interface's own MAC, so that
/// switches don't learn a shared one (H-CL-14).
pub(crate) fn arp(ifindex: u32, own: [u8; 6], announced: [u8; 6], address: Ipv4Addr) -> Frame {
    let ip = address.octets();
    let octets = [
        &BROADCAST[..],
        &own,
        &ETHERTYPE_ARP,
        &HEAD,
        // Sender and target are the same, as in every gratuitous ARP (RFC 5227 3).
        &announced,
        &ip,
        &announced,
        &ip,
    ]
    .concat();
    Frame { ifindex, octets }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-19, H-CL-12, H-CL-14: the announced MAC is in the ARP packet, the member's own in the Ethernet header.
    #[test]
    fn layout() {
        let frame = arp(7, [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9], Ipv4Addr::new(100, 64, 0, 1));
        assert_eq!(frame.ifindex, 7);
        assert_eq!(frame.octets.len(), 42);
        assert_eq!(frame.octets[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(frame.octets[20..22], [0, 2]);
        assert_eq!(frame.octets[22..32], [2, 0, 0, 0, 0, 9, 100, 64, 0, 1]);
        assert_eq!(frame.octets[32..42], frame.octets[22..32]);
    }
}
