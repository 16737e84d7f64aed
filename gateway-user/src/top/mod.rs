//! `gateway top`: the gateway on one screen, or a DHCP server on its own.
//!
//! [`model`] is what was seen and how fast it changes, [`draw`] puts it into a frame of any size; both are pure, as is
//! [`alone`], the same for a server. This file has the terminal, the keys and the clock.

mod alone;
mod cluster;
mod draw;
mod lent;
mod model;
mod panels;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};

use self::alone::Alone;
use self::model::{Model, Snapshot};
use crate::control::Client;
use crate::control::protocol::{Request, Response};

/// What is watched.
trait Screen {
    /// Takes a look, `now` being the time since some start.
    fn look(&mut self, client: &mut Client, now: Duration) -> anyhow::Result<()>;
    /// The last look failed.
    fn failed(&mut self, error: String);
    /// Whether there are to be no looks.
    fn paused(&mut self) -> &mut bool;
    fn draw(&self, frame: &mut Frame<'_>);
}

impl Screen for Model {
    fn look(&mut self, client: &mut Client, now: Duration) -> anyhow::Result<()> {
        self.update(snapshot(client)?, now);
        Ok(())
    }

    fn failed(&mut self, error: String) {
        self.error = Some(error);
    }

    fn paused(&mut self) -> &mut bool {
        &mut self.paused
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        draw::draw(self, frame);
    }
}

/// Shows the gateway, or the server, until told to stop.
pub(crate) fn run(client: &mut Client, interval: f64) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() {
        bail!("top needs a terminal; `gateway status --watch --json` is for programs, and `gateway server status`");
    }
    // A server on its own has no status of a gateway.
    let is_alone = client.ask(&Request::Status).is_err() && client.ask(&Request::DhcpServer).is_ok();
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let interval = Duration::from_secs_f64(interval);
    let result = match is_alone {
        true => watch(&mut terminal, client, interval, &mut Alone::default()),
        false => watch(&mut terminal, client, interval, &mut Model::default()),
    };
    ratatui::restore();
    result
}

/// What a key asks for.
enum Wish {
    Quit,
    Pause,
}

fn watch(
    terminal: &mut DefaultTerminal,
    client: &mut Client,
    interval: Duration,
    screen: &mut impl Screen,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            due = Instant::now() + interval;
            if !*screen.paused()
                && let Err(error) = screen.look(client, started.elapsed())
            {
                screen.failed(format!("{error:#}"));
                // It may be back at the next look.
                let _ = client.reconnect();
            }
        }
        terminal.draw(|frame| screen.draw(frame))?;
        match wish(due.saturating_duration_since(Instant::now()))? {
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::Pause) => *screen.paused() ^= true,
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
