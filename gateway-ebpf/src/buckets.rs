//! Token buckets.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use gateway_common::bucket::{BucketKey, Rate};
use gateway_common::maps::MAX_BUCKETS;
use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::sender::Sender;
use crate::settings;

#[map]
static BUCKETS: LruHashMap<BucketKey, u64> = LruHashMap::with_max_entries(MAX_BUCKETS, 0);

/// Takes a token: whether there was one.
#[inline(always)]
pub(crate) fn take(key: &BucketKey, rate: &Rate, now: u64) -> bool {
    if rate.interval_ns == 0 {
        return true;
    }
    let Some(bucket) = BUCKETS.get_ptr_mut(key) else {
        // A new bucket is full. When the map has no room even so, letting the packet through is the lesser harm.
        let _ = BUCKETS.insert(key, now + rate.interval_ns, 0);
        return true;
    };
    // SAFETY: an element of an LRU map stays readable and writable while the program runs. Two processors that race
    // let one packet too many through.
    unsafe {
        match rate.take(bucket.read_volatile(), now) {
            Some(next) => {
                bucket.write_volatile(next);
                true
            }
            None => false,
        }
    }
}

/// Takes a token of every bucket of a sender, from the narrowest to the widest, so that what one sender overdoes is not
/// taken from its neighbours. Who is known depends on its own alone, and not on what strangers do on its line or port.
#[inline(always)]
pub(crate) fn take_all(sender: &Sender, is_known: impl FnOnce() -> bool, now: u64) -> Result<(), Verdict> {
    let Some(settings) = settings::get() else { return Ok(()) };
    if !take(&sender.subscriber(), &settings.subscriber, now) {
        return Err(Verdict::SubscriberRate);
    }
    if is_known() {
        return Ok(());
    }
    if sender.tags != VlanTags::NONE && !take(&sender.line(), &settings.line, now) {
        return Err(Verdict::LineRate);
    }
    if !take(&sender.port(), &settings.port, now) {
        return Err(Verdict::PortRate);
    }
    Ok(())
}
