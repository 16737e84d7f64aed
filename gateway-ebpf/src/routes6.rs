//! Access routes by prefix: see [`gateway_common::route6`].

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use gateway_common::Ip6;
use gateway_common::maps::DEFAULT_CAPACITY;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::{Prefixes, Route6Key};
use gateway_common::verdict::Verdict;

use crate::routes::{self, Live};
use crate::sender::Sender;

#[map]
static ROUTES6: HashMap<Route6Key, AccessRoute> = HashMap::with_max_entries(DEFAULT_CAPACITY, 0);

#[map]
static SUBSCRIBERS6: Array<Subscriber> = Array::with_max_entries(DEFAULT_CAPACITY, BPF_F_MMAPABLE);

#[map]
static PREFIXES: Array<Prefixes> = Array::with_max_entries(1, 0);

/// The route that holds `address`, valid or not.
#[inline(always)]
pub(crate) fn find(address: Ip6) -> Option<&'static AccessRoute> {
    look(address.0[0], address.0[1])
}

/// A function of its own in the kernel too: it is needed in many places.
#[inline(never)]
fn look(high: u64, low: u64) -> Option<&'static AccessRoute> {
    let address = Ip6([high, low]);
    for entry in &PREFIXES.get(0)?.lengths {
        if entry.length == 0 {
            break;
        }
        if !entry.may_hold(address) {
            continue;
        }
        // SAFETY: the value is read as plain integers; a route that is replaced meanwhile costs at most this packet.
        if let Some(route) = unsafe { ROUTES6.get(entry.key(address)) } {
            return Some(route);
        }
    }
    None
}

/// Whether `route` is of an epoch that still counts and of a lease that has not ended.
#[inline(always)]
pub(crate) fn live(route: &'static AccessRoute, now: u64) -> Result<Live, Verdict> {
    routes::live_with(route, SUBSCRIBERS6.get_ptr_mut(route.slot), now)
}

/// Whether `sender` is the one that holds `source`, or the prefix it is of.
#[inline(always)]
pub(crate) fn admit(source: Ip6, sender: &Sender, now: u64) -> Result<Live, Verdict> {
    let Some(route) = find(source) else { return Err(Verdict::NoSession) };
    routes::check(route, sender)?;
    live(route, now)
}
