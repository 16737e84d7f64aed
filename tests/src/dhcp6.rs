//! A second, independent reading of DHCPv6 messages on the wire. The code under test is not asked what it sent.

use std::net::Ipv6Addr;

/// Message types, as far as tests look for them.
pub mod kind {
    #![allow(missing_docs, reason = "the names of RFC 8415 section 7.3, and of the draft's")]
    pub const REPLY: u8 = 7;
    pub const RELEASE: u8 = 8;
    pub const RELAY_FORW: u8 = 12;
    pub const RELAY_REPL: u8 = 13;
    pub const RELEASE_REQUEST: u8 = 240;
    pub const RELEASE_REQUEST_REPLY: u8 = 241;
}

/// Option 9: the message in a relay's.
const RELAY_MSG: u16 = 9;
/// Option 45: a client of a RELEASE-REQUEST.
const CLIENT_DATA: u16 = 45;

/// A DHCPv6 message seen on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen6 {
    /// IPv6 source.
    pub source: Ipv6Addr,
    /// IPv6 destination.
    pub destination: Ipv6Addr,
    /// Type of the message itself, whatever relays have put around it.
    pub kind: u8,
    /// Its transaction id, 24 bits.
    pub xid: u32,
    /// Clients that it names in Client Data options.
    pub clients: usize,
}

impl Seen6 {
    /// Read an untagged Ethernet frame. `None` unless it carries a DHCPv6 message between ports 546 and 547.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..).filter(|_| word(frame, 12) == Some(0x86dd))?;
        let udp = ip.get(40..).filter(|_| ip[6] == 17)?;
        let is_dhcp = |port| matches!(port, Some(546 | 547));
        let length = usize::from(word(udp, 4)?);
        let mut message = udp.get(8..length).filter(|_| is_dhcp(word(udp, 0)) && is_dhcp(word(udp, 2)))?;
        while matches!(*message.first()?, kind::RELAY_FORW | kind::RELAY_REPL) {
            message = options(message.get(34..)?).find(|(code, _)| *code == RELAY_MSG)?.1;
        }
        let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?));
        let clients = options(message.get(4..)?).filter(|(code, _)| *code == CLIENT_DATA).count();
        let [kind, a, b, c] = *message.first_chunk()?;
        let xid = u32::from_be_bytes([0, a, b, c]);
        Some(Seen6 { source: address(8)?, destination: address(24)?, kind, xid, clients })
    }
}

/// Codes and values, as far as they can be told apart.
fn options(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, length) = (word(octets, 0)?, usize::from(word(octets, 2)?));
        let value = octets.get(4..4 + length)?;
        octets = &octets[4 + length..];
        Some((code, value))
    })
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Seen6, kind};

    /// A RELEASE-REQUEST for two clients in a RELAY-FORW is read; none of its cuts is, and none panics.
    #[test]
    fn reads_through_a_relay() {
        let request =
            [&[kind::RELEASE_REQUEST, 0, 0, 1][..], &[0, 45, 0, 1, 9], &[0, 8, 0, 2, 0, 0], &[0, 45, 0, 0]].concat();
        let mut relayed = vec![kind::RELAY_FORW];
        relayed.resize(34, 0);
        relayed.extend([0, 18, 0, 1, 7, 0, 9, 0, request.len() as u8]);
        relayed.extend(request);
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 17, 64]);
        frame.resize(14 + 40, 1);
        frame.extend([2, 0x23, 2, 0x23]);
        frame.extend((8 + relayed.len() as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(relayed);
        let seen = Seen6::parse(&frame).expect("a message");
        assert_eq!((seen.kind, seen.xid, seen.clients), (kind::RELEASE_REQUEST, 1, 2));
        assert!((0..frame.len()).all(|length| Seen6::parse(&frame[..length]).is_none()));
    }
}
