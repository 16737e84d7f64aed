//! Octets that nobody can guess.

/// So many of them, from the kernel.
pub(crate) fn octets<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut octets = [0u8; N];
    // SAFETY: a live buffer of the given length.
    let got = unsafe { libc::getrandom(octets.as_mut_ptr().cast(), octets.len(), 0) };
    anyhow::ensure!(got == octets.len() as isize, "the system gives no random numbers");
    Ok(octets)
}
