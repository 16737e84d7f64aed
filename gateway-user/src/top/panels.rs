//! The panels of the screen. Each fits what it is given; rows that don't are counted in its title.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::model::Rate;
use crate::cli::text::{bar, count, cut, seconds, short, took};
use crate::control::protocol::{Event, Fpc, Release, Server};

/// Draws a table with a frame; a heading with `>` is of a column aligned to the right; `total` rows there would be.
pub(super) fn table<'a>(
    title: &str,
    heading: &[&'a str],
    widths: &[Constraint],
    rows: impl ExactSizeIterator<Item = Row<'a>>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let (total, room) = (rows.len(), usize::from(area.height.saturating_sub(3)));
    let title = match total.saturating_sub(room) {
        0 => format!(" {title} "),
        more => format!(" {title} (+{more} more) "),
    };
    let heading = Row::new(heading.iter().map(|name| match name.strip_prefix('>') {
        Some(name) => Line::from(name).right_aligned().dim(),
        None => Line::from(*name).dim(),
    }));
    let table = Table::new(rows.take(room), widths.to_vec()).header(heading).block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

pub(super) fn right(text: String) -> Line<'static> {
    Line::from(text).right_aligned()
}

pub(super) fn fpcs(fpcs: &[Fpc], frame: &mut Frame<'_>, area: Rect) {
    let has_six = fpcs.iter().any(|fpc| fpc.leases6.is_some());
    let logins = |fpc: &Fpc| fpc.sessions + fpc.leases6.unwrap_or_default();
    let most = fpcs.iter().map(logins).max().unwrap_or(0).max(1);
    let (six, gap) = if has_six { (9, 1) } else { (0, 0) };
    let width = usize::from(area.width.saturating_sub(52 + six + gap)).clamp(4, 40);
    let row = |fpc: &Fpc| {
        let color = match fpc.state.as_str() {
            "up" => Color::Green,
            "lost" | "frozen" => Color::Yellow,
            "down" => Color::Red,
            _ => Color::DarkGray,
        };
        let since = fpc.since.map_or(String::new(), |since| format!(" {}", seconds(since)));
        let of_six = has_six.then(|| right(count(fpc.leases6.unwrap_or_default())));
        let cells = [
            Line::from(cut(&fpc.name, 12)),
            Line::from(format!("{}{since}", fpc.state)).fg(color),
            right(count(fpc.sessions)),
        ];
        Row::new(cells.into_iter().chain(of_six).chain([
            right(if fpc.orphaned > 0 { count(fpc.orphaned) } else { String::new() }).fg(Color::Yellow),
            Line::from(bar(logins(fpc) as f64 / most as f64, width)).fg(Color::Cyan),
        ]))
    };
    let mut widths = vec![12, 12, 9, 8, width as u16];
    let mut heading = vec!["FPC", "STATE", ">SESSIONS", ">ORPHANED", ""];
    if has_six {
        widths.insert(3, six);
        heading.insert(3, ">IPV6");
    }
    let widths: Vec<_> = widths.into_iter().map(Constraint::Length).collect();
    table("line cards", &heading, &widths, fpcs.iter().map(row), frame, area);
}

pub(super) fn rates(rates: &[Rate], frame: &mut Frame<'_>, area: Rect) {
    let row = |rate: &Rate| {
        let color = match rate.fate.as_str() {
            "forwarded" => Color::Green,
            "punted" => Color::Cyan,
            "passed" => Color::Gray,
            _ => Color::Red,
        };
        let per_second = rate.per_second.round() as u64;
        let style = if per_second > 0 { Style::new().bold() } else { Style::new().dim() };
        Row::new([
            Line::from(rate.verdict.clone()).fg(color),
            right(short(per_second)),
            right(format!("{}b", short(rate.bits.round() as u64))),
            right(count(rate.packets)),
        ])
        .style(style)
    };
    let widths = [17, 10, 9, 18].map(Constraint::Length);
    let heading = ["VERDICT", ">PACKETS/S", ">BITS/S", ">PACKETS"];
    table("verdicts", &heading, &widths, rates.iter().map(row), frame, area);
}

pub(super) fn servers(servers: &[Server], frame: &mut Frame<'_>, area: Rect) {
    // As much as an IPv6 address takes, and there is room for.
    let widest = servers.iter().map(|server| server.address.len()).max().unwrap_or_default();
    let address = widest.min(usize::from(area.width.saturating_sub(45))).max(15);
    let row = |server: &Server| {
        let color = match server.capability.as_str() {
            "capable" => Color::Green,
            "unknown" => Color::DarkGray,
            _ => Color::Yellow,
        };
        Row::new([
            Line::from(cut(&server.address, address)),
            Line::from(server.capability.clone()).fg(color),
            Line::from(server.age.map_or("-".to_owned(), |age| format!("{} ago", seconds(age)))),
            right(server.sessions.map_or("-".to_owned(), count)),
            Line::from(if server.embedded { "embedded" } else { "" }),
        ])
    };
    let widths = [address as u16, 11, 11, 9, 8].map(Constraint::Length);
    let heading = ["SERVER", "CAPABILITY", "LEARNT", ">SESSIONS", ""];
    table("servers", &heading, &widths, servers.iter().map(row), frame, area);
}

pub(super) fn releases(releases: &[&Release], frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width.saturating_sub(70)).clamp(6, 40);
    let row = |release: &&Release| {
        let (progress, six) = (release.progress(), release.leases6.unwrap_or_default());
        let (state, color) = match release.took {
            Some(time) if release.orphaned + six.orphaned > 0 => {
                let orphaned = count(release.orphaned + six.orphaned);
                (format!("done in {}, {orphaned} orphaned", took(time)), Color::Yellow)
            }
            Some(time) => (format!("done in {}", took(time)), Color::Green),
            None => {
                let phase = release.servers.iter().find(|at| at.released < at.total).or(release.servers.first());
                (phase.map_or(String::new(), |at| format!("{} at {}", at.phase, at.server)), Color::Cyan)
            }
        };
        Row::new([
            Line::from(cut(&release.fpc, 12)),
            Line::from(bar(progress, width)).fg(color),
            right(match release.leases6 {
                Some(six) => {
                    format!("{}+{}/{}", short(release.released), short(six.released), short(release.total + six.total))
                }
                None => format!("{}/{}", count(release.released), count(release.total)),
            }),
            Line::from(state),
        ])
    };
    let widths =
        [Constraint::Length(12), Constraint::Length(width as u16), Constraint::Length(19), Constraint::Min(10)];
    // Without a heading there is one row more.
    let room = usize::from(area.height.saturating_sub(2));
    let more = releases.len().saturating_sub(room);
    let title = if more > 0 { format!(" releases (+{more} more) ") } else { " releases ".to_owned() };
    let table = Table::new(releases.iter().take(room).map(row), widths).block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

/// What happened lately, the latest at the top.
pub(super) fn events(events: &[Event], frame: &mut Frame<'_>, area: Rect) {
    let line = |event: &Event| {
        let age = Span::from(format!("{:>8} ", took(event.age_ms as f64 / 1000.0))).dim();
        Line::from(vec![age, Span::from(event.text.clone())])
    };
    let lines: Vec<Line<'_>> = events.iter().rev().take(usize::from(area.height)).map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" events ")), area);
}
