//! UDP, TCP and SCTP: the ports, and whether the header is whole.

use network_types::udp::UdpHdr;

use crate::packet::Packet;

/// Protocol numbers.
pub(crate) const ICMPV6: u8 = 58;
/// TCP.
pub(crate) const TCP: u8 = 6;
/// UDP.
pub(crate) const UDP: u8 = 17;
/// SCTP.
pub(crate) const SCTP: u8 = 132;

/// Without options.
const TCP_HEADER: usize = 20;
/// Without chunks.
const SCTP_HEADER: usize = 12;

/// Source and destination port; both 0 for a protocol without ports.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ports {
    /// Source port.
    pub(crate) source: u16,
    /// Destination port.
    pub(crate) destination: u16,
}

/// Parses the transport header at `at` of an IP packet that ends at `end`.
#[inline(always)]
pub(crate) fn parse(packet: &Packet, protocol: u8, at: usize, end: usize) -> Option<Ports> {
    match protocol {
        UDP => {
            let header: UdpHdr = packet.read(at)?;
            let len = header.len() as usize;
            if len < UdpHdr::LEN || at + len > end {
                return None;
            }
            Some(Ports { source: header.src_port(), destination: header.dst_port() })
        }
        TCP => {
            let header: [u8; TCP_HEADER] = packet.read(at)?;
            let len = (header[12] >> 4) as usize * 4;
            if len < TCP_HEADER || at + len > end {
                return None;
            }
            Some(Ports {
                source: u16::from_be_bytes([header[0], header[1]]),
                destination: u16::from_be_bytes([header[2], header[3]]),
            })
        }
        SCTP => {
            let ports: [[u8; 2]; 2] = packet.read(at)?;
            if at + SCTP_HEADER > end {
                return None;
            }
            Some(Ports { source: u16::from_be_bytes(ports[0]), destination: u16::from_be_bytes(ports[1]) })
        }
        _ => Some(Ports::default()),
    }
}

/// Whether ports were parsed: only these protocols hash by port to the cluster address (CL-53).
#[inline(always)]
pub(crate) fn has_ports(protocol: u8) -> bool {
    matches!(protocol, UDP | TCP | SCTP)
}
