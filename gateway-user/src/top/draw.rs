//! The screen: what goes where, and what is left out as it gets smaller.
//!
//! ```text
//!   header
//!   FPCs ............ │ units (32 × 32)
//!   rates ........... │
//!   servers ......... │ members (in a cluster)
//!   events .......... │
//!   releases .................. (when there are any)
//!   keys
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::model::{Model, Snapshot};
use super::{cluster, lent, panels};
use crate::cli::text::{count, seconds, short};

/// Columns and rows of the field of units with its frame, without a legend: two units share a cell, one above the other.
const FIELD: (u16, u16) = (34, 18);
/// Columns that tables need beside the field.
const TABLES: u16 = 60;

/// Draws the model into a frame of any size.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < 30 || area.height < 4 {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let [header, body, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    frame.render_widget(head(model), header);
    frame.render_widget(foot(model), keys);
    match &model.snapshot {
        Some(snapshot) => self::body(model, snapshot, frame, body),
        None if model.error.is_none() => frame.render_widget(Paragraph::new("looking…"), body),
        None => {}
    }
}

fn head(model: &Model) -> Line<'_> {
    let Some(Snapshot { status, .. }) = &model.snapshot else { return Line::from("gateway".bold()) };
    let mut spans = vec![
        Span::from(format!(" {} ", status.id)).bold().reversed(),
        Span::from(format!(" up {} ", seconds(status.uptime))),
        Span::from(format!(" {} sessions of {} ", count(status.sessions), short(status.capacity.into()))).bold(),
    ];
    if let Some(leases) = status.leases6 {
        spans.push(Span::from(format!(" {} subscribers, {} of IPv6 ", count(status.subscribers), short(leases))));
    }
    if model.logins >= 0.5 {
        spans.push(Span::from(format!(" {:.0} logins/s ", model.logins)).green());
    }
    if status.orphaned > 0 {
        spans.push(Span::from(format!(" {} orphaned ", count(status.orphaned))).yellow());
    }
    if model.snapshot.as_ref().and_then(|snapshot| snapshot.members.as_ref()).is_some_and(|members| members.fenced) {
        spans.push(Span::from(" FENCED ").white().on_red());
    }
    if let Some(error) = &status.store.last_error {
        spans.push(Span::from(format!(" STORE: {error} ")).white().on_red());
    }
    Line::from(spans)
}

fn foot(model: &Model) -> Line<'_> {
    let mut spans = vec![Span::from(" q ").reversed(), Span::from(" quit  "), Span::from(" p ").reversed()];
    spans.push(Span::from(if model.paused { " go on  " } else { " pause  " }));
    if model.paused {
        spans.push(Span::from(" paused ").black().on_yellow());
    }
    match (&model.error, &model.snapshot) {
        (Some(error), _) => spans.push(Span::from(format!(" {error} ")).white().on_red()),
        (None, Some(Snapshot { status, .. })) => {
            let style = Style::new().fg(Color::Yellow);
            spans.extend(status.warnings.first().map(|warning| Span::styled(warning.clone(), style)));
        }
        _ => {}
    }
    Line::from(spans)
}

fn body(model: &Model, snapshot: &Snapshot, frame: &mut Frame<'_>, area: Rect) {
    let running: Vec<_> = snapshot.releases.iter().filter(|release| release.took.is_none()).collect();
    let shown: Vec<_> = if running.is_empty() { snapshot.releases.iter().take(2).collect() } else { running };
    // Of the releases as many as a third of the screen takes.
    let rows = (shown.len() as u16 + 2).min(area.height / 3);
    let rows = if shown.is_empty() || rows < 3 { 0 } else { rows };
    let [upper, releases] = Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(area);
    if rows > 0 {
        panels::releases(&shown, frame, releases);
    }
    let has_field = upper.width >= TABLES + FIELD.0 && upper.height >= FIELD.1;
    let field = if has_field { FIELD.0 } else { 0 };
    let [tables, side] = Layout::horizontal([Constraint::Min(0), Constraint::Length(field)]).areas(upper);
    if has_field {
        let legend = cluster::legend(&snapshot.units);
        let rows = (FIELD.1 + legend.len() as u16).min(side.height);
        let [units, members] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(side);
        cluster::units(&snapshot.units, &model.transit, legend, frame, units);
        if let Some(found) = snapshot.members.as_ref().filter(|_| members.height >= 4) {
            let rows = (found.members.len() as u16 + 3).min(members.height);
            let [members, _] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(members);
            cluster::members(found, frame, members);
        }
        return tables_of(model, snapshot, frame, tables);
    }
    // Without room for the field, at least who is there.
    let rows = snapshot.members.as_ref().map_or(0, |members| members.members.len() as u16 + 3).min(tables.height / 4);
    let rows = if rows < 4 || tables.height < 20 { 0 } else { rows };
    let [tables, members] = Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(tables);
    tables_of(model, snapshot, frame, tables);
    if let Some(found) = snapshot.members.as_ref().filter(|_| rows > 0) {
        cluster::members(found, frame, members);
    }
}

/// FPCs, rates, servers, subnets and events, as many of the five as there is room for.
fn tables_of(model: &Model, snapshot: &Snapshot, frame: &mut Frame<'_>, area: Rect) {
    let wanted = |rows: usize| rows as u16 + 3; // frame and heading
    let (fpcs, servers) = (wanted(snapshot.fpcs.len()), wanted(snapshot.servers.len()));
    if area.height < 10 {
        panels::fpcs(&snapshot.fpcs, frame, area);
        return;
    }
    let servers = if area.height < 15 { 0 } else { servers.min(area.height / 4).max(4) };
    let fpcs = fpcs.min((area.height - servers) / 2);
    // Events get what the rates leave, unless it is too little to be of use.
    let subnets = snapshot.subnets.as_ref().map_or(0, |view| wanted(lent::rows(view)));
    let subnets = if area.height < 24 { 0 } else { subnets.min(area.height / 4) };
    let left = area.height - servers - fpcs - subnets;
    let rates = match wanted(model.rates.len()).clamp(6, left.max(6)) {
        rates if left.saturating_sub(rates) < 4 => left,
        rates => rates,
    };
    let heights = [fpcs, rates, servers, subnets].map(Constraint::Length);
    let [top, middle, bottom, below, rest] =
        Layout::vertical([heights[0], heights[1], heights[2], heights[3], Constraint::Min(0)]).areas(area);
    panels::fpcs(&snapshot.fpcs, frame, top);
    panels::rates(&model.rates, frame, middle);
    if servers > 0 {
        panels::servers(&snapshot.servers, frame, bottom);
    }
    if let Some(view) = snapshot.subnets.as_ref().filter(|_| subnets >= 4) {
        lent::subnets(view, frame, below);
    }
    if rest.height >= 3 {
        panels::events(&snapshot.events, frame, rest);
    }
}
