//! Neighbour discovery: solicitations and advertisements of neighbours (RFC 4861).

use gateway_common::Ip6;

use super::ipv6::{HEADER, Ipv6};
use super::transport::ICMPV6;
use crate::packet::Packet;

/// ICMPv6 types.
pub(crate) const ROUTER_SOLICITATION: u8 = 133;
/// I am your router.
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
/// Who has it?
pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
/// I have it.
pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// There is a better router.
pub(crate) const REDIRECT: u8 = 137;

/// Octets of a solicitation or advertisement without options.
const PLAIN: usize = 24;
/// The same with one link-layer address.
const WITH_OPTION: usize = PLAIN + 8;
/// Option types.
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// What a neighbour solicitation or advertisement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbour {
    /// The address asked for, or answered.
    pub(crate) target: Ip6,
    /// The sender's MAC or the target's, where the first option tells it.
    pub(crate) mac: Option<[u8; 6]>,
    /// Whether the packet has room for an option.
    pub(crate) has_room: bool,
}

/// Parses the solicitation or advertisement that follows the IPv6 header at `network`.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, network: usize, ip: &Ipv6) -> Option<Neighbour> {
    let at = network + HEADER;
    let octets = ip.total_len as usize - HEADER;
    let [head, target @ ..]: [u64; PLAIN / 8] = packet.read(at)?;
    let target = Ip6(target);
    let [kind, code, ..] = head.to_ne_bytes();
    if octets < PLAIN || code != 0 || target.is_multicast() {
        return None;
    }
    if octets < WITH_OPTION {
        return Some(Neighbour { target, mac: None, has_room: false });
    }
    let [option, length, mac @ ..]: [u8; 8] = packet.read(at + PLAIN)?;
    let wanted = if kind == NEIGHBOUR_SOLICITATION { SOURCE_LINK_LAYER } else { TARGET_LINK_LAYER };
    // An option of no length is none (RFC 4861, section 4.6).
    match (option, length) {
        (_, 0) => None,
        (option, 1) if option == wanted => Some(Neighbour { target, mac: Some(mac), has_room: true }),
        _ => Some(Neighbour { target, mac: None, has_room: true }),
    }
}

/// How an advertisement is to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags {
    /// The target is a router.
    pub(crate) router: bool,
    /// It answers a solicitation.
    pub(crate) solicited: bool,
    /// It counts more than what was known.
    pub(crate) overrides: bool,
}

/// An advertisement from its IPv6 header on: `target` has `mac`. Without room for an option it has but the first
/// [`PLAIN_WORDS`] words: enough for who probes whether an address is free, or whether a neighbour is still there.
#[inline(always)]
pub(crate) fn advertisement(target: Ip6, to: Ip6, mac: [u8; 6], flags: Flags, with_option: bool) -> [u64; WORDS] {
    let octets = if with_option { WITH_OPTION } else { PLAIN };
    let bits = (flags.router as u8) << 7 | (flags.solicited as u8) << 6 | (flags.overrides as u8) << 5;
    let [a, b, c, d, e, f] = mac;
    let option = if with_option { u64::from_ne_bytes([TARGET_LINK_LAYER, 1, a, b, c, d, e, f]) } else { 0 };
    let head = u64::from_ne_bytes([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, bits, 0, 0, 0]);
    let pseudo = (octets as u16).to_be() as u64 + (ICMPV6 as u16).to_be() as u64;
    let sum = [target.0[0], target.0[1], target.0[0], target.0[1], to.0[0], to.0[1], head, option]
        .iter()
        .fold(pseudo, |sum, word| sum + (word & 0xffff_ffff) + (word >> 32));
    let check = (!fold(sum)).to_ne_bytes();
    [
        u64::from_ne_bytes([0x60, 0, 0, 0, 0, octets as u8, ICMPV6, 255]),
        target.0[0],
        target.0[1],
        to.0[0],
        to.0[1],
        u64::from_ne_bytes([NEIGHBOUR_ADVERTISEMENT, 0, check[0], check[1], bits, 0, 0, 0]),
        target.0[0],
        target.0[1],
        option,
    ]
}

/// Words of an advertisement.
pub(crate) const WORDS: usize = (HEADER + WITH_OPTION) / 8;
/// Words of one without an option.
pub(crate) const PLAIN_WORDS: usize = (HEADER + PLAIN) / 8;

/// The ones' complement sum of 16-bit words, from one of 32-bit words.
#[inline(always)]
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
