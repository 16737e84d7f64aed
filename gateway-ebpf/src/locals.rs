//! The gateway's own addresses.

use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use gateway_common::maps::{LOCAL_OWN, LOCAL_SERVER, LOCAL_SHARED, MAX_LOCALS};
use gateway_common::settings::Settings;
use gateway_common::{Ip4, Ip6};

#[map]
static LOCALS: HashMap<Ip4, u32> = HashMap::with_max_entries(MAX_LOCALS, 0);

#[map]
static LOCALS6: HashMap<Ip6, u32> = HashMap::with_max_entries(MAX_LOCALS, 0);

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
    whose(unsafe { LOCALS.get(address) })
}

/// Whether the IPv6 address is the gateway's, and whose.
#[inline(always)]
pub(crate) fn get6(address: Ip6) -> Option<Local> {
    // SAFETY: the value is a number, stored whole.
    whose(unsafe { LOCALS6.get(address) })
}

#[inline(always)]
fn whose(value: Option<&u32>) -> Option<Local> {
    match value.map(|value| value & !LOCAL_SERVER) {
        Some(LOCAL_SHARED) => Some(Local::Shared),
        Some(LOCAL_OWN) => Some(Local::Own),
        _ => None,
    }
}

/// Whether `address` is the gateway's.
#[inline(always)]
pub(crate) fn contains(address: Ip4) -> bool {
    LOCALS.get_ptr(address).is_some()
}

/// Whether `address` is the gateway's, and no DHCP server of its own listens there: what servers send to it is the relay's.
#[inline(always)]
pub(crate) fn is_relays(address: Ip4) -> bool {
    // SAFETY: the value is a number, stored whole.
    unsafe { LOCALS.get(address) }.is_some_and(|value| value & LOCAL_SERVER == 0)
}

/// Whether the IPv6 address is the gateway's.
#[inline(always)]
pub(crate) fn contains6(address: Ip6) -> bool {
    LOCALS6.get_ptr(address).is_some()
}

/// Whether `address` is this member's alone.
#[inline(always)]
pub(crate) fn is_own(address: Ip4, settings: &Settings) -> bool {
    address != settings.cluster_address && get(address) == Some(Local::Own)
}
