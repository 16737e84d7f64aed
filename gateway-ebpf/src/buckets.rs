//! Token buckets.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use gateway_common::bucket::{BucketKey, Rate};
use gateway_common::maps::MAX_BUCKETS;

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
