//! The fixed part of DHCPv4 and DHCPv6 messages: what decides the work unit lies at fixed offsets.

use gateway_common::Ip4;
use gateway_common::unit::{self, Unit, UnitKey};
use network_types::udp::UdpHdr;

use super::ipv4::Ipv4;
use crate::packet::{Packet, Plain};

/// UDP port of servers and relays.
pub(crate) const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub(crate) const CLIENT_PORT: u16 = 68;
/// `op` of a client's message.
pub(crate) const BOOTREQUEST: u8 = 1;
/// `op` of a server's message.
pub(crate) const BOOTREPLY: u8 = 2;
/// Longest hardware address that `chaddr` holds.
const MAX_HLEN: u8 = 16;

/// A DHCPv4 message up to and with `chaddr` (RFC 2131, figure 1).
#[repr(C)]
#[derive(Clone, Copy)]
struct Fixed {
    op: u8,
    htype: u8,
    hlen: u8,
    hops: u8,
    xid: [u8; 4],
    secs_flags: [u8; 4],
    ciaddr: [u8; 4],
    yiaddr: [u8; 4],
    siaddr: [u8; 4],
    giaddr: [u8; 4],
    chaddr: [u32; 4],
}

// SAFETY: integers only, without padding between them.
unsafe impl Plain for Fixed {}

/// What the programs need of a DHCPv4 message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Dhcp {
    /// [`BOOTREQUEST`] or [`BOOTREPLY`], or anything else.
    pub(crate) op: u8,
    /// The client's address, when it says it has one.
    pub(crate) client: Ip4,
    /// The MAC in `chaddr`; all zero when that holds something else.
    pub(crate) mac: [u8; 6],
    /// The message's work unit.
    pub(crate) unit: Unit,
}

/// Parses the fixed part of the DHCPv4 message in a whole UDP datagram.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, ip: &Ipv4, key: &UnitKey) -> Option<Dhcp> {
    let at = ip.transport + UdpHdr::LEN;
    let fixed: Fixed = packet.read(at)?;
    if at + size_of::<Fixed>() > ip.end || fixed.hlen > MAX_HLEN {
        return None;
    }
    let [a, b, c, d] = fixed.chaddr[0].to_ne_bytes();
    let [e, f, ..] = fixed.chaddr[1].to_ne_bytes();
    Some(Dhcp {
        op: fixed.op,
        client: Ip4::new(fixed.ciaddr),
        mac: if fixed.hlen == 6 { [a, b, c, d, e, f] } else { [0; 6] },
        unit: unit::dhcp4(key, fixed.chaddr.map(u32::from_be), fixed.hlen),
    })
}

/// DHCPv6 ports and the relay's reply (RFC 8415).
pub(crate) mod v6 {
    use super::{Packet, UdpHdr};

    /// UDP port of servers and relays.
    pub(crate) const SERVER_PORT: u16 = 547;
    /// UDP port of clients.
    pub(crate) const CLIENT_PORT: u16 = 546;
    const RELAY_REPLY: u8 = 13;
    /// msg-type, hop-count and link-address.
    const PEER_ADDRESS: usize = 2 + 16;

    /// Whether a server sends messages of this type, to clients or to relays (RFC 8415, section 7.3; RFC 5007).
    #[inline(always)]
    pub(crate) fn is_of_server(kind: u8) -> bool {
        const ADVERTISE: u8 = 2;
        const REPLY: u8 = 7;
        const RECONFIGURE: u8 = 10;
        const LEASEQUERY_REPLY: u8 = 15;
        matches!(kind, ADVERTISE | REPLY | RECONFIGURE | RELAY_REPLY | LEASEQUERY_REPLY)
    }

    /// Whether a client may send messages of this type to a server by unicast (RFC 8415, section 18.2).
    #[inline(always)]
    pub(crate) fn is_unicast(kind: u8) -> bool {
        const REQUEST: u8 = 3;
        const RENEW: u8 = 5;
        const RELEASE: u8 = 8;
        const DECLINE: u8 = 9;
        matches!(kind, REQUEST | RENEW | RELEASE | DECLINE)
    }

    /// The peer address, as words in network order, of a Relay-reply in the UDP datagram at `transport`: `None` for
    /// other messages.
    #[inline(always)]
    pub(crate) fn peer_address(packet: &Packet, transport: usize) -> Option<[u32; 4]> {
        let message = transport + UdpHdr::LEN;
        let kind: [u8; 2] = packet.read(message)?;
        if kind[0] != RELAY_REPLY {
            return None;
        }
        packet.read(message + PEER_ADDRESS)
    }
}
