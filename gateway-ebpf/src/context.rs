//! What a program was called with.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::{bpf_xdp_adjust_head, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;

use crate::packet::Packet;

/// The kernel's context of one frame.
pub(crate) struct Context {
    kernel: XdpContext,
    ifindex: u32,
}

impl Context {
    /// The context of a frame that is to be treated as if it had come in on the port `ifindex`.
    #[inline(always)]
    pub(crate) fn new(kernel: XdpContext, ifindex: u32) -> Self {
        Self { kernel, ifindex }
    }

    /// The context of a frame that is from where it came in.
    #[inline(always)]
    pub(crate) fn of(context: *mut xdp_md) -> Self {
        let kernel = XdpContext::new(context);
        let ifindex = kernel.ingress_ifindex() as u32;
        Self { kernel, ifindex }
    }

    /// The kernel's own context, for helpers.
    #[inline(always)]
    pub(crate) fn kernel(&self) -> &XdpContext {
        &self.kernel
    }

    /// The frame as it is now.
    #[inline(always)]
    pub(crate) fn packet(&self) -> Packet {
        Packet::of(&self.kernel)
    }

    /// The port the frame is from.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Interface the frame arrived on: not its port where another member carried it here.
    #[inline(always)]
    pub(crate) fn arrived_on(&self) -> u32 {
        self.kernel.ingress_ifindex() as u32
    }

    /// Whether another member carried the frame here.
    #[inline(always)]
    pub(crate) fn is_carried(&self) -> bool {
        self.arrived_on() != self.ifindex
    }

    /// Copies the first `len` octets of the frame to `target`; false when the frame is shorter.
    ///
    /// # Safety
    ///
    /// `target` has room for `len` octets.
    #[inline(always)]
    pub(crate) unsafe fn copy(&self, target: *mut u8, len: u32) -> bool {
        // SAFETY: the context is the kernel's, and the caller vouches for the target.
        unsafe { bpf_xdp_load_bytes(self.kernel.as_ptr().cast(), 0, target.cast(), len) == 0 }
    }

    /// Moves the start of the frame by `octets`: forward (positive) shortens it. False, and nothing changed, when there
    /// is no room. Every [`Packet`] made before is void.
    #[inline(always)]
    pub(crate) fn move_head(&self, octets: i32) -> bool {
        // SAFETY: the context is the kernel's; the helper checks the rest.
        octets == 0 || unsafe { bpf_xdp_adjust_head(self.kernel.as_ptr().cast(), octets) == 0 }
    }
}
