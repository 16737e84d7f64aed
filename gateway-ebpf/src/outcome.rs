//! What a verdict means to the kernel.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX};
use gateway_common::verdict::{Fate, Verdict};

/// The XDP action of a verdict.
#[inline(always)]
pub(crate) const fn action(verdict: Verdict) -> u32 {
    match verdict.fate() {
        // Answers go back where the question came from.
        Fate::Forwarded if matches!(verdict, Verdict::ArpAnswered | Verdict::NdAnswered) => XDP_TX,
        Fate::Forwarded => XDP_REDIRECT,
        Fate::Passed => XDP_PASS,
        // The relay has its copy.
        Fate::Punted | Fate::Dropped => XDP_DROP,
    }
}
