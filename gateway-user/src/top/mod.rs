//! `gateway top`: the gateway on one screen.
//!
//! [`model`] is what was seen and how fast it changes, [`draw`] puts it into a frame of any size; both are pure. This
//! file has the terminal, the keys and the clock.

mod cluster;
mod draw;
mod model;
mod panels;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::control::Client;
use crate::control::protocol::{Request, Response};
use model::{Model, Snapshot};

/// Shows the gateway until told to stop.
pub(crate) fn run(client: &mut Client, interval: f64) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() {
        bail!("top needs a terminal; `gateway status --watch --json` is for programs");
    }
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let result = watch(&mut terminal, client, Duration::from_secs_f64(interval));
    ratatui::restore();
    result
}

/// What a key asks for.
enum Wish {
    Quit,
    Pause,
}

fn watch(terminal: &mut DefaultTerminal, client: &mut Client, interval: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut model = Model::default();
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            due = Instant::now() + interval;
            if !model.paused {
                match snapshot(client) {
                    Ok(snapshot) => model.update(snapshot, started.elapsed()),
                    Err(error) => {
                        model.error = Some(format!("{error:#}"));
                        // It may be back at the next look.
                        let _ = client.reconnect();
                    }
                }
            }
        }
        terminal.draw(|frame| draw::draw(&model, frame))?;
        match wish(due.saturating_duration_since(Instant::now()))? {
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::Pause) => model.paused = !model.paused,
            None => {}
        }
    }
}

/// Waits for a key or a resize, at most so long.
fn wish(patience: Duration) -> io::Result<Option<Wish>> {
    if !event::poll(patience)? {
        return Ok(None);
    }
    let Event::Key(key) = event::read()? else { return Ok(None) };
    if key.kind == KeyEventKind::Release {
        return Ok(None);
    }
    Ok(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Quit),
        KeyCode::Char('p' | ' ') => Some(Wish::Pause),
        _ => None,
    })
}

fn snapshot(client: &mut Client) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let tables = [Request::Fpcs, Request::Servers, Request::Releases, Request::Events { after: 0, brief: true }];
    let mut requests = VecDeque::from([Request::Status, Request::Units { list: false }]);
    requests.extend(tables);
    while let Some(request) = requests.pop_front() {
        match client.ask(&request)? {
            Response::Status(status) => {
                requests.extend(status.cluster.is_some().then_some(Request::Members));
                let delegates = status.dhcp_server.as_ref().is_some_and(|server| server.subnets.is_some());
                requests.extend(delegates.then_some(Request::Subnets));
                snapshot.status = *status;
            }
            Response::Members(members) => snapshot.members = Some(*members),
            Response::Subnets(subnets) => snapshot.subnets = Some(subnets),
            Response::Fpcs(fpcs) => snapshot.fpcs = fpcs,
            Response::Servers(servers) => snapshot.servers = servers,
            Response::Releases(releases) => snapshot.releases = releases,
            Response::Units(units) => snapshot.units = units,
            Response::Events(events) => snapshot.events = events,
            other => bail!("the gateway gave an answer to another question: {other:?}"),
        }
    }
    Ok(snapshot)
}
