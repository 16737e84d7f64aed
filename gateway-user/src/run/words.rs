//! Events in words, with the names of the configuration, for `gateway events` and `top`.

use gateway_common::event::EventKind;
use gateway_core::line::{FpcId, Line};
use gateway_core::node::{DataPlaneEvent, Event};
use gateway_core::release::{self, Fallback};

use crate::cli::text::{count, counted, took};
use crate::config::Config;
use crate::dataplane::pinned::{mac, vlan};

/// One event in a line.
pub(super) fn of(config: &Config, event: &Event) -> String {
    let fpc = |id: &FpcId| name(config, *id);
    match event {
        Event::LoggedIn { address, hardware, line, server } => {
            format!("{hardware} on {} logged in as {address} at {server}", place(config, line))
        }
        Event::LoggedOut { address, hardware, reason } => format!("{hardware} logged out of {address}: {reason}"),
        Event::LoggedIn6 { leases, hardware, line, server, .. } => {
            let leases: Vec<String> = leases.iter().map(ToString::to_string).collect();
            format!("{hardware} on {} logged in at {server} with {}", place(config, line), leases.join(", "))
        }
        Event::LoggedOut6 { prefix, hardware, line, reason, .. } => {
            format!("{hardware} on {} logged out of {prefix}: {reason}", place(config, line))
        }
        Event::Readdressed6 { from, hardware, line, .. } => {
            format!("{hardware} on {} has the leases of {from}: the same client", place(config, line))
        }
        Event::Refused { hardware, line, refusal } => {
            format!("{hardware} on {} kept out: {refusal}", place(config, line))
        }
        Event::Unavailable { hardware, line, addresses, clients: 0 } if addresses.is_empty() => {
            format!("{hardware} on {} does not answer: nothing is released for that", place(config, line))
        }
        Event::Unavailable { hardware, line, addresses, clients } => {
            let addresses: String = addresses.iter().map(|address| format!(" {address}")).collect();
            let six = match clients {
                0 => String::new(),
                clients => format!(" {}", counted(*clients as u64, "DHCPv6 client")),
            };
            format!("{hardware} on {} does not answer: releasing{addresses}{six}", place(config, line))
        }
        Event::StrangeEpoch { fpc: id, server, epoch } => format!(
            "{server} knows of epoch {} of {}, far ahead of the clock: not followed, so what it leased in that is not logged out",
            epoch.0,
            fpc(id)
        ),
        Event::EpochsExhausted { fpc: id } => format!(
            "{} has the last epoch there is: its logins are kept, because later ones could not be told from them",
            fpc(id)
        ),
        Event::FpcLost { fpc: id } => format!("{} is down", fpc(id)),
        Event::FpcReturned { fpc: id } => format!("{} is back within its hold-down", fpc(id)),
        Event::Recovered { .. } => event.to_string(),
        Event::Restart { fpc: id, cause, cutoff, sessions, leases } => {
            let what = if cutoff.is_some() { "logging out" } else { "keeping" };
            let six = match leases {
                0 => String::new(),
                leases => format!(" and {}", counted(*leases, "IPv6 lease")),
            };
            format!("{} restarts ({cause}): {what} {}{six}", fpc(id), counted(*sessions, "session"))
        }
        Event::CohortEnded { fpc: id, server, sessions, .. } => {
            format!("{} of {} ended, confirmed by {server}", counted(*sessions, "session"), fpc(id))
        }
        Event::CohortEnded6 { fpc: id, server, leases, .. } => {
            format!("{} of {} ended, confirmed by {server}", counted(*leases, "lease"), fpc(id))
        }
        Event::RestartMayProceed { fpc: id, complete: true } => format!("{} may restart: all are logged out", fpc(id)),
        Event::RestartMayProceed { fpc: id, complete: false } => {
            format!("{} may restart: restart_hold has passed, the release goes on", fpc(id))
        }
        Event::Capability { server, from, to } => format!("{server} is {}, was {}", to.name(), from.name()),
        Event::Release(event) => release_event(config, event),
        Event::Release6(event) => event.to_string(),
        Event::Noticed(noticed) => noticed_event(config, noticed),
        Event::RecordsLost { unusable, lost } => {
            let (unusable, lost) = (counted(*unusable, "record"), counted(*lost, "session"));
            format!("the store has {unusable} nobody can read and {lost} without room")
        }
    }
}

fn release_event(config: &Config, event: &release::Event) -> String {
    use release::Event::{
        BulkAnswered, BulkSent, FellBack, Finished, Leasequery, Probed, RateChanged, Started, Superseded,
    };
    let fpc = |id: &FpcId| name(config, *id);
    match event {
        Started { fpc: id, logins, resumed, .. } => {
            let again = if *resumed { " goes on" } else { "" };
            format!("release of {}{again}: {}", fpc(id), counted(*logins, "login"))
        }
        BulkSent { fpc: None, server, .. } => format!("PROBE sent to {server}"),
        BulkSent { fpc: Some(id), server, transmission, count: logins, .. } => {
            let again = if *transmission > 1 { format!(", transmission {transmission}") } else { String::new() };
            format!("single logout of {} sent to {server}: {}{again}", fpc(id), counted((*logins).into(), "login"))
        }
        BulkAnswered { fpc: id, server, released, skipped, failed, .. } => {
            let more = |number: u64, what: &str| match number {
                0 => String::new(),
                number => format!(", {} {what}", count(number)),
            };
            let (skipped, failed) = (more(*skipped, "newer ones left alone"), more(*failed, "failed"));
            format!("{server} answered for {}: {} released{skipped}{failed}", fpc(id), count(*released))
        }
        Probed { server, matching, .. } => format!("{server} knows {} of ours", counted(*matching, "login")),
        FellBack { fpc: id, server, reason, logins } => {
            format!("releasing {} of {} at {server} one by one: {}", counted(*logins, "login"), fpc(id), why(*reason))
        }
        RateChanged { server, rate } => {
            format!("{server} gets at most {} per second now", counted((*rate).into(), "RELEASE"))
        }
        Leasequery { server, answers: true } => format!("{server} answers leasequeries"),
        Leasequery { server, answers: false } => format!("{server} does not answer leasequeries"),
        Superseded { address, server, ending } => {
            format!("the client of {address} has another address, its lease at {server}: {}", ending.name())
        }
        Finished { fpc: id, released, unverified, orphaned, took: time, retry_in, .. } => {
            let mut text = format!("release of {} done in {}: ", fpc(id), took(time.as_secs_f64()));
            text.push_str(&format!("{} released", count(released + unverified)));
            if *unverified > 0 {
                text.push_str(&format!(", {} of them unverified", count(*unverified)));
            }
            if *orphaned > 0 {
                text.push_str(&format!(", {} orphaned", count(*orphaned)));
            }
            if let Some(retry) = retry_in {
                text.push_str(&format!("; again in {}", took(retry.as_secs_f64())));
            }
            text
        }
    }
}

fn why(reason: Fallback) -> String {
    match reason {
        Fallback::NotCapable => "the server is not known to take single logouts".to_owned(),
        Fallback::NoKey => "there is no key to sign a single logout with".to_owned(),
        Fallback::Untagged => "they carry no scope".to_owned(),
        Fallback::SharedScope => "another FPC has logins in the same scope".to_owned(),
        Fallback::TooLarge => "the scope is too large for option 82".to_owned(),
        Fallback::TooOld => "the decision is too old for a single logout".to_owned(),
        Fallback::NoReply => "the server did not reply to any transmission".to_owned(),
        Fallback::Status(status) => format!("the server refused with status {status}"),
        Fallback::Shortfall { missing } => format!("the server's scope lacks {}", count(missing)),
        Fallback::Remainder { failed } => format!("the server could not delete {}", count(failed.into())),
    }
}

fn noticed_event(config: &Config, noticed: &DataPlaneEvent) -> String {
    let what = match noticed.kind {
        EventKind::UnknownSource => "data from an address without a session",
        EventKind::RateLimited => "more DHCP than allowed",
        EventKind::Expired => "data after the end of the lease",
        EventKind::Spoofed => "data with another subscriber's address",
        EventKind::RogueRouter => "router advertisement or redirect",
    };
    let port =
        noticed.port.and_then(|port| config.ports.get(usize::from(port.0))).map_or("upstream", |port| &port.name);
    let vlan = vlan(&noticed.tags);
    let vlan = if vlan.is_empty() { vlan } else { format!(" {vlan}") };
    format!("{what}: {} from {} on {port}{vlan}", noticed.address, mac(&noticed.mac))
}

fn place(config: &Config, line: &Line) -> String {
    let port = config.ports.get(usize::from(line.port.0)).map_or("?", |port| &port.name);
    let vlan = vlan(&line.tags);
    if vlan.is_empty() { port.to_owned() } else { format!("{port} {vlan}") }
}

fn name(config: &Config, fpc: FpcId) -> &str {
    config.fpcs.get(usize::from(fpc.0)).map_or("?", |fpc| &fpc.name)
}
