//! Commands that change something.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::progress::Progress;
use super::text::{count, counted, took};
use super::{out, view};
use crate::control::Client;
use crate::control::protocol::{Release, Request, Response, Restart, RestartPolicy, Server};

/// How often a release in progress is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a server may take to answer a PROBE: its retransmissions take 15 s at most, an answer comes sooner.
const PROBE_PATIENCE: Duration = Duration::from_secs(4);

fn unexpected(response: &Response) -> anyhow::Error {
    anyhow::anyhow!("the gateway gave an answer to another question: {response:?}")
}

pub(super) fn release(client: &mut Client, address: IpAddr, json: bool) -> anyhow::Result<()> {
    match client.ask(&Request::Release { address })? {
        Response::Done(text) if json => out::json(&serde_json::json!({ "address": address, "done": text }), false),
        Response::Done(text) => Ok(out::print(&(text + "\n"))?),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn renew(client: &mut Client, address: Ipv4Addr, json: bool) -> anyhow::Result<()> {
    match client.ask(&Request::RenewLease { address })? {
        Response::Done(text) if json => out::json(&serde_json::json!({ "address": address, "done": text }), false),
        Response::Done(text) => Ok(out::print(&(text + "\n"))?),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn drain(client: &mut Client, member: String, end: bool) -> anyhow::Result<()> {
    match client.ask(&Request::Drain { member, end })? {
        Response::Done(text) => Ok(out::print(&(text + "\n"))?),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn probe(client: &mut Client, address: Ipv4Addr, json: bool) -> anyhow::Result<()> {
    let asked = Instant::now();
    match client.ask(&Request::Probe { server: address })? {
        Response::Done(_) => {}
        other => return Err(unexpected(&other)),
    }
    let text = address.to_string();
    let server = loop {
        let server = find_server(client, &text)?;
        // Its age is counted in whole seconds: what was heard after the question is not older than the question.
        let heard = server.as_ref().and_then(|server| server.age).is_some_and(|age| age <= asked.elapsed().as_secs());
        if heard || asked.elapsed() > PROBE_PATIENCE {
            break server.filter(|_| heard);
        }
        sleep(LOOK);
    };
    match server {
        Some(server) if json => out::json(&server, false),
        Some(server) => Ok(out::print(&view::servers(&[server]))?),
        None => bail!(
            "{address} did not answer within {} s: a server that does not know single logouts drops the question; \
             `gateway servers` shows what its replies to clients told",
            PROBE_PATIENCE.as_secs()
        ),
    }
}

fn find_server(client: &mut Client, address: &str) -> anyhow::Result<Option<Server>> {
    match client.ask(&Request::Servers)? {
        Response::Servers(servers) => Ok(servers.into_iter().find(|server| server.address == address)),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn restart(
    client: &mut Client,
    fpc: String,
    policy: Option<RestartPolicy>,
    wait: Option<Duration>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let asked = Instant::now();
    let restart = match client.ask(&Request::RestartFpc { fpc, policy })? {
        Response::Restart(restart) => restart,
        other => return Err(unexpected(&other)),
    };
    let nothing = !restart.logout || (restart.sessions, restart.leases6.unwrap_or_default()) == (0, 0);
    let Some(wait) = wait.filter(|_| !nothing) else {
        match json {
            true => out::json(&restart, false)?,
            false => out::print(&told(&restart))?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let release = follow(client, &restart, asked, wait)?;
    let left = left(&release);
    match json {
        true => out::json(&release, false)?,
        false => out::print(&summary(&release))?,
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(Restart { fpc, sessions, leases6, logout, hold_ms }: &Restart) -> String {
    let sessions = counted(*sessions, "session");
    let hold = took(*hold_ms as f64 / 1000.0);
    let with_them = match leases6 {
        Some(leases) if *leases > 0 => format!("  with them {}\n", counted(*leases, "IPv6 lease")),
        _ => String::new(),
    };
    match logout {
        true => format!(
            "{fpc}: logging out {sessions}; restart the card when `gateway events` says it may, or after {hold}\n{with_them}"
        ),
        false => {
            format!("{fpc}: keeping {sessions} until the lease ends; restart the card when you like\n{with_them}")
        }
    }
}

fn summary(release: &Release) -> String {
    let (fpc, time) = (&release.fpc, took(release.took.unwrap_or(release.age)));
    let (logouts, releases) = (release.single_logouts, release.individual);
    let sent = format!("{} and {} sent", counted(logouts, "single logout"), counted(releases, "RELEASE"));
    let orphaned = match left(release) {
        0 => String::new(),
        left => format!("; not confirmed: {} (`gateway sessions --orphaned`)", count(left)),
    };
    let of_six = release.leases6.as_ref().map_or(String::new(), |six| super::view::ended6(fpc, six));
    format!(
        "{fpc}: {} of {} released in {time}, {sent}{orphaned}\n{of_six}",
        count(release.released),
        counted(release.total, "login")
    )
}

/// Logins and leases that nothing has confirmed the end of.
fn left(release: &Release) -> u64 {
    let six = release.leases6.map_or(0, |six| six.total.saturating_sub(six.released));
    release.total.saturating_sub(release.released) + six
}

/// Follows the release that the restart began until it ends.
fn follow(client: &mut Client, restart: &Restart, asked: Instant, patience: Duration) -> anyhow::Result<Release> {
    let mut progress = Progress::new();
    loop {
        let releases = match client.ask(&Request::Releases)? {
            Response::Releases(releases) => releases,
            other => return Err(unexpected(&other)),
        };
        let slack = 0.5;
        let ours = |release: &Release| {
            release.fpc == restart.fpc
                && (release.took.is_none() || release.age <= asked.elapsed().as_secs_f64() + slack)
        };
        if let Some(release) = releases.into_iter().find(ours) {
            progress.show(&release);
            if release.took.is_some() {
                progress.end();
                return Ok(release);
            }
        }
        if asked.elapsed() > patience {
            progress.end();
            bail!("not done after {} s; it goes on, `gateway releases --watch` follows it", patience.as_secs());
        }
        sleep(LOOK);
    }
}
