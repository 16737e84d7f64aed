//! What a program was called with.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_xdp_adjust_head, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;

use crate::packet::Packet;

/// The kernel's context of one frame.
pub(crate) struct Context(XdpContext);

impl Context {
    #[inline(always)]
    pub(crate) fn new(context: XdpContext) -> Self {
        Self(context)
    }

    /// The kernel's own context, for helpers.
    #[inline(always)]
    pub(crate) fn kernel(&self) -> &XdpContext {
        &self.0
    }

    /// The frame as it is now.
    #[inline(always)]
    pub(crate) fn packet(&self) -> Packet {
        Packet::of(&self.0)
    }

    /// Interface the frame arrived on.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        self.0.ingress_ifindex() as u32
    }

    /// Copies the first `len` octets of the frame to `target`; false when the frame is shorter.
    ///
    /// # Safety
    ///
    /// `target` has room for `len` octets.
    #[inline(always)]
    pub(crate) unsafe fn copy(&self, target: *mut u8, len: u32) -> bool {
        // SAFETY: the context is the kernel's, and the caller vouches for the target.
        unsafe { bpf_xdp_load_bytes(self.0.as_ptr().cast(), 0, target.cast(), len) == 0 }
    }

    /// Moves the start of the frame by `octets`: forward (positive) shortens it. False, and nothing changed, when there
    /// is no room. Every [`Packet`] made before is void.
    #[inline(always)]
    pub(crate) fn move_head(&self, octets: i32) -> bool {
        // SAFETY: the context is the kernel's; the helper checks the rest.
        octets == 0 || unsafe { bpf_xdp_adjust_head(self.0.as_ptr().cast(), octets) == 0 }
    }
}
