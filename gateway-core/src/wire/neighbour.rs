//! Questions whether a neighbour is there, and their answers: ARP for IPv4 over Ethernet (RFC 826), neighbour solicitations
//! and advertisements (RFC 4861 sections 4.3 and 4.4).

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::vlan::VlanTags;

use super::Malformed;
use super::frame::{ETHERNET, Ethernet, split, word};
use super::frame6::ETHERTYPE_IPV6;
use super::router::{self, HOP_LIMIT, IP, PROTOCOL_ICMP};
use super::tlv::array;

const ETHERTYPE_ARP: u16 = 0x0806;
/// Ethernet and IPv4, the lengths of their addresses, and a request.
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];

/// Who has `target`? By unicast to whoever had it last (RFC 1122 section 2.3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpRequest {
    /// The port's own MAC.
    pub source_mac: [u8; 6],
    /// The subscriber's.
    pub destination_mac: [u8; 6],
    /// Its VLAN tags.
    pub tags: VlanTags,
    /// An address of ours.
    pub source: Ipv4Addr,
    /// The subscriber's.
    pub target: Ipv4Addr,
}

impl ArpRequest {
    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let Self { source_mac, destination_mac, tags, .. } = *self;
        let mut out = Vec::with_capacity(ETHERNET + 8 + 28);
        Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_ARP, packet: &[] }.write(&mut out);
        out.extend_from_slice(&ARP_REQUEST);
        out.extend_from_slice(&source_mac);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.target.octets());
        out
    }
}

/// Which of the two messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighbourKind {
    /// Are you there?
    Solicitation = 135,
    /// I am, as you have asked.
    Advertisement = 136,
}

impl NeighbourKind {
    /// Flags of an advertisement (solicited, override), and which link-layer address the option is.
    const fn details(self) -> (u8, u8) {
        match self {
            Self::Solicitation => (0, 1),
            Self::Advertisement => (0x60, 2),
        }
    }
}

/// A neighbour solicitation or advertisement, with the sender's link-layer address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Which of the two.
    pub kind: NeighbourKind,
    /// Who sent the frame.
    pub source_mac: [u8; 6],
    /// Whom it is for.
    pub destination_mac: [u8; 6],
    /// VLAN tags; without their priority bits.
    pub tags: VlanTags,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Whose address is asked for, or told.
    pub target: Ipv6Addr,
}

impl Neighbour {
    /// Reads a frame from its Ethernet header on; options and checksum are left alone.
    ///
    /// # Errors
    ///
    /// When it is cut short or something else.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, destination_mac, tags, ethertype, packet } = Ethernet::parse(frame)?;
        let (ip, rest) = split(packet, IP)?;
        let (message, _) = split(split(rest, usize::from(word(ip, 4)))?.0, 24)?;
        let kind = match message[0] {
            135 => NeighbourKind::Solicitation,
            136 => NeighbourKind::Advertisement,
            _ => return Err(Malformed::NotUdp),
        };
        if ethertype != ETHERTYPE_IPV6 || ip[0] >> 4 != 6 || ip[6] != PROTOCOL_ICMP || ip[7] != HOP_LIMIT {
            return Err(Malformed::NotUdp);
        }
        let address = |octets, at| Ipv6Addr::from(array::<16>(octets, at).unwrap_or_default());
        let (source, destination, target) = (address(ip, 8), address(ip, 24), address(message, 8));
        Ok(Self { kind, source_mac, destination_mac, tags, source, destination, target })
    }

    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let Self { kind, source_mac, destination_mac, tags, .. } = *self;
        let (flags, option) = kind.details();
        let mut message = vec![kind as u8, 0, 0, 0, flags, 0, 0, 0];
        message.extend_from_slice(&self.target.octets());
        message.extend_from_slice(&[option, 1]);
        message.extend_from_slice(&source_mac);
        let ethernet = Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_IPV6, packet: &[] };
        router::build(&ethernet, self.source, self.destination, &message)
    }

    /// The answer of whoever is asked for, and has this MAC.
    pub fn answer(&self, mac: [u8; 6]) -> Self {
        let (source, destination) = (self.target, self.source);
        Self {
            kind: NeighbourKind::Advertisement,
            source_mac: mac,
            destination_mac: self.source_mac,
            source,
            destination,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::vlan::VlanTag;
    use proptest::prelude::*;

    use super::super::frame::{fold, sum};
    use super::*;

    const TAGS: VlanTags =
        VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 100 }, inner: VlanTag { tpid: 0x8100, vid: 7 } };

    fn question() -> Neighbour {
        Neighbour {
            kind: NeighbourKind::Solicitation,
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [2, 0, 0, 0, 0, 9],
            tags: TAGS,
            source: "fe80::1".parse().unwrap(),
            destination: "2001:db8::9".parse().unwrap(),
            target: "2001:db8::9".parse().unwrap(),
        }
    }

    /// RFC 826, octet by octet.
    #[test]
    fn arp() {
        let frame = ArpRequest {
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [2, 0, 0, 0, 0, 9],
            tags: TAGS,
            source: [100, 64, 0, 1].into(),
            target: [100, 64, 0, 9].into(),
        };
        let mut expected = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 8, 6];
        expected.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 100, 64, 0, 1]);
        expected.extend([0, 0, 0, 0, 0, 0, 100, 64, 0, 9]);
        assert_eq!(frame.build(), expected);
    }

    /// RFC 4861 sections 4.3, 4.4 and 7.1: octet by octet, with a checksum that adds up; and back.
    #[test]
    fn neighbours() {
        let asked = question();
        let frame = asked.build();
        assert_eq!(frame[22..30], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(frame[62..64], [135, 0]);
        assert_eq!(frame[66..70], [0, 0, 0, 0]);
        assert_eq!(frame[70..86], asked.target.octets());
        assert_eq!(frame[86..], [1, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(fold(sum(&frame[30..]) + 32 + 58), 0xffff);
        assert_eq!(Neighbour::parse(&frame), Ok(asked));
        let answer = asked.answer([2, 0, 0, 0, 0, 9]);
        let frame = answer.build();
        assert_eq!((frame[62], frame[66], frame[86]), (136, 0x60, 2));
        assert_eq!((answer.source, answer.destination), (asked.target, asked.source));
        assert_eq!(Neighbour::parse(&frame), Ok(answer));
        let mut routed = frame;
        routed[29] = 64;
        assert!(Neighbour::parse(&routed).is_err(), "it passed a router");
    }

    proptest! {
        /// No octets make it panic, neither cut nor changed ones.
        #[test]
        fn any_octets(at in any::<prop::sample::Index>(), octet: u8, cut in any::<prop::sample::Index>()) {
            let mut frame = question().build();
            let at = at.index(frame.len());
            frame[at] = octet;
            let _ = Neighbour::parse(&frame);
            prop_assert!(Neighbour::parse(&frame[..cut.index(86)]).is_err());
        }
    }
}
