//! Access routes: who may send what from where.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use gateway_common::Ip4;
use gateway_common::fpc::{Cohort, MAX_COHORTS};
use gateway_common::maps::DEFAULT_CAPACITY;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::verdict::Verdict;

use crate::sender::Sender;

/// Allocated in full when it is made: 109 MB for 2^20 routes, where allocating one by one ends at 117 MB, inserts more
/// slowly, and could fail a login for want of memory.
#[map]
static ROUTES: HashMap<Ip4, AccessRoute> = HashMap::with_max_entries(DEFAULT_CAPACITY, 0);

#[map]
static SUBSCRIBERS: Array<Subscriber> = Array::with_max_entries(DEFAULT_CAPACITY, BPF_F_MMAPABLE);

#[map]
static COHORTS: Array<Cohort> = Array::with_max_entries(MAX_COHORTS, 0);

/// A route that is valid now, with its subscriber's cell.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub(crate) route: &'static AccessRoute,
    cell: *mut Subscriber,
}

/// The route of `address`, valid or not.
#[inline(always)]
pub(crate) fn find(address: Ip4) -> Option<&'static AccessRoute> {
    // SAFETY: the value is read as plain integers; a route that is replaced meanwhile costs at most this packet.
    unsafe { ROUTES.get(address) }
}

/// Whether `route` is of an epoch that still counts and of a lease that has not ended.
#[inline(always)]
pub(crate) fn live(route: &'static AccessRoute, now: u64) -> Result<Live, Verdict> {
    live_with(route, SUBSCRIBERS.get_ptr_mut(route.slot), now)
}

/// Whether `route`, whose cell this is, is of an epoch that still counts and of a lease that has not ended.
#[inline(always)]
pub(crate) fn live_with(route: &'static AccessRoute, cell: Option<*mut Subscriber>, now: u64) -> Result<Live, Verdict> {
    match COHORTS.get(route.cohort as u32) {
        Some(cohort) if cohort.least_epoch <= route.epoch => {}
        _ => return Err(Verdict::StaleEpoch),
    }
    let Some(cell) = cell else { return Err(Verdict::Expired) };
    // SAFETY: the cell exists as long as the map; user space stores the whole number at once.
    let expires = unsafe { (&raw const (*cell).expires_ns).read_volatile() };
    if expires > now { Ok(Live { route, cell }) } else { Err(Verdict::Expired) }
}

/// Whether `sender` is the one that holds `source`.
#[inline(always)]
pub(crate) fn admit(source: Ip4, sender: &Sender, now: u64) -> Result<Live, Verdict> {
    let Some(route) = find(source) else { return Err(Verdict::NoSession) };
    check(route, sender)?;
    live(route, now)
}

/// Whether `route` is the sender's.
#[inline(always)]
pub(crate) fn check(route: &AccessRoute, sender: &Sender) -> Result<(), Verdict> {
    if route.ifindex != sender.ifindex {
        return Err(Verdict::WrongPort);
    }
    if route.tags != sender.tags {
        return Err(Verdict::WrongVlan);
    }
    if route.mac != sender.mac {
        return Err(Verdict::WrongMac);
    }
    Ok(())
}

impl Live {
    /// Notes that the subscriber is there, by something else than its data.
    #[inline(always)]
    pub(crate) fn note_alive(&self, now: u64) {
        // SAFETY: as in `count_up`.
        unsafe { (&raw mut (*self.cell).last_seen_ns).write_volatile(now) };
    }

    /// Counts a packet of `octets` from the subscriber.
    #[inline(always)]
    pub(crate) fn count_up(&self, octets: u16, now: u64) {
        // SAFETY: the cell exists as long as the map; counters are added to atomically, the time is stored whole.
        unsafe {
            add(&raw mut (*self.cell).up_packets, 1);
            add(&raw mut (*self.cell).up_octets, octets as u64);
            (&raw mut (*self.cell).last_seen_ns).write_volatile(now);
        }
    }

    /// Counts a packet of `octets` to the subscriber.
    #[inline(always)]
    pub(crate) fn count_down(&self, octets: u16) {
        // SAFETY: as in `count_up`.
        unsafe {
            add(&raw mut (*self.cell).down_packets, 1);
            add(&raw mut (*self.cell).down_octets, octets as u64);
        }
    }
}

/// Adds to a counter that all processors share.
///
/// # Safety
///
/// `counter` is valid and aligned.
#[inline(always)]
unsafe fn add(counter: *mut u64, value: u64) {
    // Rust has no fetch-and-add for BPF, because version 1 of the instruction set had none that returns.
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {value}",
            counter = in(reg) counter,
            value = in(reg) value,
            options(nostack)
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's promise.
    unsafe { core::sync::atomic::AtomicU64::from_ptr(counter) }.fetch_add(value, core::sync::atomic::Ordering::Relaxed);
}
