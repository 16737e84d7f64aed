//! `gateway recover`: what servers leased through this gateway, against what it has.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::bail;

use super::out;
use super::text::{Table, count, seconds};
use crate::control::Client;
use crate::control::protocol::{Difference, Recovery, Request, Response, Side};

/// How often a recovery in progress is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Fails unless every server told everything.
pub(super) fn run(
    client: &mut Client,
    server: Option<IpAddr>,
    compare: bool,
    last: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if !last {
        match client.ask(&Request::Recover { server, compare })? {
            Response::Done(_) => {}
            other => bail!("the gateway gave an answer to another question: {other:?}"),
        }
    }
    let recoveries = loop {
        let Response::Recoveries(mut all) = client.ask(&Request::Recoveries)? else {
            bail!("the gateway gave an answer to another question")
        };
        all.retain(|recovery| server.is_none_or(|server| server.to_string() == recovery.server));
        // The gateway gives up by itself.
        if last || all.iter().all(|recovery| recovery.outcome.is_some()) {
            break all;
        }
        sleep(LOOK);
    };
    if json {
        out::json(&recoveries, false)?;
    } else {
        out::print(&view(&recoveries))?;
    }
    let complete = last || recoveries.iter().all(|recovery| recovery.complete);
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All of it as text.
pub(crate) fn view(recoveries: &[Recovery]) -> String {
    if recoveries.is_empty() {
        return "no server was asked since the start\n".to_owned();
    }
    let mut table = Table::new(&[
        "SERVER",
        "PURPOSE",
        "TOLD",
        "SAME",
        "ONLY THERE",
        "ONLY HERE",
        "OTHER",
        "RESTORED",
        "UNREADABLE",
        "OUTCOME",
    ]);
    for recovery in recoveries {
        let numbers = [recovery.told, recovery.same, recovery.only_there];
        let only_here = if recovery.complete { count(recovery.only_here) } else { "?".to_owned() };
        let others = [recovery.other, recovery.restored + recovery.extended, recovery.unreadable];
        let outcome = recovery.outcome.clone().unwrap_or_else(|| "under way".to_owned());
        let row = [recovery.server.clone(), recovery.purpose.clone()].into_iter();
        let row = row.chain(numbers.map(count)).chain([only_here]).chain(others.map(count)).chain([outcome]);
        table.row(row);
    }
    let mut text = table.render();
    let differences: Vec<_> =
        recoveries.iter().flat_map(|all| all.differences.iter().map(move |one| (all, one))).collect();
    if !differences.is_empty() {
        let mut table = Table::new(&["LEASE", "AT", "DIFFERS", "SERVER HAS", "GATEWAY HAD", "DONE"]);
        for (recovery, Difference { lease, what, there, here, done }) in &differences {
            let row = [lease.clone(), recovery.server.clone(), what.clone(), side(there), side(here), done.clone()];
            table.row(row);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    let all: u64 = recoveries.iter().map(|all| all.only_there + all.only_here + all.other).sum();
    let shown = differences.len() as u64;
    if all > shown {
        let _ = writeln!(text, "and {} more", count(all - shown));
    }
    text
}

fn side(side: &Option<Side>) -> String {
    let Some(Side { port, vlan, mac, expires_in }) = side else { return "-".to_owned() };
    let place = match (port, vlan.is_empty()) {
        (None, _) => "?".to_owned(),
        (Some(port), true) => port.clone(),
        (Some(port), false) => format!("{port}.{vlan}"),
    };
    let end = expires_in.map_or_else(|| "for ever".to_owned(), |left| format!("for {}", seconds(left)));
    format!("{} {place} {end}", mac.as_deref().unwrap_or("?"))
}
