//! Configuration chunks of SCTP, counted where they are forwarded (RFC 5061).
//!
//! Nothing is decided by them: who may send an address is decided by its lease, and what a chunk is worth by the endpoint that
//! checks its authentication. What is not SCTP pays one comparison.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;
use gateway_common::sctp::{COUNTERS, Chunk};
use gateway_common::verdict::Program;

use crate::context::Context;
use crate::opaque::opaque;
use crate::packet::Packet;
use crate::parse::ipv4::{Ipv4, Part};
use crate::parse::sctp::{self, Chunks};
use crate::parse::transport::SCTP;

#[map]
static CHUNKS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS, 0);

/// Counts those of a whole IPv4 packet.
#[inline(always)]
pub(crate) fn count(context: &Context, program: Program, ip: &Ipv4) {
    if ip.protocol == SCTP && ip.part == Part::Whole {
        note(program, sctp_chunks(context.kernel().as_ptr().cast(), ip.transport as u32, ip.end as u32));
    }
}

/// Counts those of an IPv6 packet whose SCTP header is at `at`.
#[inline(always)]
pub(crate) fn count6(context: &Context, program: Program, at: usize, end: usize) {
    note(program, sctp_chunks(context.kernel().as_ptr().cast(), at as u32, end as u32));
}

/// A global function, see the crate's main file: the walk over chunks has many ways to end.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sctp_chunks(context: *mut xdp_md, at: u32, end: u32) -> u32 {
    // Else the compiler would pass what it reads of the context instead, as numbers in which the verifier sees no packet.
    let context = opaque(context as usize) as *mut xdp_md;
    sctp::walk(&Packet::of(&XdpContext::new(context)), at as usize, end as usize).number()
}

#[inline(always)]
fn note(program: Program, found: u32) {
    for chunk in Chunk::ALL {
        let count = Chunks::from_number(found).of(chunk);
        if count != 0
            && let Some(counter) = CHUNKS.get_ptr_mut(chunk.counter(program))
        {
            // SAFETY: the cell is this processor's own, and the program is not preempted by itself.
            unsafe { *counter += count as u64 };
        }
    }
}
