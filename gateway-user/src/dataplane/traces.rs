//! Development traces of an object that was built with them (`cargo xtask build --trace`): one line for every packet,
//! at TRACE.

use aya::Ebpf;
use aya_log::{EbpfLogger, Error};

use crate::io::watch::watch;

/// Passes the programs' traces on to the log, as long as the process lives. Nothing when the object has none. Must be
/// called within a tokio runtime.
pub(super) fn pass_on(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    let logger = match EbpfLogger::init(ebpf) {
        Ok(logger) => logger,
        Err(Error::MapNotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    tracing::warn!("the data plane traces every packet: for development only");
    let mut logger = watch(logger)?;
    tokio::spawn(async move {
        while let Ok(mut ready) = logger.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    });
    Ok(())
}
