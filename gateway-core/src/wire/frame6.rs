//! Ethernet frames with up to two VLAN tags that carry a UDP datagram in IPv6.

use core::net::{Ipv6Addr, SocketAddrV6};

use gateway_common::vlan::VlanTags;

use super::Malformed;
use super::frame::{ETHERNET, Ethernet, PROTOCOL_UDP, TTL, UDP, split, sum, word, write_udp};
use super::tlv::array;

const IP: usize = 40;
/// What follows the tags of a frame that carries IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Extension headers that are walked over; no client sends half as many.
const EXTENSIONS: usize = 8;

/// The MAC that a frame to a multicast address goes to (RFC 2464 section 7).
pub fn multicast_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// A UDP datagram and the frame around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram6<'a> {
    /// Who sent the frame.
    pub source_mac: [u8; 6],
    /// Whom the frame is for.
    pub destination_mac: [u8; 6],
    /// VLAN tags; without their priority bits.
    pub tags: VlanTags,
    /// Source address and port; no flow label, no scope.
    pub source: SocketAddrV6,
    /// Destination address and port.
    pub destination: SocketAddrV6,
    /// The UDP payload.
    pub payload: &'a [u8],
}

impl<'a> Datagram6<'a> {
    /// Reads a frame from its Ethernet header on. Extension headers are walked over, trailing octets of a padded frame
    /// skipped. Checksums are not verified: frames between namespaces and from offloading devices carry partial ones.
    pub fn parse(frame: &'a [u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, destination_mac, tags, ethertype, packet } = Ethernet::parse(frame)?;
        if ethertype != ETHERTYPE_IPV6 {
            return Err(Malformed::NotUdp);
        }
        let (source, destination, payload) = datagram6(packet)?;
        Ok(Self { source_mac, destination_mac, tags, source, destination, payload })
    }

    /// The frame, with its UDP checksum. `None` when the payload does not fit an IP packet.
    pub fn build(&self) -> Option<Vec<u8>> {
        let udp_length = u16::try_from(UDP + self.payload.len()).ok()?;
        let mut out = Vec::with_capacity(ETHERNET + 8 + IP + usize::from(udp_length));
        let (source_mac, destination_mac, tags) = (self.source_mac, self.destination_mac, self.tags);
        Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_IPV6, packet: &[] }.write(&mut out);
        let ip = out.len();
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&udp_length.to_be_bytes());
        out.extend_from_slice(&[PROTOCOL_UDP, TTL]);
        out.extend_from_slice(&self.source.ip().octets());
        out.extend_from_slice(&self.destination.ip().octets());
        let addresses = sum(&out[ip + 8..]);
        write_udp(&mut out, [self.source.port(), self.destination.port(), udp_length], addresses, self.payload);
        Some(out)
    }
}

/// Source, destination and payload of an IPv6 packet that carries one whole UDP datagram.
pub fn datagram6(packet: &[u8]) -> Result<(SocketAddrV6, SocketAddrV6, &[u8]), Malformed> {
    let (fixed, rest) = split(packet, IP)?;
    if fixed[0] >> 4 != 6 {
        return Err(Malformed::NotUdp);
    }
    let (mut rest, _) = split(rest, usize::from(word(fixed, 4)))?;
    let mut next = fixed[6];
    for _ in 0..EXTENSIONS {
        let length = match next {
            PROTOCOL_UDP => break,
            // hop-by-hop options, routing, destination options (RFC 8200 section 4)
            0 | 43 | 60 => 8 + 8 * usize::from(split(rest, 8)?.0[1]),
            44 if word(split(rest, 8)?.0, 2) & 0xfff9 != 0 => return Err(Malformed::Fragment),
            44 => 8, // a packet that is its only fragment (RFC 6946)
            _ => return Err(Malformed::NotUdp),
        };
        let (header, behind) = split(rest, length)?;
        (next, rest) = (header[0], behind);
    }
    if next != PROTOCOL_UDP {
        return Err(Malformed::NotUdp);
    }
    let (udp, _) = split(rest, UDP)?;
    let (segment, _) = split(rest, usize::from(word(udp, 4)))?;
    let (_, payload) = split(segment, UDP)?;
    let address = |at| Ipv6Addr::from(array::<16>(fixed, at).unwrap_or_default());
    let socket = |at, port| SocketAddrV6::new(address(at), word(udp, port), 0, 0);
    Ok((socket(8, 0), socket(24, 2), payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::Datagram;
    use gateway_common::vlan::VlanTag;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn datagram(payload: &[u8]) -> Datagram6<'_> {
        let inner = VlanTag { tpid: 0x8100, vid: 7 };
        Datagram6 {
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: multicast_mac("ff02::1:2".parse().unwrap()),
            tags: VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 100 }, inner },
            source: SocketAddrV6::new("fe80::ff:fe00:1".parse().unwrap(), 546, 0, 0),
            destination: SocketAddrV6::new("ff02::1:2".parse().unwrap(), 547, 0, 0),
            payload,
        }
    }

    /// RFC 2464, RFC 8200: a frame octet by octet, with two tags.
    #[test]
    fn octet_by_octet() {
        let frame = datagram(b"DHCP!").build().unwrap();
        let mut expected =
            vec![0x33, 0x33, 0, 1, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x86, 0xdd];
        expected.extend([0x60, 0, 0, 0, 0, 13, 17, 64]);
        expected.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1]);
        expected.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
        expected.extend([2, 0x22, 2, 0x23, 0, 13]);
        assert_eq!(frame[..expected.len()], expected);
        assert_eq!(&frame[frame.len() - 5..], b"DHCP!");
        // The sum over pseudo-header and datagram, its checksum included, is all ones (RFC 8200 section 8.1).
        let folded = (0..4).fold(sum(&frame[30..]) + 17 + 13, |sum, _| (sum & 0xffff) + (sum >> 16));
        assert_eq!(folded, 0xffff);
    }

    /// RFC 8200 section 4: extension headers are walked over; fragments and what is no UDP are told apart.
    #[test]
    fn extension_headers() {
        let frame = datagram(b"DHCP!").build().unwrap();
        let with = |first: u8, headers: &[u8]| {
            let mut frame = frame.clone();
            frame[28] = first;
            let length = u16::from_be_bytes([frame[26], frame[27]]) + headers.len() as u16;
            frame[26..28].copy_from_slice(&length.to_be_bytes());
            frame.splice(62..62, headers.iter().copied());
            Datagram6::parse(&frame).map(|datagram| datagram.payload.to_vec())
        };
        let options = [60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(with(0, &options), Ok(b"DHCP!".to_vec()));
        assert_eq!(with(44, &[17, 0, 0, 0, 1, 2, 3, 4]), Ok(b"DHCP!".to_vec()), "the only fragment");
        assert_eq!(with(44, &[17, 0, 0, 1, 1, 2, 3, 4]), Err(Malformed::Fragment));
        assert_eq!(with(44, &[17, 0, 0, 8, 1, 2, 3, 4]), Err(Malformed::Fragment));
        assert_eq!(with(6, &[]), Err(Malformed::NotUdp));
        let endless = [60, 0, 0, 0, 0, 0, 0, 0].repeat(20);
        assert_eq!(with(60, &endless), Err(Malformed::NotUdp));
    }

    proptest! {
        /// There and back; and IPv4's reader leaves it alone.
        #[test]
        fn there_and_back(payload in vec(any::<u8>(), 0..300), padding in 0usize..20) {
            let datagram = datagram(&payload);
            let mut frame = datagram.build().unwrap();
            frame.extend(vec![0; padding]);
            prop_assert_eq!(Datagram6::parse(&frame), Ok(datagram));
            prop_assert_eq!(Datagram::parse(&frame), Err(Malformed::NotUdp));
        }

        /// No octets make it panic, neither cut nor changed ones.
        #[test]
        fn any_octets(at in any::<prop::sample::Index>(), octet: u8, cut in any::<prop::sample::Index>(), wild in vec(any::<u8>(), 0..120)) {
            let mut frame = datagram(b"DHCP!").build().unwrap();
            let at = at.index(frame.len());
            frame[at] = octet;
            let _ = Datagram6::parse(&frame);
            let _ = Datagram6::parse(&frame[..cut.index(frame.len())]);
            let _ = Datagram6::parse(&wild);
            let _ = datagram6(&wild);
        }
    }
}
