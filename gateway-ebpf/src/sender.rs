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
        BucketKey { ifindex: self.ifindex, level: BucketKey::SUBSCRIBER, mac: self.mac, tags: self.tags }
    }

    /// The bucket of all behind the same tags.
    #[inline(always)]
    pub(crate) fn line(&self) -> BucketKey {
        BucketKey { ifindex: self.ifindex, level: BucketKey::LINE, mac: [0; 6], tags: self.tags }
    }

    /// The bucket of all on the port.
    #[inline(always)]
    pub(crate) fn port(&self) -> BucketKey {
        BucketKey { ifindex: self.ifindex, level: BucketKey::PORT, mac: [0; 6], tags: VlanTags::NONE }
    }

    /// The bucket of events about this CPE.
    #[inline(always)]
    pub(crate) fn event(&self) -> BucketKey {
        BucketKey { ifindex: self.ifindex, level: BucketKey::EVENT, mac: self.mac, tags: self.tags }
    }
}
