//! A bounded walk over the chunks of an SCTP packet (RFC 9260, section 3).

use gateway_common::sctp::Chunk;

use crate::opaque::opaque;
use crate::packet::Packet;

/// The common header.
const HEADER: usize = 12;
/// Type, flags and length.
const CHUNK_HEADER: usize = 4;
/// Chunks that are looked at. A configuration chunk comes early: nothing but its authentication, and what an endpoint
/// bundles before control chunks, precedes it.
const MAX_CHUNKS: usize = 4;
/// Offset in the frame up to which chunks are looked at; also the bound that the verifier needs.
const FURTHEST: usize = 2048;

/// How many of the chunks that are counted a packet has, in one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chunks(u32);

impl Chunks {
    const NONE: Self = Self(0);

    /// What was passed as a number.
    #[inline(always)]
    pub(crate) fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// As a number.
    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// How many of this chunk.
    #[inline(always)]
    pub(crate) fn of(self, chunk: Chunk) -> u32 {
        self.0 >> (8 * chunk as u32) & 0xff
    }

    #[inline(always)]
    fn and(self, chunk: Chunk) -> Self {
        Self(self.0 + (1 << (8 * chunk as u32)))
    }
}

/// The chunks of the packet whose SCTP header is at `at`, and which ends at `end`. One that is not whole ends the walk.
#[inline(always)]
pub(crate) fn walk(packet: &Packet, at: usize, end: usize) -> Chunks {
    let mut found = Chunks::NONE;
    let mut at = at + HEADER;
    for _ in 0..MAX_CHUNKS {
        if at > FURTHEST {
            break;
        }
        // Kernel 6.1 knows the bound of this register only, not of a copy that was on the stack before.
        at = opaque(at);
        let Some([kind, _, high, low]) = packet.read::<[u8; CHUNK_HEADER]>(at) else { break };
        let len = u16::from_be_bytes([high, low]) as usize;
        if len < CHUNK_HEADER || at + len > end {
            break;
        }
        if let Some(chunk) = Chunk::from_type(kind) {
            found = found.and(chunk);
        }
        at += len.next_multiple_of(4);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, len: u16, value: usize) -> Vec<u8> {
        let mut chunk = vec![kind, 0];
        chunk.extend(len.to_be_bytes());
        chunk.resize(4 + value, 0);
        chunk
    }

    fn found(chunks: &[Vec<u8>]) -> (u32, u32) {
        let mut packet = vec![0; HEADER];
        chunks.iter().for_each(|chunk| packet.extend(chunk));
        let chunks = walk(&Packet::in_slice(&packet), 0, packet.len());
        (chunks.of(Chunk::Asconf), chunks.of(Chunk::AsconfAck))
    }

    /// Found behind others, padded ones too; what is not whole, and what is too far behind, is not counted (SC-5, SC-38).
    #[test]
    fn chunks_are_found() {
        let (asconf, ack) = (|| chunk(0xc1, 8, 4), || chunk(0x80, 8, 4));
        assert_eq!(found(&[asconf()]), (1, 0));
        assert_eq!(found(&[ack()]), (0, 1));
        assert_eq!(found(&[chunk(0x0f, 41, 40), asconf(), ack()]), (1, 1));
        assert_eq!(found(&[chunk(0, 17, 16), asconf(), asconf()]), (2, 0));
        assert_eq!(found(&[chunk(0xc1, 12, 4)]), (0, 0), "longer than the packet");
        assert_eq!(found(&[chunk(3, 3, 0), asconf()]), (0, 0), "shorter than its header");
        assert_eq!(found(&[chunk(3, 0, 0), asconf()]), (0, 0));
        assert_eq!(found(&[chunk(3, 4, 0), chunk(3, 4, 0), chunk(3, 4, 0), chunk(3, 4, 0), asconf()]), (0, 0));
        assert_eq!(found(&[]), (0, 0));
    }
}
