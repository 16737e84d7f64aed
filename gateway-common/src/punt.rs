//! The punt ring: how a DHCP frame reaches the relay, and how a frame that has to wait reaches who holds it.
//!
//! The programs copy the frame, tags and all, into the `PUNT` ring buffer and consume it. The relay reads the ring
//! without a system call per packet and knows port and tags for certain, which a UDP socket could not tell it.
//! Each record is a [`PuntHeader`] followed by the frame from its Ethernet header on, in one of two fixed sizes
//! because a BPF ring reservation must have a constant size.

use crate::vlan::VlanTags;

/// What precedes the frame in a punt record.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PuntHeader {
    /// Time of arrival, nanoseconds since boot.
    pub time_ns: u64,
    /// Interface it arrived on.
    pub ifindex: u32,
    /// Octets of the frame that follow.
    pub len: u16,
    /// Octets from the start of the frame to its IP header.
    pub ip_offset: u16,
    /// The frame's tags.
    pub tags: VlanTags,
    /// A [`PuntReason`].
    pub reason: u32,
    /// The frame's work unit, where it is held.
    pub unit: u16,
    /// Keeps the size a multiple of 8; zero.
    pub reserved: u16,
}

/// Why a frame was punted.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PuntReason {
    /// From a client to the relay: broadcast, or unicast to one of our addresses. Consumed.
    Client = 1,
    /// From a client to a server, by unicast (renewal, release). A copy: the original was forwarded.
    ClientSnoop = 2,
    /// From a server to the relay (to one of our addresses, port 67). Consumed.
    Server = 3,
    /// From a server to a client, by unicast (the answer to a renewal). A copy: the original was forwarded.
    ServerSnoop = 4,
    /// From a subscriber, of a unit that is not ours and whose owner can't have the frame yet, or not by the program
    /// (CL-64). Consumed.
    HeldAccess = 5,
    /// The same from the network.
    HeldUpstream = 6,
    /// DHCPv6 from a client, or from a relay below: by multicast, to one of our addresses, or to a server past the relay.
    /// Consumed.
    Client6 = 7,
    /// DHCPv6 from a server to the relay (to one of our addresses, port 547). Consumed.
    Server6 = 9,
    /// A subscriber's router solicitation, which wants an advertisement on its line. Consumed.
    RouterSolicitation = 11,
    /// A subscriber's neighbour advertisement for a link-local address: the answer to a probe whether it is there.
    /// Consumed on a tagged line, a copy on an untagged one.
    Advertisement = 12,
}

impl PuntReason {
    /// The reason with this number.
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Client),
            2 => Some(Self::ClientSnoop),
            3 => Some(Self::Server),
            4 => Some(Self::ServerSnoop),
            5 => Some(Self::HeldAccess),
            6 => Some(Self::HeldUpstream),
            7 => Some(Self::Client6),
            9 => Some(Self::Server6),
            11 => Some(Self::RouterSolicitation),
            12 => Some(Self::Advertisement),
            _ => None,
        }
    }
}

/// Size of a small record, header included: holds every DHCP message of the usual 300 to 576 octets.
pub const SMALL_RECORD: usize = 704;
/// Size of a large record, header included.
pub const LARGE_RECORD: usize = 2048;
/// Longest frame a record takes; a longer one goes to the kernel's stack.
pub const MAX_FRAME: usize = LARGE_RECORD - core::mem::size_of::<PuntHeader>();
/// Octets that may wait in the `PUNT` ring when a frame is held: the rest is for what the relay has to do.
pub const HELD_OCTETS: u64 = RING_OCTETS as u64 / 2;
/// Octets of the `PUNT` ring.
pub const RING_OCTETS: u32 = 8 << 20;
