//! The gateway's own addresses.

use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use gateway_common::Ip4;
use gateway_common::maps::{LOCAL_OWN, LOCAL_SHARED, MAX_LOCALS};
use gateway_common::settings::Settings;

#[map]
static LOCALS: HashMap<Ip4, u32> = HashMap::with_max_entries(MAX_LOCALS, 0);

/// Whose an address of the gateway is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Local {
    /// This host's alone.
    Own,
    /// All members'.
    Shared,
}

/// Whether `address` is the gateway's, and whose.
#[inline(always)]
pub(crate) fn get(address: Ip4) -> Option<Local> {
    // SAFETY: the value is a number, stored whole.
    match unsafe { LOCALS.get(address) } {
        Some(&LOCAL_SHARED) => Some(Local::Shared),
        Some(&LOCAL_OWN) => Some(Local::Own),
        _ => None,
    }
}

/// Whether `address` is the gateway's.
#[inline(always)]
pub(crate) fn contains(address: Ip4) -> bool {
    LOCALS.get_ptr(address).is_some()
}

/// Whether `address` is this member's alone.
#[inline(always)]
pub(crate) fn is_own(address: Ip4, settings: &Settings) -> bool {
    address != settings.cluster_address && get(address) == Some(Local::Own)
}
