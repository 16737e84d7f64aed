//! Up to two VLAN tags of a frame (802.1Q, 802.1ad).

/// One tag. The zero value means "no tag": no frame carries TPID 0.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct VlanTag {
    /// Tag protocol identifier, host order: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// VLAN identifier, host order, 0..4096. Priority bits are not part of who a subscriber is.
    pub vid: u16,
}

/// Outer and inner tag. An untagged frame has neither; a single tag is the outer one.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct VlanTags {
    /// The tag next to the source address.
    pub outer: VlanTag,
    /// The tag behind it.
    pub inner: VlanTag,
}

impl VlanTags {
    /// An untagged frame.
    pub const NONE: Self = Self { outer: VlanTag { tpid: 0, vid: 0 }, inner: VlanTag { tpid: 0, vid: 0 } };

    /// Number of tags: 0, 1 or 2.
    #[inline(always)]
    pub const fn count(&self) -> usize {
        (self.outer.tpid != 0) as usize + (self.inner.tpid != 0) as usize
    }
}
