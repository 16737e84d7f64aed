//! Samples of dropped frames.

use aya_ebpf::helpers::bpf_get_prandom_u32;
use aya_ebpf::macros::map;
use aya_ebpf::maps::RingBuf;
use gateway_common::event::{DropSample, SAMPLE_OCTETS};
use gateway_common::maps::DROP_RING_OCTETS;
use gateway_common::verdict::Verdict;

use crate::context::Context;
use crate::{clock, settings};

#[map]
static DROPS: RingBuf = RingBuf::with_byte_size(DROP_RING_OCTETS, 0);

/// Copies the start of one dropped frame in `drop_sample`.
#[inline(always)]
pub(crate) fn sample(context: &Context, verdict: Verdict) {
    let Some(settings) = settings::get() else { return };
    // SAFETY: these helpers only return a number.
    if settings.drop_sample == 0 || unsafe { bpf_get_prandom_u32() } % settings.drop_sample != 0 {
        return;
    }
    let Some(mut record) = DROPS.reserve::<DropSample>(0) else { return };
    let len = context.packet().len();
    // At least 1, in a form that the verifier follows.
    let sample_len = (len.min(SAMPLE_OCTETS).wrapping_sub(1) & (SAMPLE_OCTETS - 1)) + 1;
    let sample = record.as_mut_ptr();
    // SAFETY: the reservation is a whole `DropSample`, every field of which is written before it is submitted.
    unsafe {
        (&raw mut (*sample).time_ns).write(clock::now());
        (&raw mut (*sample).ifindex).write(context.ifindex());
        (&raw mut (*sample).verdict).write(verdict as u32);
        (&raw mut (*sample).frame_len).write(len as u32);
        (&raw mut (*sample).sample_len).write(sample_len as u32);
        let octets: *mut u64 = (&raw mut (*sample).octets).cast();
        for word in 0..SAMPLE_OCTETS / size_of::<u64>() {
            octets.add(word).write(0);
        }
        if context.copy((&raw mut (*sample).octets).cast(), sample_len as u32) {
            record.submit(0);
        } else {
            record.discard(0);
        }
    }
}
