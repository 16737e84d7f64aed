//! Events in the log: one structured line each. What happens to a single subscriber is DEBUG: a busy gateway has
//! thousands of logins a second, and `gateway sessions` shows them.

use gateway_core::node::Event;

use crate::config::Config;

/// Writes one event to the log.
pub(super) fn event(config: &Config, event: &Event) {
    match event {
        Event::LoggedIn { address, hardware, line, server } => {
            tracing::debug!(%address, %hardware, port = port(config, line.port), %server, "logged in");
        }
        Event::LoggedOut { address, hardware, reason } => {
            tracing::debug!(%address, %hardware, %reason, "logged out");
        }
        Event::Refused { hardware, line, refusal } => {
            tracing::debug!(%hardware, port = port(config, line.port), %refusal, "kept out");
        }
        other => tracing::info!("{other}"),
    }
}

fn port(config: &Config, port: gateway_core::line::PortId) -> &str {
    config.ports.get(usize::from(port.0)).map_or("?", |port| &port.name)
}
