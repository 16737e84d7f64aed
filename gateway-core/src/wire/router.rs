//! Router discovery on a subscriber's line (RFC 4861): who asks for a router, and what the gateway tells of itself.
//!
//! It tells no prefix: what a subscriber may use comes by DHCPv6, and on its line there is nobody but the gateway.

use core::net::Ipv6Addr;

use gateway_common::vlan::VlanTags;

use super::Malformed;
use super::frame::{ETHERNET, Ethernet, fold, split, sum, word};
use super::frame6::{ETHERTYPE_IPV6, multicast_mac};
use super::tlv::array;

pub(super) const IP: usize = 40;
pub(super) const PROTOCOL_ICMP: u8 = 58;
/// What neighbour discovery is sent and accepted with: it did not pass a router.
pub(super) const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const NEIGHBOUR: u8 = 136;
/// Flags of a router that says so unasked, and overrides what is known.
const UNASKED: u8 = 0xa0;
/// Option 2, one unit of eight octets.
const TARGET_LINK_LAYER: [u8; 2] = [2, 1];
/// Flags M and O: addresses and all else by DHCPv6.
const MANAGED: u8 = 0xc0;
/// Hop limit that hosts are told to send with.
const CURRENT_HOP_LIMIT: u8 = 64;
/// Option 1, one unit of eight octets.
const SOURCE_LINK_LAYER: [u8; 2] = [1, 1];
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The link-local address that an Ethernet interface makes of its MAC (RFC 4291 appendix A).
pub fn link_local([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    let pair = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

/// A router solicitation (RFC 4861 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Solicitation {
    /// Who sent the frame.
    pub source_mac: [u8; 6],
    /// VLAN tags; without their priority bits.
    pub tags: VlanTags,
    /// Its address; `::` while it has none.
    pub source: Ipv6Addr,
}

impl Solicitation {
    /// Reads a frame from its Ethernet header on. The checksum is not verified, for the reasons of
    /// [`super::frame6::Datagram6::parse`].
    ///
    /// # Errors
    ///
    /// When it is cut short or something else.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, tags, ethertype, packet, .. } = Ethernet::parse(frame)?;
        let (ip, rest) = split(packet, IP)?;
        let (message, _) = split(rest, usize::from(word(ip, 4)))?;
        let is_one =
            ip[0] >> 4 == 6 && ip[6] == PROTOCOL_ICMP && ip[7] == HOP_LIMIT && split(message, 8)?.0[0] == SOLICITATION;
        if ethertype != ETHERTYPE_IPV6 || !is_one {
            return Err(Malformed::NotUdp);
        }
        Ok(Self { source_mac, tags, source: array::<16>(ip, 8).unwrap_or_default().into() })
    }

    /// The frame, to all routers.
    pub fn build(&self) -> Vec<u8> {
        let ethernet = Ethernet {
            source_mac: self.source_mac,
            destination_mac: multicast_mac(ALL_ROUTERS),
            tags: self.tags,
            ethertype: ETHERTYPE_IPV6,
            packet: &[],
        };
        build(&ethernet, self.source, ALL_ROUTERS, &[SOLICITATION, 0, 0, 0, 0, 0, 0, 0])
    }
}

/// A router advertisement to one subscriber (RFC 4861 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement {
    /// The port's own MAC.
    pub source_mac: [u8; 6],
    /// The gateway's link-local address: the router that the subscriber learns.
    pub source: Ipv6Addr,
    /// By which MAC it is reached: the port's own, or the one that members of a cluster share.
    pub router_mac: [u8; 6],
    /// The subscriber's MAC.
    pub destination_mac: [u8; 6],
    /// Its VLAN tags.
    pub tags: VlanTags,
    /// Its address; `None` for ff02::1, which may go to one MAC, too (RFC 6085).
    pub destination: Option<Ipv6Addr>,
    /// How long the gateway is its router, in seconds; 0: no longer.
    pub lifetime: u16,
}

impl Advertisement {
    /// Reads a frame from its Ethernet header on.
    ///
    /// # Errors
    ///
    /// When it is cut short or something else.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, destination_mac, tags, ethertype, packet } = Ethernet::parse(frame)?;
        let (ip, rest) = split(packet, IP)?;
        let (message, options) = split(split(rest, usize::from(word(ip, 4)))?.0, 16)?;
        if ethertype != ETHERTYPE_IPV6 || ip[6] != PROTOCOL_ICMP || ip[7] != HOP_LIMIT || message[0] != ADVERTISEMENT {
            return Err(Malformed::NotUdp);
        }
        let address = |at| Ipv6Addr::from(array::<16>(ip, at).unwrap_or_default());
        let (source, to) = (address(8), address(24));
        let (destination, lifetime) = ((to != ALL_NODES).then_some(to), word(message, 6));
        // Without the option a host learns the MAC by asking.
        let router_mac = match options {
            [kind, units, mac @ ..] if [*kind, *units] == SOURCE_LINK_LAYER => array::<6>(mac, 0).unwrap_or(source_mac),
            _ => source_mac,
        };
        Ok(Self { source_mac, source, router_mac, destination_mac, tags, destination, lifetime })
    }

    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let Self { source_mac, destination_mac, tags, .. } = *self;
        let [high, low] = self.lifetime.to_be_bytes();
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, CURRENT_HOP_LIMIT, MANAGED, high, low];
        message.extend_from_slice(&[0; 8]); // reachable and retransmission time: the host's own
        message.extend_from_slice(&SOURCE_LINK_LAYER);
        message.extend_from_slice(&self.router_mac);
        let ethernet = Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_IPV6, packet: &[] };
        build(&ethernet, self.source, self.destination.unwrap_or(ALL_NODES), &message)
    }
}

/// An advertisement that nobody asked for (RFC 4861 sections 4.4 and 7.2.6): to all nodes of a line, an address of ours is
/// at this MAC from now on, whatever they knew of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// The port's own MAC.
    pub source_mac: [u8; 6],
    /// The line's VLAN tags.
    pub tags: VlanTags,
    /// The address, of which it comes as well.
    pub target: Ipv6Addr,
    /// Where it is.
    pub target_mac: [u8; 6],
}

impl Announcement {
    /// Reads a frame from its Ethernet header on.
    ///
    /// # Errors
    ///
    /// When it is cut short or something else: an answer to a question, for one.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let Ethernet { source_mac, tags, ethertype, packet, .. } = Ethernet::parse(frame)?;
        let (ip, rest) = split(packet, IP)?;
        let (message, option) = split(split(rest, usize::from(word(ip, 4)))?.0, 24)?;
        let is_one = ip[0] >> 4 == 6 && ip[6] == PROTOCOL_ICMP && ip[7] == HOP_LIMIT && message[0] == NEIGHBOUR;
        if ethertype != ETHERTYPE_IPV6
            || !is_one
            || message[4] != UNASKED
            || split(option, 8)?.0[..2] != TARGET_LINK_LAYER
        {
            return Err(Malformed::NotUdp);
        }
        let target = array::<16>(message, 8).unwrap_or_default().into();
        Ok(Self { source_mac, tags, target, target_mac: array(option, 2).unwrap_or_default() })
    }

    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let Self { source_mac, tags, target, target_mac } = *self;
        let mut message = vec![NEIGHBOUR, 0, 0, 0, UNASKED, 0, 0, 0];
        message.extend_from_slice(&target.octets());
        message.extend_from_slice(&TARGET_LINK_LAYER);
        message.extend_from_slice(&target_mac);
        let destination_mac = multicast_mac(ALL_NODES);
        let ethernet = Ethernet { source_mac, destination_mac, tags, ethertype: ETHERTYPE_IPV6, packet: &[] };
        build(&ethernet, target, ALL_NODES, &message)
    }
}

/// A frame around an ICMPv6 message, whose checksum is filled in.
pub(super) fn build(ethernet: &Ethernet<'_>, source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ETHERNET + 8 + IP + message.len());
    ethernet.write(&mut out);
    let ip = out.len();
    let length = message.len() as u16; // 32 at most
    out.extend_from_slice(&[0x60, 0, 0, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[PROTOCOL_ICMP, HOP_LIMIT]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&destination.octets());
    let start = out.len();
    out.extend_from_slice(message);
    let checksum = !fold(sum(&out[ip + 8..]) + u64::from(length) + u64::from(PROTOCOL_ICMP));
    out[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_common::vlan::VlanTag;
    use proptest::prelude::*;

    const TAGS: VlanTags =
        VlanTags { outer: VlanTag { tpid: 0x88a8, vid: 100 }, inner: VlanTag { tpid: 0x8100, vid: 7 } };

    /// RFC 4861 sections 4.1, 4.2 and 6.1.2: octet by octet, with a checksum that adds up.
    #[test]
    fn advertised() {
        let (source_mac, destination_mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        let to = Some("fe80::9".parse().unwrap());
        let (source, router_mac) = (link_local(source_mac), source_mac);
        let one = Advertisement {
            source_mac,
            source,
            router_mac,
            destination_mac,
            tags: TAGS,
            destination: to,
            lifetime: 1800,
        };
        let frame = one.build();
        let mut expected = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x86, 0xdd];
        expected.extend([0x60, 0, 0, 0, 0, 24, 58, 255]);
        expected.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1]);
        expected.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        expected.extend([134, 0]);
        assert_eq!(frame[..expected.len()], expected);
        assert_eq!(frame[expected.len() + 2..], [64, 0xc0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(fold(sum(&frame[30..]) + 24 + 58), 0xffff);
        let all = Advertisement { destination: None, tags: VlanTags::NONE, lifetime: 0, ..one };
        assert_eq!(all.build()[38..54], ALL_NODES.octets());
    }

    /// CL-19, H-CL-12, H-CL-14: members share an address and a MAC, which is told and comes from no one.
    #[test]
    fn shared() {
        let (source, router_mac) = ("fe80::1".parse().unwrap(), [2, 0, 0, 0, 0x43, 1]);
        let shared = Advertisement { source, router_mac, ..asking() };
        let frame = shared.build();
        assert_eq!((&frame[6..12], &frame[30..46]), (&[2, 0, 0, 0, 0, 9][..], &source.octets()[..]));
        assert_eq!(frame[frame.len() - 6..], router_mac);
        assert_eq!(Advertisement::parse(&frame), Ok(shared));
    }

    /// CL-27, H-CL-12, RFC 4861 section 7.2.6: octet by octet, with a checksum that adds up.
    #[test]
    fn announced() {
        let target: Ipv6Addr = "fe80::1".parse().unwrap();
        let announcement =
            Announcement { source_mac: [2, 0, 0, 0, 0, 9], tags: TAGS, target, target_mac: [2, 0, 0, 0, 0x43, 1] };
        let frame = announcement.build();
        let mut expected =
            vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x86, 0xdd];
        expected.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
        expected.extend(target.octets());
        expected.extend(ALL_NODES.octets());
        expected.extend([136, 0]);
        assert_eq!(frame[..expected.len()], expected);
        let rest = &frame[expected.len() + 2..];
        assert_eq!((&rest[..4], &rest[4..20]), (&[0xa0, 0, 0, 0][..], &target.octets()[..]));
        assert_eq!(rest[20..], [2, 1, 2, 0, 0, 0, 0x43, 1]);
        assert_eq!(fold(sum(&frame[30..]) + 32 + 58), 0xffff);
        assert_eq!(Announcement::parse(&frame), Ok(announcement));
        let mut asked = frame.clone();
        asked[expected.len() + 2] |= 0x40;
        assert!(Announcement::parse(&asked).is_err() && Advertisement::parse(&frame).is_err());
    }

    fn asking() -> Advertisement {
        let source_mac = [2, 0, 0, 0, 0, 9];
        Advertisement {
            source_mac,
            source: link_local(source_mac),
            router_mac: source_mac,
            destination_mac: [0x33, 0x33, 0, 0, 0, 2],
            tags: TAGS,
            destination: None,
            lifetime: 0,
        }
    }

    /// Who asks is known by its line, its MAC and its address; an advertisement is no question.
    #[test]
    fn solicited() {
        let asking = asking();
        let mut frame = asking.build();
        assert!(Solicitation::parse(&frame).is_err());
        frame[62] = SOLICITATION;
        let source = link_local([2, 0, 0, 0, 0, 9]);
        let expected = Solicitation { source_mac: [2, 0, 0, 0, 0, 9], tags: TAGS, source };
        assert_eq!(Solicitation::parse(&frame), Ok(expected));
        frame[29] = 64;
        assert!(Solicitation::parse(&frame).is_err(), "it passed a router");
        let built = expected.build();
        assert_eq!(Solicitation::parse(&built), Ok(expected));
        assert_eq!((built[..6].to_vec(), fold(sum(&built[30..]) + 8 + 58)), (vec![0x33, 0x33, 0, 0, 0, 2], 0xffff));
        assert_eq!(Advertisement::parse(&asking.build()), Ok(asking));
        assert!(Advertisement::parse(&built).is_err());
    }

    proptest! {
        /// No octets make it panic, neither cut nor changed ones.
        #[test]
        fn any_octets(at in any::<prop::sample::Index>(), octet: u8, cut in any::<prop::sample::Index>()) {
            let announced = Announcement { source_mac: [2; 6], tags: TAGS, target: ALL_NODES, target_mac: [4; 6] };
            let mut unasked = announced.build();
            let place = at.index(unasked.len());
            unasked[place] = octet;
            let _ = Announcement::parse(&unasked);
            let _ = Announcement::parse(&unasked[..cut.index(unasked.len())]);
            let mut frame = asking().build();
            let at = at.index(frame.len());
            frame[at] = octet;
            let _ = Solicitation::parse(&frame);
            let _ = Solicitation::parse(&frame[..cut.index(frame.len())]);
            let _ = Advertisement::parse(&frame);
            let _ = Advertisement::parse(&frame[..cut.index(frame.len())]);
        }
    }
}
