//! The two clocks: time since boot, which the data plane shares, and the wall clock, which only the disk sees.

use gateway_core::time::{Duration, Instant};

/// Now, in nanoseconds since boot.
pub(crate) fn now() -> Instant {
    let time = read(libc::CLOCK_BOOTTIME);
    Instant::from_nanos(time.as_nanos() as u64)
}

/// Time since the UNIX epoch.
pub(crate) fn unix() -> Duration {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live buffer; both clocks exist on every Linux this runs on, so the call can't fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
