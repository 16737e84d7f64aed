//! Readiness of descriptors.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `source` for input. Must be called within a tokio runtime.
pub(crate) fn watch<T: AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the `AsyncFd` owns `source` and none of the types watched here closes or exchanges its descriptor while
    // it lives, so the registration never outlives the descriptor.
    let watched = unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) };
    watched.map_err(|error| error.into_parts().1)
}
