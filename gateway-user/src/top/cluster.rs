//! The panels of a cluster: the field of units and the members. A member has the same colour in both, and on the screens of
//! all members.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row};

use super::panels::{right, table};
use crate::cli::text::{cut, short};
use crate::control::protocol::{Member, Members, Share, Units};

/// A unit that is on its way, or has just arrived.
const TRANSIT: Color = Color::White;
/// Nobody's.
const NOBODY: Color = Color::Black;
/// Lines that a legend takes at most.
const LEGEND: usize = 4;

fn color(owner: u16) -> Color {
    const MEMBERS: [Color; 12] = [
        Color::Green,
        Color::Cyan,
        Color::Magenta,
        Color::Yellow,
        Color::Blue,
        Color::Red,
        Color::LightGreen,
        Color::LightCyan,
        Color::LightMagenta,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightRed,
    ];
    if owner == 0 { NOBODY } else { MEMBERS[usize::from(owner - 1) % MEMBERS.len()] }
}

/// Who has which colour, two members in a line; nothing without a cluster.
pub(super) fn legend(units: &Units) -> Vec<Line<'static>> {
    if units.cluster.is_none() {
        return Vec::new();
    }
    let entry = |share: &Share| {
        let style = if share.id == units.member { Style::new().bold() } else { Style::new() };
        let mark = if share.id == 0 { Span::from("□") } else { Span::from("■").fg(color(share.id)) };
        [mark, Span::styled(format!(" {:<8}{:>5} ", cut(&share.name, 8), share.units), style)]
    };
    let pairs = units.members.chunks(2);
    pairs.map(|pair| pair.iter().flat_map(entry).collect::<Line<'_>>()).take(LEGEND).collect()
}

/// The 1024 units as 32 × 32, two rows of units in one row of cells, and the legend below.
pub(super) fn units(
    units: &Units,
    transit: &BTreeSet<u16>,
    legend: Vec<Line<'static>>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let of = |unit: usize| match units.owners.get(unit) {
        Some(_) if transit.contains(&(unit as u16)) => TRANSIT,
        Some(owner) => color(*owner),
        None => NOBODY,
    };
    let cell = |row: usize, column: usize| {
        let unit = row * 64 + column;
        Span::styled("▀", Style::new().fg(of(unit)).bg(of(unit + 32)))
    };
    let rows = units.owners.len().div_ceil(64);
    let mut lines: Vec<Line<'_>> = (0..rows).map(|row| (0..32).map(|column| cell(row, column)).collect()).collect();
    lines.extend(legend);
    let own = units.owners.iter().filter(|owner| **owner == units.member).count();
    let mut title = format!(" units: {own} of {} own ", units.owners.len());
    if !transit.is_empty() {
        title += &format!("({} move) ", transit.len());
    }
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

/// A member, some of whose addresses don't answer: how many do.
fn lame(member: &Member) -> Option<String> {
    let stream = member.stream.as_ref().filter(|stream| stream.transport == "sctp")?;
    let (live, all) = (stream.live().count(), stream.theirs().count());
    (live < all).then(|| cut(&format!("{live}/{all} path"), 8))
}

/// What carries the streams, each word once.
fn carriers(members: &Members) -> String {
    let streams = members.members.iter().filter(|member| member.connected).filter_map(|member| member.stream.as_ref());
    let words: BTreeSet<&str> = streams.map(|stream| stream.transport.as_str()).collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// The members, the master marked, and what carries their streams.
pub(super) fn members(members: &Members, frame: &mut Frame<'_>, area: Rect) {
    let row = |member: &Member| {
        let is_master = members.master.as_ref() == Some(&member.name);
        let (state, state_color) = match member.state.as_str() {
            "member" if is_master => ("master", Color::Green),
            "draining" => ("draining", Color::Yellow),
            "member" if !member.connected => ("no link", Color::Yellow),
            "member" => ("member", Color::Green),
            _ => ("absent", Color::Red),
        };
        let lame = lame(member).filter(|_| member.connected && member.state == "member");
        let (state, state_color) = lame.as_deref().map_or((state, state_color), |lame| (lame, Color::Yellow));
        let style = if member.name == members.me { Style::new().bold() } else { Style::new() };
        Row::new([
            Line::from("■").fg(color(member.id.into())),
            Line::from(cut(&member.name, 9)),
            Line::from(state.to_owned()).fg(state_color),
            right(member.load.map_or("-".to_owned(), |load| short(load.into()))),
            right(member.behind.map_or("-".to_owned(), short)),
        ])
        .style(style)
    };
    let title = match &members.master {
        Some(master) => format!("{} leads, term {}", cut(master, 9), members.term),
        None => "no master".to_owned(),
    };
    let widths = [1, 9, 8, 5, 5].map(Constraint::Length);
    let heading = ["", "MEMBER", "STATE", ">PKT/S", ">LAG"];
    table(&title, &heading, &widths, members.members.iter().map(row), frame, area);
    let carriers = carriers(members);
    if !carriers.is_empty() && area.height > 0 {
        // In the frame, below the members.
        let below = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
        frame.render_widget(Line::from(format!(" streams: {carriers} ")), below);
    }
}
