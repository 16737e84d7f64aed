//! Signals that ask a daemon to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP: whoever loses the terminal that it was started from, or is told to read its configuration again,
/// ends in order too, and whoever supervises it starts it again.
pub(crate) struct End([Signal; 3]);

impl End {
    /// From now on none of them ends the process by itself. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As the kernel has it.
    pub(crate) fn watch() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Until one of them comes; again after each. Cancel safe.
    pub(crate) async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
