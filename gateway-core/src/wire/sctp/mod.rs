//! SCTP packets (RFC 9260), as far as they change the addresses of an association: authentication (RFC 4895) and
//! configuration chunks (RFC 5061).
//!
//! The kernel speaks SCTP; nothing here does. This is for who looks at packets from outside: what a capture has, and frames that
//! no kernel would send.

mod asconf;
mod auth;
mod init;
mod parameter;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use thiserror::Error;

pub use asconf::{Asconf, AsconfAck, Cause, Change, Operation, Response, cause};
pub use auth::{Auth, Hmac, association_key, key_vector};
pub use init::{Init, Supported};

/// Chunk types.
pub mod chunk {
    /// Payload data.
    pub const DATA: u8 = 0;
    /// Begins an association (SC-3).
    pub const INIT: u8 = 1;
    /// The answer to it.
    pub const INIT_ACK: u8 = 2;
    /// Says which data has arrived.
    pub const SACK: u8 = 3;
    /// Asks whether an address answers (H-SC-2).
    pub const HEARTBEAT: u8 = 4;
    /// The answer to it.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// Ends the association at once.
    pub const ABORT: u8 = 6;
    /// Gives the peer its cookie back (SC-3).
    pub const COOKIE_ECHO: u8 = 10;
    /// The answer to it: the association stands at both ends (SC-3).
    pub const COOKIE_ACK: u8 = 11;
    /// Authenticates the chunks behind it (RFC 4895).
    pub const AUTH: u8 = 0x0f;
    /// The acknowledgement of a configuration message (SC-18, SC-38).
    pub const ASCONF_ACK: u8 = 0x80;
    /// A configuration message (SC-9, SC-38).
    pub const ASCONF: u8 = 0xc1;
}

/// Octets of the common header.
pub const HEADER: usize = 12;
/// Octets of a chunk's or a parameter's header.
const PREFIX: usize = 4;
/// Chunks of a packet, or parameters of a chunk, that are read.
const MOST: usize = 64;

/// Why octets are no SCTP packet, or no such chunk; or why something can't be made one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Fewer octets than the fixed part needs.
    #[error("cut short")]
    Short,
    /// The checksum is not that of the packet.
    #[error("a wrong checksum")]
    Checksum,
    /// A chunk or parameter whose length is less than its header or reaches beyond what it is in.
    #[error("a length that can't be at offset {0}")]
    Length(usize),
    /// More chunks or parameters than are read.
    #[error("more than {MOST} parts")]
    TooMany,
    /// A chunk or parameter of more octets than its length can say.
    #[error("too long")]
    Long,
    /// Another chunk or parameter than there should be.
    #[error("type {0:#x} where it does not belong")]
    Type(u16),
}

/// The common header without its checksum (SC-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Verification tag: binds the packet to the association (SC-6).
    pub tag: u32,
}

/// A chunk (SC-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk<'a> {
    /// Its type, one of [`chunk`].
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// What is behind its header, without padding.
    pub value: &'a [u8],
    /// Offset in the packet.
    pub at: usize,
}

/// A packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// Its chunks in order.
    pub chunks: Vec<Chunk<'a>>,
    octets: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet from its common header on.
    ///
    /// # Errors
    /// When it is cut, its checksum is wrong, or a chunk's length can't be.
    pub fn read(octets: &'a [u8]) -> Result<Self, Malformed> {
        let Some((head, _)) = octets.split_first_chunk::<HEADER>() else { return Err(Malformed::Short) };
        let [a, b, c, d, e, f, g, h, checksum @ ..] = *head;
        if checksum != self::checksum(octets) {
            return Err(Malformed::Checksum);
        }
        let header = Header {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
            tag: u32::from_be_bytes([e, f, g, h]),
        };
        let (mut chunks, mut at) = (Vec::new(), HEADER);
        while at < octets.len() {
            if chunks.len() == MOST {
                return Err(Malformed::TooMany);
            }
            let [kind, flags, high, low] = *octets[at..].first_chunk().ok_or(Malformed::Length(at))?;
            let len = usize::from(u16::from_be_bytes([high, low]));
            let value = octets.get(at + PREFIX..at + len).ok_or(Malformed::Length(at))?;
            chunks.push(Chunk { kind, flags, value, at });
            at += len.next_multiple_of(4);
        }
        Ok(Self { header, chunks, octets })
    }

    /// The first chunk of a type.
    pub fn first(&self, kind: u8) -> Option<&Chunk<'a>> {
        self.chunks.iter().find(|chunk| chunk.kind == kind)
    }

    /// All octets from a chunk on, its padding and all later chunks included.
    pub fn from(&self, chunk: &Chunk<'_>) -> &'a [u8] {
        self.octets.get(chunk.at..).unwrap_or_default()
    }
}

/// A chunk with its header and padding.
///
/// # Errors
/// [`Malformed::Long`].
pub fn encode_chunk(kind: u8, flags: u8, value: &[u8]) -> Result<Vec<u8>, Malformed> {
    let len = u16::try_from(PREFIX + value.len()).map_err(|_| Malformed::Long)?;
    let mut octets = vec![kind, flags];
    octets.extend(len.to_be_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    Ok(octets)
}

/// A packet of chunks that are encoded, with its checksum.
pub fn encode(header: &Header, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(HEADER + chunks.iter().map(Vec::len).sum::<usize>());
    octets.extend(header.source.to_be_bytes());
    octets.extend(header.destination.to_be_bytes());
    octets.extend(header.tag.to_be_bytes());
    octets.extend([0; 4]);
    chunks.iter().for_each(|chunk| octets.extend(chunk));
    let checksum = checksum(&octets);
    octets[8..HEADER].copy_from_slice(&checksum);
    octets
}

/// CRC32c over the packet with a checksum of zero, least octet first (RFC 9260, appendix A).
fn checksum(octets: &[u8]) -> [u8; 4] {
    let before = crc32c::crc32c(&octets[..8]);
    let with = crc32c::crc32c_append(before, &[0; 4]);
    crc32c::crc32c_append(with, &octets[HEADER..]).to_le_bytes()
}

/// Whether an address may be added, by anybody: not a wildcard, which is not integrity-protected, multicast, broadcast or
/// loopback (H-SC-1, H-SC-11).
pub fn is_plausible(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() && !is_broadcast
}
