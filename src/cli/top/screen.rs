//! What `top` looks like.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};

use super::super::figures::{ago, cut, memory, plural, seconds};
use super::super::paint::{Tone, harmless};
use super::super::status::{errors_tone, in_flight, status};
use super::state::Top;
use crate::admin::views::{BackendView, ConnectionView};

/// Wider columns first give way to the last one.
const BACKEND_COLUMNS: [(&str, Constraint); 9] = [
    ("BACKEND", Constraint::Min(12)),
    ("STATUS", Constraint::Length(21)),
    ("CONNECTIONS", Constraint::Length(14)),
    ("REQ/S", Constraint::Length(8)),
    ("P50", Constraint::Length(8)),
    ("P99", Constraint::Length(8)),
    ("RESTARTS", Constraint::Length(8)),
    ("ERRORS", Constraint::Length(7)),
    ("MEMORY", Constraint::Length(10)),
];
const CONNECTION_COLUMNS: [(&str, Constraint); 9] = [
    ("CONNECTION", Constraint::Min(20)),
    ("PHASE", Constraint::Length(11)),
    ("PID", Constraint::Length(8)),
    ("USED", Constraint::Length(8)),
    ("REQUESTS", Constraint::Length(8)),
    ("IN FLIGHT", Constraint::Length(9)),
    ("ERRORS", Constraint::Length(8)),
    ("RESTARTS", Constraint::Length(8)),
    ("MEMORY", Constraint::Length(10)),
];

pub(super) fn draw(top: &Top, frame: &mut Frame<'_>) {
    // Backends get what they need, up to half of the screen.
    let wanted = top.backends().len() as u16 + 1;
    let backends = wanted.min(frame.area().height / 2);
    let parts = [
        Constraint::Length(2),
        Constraint::Length(backends),
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(2),
    ];
    let [title, upper, _, lower, foot] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Paragraph::new(heading(top)), title);
    let rows = top.backends().iter().map(|backend| backend_row(top, backend));
    frame.render_widget(table(BACKEND_COLUMNS, rows.collect()), upper);
    draw_connections(top, frame, lower);
    frame.render_widget(Paragraph::new(footing(top)), foot);
}

fn draw_connections(top: &Top, frame: &mut Frame<'_>, area: Rect) {
    let connections = top.connections();
    if connections.is_empty() {
        frame.render_widget(Paragraph::new("no connections: nobody uses a backend now"), area);
        return;
    }
    let rows = connections.into_iter().map(connection_row).collect();
    let mut state = TableState::new().with_selected(top.selected_row());
    frame.render_stateful_widget(table(CONNECTION_COLUMNS, rows), area, &mut state);
}

fn heading(top: &Top) -> Line<'static> {
    let connections = top.connections();
    let ready = connections.iter().filter(|connection| connection.phase == "ready").count();
    let requests: f64 =
        top.backends().iter().map(|backend| top.doing(&backend.name).requests_per_second).sum();
    let text = format!(
        "{}, {} ({ready} ready), {requests:.1} requests/s, {}",
        plural(top.backends().len(), "backend"),
        plural(connections.len(), "connection"),
        memory(top.memory(None)),
    );
    Line::from(vec![bold("mcpvisor "), Span::raw(format!("{}   {text}", top.admin))])
}

/// What the marked connection last suffered, and the keys.
fn footing(top: &Top) -> Text<'static> {
    let selected = top.selected_row().and_then(|row| top.connections().get(row).copied());
    let said = match (&top.failure, selected) {
        (Some(failure), _) => Line::styled(harmless(failure), style(Tone::Bad)),
        (None, Some(ConnectionView { key, last_error: Some(error), .. })) => {
            Line::raw(format!("{key}: {}", harmless(error.lines().next().unwrap_or_default())))
        }
        (None, Some(connection)) => Line::raw(format!("{}: no errors", connection.key)),
        (None, None) => Line::default(),
    };
    let keys = format!("q quit   up/down select   s sort (by {})", top.order.as_str());
    Text::from(vec![said, Line::styled(keys, Style::new().add_modifier(Modifier::DIM))])
}

fn backend_row(top: &Top, backend: &BackendView) -> Row<'static> {
    let doing = top.doing(&backend.name);
    let ready = backend.connections.get("ready").copied().unwrap_or(0);
    let all: usize = backend.connections.values().sum();
    let state = Cell::new(status(backend)).style(style(Tone::of_state(&backend.status)));
    Row::new(vec![
        Cell::new(backend.name.clone()),
        state,
        Cell::new(if ready == all { format!("{ready} ready") } else { format!("{ready} of {all} ready") }),
        Cell::new(format!("{:.1}", doing.requests_per_second)),
        Cell::new(seconds(doing.median)),
        Cell::new(seconds(doing.p99)),
        Cell::new(backend.restarts.to_string()),
        Cell::new(backend.faults.to_string()),
        Cell::new(memory(top.memory(Some(&backend.name)))),
    ])
}

fn connection_row(connection: &ConnectionView) -> Row<'static> {
    let errors = format!("{}/{}", connection.error_count, connection.max_error_count);
    Row::new(vec![
        Cell::new(cut(&connection.key)),
        Cell::new(connection.phase.clone()).style(style(Tone::of_state(&connection.phase))),
        Cell::new(connection.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
        Cell::new(ago(connection.idle_seconds)),
        Cell::new(connection.request_count.to_string()),
        Cell::new(in_flight(connection)),
        Cell::new(errors).style(style(errors_tone(connection))),
        Cell::new(connection.restarts.to_string()),
        Cell::new(memory(connection.rss)),
    ])
}

fn table<const N: usize>(
    columns: [(&'static str, Constraint); N],
    rows: Vec<Row<'static>>,
) -> Table<'static> {
    let heading = Row::new(columns.map(|(name, _)| bold(name)));
    let table = Table::new(rows, columns.map(|(_, width)| width)).header(heading).column_spacing(2);
    table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn bold(text: &'static str) -> Span<'static> {
    Span::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// Without colours where `NO_COLOR` is set: crossterm sees to that.
fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Busy => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Heading => Style::new().add_modifier(Modifier::BOLD),
        Tone::Plain => Style::new(),
    }
}

#[cfg(test)]
mod tests;
