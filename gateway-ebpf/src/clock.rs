//! Nanoseconds since boot (`CLOCK_BOOTTIME`), the one clock of the gateway.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;

/// What the clock said when this processor last read it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Reading {
    tick: u64,
    now: u64,
}

#[map]
static CLOCK: PerCpuArray<Reading> = PerCpuArray::with_max_entries(1, 0);

/// The time.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper only returns a number.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The time when the kernel's current tick began, or a little later: at most a tick (1 to 10 ms) late. Reading the
/// clock is the dearest single step of forwarding a packet, and a lease that ends a tick later harms nobody.
#[inline(always)]
pub(crate) fn this_tick() -> u64 {
    let Some(reading) = CLOCK.get_ptr_mut(0) else { return now() };
    let tick = tick();
    // SAFETY: the cell is this processor's own.
    unsafe {
        if (*reading).tick != tick {
            *reading = Reading { tick, now: now() };
        }
        (*reading).now
    }
}

/// The number of the kernel's current tick: one load.
#[inline(always)]
pub(crate) fn tick() -> u64 {
    // SAFETY: the helper only returns a number.
    unsafe { bpf_jiffies64() }
}
