//! One counter for each verdict of each program.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use gateway_common::verdict::{Counter, Program, Verdict};

#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(2 * Verdict::COUNT, 0);

/// Counts a frame of `octets`.
#[inline(always)]
pub(crate) fn count(program: Program, verdict: Verdict, octets: usize) {
    if let Some(counter) = COUNTERS.get_ptr_mut(verdict.counter(program)) {
        // SAFETY: the cell is this processor's own, and the program is not preempted by itself.
        unsafe {
            (*counter).packets += 1;
            (*counter).octets += octets as u64;
        }
    }
}
