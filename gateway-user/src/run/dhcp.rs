//! The embedded DHCP server, in a thread of its own: its waiting for the disk must not hold the loop up.

use std::thread::JoinHandle;

use anyhow::Context;
use gateway_server::lookup::Lookup;
use gateway_server::{Config, Serving};
use tokio::sync::oneshot;

/// A running server.
pub(super) struct Embedded {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    lookup: Lookup,
}

impl Embedded {
    /// Opens its store and its socket, and serves.
    pub(super) fn start(config: Config) -> anyhow::Result<Self> {
        let service = Serving::open(config).context("start the embedded DHCP server")?;
        let lookup = service.lookup();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let shutdown = async { drop(stopped.await) };
            if let Err(error) = runtime.block_on(service.run(shutdown)) {
                tracing::error!(error = format!("{error:#}"), "the embedded DHCP server failed");
            }
        };
        let thread = std::thread::Builder::new().name("dhcp-server".to_owned()).spawn(serve)?;
        Ok(Self { stop, thread, lookup })
    }

    /// Where its leases are asked.
    pub(super) fn lookup(&self) -> Lookup {
        self.lookup.clone()
    }

    /// Lets it finish what it is at.
    pub(super) fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
