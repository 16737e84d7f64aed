//! Until when this member acts, for its other threads.
//!
//! The core knows; but a process that stood still goes on with all its threads at once, and the packet loop must not do
//! anything with what waited meanwhile before the core has had its turn (H-CL-27). So it looks at the same clock.

use std::sync::atomic::{AtomicU64, Ordering};

use gateway_core::time::Instant;

/// Written by the core's thread, read by the packet loop.
#[derive(Debug, Default)]
pub(crate) struct Acting(AtomicU64);

impl Acting {
    /// It acts until then.
    pub(super) fn set(&self, until: Instant) {
        self.0.store(until.as_nanos(), Ordering::Release);
    }

    /// It does not act.
    pub(super) fn fence(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether it acts at this time.
    pub(crate) fn at(&self, now: Instant) -> bool {
        now.as_nanos() < self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-CL-20, H-CL-27: a member acts from when it is let, and by itself no longer than it was let.
    #[test]
    fn it_ends_by_itself() {
        let (acting, at) = (Acting::default(), Instant::from_nanos);
        assert!(!acting.at(at(1)), "not before it is let");
        acting.set(at(500));
        assert!(acting.at(at(499)) && !acting.at(at(500)));
        acting.set(at(600));
        assert!(acting.at(at(500)));
        acting.fence();
        assert!(!acting.at(at(500)));
    }
}
