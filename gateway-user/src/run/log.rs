//! Events in the log: one structured line each. What happens to a single subscriber is DEBUG: a busy gateway has
//! thousands of logins a second, and `gateway sessions` shows them.

use gateway_core::capability::State;
use gateway_core::line::{FpcId, PortId};
use gateway_core::node::Event;
use gateway_core::release;
use gateway_core::v6::release as release6;

use crate::config::Config;

/// The kind of an event in one word.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::LoggedIn { .. } => "logged-in",
        Event::LoggedOut { .. } => "logged-out",
        Event::LoggedIn6 { .. } => "logged-in-6",
        Event::LoggedOut6 { .. } => "logged-out-6",
        Event::Readdressed6 { .. } => "readdressed-6",
        Event::Refused { .. } => "refused",
        Event::Unavailable { .. } => "unavailable",
        Event::StrangeEpoch { .. } => "strange-epoch",
        Event::EpochsExhausted { .. } => "epochs-exhausted",
        Event::FpcLost { .. } => "fpc-lost",
        Event::FpcReturned { .. } => "fpc-returned",
        Event::Recovered { .. } => "recovered",
        Event::Restart { .. } => "restart",
        Event::CohortEnded { .. } => "cohort-ended",
        Event::CohortEnded6 { .. } => "cohort-ended-6",
        Event::RestartMayProceed { .. } => "restart-may-proceed",
        Event::Capability { .. } => "capability",
        Event::Release(event) => release_kind(event),
        Event::Release6(event) => event.name(),
        Event::Noticed(_) => "noticed",
        Event::RecordsLost { .. } => "records-lost",
    }
}

fn release_kind(event: &release::Event) -> &'static str {
    match event {
        release::Event::Started { .. } => "release-started",
        release::Event::BulkSent { .. } => "single-logout-sent",
        release::Event::BulkAnswered { .. } => "single-logout-answered",
        release::Event::Probed { .. } => "probed",
        release::Event::FellBack { .. } => "release-individually",
        release::Event::RateChanged { .. } => "release-rate",
        release::Event::Leasequery { .. } => "leasequery",
        release::Event::Superseded { .. } => "superseded",
        release::Event::Finished { .. } => "release-finished",
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
        Event::LoggedIn6 { client, leases, hardware, line, server } => {
            let port = port(config, line.port);
            tracing::debug!(kind, %client, ?leases, %hardware, port, %server, "logged in");
        }
        Event::LoggedOut6 { prefix, client, hardware, line, reason } => {
            tracing::debug!(kind, %prefix, %client, %hardware, port = port(config, line.port), %reason, "logged out");
        }
        Event::Readdressed6 { client, from, hardware, line } => {
            tracing::debug!(kind, %client, %from, %hardware, port = port(config, line.port), "has another MAC");
        }
        Event::Refused { hardware, line, refusal } => {
            tracing::debug!(kind, %hardware, port = port(config, line.port), %refusal, "kept out");
        }
        Event::Unavailable { hardware, line, addresses, clients } => {
            let port = port(config, line.port);
            if addresses.is_empty() && *clients == 0 {
                tracing::info!(kind, %hardware, port, "does not answer: nothing is released for that");
            } else {
                tracing::info!(kind, %hardware, port, ?addresses, clients, "does not answer: logged out");
            }
        }
        Event::StrangeEpoch { fpc: id, server, epoch } => {
            let (fpc, epoch) = (fpc(config, *id), epoch.0);
            tracing::warn!(kind, fpc, %server, epoch, "a server knows of an epoch far ahead of the clock: not followed");
        }
        Event::EpochsExhausted { fpc: id } => {
            let fpc = fpc(config, *id);
            tracing::error!(
                kind,
                fpc,
                "the FPC has the last epoch there is: its logins can't be logged out and are kept"
            );
        }
        Event::FpcLost { fpc: id } => tracing::warn!(kind, fpc = fpc(config, *id), "the FPC is down"),
        Event::FpcReturned { fpc: id } => {
            tracing::info!(kind, fpc = fpc(config, *id), "the FPC is back within its hold-down");
        }
        Event::Recovered { outcome: Err(_), .. } => tracing::warn!(kind, "{event}"),
        Event::Recovered { .. } => tracing::info!(kind, "{event}"),
        Event::Restart { fpc: id, cause, cutoff, sessions, leases } => {
            let (cutoff, leases6) = (cutoff.map(|epoch| epoch.0), config.dhcpv6.as_ref().map(|_| *leases));
            tracing::info!(kind, fpc = fpc(config, *id), %cause, cutoff, sessions, leases6, "the FPC restarts");
        }
        Event::CohortEnded { fpc: id, server, cutoff, sessions } => {
            let cutoff = cutoff.0;
            tracing::info!(kind, fpc = fpc(config, *id), %server, cutoff, sessions, "logins ended, server confirmed");
        }
        Event::RestartMayProceed { fpc: id, complete } => {
            tracing::info!(kind, fpc = fpc(config, *id), complete, "the announced restart may go on");
        }
        Event::Capability { server, from, to: State::Stripped } => {
            let was = from.name();
            tracing::warn!(kind, %server, was, "the server strips option 82: its logins have no scope");
        }
        Event::Capability { server, from, to } => {
            tracing::info!(kind, %server, was = from.name(), is = to.name(), "server capability");
        }
        Event::Release(event) => tell_release(config, kind, event),
        Event::CohortEnded6 { fpc: id, server, cutoff, leases } => {
            tracing::info!(kind, fpc = fpc(config, *id), %server, cutoff = cutoff.0, leases, "leases ended")
        }
        Event::Release6(event @ release6::Event::Sent { .. }) => tracing::debug!(kind, "{event}"),
        Event::Release6(event) => tracing::info!(kind, "{event}"),
        Event::Noticed(noticed) => tracing::debug!(kind, "{event} {:02x?}", noticed.mac),
        Event::RecordsLost { unusable, lost } => tracing::error!(kind, unusable, lost, "records of the store are lost"),
    }
}

fn tell_release(config: &Config, kind: &str, event: &release::Event) {
    use release::Event::{
        BulkAnswered, BulkSent, FellBack, Finished, Leasequery, Probed, RateChanged, Started, Superseded,
    };
    match event {
        Started { fpc: id, cutoff, logins, resumed } => {
            let cutoff = cutoff.0;
            tracing::info!(kind, fpc = fpc(config, *id), cutoff, logins, resumed, "release started");
        }
        BulkSent { fpc: id, server, txid, transmission, count } => {
            let fpc = id.map(|id| fpc(config, id));
            tracing::info!(kind, fpc, %server, txid = format_args!("{txid:016x}"), transmission, count, "single logout");
        }
        BulkAnswered { fpc: id, server, txid, released, skipped, failed } => {
            let (fpc, txid) = (fpc(config, *id), format_args!("{txid:016x}"));
            tracing::info!(kind, fpc, %server, txid, released, skipped, failed, "single logout answered");
        }
        Probed { server, matching, .. } => tracing::info!(kind, %server, matching, "PROBE answered"),
        FellBack { fpc: id, server, reason, logins } => {
            tracing::info!(kind, fpc = fpc(config, *id), %server, ?reason, logins, "released individually");
        }
        RateChanged { server, rate } => tracing::info!(kind, %server, rate, "rate of individual RELEASEs"),
        Leasequery { server, answers } => tracing::info!(kind, %server, answers, "leasequery"),
        Superseded { address, server, ending } => {
            tracing::info!(kind, %address, %server, ending = ending.name(), "lease of a client that has another");
        }
        Finished { fpc: id, cutoff, released, unverified, orphaned, took, retry_in } => {
            let (fpc, cutoff) = (fpc(config, *id), cutoff.0);
            tracing::info!(kind, fpc, cutoff, released, unverified, orphaned, ?took, ?retry_in, "release finished");
        }
    }
}

fn port(config: &Config, port: PortId) -> &str {
    config.ports.get(usize::from(port.0)).map_or("?", |port| &port.name)
}

fn fpc(config: &Config, fpc: FpcId) -> &str {
    config.fpcs.get(usize::from(fpc.0)).map_or("?", |fpc| &fpc.name)
}
