//! What the programs tell user space beside counting: the `EVENTS` and `DROPS` rings.

use crate::vlan::VlanTags;
use crate::{Ip4, Ip6};

/// Record of the `EVENTS` ring.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Event {
    /// Nanoseconds since boot.
    pub time_ns: u64,
    /// An [`EventKind`].
    pub kind: u32,
    /// Interface the packet arrived on.
    pub ifindex: u32,
    /// Source address of the packet; 0.0.0.0 where it was IPv6.
    pub address: Ip4,
    /// The [`crate::verdict::Verdict`] it got.
    pub verdict: u32,
    /// Source MAC.
    pub mac: [u8; 6],
    /// Keeps the tags aligned; zero.
    pub reserved: u16,
    /// Tags of the frame.
    pub tags: VlanTags,
    /// Source address of an IPv6 packet, or the address that neighbour discovery claimed; :: where it was IPv4.
    pub address6: Ip6,
}

/// What happened.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// Data from a source that has no session.
    UnknownSource = 1,
    /// DHCP was dropped by a token bucket.
    RateLimited = 2,
    /// Data from a subscriber whose lease has ended.
    Expired = 3,
    /// Data with the address of one subscriber from the MAC, tags or port of another.
    Spoofed = 4,
    /// A subscriber sent a router advertisement or a redirect.
    RogueRouter = 5,
}

impl EventKind {
    /// The kind with this number.
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::UnknownSource),
            2 => Some(Self::RateLimited),
            3 => Some(Self::Expired),
            4 => Some(Self::Spoofed),
            5 => Some(Self::RogueRouter),
            _ => None,
        }
    }
}

/// Octets of a dropped frame that a sample shows.
pub const SAMPLE_OCTETS: usize = 128;

/// Record of the `DROPS` ring: the start of one dropped frame.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DropSample {
    /// Nanoseconds since boot.
    pub time_ns: u64,
    /// Interface it arrived on.
    pub ifindex: u32,
    /// The [`crate::verdict::Verdict`] it got.
    pub verdict: u32,
    /// Length of the whole frame.
    pub frame_len: u32,
    /// Octets of `octets` that are valid.
    pub sample_len: u32,
    /// The frame from its Ethernet header on.
    pub octets: [u8; SAMPLE_OCTETS],
}
