//! What the verifier must see and the compiler would take away.

/// The same number, of which the compiler forgets what it knew.
#[inline(always)]
pub(crate) fn opaque(number: usize) -> usize {
    #[cfg(target_arch = "bpf")]
    {
        let mut number = number;
        // SAFETY: a register is copied to itself. No instruction at all would do, but could leave two source lines at one
        // place of the program, which the kernel refuses.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}
