//! A second, independent reading of DHCP messages on the wire. The code under test is not asked what it sent.

use std::net::Ipv4Addr;

/// DHCP message types (option 53).
pub mod kind {
    #![allow(missing_docs, reason = "the names of RFC 2132 section 9.6, RFC 4388 section 6.1")]
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const DECLINE: u8 = 4;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
    pub const RELEASE: u8 = 7;
    pub const INFORM: u8 = 8;
    pub const LEASEQUERY: u8 = 10;
    pub const LEASEUNASSIGNED: u8 = 11;
    pub const LEASEUNKNOWN: u8 = 12;
    pub const LEASEACTIVE: u8 = 13;
    /// The single logout goes out under the type of LEASEQUERY or RELEASE and returns under this one.
    pub const BULK_RELEASE_REPLY: u8 = 250;
}

/// A name for a message type, as RFCs write it.
pub fn name(of: u8) -> String {
    let names = ["DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM", "FORCERENEW"];
    let lease = ["LEASEQUERY", "LEASEUNASSIGNED", "LEASEUNKNOWN", "LEASEACTIVE"];
    let known = names.into_iter().chain(lease).nth(usize::from(of).wrapping_sub(1));
    match (known, of) {
        (Some(name), _) => name.to_owned(),
        (None, kind::BULK_RELEASE_REPLY) => "BULK-RELEASE-REPLY".to_owned(),
        (None, other) => format!("type {other}"),
    }
}

/// A DHCP message seen on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Ethernet destination.
    pub destination_mac: [u8; 6],
    /// Ethernet source.
    pub source_mac: [u8; 6],
    /// VLAN ids that were in the frame, outermost first. (A tag that the kernel took out first is at the front.)
    pub vlans: Vec<u16>,
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
    /// UDP source and destination port.
    pub ports: (u16, u16),
    /// Message type, option 53; 0 when there is none.
    pub kind: u8,
    /// The BOOTP message.
    pub message: Vec<u8>,
}

impl Seen {
    /// Read an Ethernet frame. `None` unless it carries a BOOTP message between ports 67 and 68.
    pub fn parse(frame: &[u8], taken_tag: Option<u16>) -> Option<Self> {
        let destination_mac = frame.get(0..6)?.try_into().ok()?;
        let source_mac = frame.get(6..12)?.try_into().ok()?;
        let mut vlans: Vec<u16> = taken_tag.into_iter().map(|tag| tag & 0x0fff).collect();
        let mut at = 12;
        let mut ethertype = word(frame, at)?;
        while matches!(ethertype, 0x8100 | 0x88a8) {
            vlans.push(word(frame, at + 2)? & 0x0fff);
            at += 4;
            ethertype = word(frame, at)?;
        }
        let ip = frame.get(at + 2..).filter(|_| ethertype == 0x0800)?;
        let header = usize::from(ip.first()? & 0x0f) * 4;
        let is_first_udp = ip.get(9) == Some(&17) && word(ip, 6)? & 0x1fff == 0;
        let udp = ip.get(header..).filter(|_| is_first_udp)?;
        let ports = (word(udp, 0)?, word(udp, 2)?);
        let is_dhcp = |port| port == 67 || port == 68;
        let length = usize::from(word(udp, 4)?);
        let message = udp.get(8..length).filter(|_| is_dhcp(ports.0) && is_dhcp(ports.1))?.to_vec();
        message.get(236..240).filter(|magic| *magic == [99, 130, 83, 99])?;
        let kind = option(&message, 53).and_then(|value| value.first().copied()).unwrap_or(0);
        let (source, destination) = (address(ip, 12)?, address(ip, 16)?);
        Some(Seen { destination_mac, source_mac, vlans, source, destination, ports, kind, message })
    }

    /// The first option `code` of the options field.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        option(&self.message, code)
    }

    /// A sub-option of option 82.
    pub fn agent(&self, code: u8) -> Option<&[u8]> {
        find(self.option(82)?, code)
    }

    /// Transaction id.
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes([self.message[4], self.message[5], self.message[6], self.message[7]])
    }

    /// Relay hops.
    pub fn hops(&self) -> u8 {
        self.message[3]
    }

    /// The client's own address.
    pub fn ciaddr(&self) -> Ipv4Addr {
        address(&self.message, 12).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The address given to the client.
    pub fn yiaddr(&self) -> Ipv4Addr {
        address(&self.message, 16).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The relay's address.
    pub fn giaddr(&self) -> Ipv4Addr {
        address(&self.message, 24).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The client's Ethernet address.
    pub fn chaddr(&self) -> [u8; 6] {
        self.message[28..34].try_into().unwrap_or_default()
    }
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn address(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(four))
}

fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    find(message.get(240..)?, code)
}

/// The value of `code` in a run of type-length-value fields (0 pads, 255 ends).
fn find(mut fields: &[u8], code: u8) -> Option<&[u8]> {
    while let [field, rest @ ..] = fields {
        match *field {
            0 => fields = rest,
            255 => return None,
            field => {
                let (length, rest) = rest.split_first()?;
                let value = rest.get(..usize::from(*length))?;
                if field == code {
                    return Some(value);
                }
                fields = &rest[value.len()..];
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Seen, kind, name};

    fn frame(tags: &[u8]) -> Vec<u8> {
        let mut bootp = vec![1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef];
        bootp.resize(236, 0);
        bootp.extend([99, 130, 83, 99, 0, 53, 1, 1, 82, 4, 1, 2, 7, 8, 255]);
        let udp = 8 + bootp.len() as u16;
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 1]);
        frame.extend(tags);
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + udp).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 68, 0, 67]);
        frame.extend(udp.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(bootp);
        frame
    }

    /// A DISCOVER under two VLAN tags is read with its tags, type, transaction and circuit id.
    #[test]
    fn reads_a_double_tagged_discover() {
        let seen = Seen::parse(&frame(&[0x88, 0xa8, 0, 100, 0x81, 0, 0, 7]), None).expect("a DHCP frame");
        assert_eq!((seen.vlans.as_slice(), seen.kind, seen.xid()), ([100, 7].as_slice(), kind::DISCOVER, 0xdead_beef));
        assert_eq!((seen.agent(1), seen.agent(2)), (Some([7, 8].as_slice()), None));
    }

    /// No cut of a frame is read as a message, and none panics.
    #[test]
    fn a_cut_frame_is_no_message() {
        let whole = frame(&[]);
        assert!((0..whole.len()).all(|length| Seen::parse(&whole[..length], None).is_none()));
    }

    /// Types have the RFCs' names.
    #[test]
    fn types_have_names() {
        assert_eq!(name(kind::RELEASE), "RELEASE");
        assert_eq!(name(kind::LEASEACTIVE), "LEASEACTIVE");
        assert_eq!(name(0), "type 0");
    }
}
