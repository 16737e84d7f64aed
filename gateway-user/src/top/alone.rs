//! The screen of a DHCP server on its own: its pools, what it is asked and answers, and how long that takes.
//!
//! ```text
//!   header
//!   pools ........... │ messages
//!   subnets ......... │ answers
//!   keys
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row};

use super::panels::{right, table};
use super::{Screen, lent};
use crate::cli::text::{bar, count, cut, micros, short};
use crate::control::Client;
use crate::control::protocol::{Answers, DhcpServer, Pool, Request, Response, SubnetsView};

/// How often something happened.
#[derive(Clone, PartialEq, Debug)]
struct Event {
    name: String,
    all: u64,
    /// Since the last look.
    per_second: f64,
}

/// What is shown.
#[derive(Default, Debug)]
pub(super) struct Alone {
    server: Option<DhcpServer>,
    /// Present where it has subnets from or for others.
    subnets: Option<SubnetsView>,
    events: Vec<Event>,
    /// Answers since the last look at which there were any before.
    answers: Answers,
    seen: Option<Duration>,
    paused: bool,
    /// Why the last look failed.
    error: Option<String>,
}

/// Everything it counts, DHCPv6's behind the others.
fn counters(server: &DhcpServer) -> BTreeMap<(bool, &str), u64> {
    let of_four = server.counters.iter().map(|(name, value)| ((false, name.as_str()), *value));
    let six = server.six.iter().flat_map(|six| &six.counters);
    of_four.chain(six.map(|(name, value)| ((true, name.as_str()), *value))).collect()
}

impl Alone {
    /// Takes a look at `now`, a time since some start.
    pub(super) fn update(&mut self, server: DhcpServer, subnets: Option<SubnetsView>, now: Duration) {
        let passed = self.seen.map(|seen| now.saturating_sub(seen).as_secs_f64()).filter(|passed| *passed > 0.0);
        let nothing = DhcpServer::default();
        let former = self.server.as_ref().unwrap_or(&nothing);
        let before = counters(former);
        let event = |(key, all): (&(bool, &str), &u64)| {
            // A counter that went down belongs to a server that was started anew: no rate for one look.
            let more = all.checked_sub(before.get(key).copied().unwrap_or(*all));
            let per_second = more.zip(passed).map_or(0.0, |(more, passed)| more as f64 / passed);
            let &(six, name) = key;
            Event { name: if six { format!("{name} (6)") } else { name.to_owned() }, all: *all, per_second }
        };
        let mut events: Vec<Event> = counters(&server).iter().map(event).filter(|event| event.all > 0).collect();
        events.sort_by(|a, b| b.per_second.total_cmp(&a.per_second).then(b.all.cmp(&a.all)));
        let answers = server.answers.since(&former.answers);
        if answers.count() > 0 {
            self.answers = answers;
        }
        (self.events, self.subnets, self.seen, self.error) = (events, subnets, Some(now), None);
        self.server = Some(server);
    }

    fn head(&self) -> Line<'_> {
        let Some(server) = &self.server else { return Line::from("DHCP server".bold()) };
        let mut spans = vec![
            Span::from(" DHCP server ").bold().reversed(),
            Span::from(format!(" {} of {} addresses leased ", count(server.active), short(server.capacity))).bold(),
        ];
        if let Some(six) = &server.six {
            spans.push(Span::from(format!(" {} by DHCPv6 ", count(six.active))));
        }
        let answered = self.events.iter().filter(|event| matches!(event.name.as_str(), "ack" | "reply (6)"));
        let answered: f64 = answered.map(|event| event.per_second).sum();
        if answered >= 0.5 {
            spans.push(Span::from(format!(" {answered:.0} answers/s ")).green());
        }
        match server.store_ok {
            true => spans.push(Span::from(format!(" store {} ", server.store)).dim()),
            false => spans.push(Span::from(format!(" SILENT: {} takes no leases ", server.store)).white().on_red()),
        }
        Line::from(spans)
    }

    fn foot(&self) -> Line<'_> {
        let mut spans = vec![Span::from(" q ").reversed(), Span::from(" quit  "), Span::from(" p ").reversed()];
        spans.push(Span::from(if self.paused { " go on  " } else { " pause  " }));
        if self.paused {
            spans.push(Span::from(" paused ").black().on_yellow());
        }
        if let Some(error) = &self.error {
            spans.push(Span::from(format!(" {error} ")).white().on_red());
        }
        Line::from(spans)
    }

    fn body(&self, server: &DhcpServer, frame: &mut Frame<'_>, area: Rect) {
        let side = if area.width >= 80 { 40 } else { 0 };
        let [left, right] = Layout::horizontal([Constraint::Min(0), Constraint::Length(side)]).areas(area);
        let view = self.subnets.as_ref().filter(|view| !view.roots.is_empty());
        let rows = view.map_or(0, |view| (lent::rows(view) as u16 + 3).min(left.height / 2));
        let rows = if rows < 4 { 0 } else { rows };
        let below = if side == 0 && left.height >= 16 { left.height / 3 } else { 0 };
        let heights = [Constraint::Min(0), Constraint::Length(rows), Constraint::Length(below)];
        let [pools, subnets, narrow] = Layout::vertical(heights).areas(left);
        self::pools(&server.pools, frame, pools);
        if let Some(view) = view.filter(|_| rows > 0) {
            lent::subnets(view, frame, subnets);
        }
        if side == 0 {
            if below > 0 {
                self.messages(frame, narrow);
            }
            return;
        }
        let height = if right.height >= 16 { 6 } else { 0 };
        let [messages, answers] = Layout::vertical([Constraint::Min(0), Constraint::Length(height)]).areas(right);
        self.messages(frame, messages);
        if height > 0 {
            self.took(server, frame, answers);
        }
    }

    fn messages(&self, frame: &mut Frame<'_>, area: Rect) {
        let row = |event: &Event| {
            let per_second = event.per_second.round() as u64;
            let style = if per_second > 0 { Style::new().bold() } else { Style::new().dim() };
            Row::new([Line::from(cut(&event.name, 21)), right(short(per_second)), right(short(event.all))]).style(style)
        };
        let widths = [21, 7, 8].map(Constraint::Length);
        table("messages", &["", ">/S", ">ALL"], &widths, self.events.iter().map(row), frame, area);
    }

    /// How long answers took since the last look at which there were any, and since the start.
    fn took(&self, server: &DhcpServer, frame: &mut Frame<'_>, area: Rect) {
        let line = |name: &str, part| {
            let time = |answers: &Answers| answers.part(part).map_or("-".to_owned(), micros);
            Line::from(format!("{name:<12}{:>12}{:>14}", time(&self.answers), time(&server.answers)))
        };
        let heading = Line::from(format!("{:<12}{:>12}{:>14}", "within", "now", "since start")).dim();
        let lines = vec![heading, line("half", 500), line("99 %", 990), line("all", 1000)];
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" answers ")), area);
    }
}

/// The fullest at the top.
fn pools(pools: &[Pool], frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width.saturating_sub(54)).clamp(6, 40);
    let part = |pool: &Pool| pool.in_use as f64 / pool.size.max(1) as f64;
    let mut sorted: Vec<&Pool> = pools.iter().collect();
    sorted.sort_by(|a, b| part(b).total_cmp(&part(a)));
    let row = |pool: &&Pool| {
        let color = match (pool.in_use + pool.held) as f64 / pool.size.max(1) as f64 {
            ..0.8 => Color::Green,
            ..0.95 => Color::Yellow,
            _ => Color::Red,
        };
        Row::new([
            Line::from(cut(&pool.name, 26)),
            right(format!("{}/{}", short(pool.in_use), short(pool.size))),
            right(if pool.held > 0 { short(pool.held) } else { String::new() }).fg(Color::Yellow),
            Line::from(bar(part(pool).min(1.0), width)).fg(color),
        ])
    };
    let widths = [26, 13, 6, width as u16].map(Constraint::Length);
    table("pools", &["SUBNET", ">LEASED", ">HELD", ""], &widths, sorted.iter().map(row), frame, area);
}

impl Screen for Alone {
    fn look(&mut self, client: &mut Client, now: Duration) -> anyhow::Result<()> {
        let Response::DhcpServer(server) = client.ask(&Request::DhcpServer)? else {
            bail!("the server gave an answer to another question");
        };
        let subnets = match server.subnets.is_some().then(|| client.ask(&Request::Subnets)).transpose()? {
            Some(Response::Subnets(view)) => Some(view),
            _ => None,
        };
        self.update(server, subnets, now);
        Ok(())
    }

    fn failed(&mut self, error: String) {
        self.error = Some(error);
    }

    fn paused(&mut self) -> &mut bool {
        &mut self.paused
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        if area.width < 30 || area.height < 4 {
            frame.render_widget(Paragraph::new("too small"), area);
            return;
        }
        let [header, body, keys] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
        frame.render_widget(self.head(), header);
        frame.render_widget(self.foot(), keys);
        if let Some(server) = &self.server {
            self.body(server, frame, body);
        }
    }
}
