//! The gateway's own addresses.

use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use gateway_common::Ip4;
use gateway_common::maps::MAX_LOCALS;

#[map]
static LOCALS: HashMap<Ip4, u32> = HashMap::with_max_entries(MAX_LOCALS, 0);

/// Whether `address` is the gateway's own.
#[inline(always)]
pub(crate) fn contains(address: Ip4) -> bool {
    LOCALS.get_ptr(address).is_some()
}
