//! What the members of a cluster are to the data plane: who is who, and how a frame gets from the master to its owner.
//!
//! Every member sees what a segment floods; in delivery mode forward ([`Role::shared_mac`] zero) what subscribers send
//! to the shared address comes to the master alone. Toward the network the master gives such a frame the owner's MAC on
//! the same segment. On an access segment that can't be done: the owner needs the subscriber's MAC as the source, and a
//! switch that saw it come from the master would send the subscriber's traffic there. So the whole frame travels over
//! the link between the members, behind a [`CarryHeader`], and the owner treats it as if it had come in on its own
//! access port.

/// Value of the one-cell `CLUSTER` array. Zeroed: no cluster.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Role {
    /// The MAC that stands for the shared addresses on every segment (CL-49, CL-50): unicast or multicast. Zero in
    /// delivery mode forward, where the master's own does.
    pub shared_mac: [u8; 6],
    /// This member's number; 0 without a cluster.
    pub member: u16,
    /// The master's number; 0 while there is none.
    pub master: u16,
    /// Keeps the link aligned; zero.
    pub reserved: u16,
    /// Interface index of the link between the members, an upstream port; 0 when there is none.
    pub link: u32,
    /// Nanoseconds since boot after which this member serves nothing that members share, until it is told anew: whoever
    /// wrote this may be gone, and others serve its units by then (H-CL-20). 0: without end.
    pub until_ns: u64,
}

impl Role {
    /// Whether there is a cluster at all.
    #[inline(always)]
    pub const fn is_member(&self) -> bool {
        self.member != 0
    }

    /// Whether this member is the master.
    #[inline(always)]
    pub const fn is_master(&self) -> bool {
        self.member != 0 && self.member == self.master
    }
}

/// Key of the `MEMBERS` hash: a member on the segment of one of our interfaces.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct MemberKey {
    /// Our interface on the segment.
    pub ifindex: u32,
    /// The member's number.
    pub member: u32,
}

/// Value of the `MEMBERS` hash: where frames for the member go.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MemberMac {
    /// The member's own MAC on that segment.
    pub mac: [u8; 6],
    /// Keeps the size a multiple of 4; zero.
    pub reserved: u16,
}

/// Key of the `PEERS` hash, which says who has a MAC: the members' own frames are no subscriber's.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct PeerKey {
    /// Our interface on the segment.
    pub ifindex: u32,
    /// The member's own MAC there.
    pub mac: [u8; 6],
    /// Keeps the size a multiple of 4; zero.
    pub reserved: u16,
}

/// Ethertype of a frame that is carried between members: IEEE 802 local experimental ethertype 1.
pub const CARRIED: u16 = 0x88b5;

/// What follows the outer Ethernet header of a carried frame; the frame itself, from its Ethernet header on, follows it.
/// Integers are in network order.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CarryHeader {
    /// [`CarryHeader::VERSION`].
    pub version: [u8; 2],
    /// Place of the access port in the configuration, which is the same on all members: [`crate::port::Port::place`].
    pub place: [u8; 2],
}

impl CarryHeader {
    /// The version of this layout.
    pub const VERSION: [u8; 2] = [0, 1];
}

/// Octets in front of a carried frame: Ethernet and [`CarryHeader`]. The link's MTU must hold a subscriber's frame,
/// tags and Ethernet header included, and the [`CarryHeader`]: 1526 octets for an MTU of 1500 with two tags.
pub const CARRY_OCTETS: usize = 14 + core::mem::size_of::<CarryHeader>();
