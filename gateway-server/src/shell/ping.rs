//! Echo requests (RFC 792), for addresses that are about to be offered.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// A socket for echo requests of our own.
#[derive(Debug)]
pub(crate) struct Pinger {
    /// A raw one: what is called UDP is only how the runtime waits for it.
    socket: UdpSocket,
    /// Comes back in every reply; nobody else knows it.
    token: [u8; 16],
}

impl Pinger {
    /// Sends from `source`. Needs CAP_NET_RAW.
    pub(crate) fn open(source: Ipv4Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(Protocol::ICMPV4))?;
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, token: random()? })
    }

    /// Asks an address. What can't be sent counts as unanswered.
    pub(crate) fn ask(&self, address: Ipv4Addr) {
        if let Err(error) = self.socket.try_send_to(&request(&self.token), SocketAddrV4::new(address, 0).into()) {
            tracing::debug!(%error, %address, "echo request");
        }
    }

    /// Who answers next.
    pub(crate) async fn answer(&self) -> Ipv4Addr {
        let mut buffer = [0; 576];
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(length) => {
                    if let Some(address) = reply(&buffer[..length], &self.token) {
                        return address;
                    }
                }
                // That a host can't be reached is told by ICMP, and is no answer.
                Err(error) => tracing::debug!(%error, "echo reply"),
            }
        }
    }
}

/// Octets that nobody can foresee.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets)
}

/// An echo request with the token as its data.
fn request(token: &[u8; 16]) -> [u8; HEADER + 16] {
    let mut octets = [0; HEADER + 16];
    octets[0] = ECHO_REQUEST;
    octets[4..6].copy_from_slice(&token[..2]);
    octets[HEADER..].copy_from_slice(token);
    let sum = checksum(&octets);
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// Who sent this IPv4 packet, if it answers a request of ours.
fn reply(packet: &[u8], token: &[u8; 16]) -> Option<Ipv4Addr> {
    let header = usize::from(packet.first()? & 15) * 4;
    let source = Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(12..16)?).ok()?);
    let message = packet.get(header..)?;
    (message.first() == Some(&ECHO_REPLY) && message.get(HEADER..)? == token).then_some(source)
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let sum = words.sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16 // folded into 16 bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request is one that a host would answer, and only its own answer is taken for one.
    #[test]
    fn requests_and_replies() {
        let token = *b"0123456789abcdef";
        let mut octets = request(&token);
        assert_eq!(checksum(&octets), 0, "what is summed with its checksum is nothing");
        let packet = |message: &[u8]| {
            let mut packet = vec![0; 20];
            packet[0] = 0x45;
            packet[12..16].copy_from_slice(&[10, 0, 0, 7]);
            packet.extend_from_slice(message);
            packet
        };
        assert_eq!(reply(&packet(&octets), &token), None, "a request");
        octets[0] = ECHO_REPLY;
        assert_eq!(reply(&packet(&octets), &token), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(reply(&packet(&octets), b"another's token!"), None);
        for length in 0..44 {
            assert_eq!(reply(&packet(&octets)[..length], &token), None, "cut to {length}");
        }
    }
}
