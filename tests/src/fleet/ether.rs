//! ARP frames, and tags as they reach an AF_PACKET socket.

use core::net::Ipv4Addr;

use gateway_common::vlan::{VlanTag, VlanTags};
use gateway_core::wire::frame::BROADCAST_MAC;

const ETHERTYPE_ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// MAC the frame is for.
    pub destination_mac: [u8; 6],
    /// Tags of the frame.
    pub tags: VlanTags,
    /// A reply, not a request.
    pub is_reply: bool,
    /// Sender's MAC, also the frame's source.
    pub sender_mac: [u8; 6],
    /// Sender's address.
    pub sender: Ipv4Addr,
    /// Whose MAC is asked for, or who asked.
    pub target_mac: [u8; 6],
    /// Address asked for, or who asked.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Who has `target`?
    pub fn who_has(target: Ipv4Addr, sender: Ipv4Addr, sender_mac: [u8; 6], tags: VlanTags) -> Self {
        Self { destination_mac: BROADCAST_MAC, tags, is_reply: false, sender_mac, sender, target_mac: [0; 6], target }
    }

    /// The answer of `mac`, which has the address.
    pub fn answer(&self, mac: [u8; 6]) -> Self {
        Self {
            destination_mac: self.sender_mac,
            tags: self.tags,
            is_reply: true,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// Reads a frame; `None` when it is not ARP.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (tags, at) = tags(frame)?;
        let word = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
        let mac = |at: usize| frame.get(at..)?.first_chunk::<6>().copied();
        let address = |at: usize| frame.get(at..)?.first_chunk::<4>().copied().map(Ipv4Addr::from);
        let ethernet_ipv4 = frame.get(at + 2..at + 8)? == [0, 1, 8, 0, 6, 4];
        if word(at)? != ETHERTYPE_ARP || !ethernet_ipv4 {
            return None;
        }
        let is_reply = match word(at + 8)? {
            REQUEST => false,
            REPLY => true,
            _ => return None,
        };
        Some(Self {
            destination_mac: mac(0)?,
            tags,
            is_reply,
            sender_mac: mac(at + 10)?,
            sender: address(at + 16)?,
            target_mac: mac(at + 20)?,
            target: address(at + 26)?,
        })
    }

    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(60);
        out.extend_from_slice(&self.destination_mac);
        out.extend_from_slice(&self.sender_mac);
        push_tags(&mut out, self.tags);
        out.extend_from_slice(&ETHERTYPE_ARP.to_be_bytes());
        out.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
        out.extend_from_slice(&(if self.is_reply { REPLY } else { REQUEST }).to_be_bytes());
        for (mac, address) in [(self.sender_mac, self.sender), (self.target_mac, self.target)] {
            out.extend_from_slice(&mac);
            out.extend_from_slice(&address.octets());
        }
        out
    }
}

fn push_tags(out: &mut Vec<u8>, tags: VlanTags) {
    for tag in [tags.outer, tags.inner].iter().filter(|tag| tag.tpid != 0) {
        out.extend_from_slice(&tag.tpid.to_be_bytes());
        out.extend_from_slice(&tag.vid.to_be_bytes());
    }
}

/// Up to two tags, without priority bits, and the offset of the ethertype behind them.
pub fn tags(frame: &[u8]) -> Option<(VlanTags, usize)> {
    let mut found = VlanTags::NONE;
    let mut at = 12;
    for tag in [&mut found.outer, &mut found.inner] {
        let [a, b, c, d] = *frame.get(at..)?.first_chunk::<4>().or(Some(&[0; 4]))?;
        let tpid = u16::from_be_bytes([a, b]);
        if !matches!(tpid, 0x8100 | 0x88a8) {
            break;
        }
        *tag = VlanTag { tpid, vid: u16::from_be_bytes([c, d]) & 0x0fff };
        at += 4;
    }
    Some((found, at))
}

/// Puts the outer tag back that the kernel took out of a received frame.
pub fn restore_tag(frame: &mut Vec<u8>, tpid: u16, tci: u16) {
    if frame.len() >= 12 {
        let [a, b] = tpid.to_be_bytes();
        let [c, d] = tci.to_be_bytes();
        frame.splice(12..12, [a, b, c, d]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: VlanTag = VlanTag { tpid: 0x88a8, vid: 100 };
    const INNER: VlanTag = VlanTag { tpid: 0x8100, vid: 7 };

    /// A question and its answer, with no, one and two tags; cut anywhere they are no ARP.
    #[test]
    fn question_and_answer() {
        let none = VlanTag::default();
        for tags in [VlanTags::NONE, VlanTags { outer: OUTER, inner: none }, VlanTags { outer: OUTER, inner: INNER }] {
            let ask = Arp::who_has([100, 64, 0, 1].into(), [100, 64, 1, 2].into(), [2, 0, 0, 0, 0, 1], tags);
            let frame = ask.build();
            assert_eq!(frame.len(), 42 + 4 * tags.count());
            assert_eq!(Arp::parse(&frame), Some(ask));
            let answer = ask.answer([4; 6]);
            assert_eq!(
                (answer.sender_mac, answer.sender, answer.destination_mac),
                ([4; 6], ask.target, ask.sender_mac)
            );
            assert_eq!(Arp::parse(&answer.build()), Some(answer));
            assert!((0..frame.len()).all(|length| Arp::parse(&frame[..length]).is_none()));
        }
    }

    /// The tag that the kernel keeps beside the frame goes back to where it was, in front of an inner one.
    #[test]
    fn the_outer_tag_comes_back() {
        let tags = VlanTags { outer: OUTER, inner: INNER };
        let whole = Arp::who_has([100, 64, 0, 1].into(), [100, 64, 1, 2].into(), [2; 6], tags).build();
        let mut frame = whole.clone();
        frame.drain(12..16);
        restore_tag(&mut frame, 0x88a8, 100);
        assert_eq!(frame, whole);
    }
}
