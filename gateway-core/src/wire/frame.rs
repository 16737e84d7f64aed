//! Ethernet frames with up to two VLAN tags that carry a UDP datagram in IPv4. Those with IPv6: [`super::frame6`].

use core::net::{Ipv4Addr, SocketAddrV4};

use gateway_common::vlan::{VlanTag, VlanTags};

use super::Malformed;
use super::tlv::array;

pub(super) const ETHERNET: usize = 14;
const IP: usize = 20;
pub(super) const UDP: usize = 8;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_8021Q: u16 = 0x8100;
const ETHERTYPE_8021AD: u16 = 0x88a8;
pub(super) const PROTOCOL_UDP: u8 = 17;
/// Time to live of what we build.
pub(super) const TTL: u8 = 64;

/// Destination of a frame for everybody on the segment.
pub const BROADCAST_MAC: [u8; 6] = [0xff; 6];

/// A UDP datagram and the frame around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Who sent the frame.
    pub source_mac: [u8; 6],
    /// Whom the frame is for.
    pub destination_mac: [u8; 6],
    /// VLAN tags; without their priority bits.
    pub tags: VlanTags,
    /// Source address and port.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub destination: SocketAddrV4,
    /// The UDP payload.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a frame from its Ethernet header on. IP options are skipped, trailing octets of a padded frame too.
    /// Checksums are not verified: frames between namespaces and from offloading devices carry partial ones.
    pub fn parse(frame: &'a [u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, destination_mac, tags, ethertype, packet } = Ethernet::parse(frame)?;
        if ethertype != ETHERTYPE_IPV4 {
            return Err(Malformed::NotUdp);
        }
        let (source, destination, payload) = datagram(packet)?;
        Ok(Self { source_mac, destination_mac, tags, source, destination, payload })
    }

    /// The frame, with IP and UDP checksums. `None` when the payload does not fit an IP packet (65 507 octets).
    pub fn build(&self) -> Option<Vec<u8>> {
        let udp_length = u16::try_from(UDP + self.payload.len()).ok()?;
        let ip_length = udp_length.checked_add(IP as u16)?;
        let mut out = Vec::with_capacity(ETHERNET + 8 + IP + UDP + self.payload.len());
        let (source_mac, destination_mac, tags) = (self.source_mac, self.destination_mac, self.tags);
        Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_IPV4, packet: &[] }.write(&mut out);

        let ip = out.len();
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&ip_length.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, TTL, PROTOCOL_UDP, 0, 0]); // don't fragment: the identification may be 0
        out.extend_from_slice(&self.source.ip().octets());
        out.extend_from_slice(&self.destination.ip().octets());
        let checksum = !fold(sum(&out[ip..]));
        out[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());

        let udp = out.len();
        let addresses = sum(&out[ip + 12..ip + 20]);
        write_udp(&mut out, [self.source.port(), self.destination.port(), udp_length], addresses, self.payload);
        debug_assert_eq!(out.len() - udp, usize::from(udp_length));
        Some(out)
    }
}

/// An Ethernet header with its tags, and what is behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ethernet<'a> {
    pub(super) source_mac: [u8; 6],
    pub(super) destination_mac: [u8; 6],
    pub(super) tags: VlanTags,
    /// Behind the tags.
    pub(super) ethertype: u16,
    pub(super) packet: &'a [u8],
}

impl<'a> Ethernet<'a> {
    pub(super) fn parse(frame: &'a [u8]) -> Result<Self, Malformed> {
        let (ethernet, mut packet) = split(frame, ETHERNET)?;
        let mut ethertype = word(ethernet, 12);
        let mut tags = VlanTags::NONE;
        for tag in [&mut tags.outer, &mut tags.inner] {
            if !matches!(ethertype, ETHERTYPE_8021Q | ETHERTYPE_8021AD) {
                break;
            }
            let (fields, behind) = split(packet, 4)?;
            *tag = VlanTag { tpid: ethertype, vid: word(fields, 0) & 0x0fff };
            (ethertype, packet) = (word(fields, 2), behind);
        }
        if matches!(ethertype, ETHERTYPE_8021Q | ETHERTYPE_8021AD) {
            return Err(Malformed::Tags);
        }
        let source_mac = array(ethernet, 6).unwrap_or_default();
        let destination_mac = array(ethernet, 0).unwrap_or_default();
        Ok(Self { source_mac, destination_mac, tags, ethertype, packet })
    }

    /// Appends the header; the packet is left out.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.destination_mac);
        out.extend_from_slice(&self.source_mac);
        for tag in [self.tags.outer, self.tags.inner].iter().filter(|tag| tag.tpid != 0) {
            out.extend_from_slice(&tag.tpid.to_be_bytes());
            out.extend_from_slice(&tag.vid.to_be_bytes());
        }
        out.extend_from_slice(&self.ethertype.to_be_bytes());
    }
}

/// Appends a UDP header and its payload. `header`: ports and length; `addresses`: the sum of both addresses.
pub(super) fn write_udp(out: &mut Vec<u8>, header: [u16; 3], addresses: u64, payload: &[u8]) {
    let udp = out.len();
    for number in header {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(payload);
    let pseudo = addresses + u64::from(PROTOCOL_UDP) + u64::from(header[2]);
    let checksum = match !fold(pseudo + sum(&out[udp..])) {
        0 => 0xffff, // 0 would mean: no checksum (RFC 768)
        checksum => checksum,
    };
    out[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
}

/// Source, destination and payload of an IPv4 packet that carries one whole UDP datagram.
pub fn datagram(packet: &[u8]) -> Result<(SocketAddrV4, SocketAddrV4, &[u8]), Malformed> {
    let (fixed, _) = split(packet, IP)?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] >> 4 != 4 || header < IP || fixed[9] != PROTOCOL_UDP {
        return Err(Malformed::NotUdp);
    }
    if word(fixed, 6) & 0x3fff != 0 {
        return Err(Malformed::Fragment); // more fragments, or an offset
    }
    let (packet, _) = split(packet, usize::from(word(fixed, 2)))?;
    let (_, segment) = split(packet, header)?;
    let (udp, _) = split(segment, UDP)?;
    let (segment, _) = split(segment, usize::from(word(udp, 4)))?;
    let (_, payload) = split(segment, UDP)?;
    let address = |at| Ipv4Addr::from(array::<4>(fixed, at).unwrap_or_default());
    Ok((SocketAddrV4::new(address(12), word(udp, 0)), SocketAddrV4::new(address(16), word(udp, 2)), payload))
}

pub(super) fn split(octets: &[u8], at: usize) -> Result<(&[u8], &[u8]), Malformed> {
    octets.split_at_checked(at).ok_or(Malformed::Short { length: octets.len(), least: at })
}

pub(super) fn word(octets: &[u8], at: usize) -> u16 {
    array(octets, at).map_or(0, u16::from_be_bytes)
}

/// Sum of the 16-bit words (RFC 1071); an odd last octet counts as if a zero followed.
pub(super) fn sum(octets: &[u8]) -> u64 {
    let (words, odd) = octets.as_chunks::<2>();
    let last = odd.first().map_or(0, |octet| u64::from(*octet) << 8);
    words.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + last
}

pub(super) fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16 // folded to 16 bits
}

#[cfg(test)]
mod tests;
