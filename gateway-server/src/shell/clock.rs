//! The two clocks, read in the shells only: time since boot, which the data plane shares, and the wall clock, which only
//! the disk sees.

use gateway_core::time::{Duration, Instant};

/// Now, in nanoseconds since boot.
pub fn now() -> Instant {
    let time = read(libc::CLOCK_BOOTTIME);
    Instant::from_nanos(time.as_nanos() as u64)
}

/// Time since the UNIX epoch.
pub fn unix() -> Duration {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live buffer; both clocks exist on every Linux this runs on, so the call can't fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Local time minus UTC, in seconds, as of now. It changes with summer time.
pub fn utc_offset() -> i64 {
    // SAFETY: `tm` is plain data, for which zero is a valid value.
    let mut local: libc::tm = unsafe { core::mem::zeroed() };
    let now = unix().as_secs() as libc::time_t;
    // SAFETY: both pointers are to live values; localtime_r fills the second.
    unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    local.tm_gmtoff
}
