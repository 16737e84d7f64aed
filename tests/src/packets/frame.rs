//! Frames, built octet by octet: the programs are held against these, so they share no code with them.

use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::vlan::{VlanTag, VlanTags};

/// Ethertypes.
pub const IPV4: u16 = 0x0800;
/// ARP.
pub const ARP: u16 = 0x0806;
/// IPv6.
pub const IPV6: u16 = 0x86dd;

/// One customer tag.
pub const fn tag(vid: u16) -> VlanTags {
    VlanTags { outer: VlanTag { tpid: 0x8100, vid }, inner: VlanTag { tpid: 0, vid: 0 } }
}

/// A service tag with a customer tag in it.
pub const fn qinq(outer: u16, inner: u16) -> VlanTags {
    VlanTags { outer: VlanTag { tpid: 0x88a8, vid: outer }, inner: VlanTag { tpid: 0x8100, vid: inner } }
}

/// The Ethernet header of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Ether {
    /// Destination address.
    pub to: [u8; 6],
    /// Source address.
    pub from: [u8; 6],
    /// Tags.
    pub tags: VlanTags,
}

impl Ether {
    /// An untagged header.
    pub const fn new(from: [u8; 6], to: [u8; 6]) -> Self {
        Self { to, from, tags: VlanTags::NONE }
    }

    /// The same with tags.
    pub const fn tagged(self, tags: VlanTags) -> Self {
        Self { tags, ..self }
    }

    /// The frame with this payload.
    pub fn frame(&self, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = [self.to, self.from].concat();
        for tag in [self.tags.outer, self.tags.inner].iter().filter(|tag| tag.tpid != 0) {
            frame.extend(tag.tpid.to_be_bytes());
            frame.extend(tag.vid.to_be_bytes());
        }
        frame.extend(ethertype.to_be_bytes());
        frame.extend(payload);
        frame
    }
}

/// The IPv4 header of a packet.
#[derive(Clone, Debug)]
pub struct Ip {
    /// Source address.
    pub from: Ipv4Addr,
    /// Destination address.
    pub to: Ipv4Addr,
    /// Protocol number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Flags and fragment offset, as the header has them.
    pub fragment: u16,
    /// Options, a multiple of 4 octets.
    pub options: Vec<u8>,
}

impl Ip {
    /// A plain UDP header with a TTL of 64.
    pub fn new(from: impl Into<Ipv4Addr>, to: impl Into<Ipv4Addr>) -> Self {
        Self { from: from.into(), to: to.into(), protocol: 17, ttl: 64, fragment: 0, options: Vec::new() }
    }

    /// With another protocol.
    pub fn protocol(self, protocol: u8) -> Self {
        Self { protocol, ..self }
    }

    /// With another TTL.
    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// With fragment flags and offset.
    pub fn fragment(self, fragment: u16) -> Self {
        Self { fragment, ..self }
    }

    /// With options.
    pub fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    /// The packet with this payload, its checksum right.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut packet = vec![0x40 | (header_len / 4) as u8, 0];
        packet.extend(((header_len + payload.len()) as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.from.octets());
        packet.extend(self.to.octets());
        packet.extend(&self.options);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        packet
    }
}

/// The Internet checksum.
pub fn checksum(octets: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
    let mut sum: u32 = octets.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A UDP datagram, without checksum.
pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [from.to_be_bytes(), to.to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// A TCP segment without options.
pub fn tcp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// An SCTP packet.
pub fn sctp(from: u16, to: u16) -> Vec<u8> {
    let mut packet = [from.to_be_bytes(), to.to_be_bytes()].concat();
    packet.extend([0; 12]);
    packet
}

/// A DHCPv4 message of 300 octets with these fixed fields, the magic cookie and no options but the end.
pub fn bootp(op: u8, hlen: u8, chaddr: [u8; 6], ciaddr: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0; 300];
    message[..8].copy_from_slice(&[op, 1, hlen, 0, 0xde, 0xad, 0xbe, 0xef]);
    message[12..16].copy_from_slice(&ciaddr.octets());
    message[28..34].copy_from_slice(&chaddr);
    message[236..241].copy_from_slice(&[99, 130, 83, 99, 255]);
    message
}

/// An ARP packet.
pub fn arp(operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        packet.extend(mac);
        packet.extend(address.octets());
    }
    packet
}

/// An IPv6 packet whose first header is `next`.
pub fn ipv6(next: u8, hop_limit: u8, from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, hop_limit]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// An IPv6 extension header of 8 octets and `more` times 8, before a header of kind `next`.
pub fn extension(next: u8, more: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 8 * (usize::from(more) + 1)];
    header[..2].copy_from_slice(&[next, more]);
    header.extend(payload);
    header
}

/// A fragment header before a header of kind `next`: offset in octets (a multiple of 8), and whether more follow.
pub fn fragment6(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset | u16::from(more)).to_be_bytes());
    header.extend([0, 0, 0, 7]);
    header.extend(payload);
    header
}

/// An ICMPv6 packet with a hop limit of 255, its checksum right.
pub fn icmpv6(kind: u8, from: Ipv6Addr, to: Ipv6Addr, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(rest);
    let pseudo = [&from.octets()[..], &to.octets(), &(message.len() as u32).to_be_bytes(), &[0, 0, 0, 58]].concat();
    let sum = checksum(&[&pseudo, &message[..]].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv6(58, 255, from, to, &message)
}

/// A neighbour solicitation from `from`, to `to`, with these options.
pub fn solicitation(from: Ipv6Addr, to: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    icmpv6(135, from, to, &[&[0; 4], &target.octets()[..], options].concat())
}

/// A neighbour advertisement with these flags (router 0x80, solicited 0x40, override 0x20) and options.
pub fn advertisement(from: Ipv6Addr, to: Ipv6Addr, flags: u8, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    icmpv6(136, from, to, &[&[flags, 0, 0, 0], &target.octets()[..], options].concat())
}

/// The option that tells a link-layer address: 1 of the source, 2 of the target.
pub fn link_layer(kind: u8, mac: [u8; 6]) -> Vec<u8> {
    [&[kind, 1], &mac[..]].concat()
}

/// The group in which who has `address` is asked for (RFC 4291, section 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    group.into()
}
