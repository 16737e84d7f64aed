//! Which of SCTP's chunks are counted: those that change the addresses of an association (RFC 5061).

use crate::verdict::Program;

/// A chunk that is counted.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk {
    /// A configuration message: addresses are added, removed, made primary.
    Asconf = 0,
    /// Its acknowledgement.
    AsconfAck = 1,
}

impl Chunk {
    /// All of them in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Asconf, Self::AsconfAck];

    /// The chunk with this type in the packet, if it is counted.
    #[inline(always)]
    pub const fn from_type(octet: u8) -> Option<Self> {
        match octet {
            0xc1 => Some(Self::Asconf),
            0x80 => Some(Self::AsconfAck),
            _ => None,
        }
    }

    /// Name in metrics and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asconf => "asconf",
            Self::AsconfAck => "asconf-ack",
        }
    }

    /// Index of its counter in the `CHUNKS` array.
    #[inline(always)]
    pub const fn counter(self, program: Program) -> u32 {
        program as u32 * Self::ALL.len() as u32 + self as u32
    }
}

/// Entries of the `CHUNKS` array.
pub const COUNTERS: u32 = 2 * Chunk::ALL.len() as u32;
