//! Events in the log: one structured line each. What happens to a single subscriber is DEBUG: a busy gateway has
//! thousands of logins a second, and `gateway sessions` shows them.

use gateway_core::line::{FpcId, PortId};
use gateway_core::node::Event;

use crate::config::Config;

/// The kind of an event in one word.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::LoggedIn { .. } => "logged-in",
        Event::LoggedOut { .. } => "logged-out",
        Event::Refused { .. } => "refused",
        Event::FpcLost { .. } => "fpc-lost",
        Event::FpcReturned { .. } => "fpc-returned",
        Event::Restart { .. } => "restart",
        Event::CohortEnded { .. } => "cohort-ended",
        Event::RestartMayProceed { .. } => "restart-may-proceed",
        Event::Capability { .. } => "capability",
        Event::Release(_) => "release",
        Event::Noticed(_) => "noticed",
        Event::RecordsLost { .. } => "records-lost",
    }
}

/// Writes one event to the log.
pub(super) fn event(config: &Config, event: &Event) {
    let kind = kind(event);
    match event {
        Event::LoggedIn { address, hardware, line, server } => {
            tracing::debug!(kind, %address, %hardware, port = port(config, line.port), %server, "logged in");
        }
        Event::LoggedOut { address, hardware, reason } => {
            tracing::debug!(kind, %address, %hardware, %reason, "logged out");
        }
        Event::Refused { hardware, line, refusal } => {
            tracing::debug!(kind, %hardware, port = port(config, line.port), %refusal, "kept out");
        }
        Event::FpcLost { fpc: id } => tracing::warn!(kind, fpc = fpc(config, *id), "the FPC is down"),
        Event::FpcReturned { fpc: id } => {
            tracing::info!(kind, fpc = fpc(config, *id), "the FPC is back within its hold-down");
        }
        Event::Restart { fpc: id, cause, cutoff, sessions } => {
            let cutoff = cutoff.map(|epoch| epoch.0);
            tracing::info!(kind, fpc = fpc(config, *id), %cause, cutoff, sessions, "the FPC restarts");
        }
        Event::CohortEnded { fpc: id, server, cutoff, sessions } => {
            let cutoff = cutoff.0;
            tracing::info!(kind, fpc = fpc(config, *id), %server, cutoff, sessions, "logins ended, server confirmed");
        }
        Event::RestartMayProceed { fpc: id, complete } => {
            tracing::info!(kind, fpc = fpc(config, *id), complete, "the FPC may be restarted now");
        }
        Event::Capability { server, from, to } => {
            let (from, to) = (from.name(), to.name());
            tracing::info!(kind, %server, from, to, "what the server can do changed");
        }
        Event::Release(event) => tracing::info!(kind, ?event, "release"),
        Event::Noticed(noticed) => tracing::debug!(kind, ?noticed, "the data plane noticed something"),
        Event::RecordsLost { unusable, lost } => {
            tracing::error!(kind, unusable, lost, "records of the store could not be used");
        }
    }
}

fn port(config: &Config, port: PortId) -> &str {
    config.ports.get(usize::from(port.0)).map_or("?", |port| &port.name)
}

fn fpc(config: &Config, fpc: FpcId) -> &str {
    config.fpcs.get(usize::from(fpc.0)).map_or("?", |fpc| &fpc.name)
}
