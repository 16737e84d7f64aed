//! `gateway server`: the DHCP server on its own.

use anyhow::Context as _;
use gateway_server::Serving;

use crate::config::ServerControl;
use crate::control::{Asker, ControlSocket};
use crate::io::end::End;
use crate::metrics::Metrics;

/// Serves until SIGINT, SIGTERM or SIGHUP.
pub(crate) fn run(config: gateway_server::Config, control: &ServerControl) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let mut end = End::watch()?;
        let shutdown = async move { end.asked().await };
        let service = Serving::open(config)?;
        // Clients don't go without addresses because their leases can't be looked at.
        match ControlSocket::bind(&control.path, control.group.as_deref()) {
            Ok(socket) => drop(tokio::spawn(socket.serve(Asker::of_server(service.lookup())))),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "`gateway leases` can't ask this server"),
        }
        if let Some(address) = control.metrics {
            match Metrics::bind(address, "dhcp_server.metrics").await {
                Ok(metrics) => drop(tokio::spawn(metrics.serve(Asker::of_server(service.lookup())))),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "no metrics"),
            }
        }
        service.run(shutdown).await
    })
}
