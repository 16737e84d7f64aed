//! Who sent a frame: the port it came in on, its tags and its source address.

use gateway_common::bucket::BucketKey;
use gateway_common::vlan::VlanTags;

/// The sender of a frame on an access port.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    /// Port it came in on.
    pub(crate) ifindex: u32,
    /// Tags of the frame.
    pub(crate) tags: VlanTags,
    /// Source address of the frame.
    pub(crate) mac: [u8; 6],
}

impl Sender {
    /// The bucket of this one CPE.
    #[inline(always)]
    pub(crate) fn subscriber(&self) -> BucketKey {
        self.key(BucketKey::SUBSCRIBER, self.mac, self.tags)
    }

    /// The bucket of all behind the same tags.
    #[inline(always)]
    pub(crate) fn line(&self) -> BucketKey {
        self.key(BucketKey::LINE, [0; 6], self.tags)
    }

    /// The bucket of all on the port.
    #[inline(always)]
    pub(crate) fn port(&self) -> BucketKey {
        self.key(BucketKey::PORT, [0; 6], VlanTags::NONE)
    }

    /// The bucket of events about this CPE.
    #[inline(always)]
    pub(crate) fn event(&self) -> BucketKey {
        self.key(BucketKey::EVENT, self.mac, self.tags)
    }

    #[inline(always)]
    fn key(&self, level: u16, mac: [u8; 6], tags: VlanTags) -> BucketKey {
        BucketKey { tags, mac, level, ifindex: self.ifindex, reserved: 0 }
    }
}
