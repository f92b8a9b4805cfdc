//! What `top` knows, and what its keys do. Pure.

use std::cmp::Reverse;
use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::super::latency::Latency;
use crate::admin::views::{BackendView, ConnectionView};
use crate::app::Failure;

/// Rates and latencies are of the last so many samples.
const WINDOW: usize = 10;

/// What the service said at one moment.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) backends: Vec<BackendView>,
    pub(super) connections: Vec<ConnectionView>,
    pub(super) latency: Latency,
}

/// By what connections are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Name,
    Memory,
    Requests,
    Errors,
    Restarts,
}

pub(super) struct Top {
    pub(super) admin: String,
    pub(super) order: Order,
    /// The key of the connection that is marked, wherever it is now.
    selected: Option<String>,
    past: VecDeque<(Instant, Latency)>,
    now: Sample,
    /// Why the last question was not answered.
    pub(super) failure: Option<String>,
}

/// How a backend does.
pub(super) struct Doing {
    pub(super) requests_per_second: f64,
    pub(super) median: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl Top {
    pub(super) fn new(admin: String, now: Sample) -> Self {
        let past = VecDeque::from([(now.at, now.latency.clone())]);
        Self { admin, order: Order::Name, selected: None, past, now, failure: None }
    }

    pub(super) fn take(&mut self, now: Sample) {
        if self.past.len() > WINDOW {
            self.past.pop_front();
        }
        self.past.push_back((now.at, now.latency.clone()));
        self.now = now;
        self.failure = None;
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        self.failure = failure.to_string().lines().next().map(str::to_owned);
    }

    /// Does what the key says; false: it is over.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Char('s') => self.order = self.order.next(),
            _ => {}
        }
        true
    }

    fn step(&mut self, by: isize) {
        let connections = self.connections();
        let Some(last) = connections.len().checked_sub(1) else { return };
        let next = match self.selected_row() {
            Some(row) => row.saturating_add_signed(by).min(last),
            None if by > 0 => 0,
            None => last,
        };
        self.selected = Some(connections[next].key.clone());
    }

    pub(super) fn backends(&self) -> &[BackendView] {
        &self.now.backends
    }

    /// In the order wanted.
    pub(super) fn connections(&self) -> Vec<&ConnectionView> {
        let mut connections: Vec<&ConnectionView> = self.now.connections.iter().collect();
        match self.order {
            Order::Name => connections.sort_by(|a, b| a.key.cmp(&b.key)),
            Order::Memory => connections.sort_by_key(|one| Reverse(one.rss)),
            Order::Requests => connections.sort_by_key(|one| Reverse(one.request_count)),
            Order::Errors => connections.sort_by_key(|one| Reverse((one.error_count, one.total_errors))),
            Order::Restarts => connections.sort_by_key(|one| Reverse(one.restarts)),
        }
        connections
    }

    pub(super) fn selected_row(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.connections().iter().position(|connection| connection.key == selected)
    }

    /// Memory of all servers of a backend; of all if none is named.
    pub(super) fn memory(&self, backend: Option<&str>) -> Option<u64> {
        let own = self.now.connections.iter().filter(|one| backend.is_none_or(|name| one.backend == name));
        own.filter_map(|one| one.rss).reduce(|sum, one| sum + one)
    }

    pub(super) fn doing(&self, backend: &str) -> Doing {
        let (seconds, latency) = match self.past.front() {
            Some((at, earlier)) => {
                let since = self.now.at.saturating_duration_since(*at);
                (since.as_secs_f64(), self.now.latency.since(earlier))
            }
            None => (0.0, Latency::default()),
        };
        let requests = latency.requests(backend) as f64;
        Doing {
            requests_per_second: if seconds > 0.0 { requests / seconds } else { 0.0 },
            median: latency.quantile(backend, 0.5),
            p99: latency.quantile(backend, 0.99),
        }
    }
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Name => Self::Memory,
            Self::Memory => Self::Requests,
            Self::Requests => Self::Errors,
            Self::Errors => Self::Restarts,
            Self::Restarts => Self::Name,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Memory => "memory",
            Self::Requests => "requests",
            Self::Errors => "errors",
            Self::Restarts => "restarts",
        }
    }
}
