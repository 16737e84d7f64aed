//! Programs for benches and the lab, never part of the gateway: the least an XDP program can do.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, PerCpuArray};
use aya_ebpf::programs::XdpContext;

/// Frames that `count` has dropped.
#[map]
static COUNTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The frame that `source` sends: its first 64 octets.
#[map]
static TEMPLATE: Array<[u64; 8]> = Array::with_max_entries(1, 0);

/// Drops every frame: what the foreign drop is measured against.
#[xdp]
fn bare(_context: XdpContext) -> u32 {
    XDP_DROP
}

/// Passes every frame: what a veth's peer needs to take redirected frames.
#[xdp]
fn pass(_context: XdpContext) -> u32 {
    XDP_PASS
}

/// Sends every frame out of the interface it is on: the source of live frames.
#[xdp]
fn reflect(_context: XdpContext) -> u32 {
    XDP_TX
}

/// Writes the template over the start of the frame, which a gateway has changed when its page comes back to the
/// generator, and sends it.
#[xdp]
fn source(context: XdpContext) -> u32 {
    let start = context.data() as *mut u64;
    if let Some(template) = TEMPLATE.get(0)
        && start as usize + size_of::<[u64; 8]>() <= context.data_end()
    {
        for (at, word) in template.iter().enumerate() {
            // SAFETY: the frame has room for all words.
            unsafe { start.add(at).write_unaligned(*word) };
        }
        return XDP_TX;
    }
    XDP_DROP
}

/// Counts and drops every frame: the sink of a forwarding bench.
#[xdp]
fn count(_context: XdpContext) -> u32 {
    if let Some(counter) = COUNTED.get_ptr_mut(0) {
        // SAFETY: the cell is this processor's own.
        unsafe { *counter += 1 };
    }
    XDP_DROP
}

/// What the kernel reads.
#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Nothing here panics; the compiler wants to know what would happen.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The host only lints this crate.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
