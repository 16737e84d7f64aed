//! Commands that read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{cluster_view, out, paths_view, text, view};
use crate::control::Client;
use crate::control::protocol::*;
use crate::dataplane::pinned::{self, Route};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReadOptions {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look again each second, or as often as said
    #[arg(long, short, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = interval)]
    watch: Option<f64>,
}

/// Seconds between two looks.
pub(super) fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.1 to 3600".to_owned()),
    }
}

impl ReadOptions {
    /// Looks once, or again and again, and shows what was seen.
    fn show<T: Serialize>(
        self,
        mut look: impl FnMut() -> anyhow::Result<T>,
        view: impl Fn(&T) -> String,
    ) -> anyhow::Result<()> {
        loop {
            let seen = look()?;
            match self.json {
                true => out::json(&seen, self.watch.is_some())?,
                false => {
                    let text = view(&seen);
                    if self.watch.is_some() {
                        out::clear()?;
                    }
                    out::print(&text)?;
                }
            }
            match self.watch {
                Some(seconds) => sleep(Duration::from_secs_f64(seconds)),
                None => return Ok(()),
            }
        }
    }
}

/// Asks one question whose answer has one shape.
macro_rules! ask {
    ($client:expr, $request:expr, $variant:ident) => {
        match $client.ask(&$request)? {
            Response::$variant(answer) => anyhow::Ok(answer),
            other => bail!("the gateway gave an answer to another question: {other:?}"),
        }
    };
}

pub(super) fn status(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct All {
        #[serde(flatten)]
        status: Box<Status>,
        fpcs: Vec<Fpc>,
        servers: Vec<Server>,
    }
    let look = || {
        let status = ask!(client, Request::Status, Status)?;
        Ok(All { status, fpcs: ask!(client, Request::Fpcs, Fpcs)?, servers: ask!(client, Request::Servers, Servers)? })
    };
    read.show(look, |all| view::status(&all.status, &all.fpcs, &all.servers))
}

pub(super) fn dhcp_server(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    read.show(|| ask!(client, Request::DhcpServer, DhcpServer), view::dhcp_server)
}

pub(super) fn fpcs(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    read.show(|| ask!(client, Request::Fpcs, Fpcs), |fpcs| view::fpcs(fpcs))
}

pub(super) fn servers(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    read.show(|| ask!(client, Request::Servers, Servers), |servers| view::servers(servers))
}

pub(super) fn releases(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    let elsewhere = match client.ask(&Request::Members) {
        Ok(Response::Members(members)) => members.keeper.filter(|keeper| *keeper != members.me),
        _ => None,
    };
    // What another member does is not known here, and what this one began and lost to it ends there.
    let heading =
        elsewhere.map_or(String::new(), |keeper| format!("{keeper} releases for the cluster: ask it there\n\n"));
    read.show(|| ask!(client, Request::Releases, Releases), |releases| heading.clone() + &view::releases(releases))
}

pub(super) fn units(client: &mut Client, field: bool, read: ReadOptions) -> anyhow::Result<()> {
    let view = if field { cluster_view::field } else { cluster_view::units };
    read.show(|| ask!(client, Request::Units { list: false }, Units), view)
}

/// Single units: one, those of a member, or all.
pub(super) fn unit_list(
    client: &mut Client,
    unit: Option<u16>,
    of: Option<&str>,
    read: ReadOptions,
) -> anyhow::Result<()> {
    let look = || {
        let mut answer = ask!(client, Request::Units { list: true }, Units)?;
        if let Some(name) = of
            && answer.members.iter().all(|member| member.name != name)
        {
            let known: Vec<_> = answer.members.iter().map(|member| member.name.as_str()).collect();
            bail!("there is no member `{name}`; there are: {}", known.join(", "));
        }
        let is_of = |row: &Unit, name: &str| row.name.as_deref().unwrap_or("nobody") == name;
        answer.units.retain(|row| unit.is_none_or(|unit| row.unit == unit) && of.is_none_or(|name| is_of(row, name)));
        Ok(answer.units)
    };
    read.show(look, |units| cluster_view::unit_list(units))
}

pub(super) fn members(client: &mut Client, paths: bool, read: ReadOptions) -> anyhow::Result<()> {
    let view = if paths { paths_view::paths } else { cluster_view::members };
    read.show(|| ask!(client, Request::Members, Members), |members| view(members))
}

/// Which sessions.
#[derive(Clone)]
pub(super) struct SessionFilter {
    pub(super) fpc: Option<String>,
    pub(super) port: Option<String>,
    pub(super) mac: Option<String>,
    pub(super) orphaned: bool,
    pub(super) limit: Option<usize>,
}

/// Sessions of one page of the control socket.
const PAGE: u32 = 1000;

pub(super) fn session(client: &mut Client, address: IpAddr, read: ReadOptions) -> anyhow::Result<()> {
    let look = || match ask!(client, Request::Session { address }, Sessions)?.sessions.pop() {
        Some(session) => Ok(session),
        None => bail!("no session has the address {address}"),
    };
    read.show(look, view::session)
}

pub(super) fn sessions(client: &mut Client, filter: &SessionFilter, read: ReadOptions) -> anyhow::Result<()> {
    loop {
        if read.watch.is_some() && !read.json {
            out::clear()?;
        }
        print_sessions(client, filter, read)?;
        match read.watch {
            Some(seconds) => sleep(Duration::from_secs_f64(seconds)),
            None => return Ok(()),
        }
    }
}

/// Page after page, so that a million sessions are neither collected nor waited for.
fn print_sessions(client: &mut Client, filter: &SessionFilter, read: ReadOptions) -> anyhow::Result<()> {
    let (mut from, mut left, mut printed) = (0, filter.limit.unwrap_or(usize::MAX), 0);
    if read.json {
        out::print("[")?;
    }
    loop {
        let SessionFilter { fpc, port, mac, orphaned, .. } = filter.clone();
        let mut page = ask!(client, Request::Sessions { from, max: PAGE, fpc, port, mac, orphaned }, Sessions)?;
        page.sessions.truncate(left);
        left -= page.sessions.len();
        let text = match read.json {
            true => {
                let rows: Result<Vec<String>, _> = page.sessions.iter().map(serde_json::to_string).collect();
                let separator = if printed == 0 || page.sessions.is_empty() { "" } else { "," };
                format!("{separator}{}", rows?.iter().map(|row| format!("\n{row}")).collect::<Vec<_>>().join(","))
            }
            false if printed == 0 || page.sessions.is_empty() => view::sessions(&page.sessions),
            // Without another heading.
            false => view::sessions(&page.sessions).lines().skip(1).map(|line| format!("{line}\n")).collect(),
        };
        if read.json || !page.sessions.is_empty() {
            out::print(&text)?;
        }
        printed += page.sessions.len();
        match page.next.filter(|_| left > 0) {
            Some(next) => from = next,
            None => break,
        }
    }
    let end = match (read.json, printed) {
        (true, _) => "\n]\n",
        (false, 0) => "no sessions\n",
        _ => "",
    };
    Ok(out::print(end)?)
}

pub(super) fn routes(bpffs: &Path, names: &HashMap<u32, String>, count: bool, read: ReadOptions) -> anyhow::Result<()> {
    if count {
        return read.show(|| pinned::counts(bpffs), |counts| format!("{counts}\n"));
    }
    read.show(|| pinned::routes(bpffs, names), |routes| view_routes(routes))
}

fn view_routes(routes: &[Route]) -> String {
    if routes.is_empty() {
        return "no access routes\n".to_owned();
    }
    let mut table =
        text::Table::new(&["ADDRESS", "MAC", "PORT", "VLAN", ">COHORT", ">EPOCH", "STATE", ">LEASE", ">UP", ">DOWN"]);
    for route in routes {
        table.row([
            route.address.to_string(),
            route.mac.clone(),
            route.port.clone(),
            if route.vlan.is_empty() { "-".to_owned() } else { route.vlan.clone() },
            route.cohort.to_string(),
            route.epoch.to_string(),
            route.state.to_owned(),
            route.expires_in.map_or("never".to_owned(), text::seconds),
            text::octets(route.up_octets),
            text::octets(route.down_octets),
        ]);
    }
    table.render()
}

pub(super) fn drops(client: &mut Client, read: ReadOptions) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct All {
        dropped: Vec<VerdictCount>,
        samples: Vec<DropSample>,
    }
    let status = ask!(client, Request::Status, Status)?;
    let dropped: Vec<_> = status.verdicts.into_iter().filter(|verdict| verdict.fate == "dropped").collect();
    let samples = ask!(client, Request::Drops { after: 0 }, Drops)?;
    let after = samples.last().map_or(0, |sample| sample.number);
    match (read.json, read.watch) {
        (true, None) => return out::json(&All { dropped, samples }, false),
        (true, Some(_)) => samples.iter().try_for_each(|sample| out::json(sample, true))?,
        (false, _) => {
            let last = samples.len().saturating_sub(10);
            out::print(&view::drops(&dropped, &samples[last..]))?;
        }
    }
    follow(read, after, |after| {
        let samples = ask!(client, Request::Drops { after }, Drops)?;
        let last = samples.last().map_or(after, |sample| sample.number);
        match read.json {
            true => samples.iter().try_for_each(|sample| out::json(sample, true))?,
            false => out::print(&view::drop_samples(&samples))?,
        }
        Ok(last)
    })
}

pub(super) fn events(client: &mut Client, brief: bool, read: ReadOptions) -> anyhow::Result<()> {
    let mut show = |after: u64, one_line: bool| {
        let events = ask!(client, Request::Events { after, brief }, Events)?;
        let last = events.last().map_or(after, |event| event.number);
        match (read.json, one_line) {
            (true, false) => out::json(&events, false)?,
            (true, true) => events.iter().try_for_each(|event| out::json(event, true))?,
            (false, _) => out::print(&view::events(&events))?,
        }
        anyhow::Ok(last)
    };
    let after = show(0, read.watch.is_some())?;
    follow(read, after, |after| show(after, true))
}

/// Looks again and again for what came after, when told to watch.
fn follow(read: ReadOptions, mut after: u64, mut look: impl FnMut(u64) -> anyhow::Result<u64>) -> anyhow::Result<()> {
    while let Some(seconds) = read.watch {
        sleep(Duration::from_secs_f64(seconds));
        after = look(after)?;
    }
    Ok(())
}
