//! Subnets from and for other DHCP servers: how much of each is used, and in whose hands its parts are.

use gateway_server::subnets::{BlockRow, RootRow};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::Row;

use super::panels::{right, table};
use crate::cli::text::{bar, short};
use crate::control::protocol::SubnetsView;

/// Rows that there would be with all parts.
pub(super) fn rows(view: &SubnetsView) -> usize {
    view.roots.iter().map(|root| 1 + held(root).count()).sum()
}

/// Draws a row for each subnet and below it one for each part that somebody has, or where there is no room for that the former
/// alone.
pub(super) fn subnets(view: &SubnetsView, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width.saturating_sub(70)).clamp(6, 40);
    let with_parts = rows(view) + 3 <= usize::from(area.height);
    let mut all = Vec::new();
    for root in &view.roots {
        all.push(whole(root, width));
        let parts: Vec<_> = held(root).filter(|_| with_parts).collect();
        let last = parts.len().saturating_sub(1);
        all.extend(parts.into_iter().enumerate().map(|(index, block)| part(block, index == last, width)));
    }
    let widths = [20, 20, 13, 11, width as u16].map(Constraint::Length);
    let heading = ["SUBNET", "HOLDER", "STATE", ">IN USE", ""];
    table("subnets", &heading, &widths, all.into_iter(), frame, area);
}

fn held(root: &RootRow) -> impl Iterator<Item = &BlockRow> {
    root.blocks.iter().filter(|block| block.state != "free")
}

/// What is used of it, then what else is in anybody's hands.
fn whole(root: &RootRow, width: usize) -> Row<'static> {
    let color = match root.standing.as_str() {
        "active" => Color::Green,
        "refused" => Color::Red,
        _ => Color::Yellow,
    };
    let cells =
        |addresses: u64| (addresses.min(root.size) as f64 / root.size.max(1) as f64 * width as f64).round() as usize;
    let used = cells(root.usage.in_use);
    let taken = cells(root.size.saturating_sub(root.free)).max(used);
    let bar = vec![
        Span::from("█".repeat(used)).fg(Color::Cyan),
        Span::from("▒".repeat(taken - used)).fg(Color::Cyan),
        Span::from("░".repeat(width - taken)).dim(),
    ];
    Row::new([
        Line::from(root.subnet.clone()),
        Line::from(root.provider.map_or("entered here".to_owned(), |provider| format!("from {provider}"))),
        Line::from(root.standing.clone()).fg(color),
        right(format!("{}/{}", short(root.usage.in_use), short(root.size))),
        Line::from(bar),
    ])
}

/// Of what nobody has said how it is used there is no bar.
fn part(block: &BlockRow, is_last: bool, width: usize) -> Row<'static> {
    let branch = if is_last { "└─" } else { "├─" };
    let holder = match (&block.holder, block.state.as_str()) {
        (Some(holder), _) => holder.clone(),
        (None, "own") => "this server".to_owned(),
        (None, _) => "its provider".to_owned(),
    };
    let state = if block.wanted { Line::from("wanted back").yellow() } else { Line::from(block.state.clone()).dim() };
    let (used, bar) = block.usage.map_or_else(
        || ("-".to_owned(), String::new()),
        |usage| (short(usage.in_use), bar(usage.in_use as f64 / block.size.max(1) as f64, width)),
    );
    Row::new([
        Line::from(format!("{branch} {}", block.subnet)),
        Line::from(holder),
        state,
        right(format!("{used}/{}", short(block.size))),
        Line::from(bar).fg(Color::Cyan),
    ])
}
