//! Access routes: the map entries that let a subscriber's traffic through.

use crate::vlan::VlanTags;

/// Value of the `ROUTES` hash, whose key is the subscriber's [`crate::Ip4`].
///
/// What changes with every packet or renewal lives in [`Subscriber`], an array cell that user space maps into its
/// memory, so that neither a renewal nor reading a million counters costs a system call.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AccessRoute {
    /// Cell of the `SUBSCRIBERS` array.
    pub slot: u32,
    /// Epoch of the FPC when the login was made.
    pub epoch: u32,
    /// Access interface the subscriber is behind.
    pub ifindex: u32,
    /// Entry of the `COHORTS` array that says which epochs are still valid.
    pub cohort: u16,
    /// The CPE's MAC.
    pub mac: [u8; 6],
    /// The CPE's VLAN tags.
    pub tags: VlanTags,
    /// Keeps the size a multiple of 8; zero.
    pub reserved: u32,
}

/// Cell of the `SUBSCRIBERS` array: one cache line a subscriber.
///
/// The kernel adds to the counters atomically and reads `expires_ns`; user space stores `expires_ns`.
#[repr(C, align(64))]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Subscriber {
    /// End of the lease in nanoseconds since boot (`CLOCK_BOOTTIME`), enforced to the tick (at most 10 ms); [`Subscriber::NEVER`] for a static subscriber.
    pub expires_ns: u64,
    /// Time of the last packet from the subscriber, nanoseconds since boot; 0 when none was seen.
    pub last_seen_ns: u64,
    /// Packets from the subscriber that were let through.
    pub up_packets: u64,
    /// Their octets, from the IP header on.
    pub up_octets: u64,
    /// Packets forwarded to the subscriber.
    pub down_packets: u64,
    /// Their octets, from the IP header on.
    pub down_octets: u64,
    /// Fills the cache line; zero.
    pub reserved: [u64; 2],
}

impl Subscriber {
    /// An `expires_ns` that never comes.
    pub const NEVER: u64 = u64::MAX;
}
