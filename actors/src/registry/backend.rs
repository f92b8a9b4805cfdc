//! What the Registry knows of one configured backend, and decides for it. Pure.

mod breaker;
mod spares;
mod tickets;

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Backend;
use tokio::time::Instant;

use crate::key::ConnectionKey;
use crate::metrics::BackendMetrics;
use crate::timer::Timer;
use breaker::Breaker;
use spares::Spares;
use tickets::Tickets;

/// The session part of the key under which spares hold their ticket and count in the breaker. All of them are one key:
/// alone they never open it, since they may die of something that no session does. Nobody's session has this name.
const SPARES: &str = "\0spares";

/// What became of a launch, or of the incarnation that followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// The handshake was answered, so long after the launch had begun.
    Ready(Start, Duration),
    /// The launch failed, by this fault.
    LaunchFailed(String),
    /// The spare that was given for it died of this, and another launch follows.
    SpareDied(String),
    /// This fault ended an incarnation that had been ready.
    Died(String),
    /// It was given up, or ended in order.
    Left,
}

/// What a launch starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing.
    Fresh,
    /// A process that was kept in reserve.
    Spare,
    /// A transport that was open already.
    Open,
}

impl Start {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Spare => "spare",
            Self::Open => "open",
        }
    }
}

/// One per configured backend.
pub(super) struct BackendEntry {
    pub(super) backend: Arc<Backend>,
    /// Set while the breaker is open.
    pub(super) breaker_timer: Option<Timer>,
    /// For the next thing to do about spares.
    pub(super) spare_timer: Option<Timer>,
    pub(super) spares: Spares,
    /// The key of all spares.
    pub(super) spares_key: ConnectionKey,
    pub(super) metrics: BackendMetrics,
    tickets: Tickets,
    breaker: Breaker,
}

/// Who may launch now.
pub(super) struct Admitted {
    pub(super) key: ConnectionKey,
    /// With this one, in place of a ticket.
    pub(super) spare: Option<u64>,
}

impl BackendEntry {
    pub(super) fn new(backend: &Backend) -> Self {
        let metrics = BackendMetrics::new(&Arc::from(&*backend.name));
        // A Registry that failed has left its own there.
        metrics.breaker(false);
        metrics.spares(0, 0);
        Self {
            backend: Arc::new(backend.clone()),
            breaker_timer: None,
            spare_timer: None,
            spares: Spares::new(backend),
            spares_key: ConnectionKey::new(&*backend.name, SPARES),
            tickets: Tickets::new(backend.limits.max_concurrent_launches),
            breaker: Breaker::new(backend.limits.breaker_threshold, backend.pool.cooldown),
            metrics,
        }
    }

    /// From now on it is configured so. What it has learned stays.
    pub(super) fn configure(&mut self, backend: &Backend) {
        self.tickets.configure(backend.limits.max_concurrent_launches);
        self.breaker.configure(backend.limits.breaker_threshold, backend.pool.cooldown);
        self.spares.configure(backend);
        self.backend = Arc::new(backend.clone());
    }

    pub(super) fn breaker(&mut self) -> &mut Breaker {
        &mut self.breaker
    }

    /// A Supervisor wants to launch: it gets in line.
    pub(super) fn request(&mut self, key: ConnectionKey, takes_spare: bool) {
        self.tickets.request(key, takes_spare);
    }

    /// A ticket comes back, or is no longer waited for.
    pub(super) fn release(&mut self, key: &ConnectionKey) {
        self.tickets.release(key);
    }

    /// Takes note. When that opens the breaker: until when.
    pub(super) fn learn(&mut self, key: &ConnectionKey, news: News, now: Instant) -> Option<Instant> {
        match news {
            News::Ready(start, took) => {
                self.breaker.ready(key, now);
                match start {
                    Start::Fresh => self.spares.launched(took),
                    Start::Spare => self.spares.served(),
                    Start::Open => {}
                }
            }
            News::LaunchFailed(cause) => return self.breaker.launch_failed(key, now, cause),
            News::SpareDied(cause) => {
                self.spares.failed(now);
                return self.breaker.launch_failed(&self.spares_key, now, cause);
            }
            News::Died(cause) => return self.breaker.died(key, now, cause),
            News::Left => self.breaker.left(key, now),
        }
        None
    }

    /// Who may launch now, of those who wait. What tries for all, and all while that is not over, launches afresh.
    pub(super) fn admit(&mut self, now: Instant) -> Vec<Admitted> {
        self.spares.look(now);
        if !self.spares.is_starting() {
            self.tickets.release(&self.spares_key);
        }
        let (breaker, spares) = (&mut self.breaker, &mut self.spares);
        std::iter::from_fn(|| {
            let spare = || if breaker.is_open() { None } else { spares.take() };
            if let Some((key, spare)) = self.tickets.next_with(spare) {
                return Some(Admitted { key, spare: Some(spare) });
            }
            let key = self.tickets.next(|key| breaker.admits(key, now).is_ok())?;
            Some(Admitted { key, spare: None })
        })
        .collect()
    }

    /// Whether a spare is to be started now; if so, it has its ticket.
    pub(super) fn begin_spare(&mut self, now: Instant) -> bool {
        let begin =
            self.spares.lacks(now) && !self.breaker.is_open() && self.tickets.take_last(&self.spares_key);
        if begin {
            self.spares.begin(now);
        }
        begin
    }

    /// Who waits for a launch.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ConnectionKey> {
        self.tickets.waiting()
    }
}

#[cfg(test)]
mod tests {
    use mcpvisor_config::{LoadRequest, Source};

    use super::*;
    use crate::model::Counts;

    fn entry() -> BackendEntry {
        let text = "[backends.b]\ncommand = \"x\"\nwarm = 1\nlimits.breaker_threshold = 3\n".to_owned();
        let file = Source::Text { name: "t.toml".into(), text };
        let loaded =
            mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
        BackendEntry::new(&loaded.config.backends["b"])
    }

    /// After a failure of the Registry the breaker would be shown open until it is opened and closed once more.
    #[test]
    fn gauges_begin_anew_with_the_registry_and_counters_go_on() {
        let counts = Counts::default();
        let _recorder = metrics::set_default_local_recorder(&counts);
        let before = entry();
        before.metrics.breaker(true);
        before.metrics.spares(0, 1);
        before.metrics.spare_lost();
        let after = entry();
        let gauge = |name| counts.gauge(name, |_| true);
        assert_eq!((gauge("mcpvisor_breaker_open"), gauge("mcpvisor_spares")), (0.0, 0.0));
        after.metrics.spare_lost();
        assert_eq!(counts.sum("mcpvisor_spares_lost_total", |_| true), 2);
    }

    fn warm(entry: &mut BackendEntry, incarnation: u64, now: Instant) {
        assert!(entry.begin_spare(now));
        assert!(entry.spares.seated(incarnation) && entry.spares.opened(incarnation, now).is_some());
        entry.spares.answered(incarnation, now);
    }

    fn admitted(entry: &mut BackendEntry, session: &str, now: Instant) -> Vec<Option<u64>> {
        entry.request(ConnectionKey::new("b", session), true);
        entry.admit(now).into_iter().map(|one| one.spare).collect()
    }

    fn failed(entry: &mut BackendEntry, session: &str, now: Instant) -> Option<Instant> {
        let key = ConnectionKey::new("b", session);
        entry.release(&key);
        entry.learn(&key, News::LaunchFailed("exit".into()), now)
    }

    #[tokio::test(start_paused = true)]
    async fn a_spare_is_given_in_place_of_a_ticket_and_once() {
        let now = Instant::now();
        let mut entry = entry();
        warm(&mut entry, 7, now);
        assert_eq!(admitted(&mut entry, "1", now), [Some(7)]);
        assert_eq!(admitted(&mut entry, "2", now), [None]);
    }

    /// A server that is broken would be started in reserve while every session is refused, and who tries for all would
    /// try a process of before.
    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_starts_and_gives_no_spare() {
        let now = Instant::now();
        let mut entry = entry();
        warm(&mut entry, 7, now);
        let opened = (1..=3).find_map(|session| failed(&mut entry, &session.to_string(), now));
        let later = opened.unwrap();
        assert_eq!(admitted(&mut entry, "4", now), []);
        assert_eq!(admitted(&mut entry, "5", later), [None], "the first in line tries for all");
        entry.spares.died(7, later, false);
        assert!(!entry.begin_spare(later));
        entry.learn(&ConnectionKey::new("b", "4"), News::Ready(Start::Fresh, Duration::ZERO), later);
        assert_eq!(entry.admit(later).len(), 1);
        assert!(entry.begin_spare(later));
    }

    /// A reload that allows more launches at once, or wants more in reserve, would only hold after a restart.
    #[tokio::test(start_paused = true)]
    async fn other_numbers_hold_for_those_who_wait_already() {
        let now = Instant::now();
        let mut entry = entry();
        let mut backend = Backend::clone(&entry.backend);
        backend.limits.max_concurrent_launches = 1;
        entry.configure(&backend);
        assert_eq!(admitted(&mut entry, "1", now), [None]);
        assert_eq!(admitted(&mut entry, "2", now), []);
        (backend.limits.max_concurrent_launches, backend.limits.breaker_threshold) = (2, 4);
        entry.configure(&backend);
        assert_eq!(entry.admit(now).len(), 1);
        let opened = (3..=6).map(|session| failed(&mut entry, &session.to_string(), now).is_some());
        assert_eq!(opened.collect::<Vec<_>>(), [false, false, false, true]);
        backend.warm = 0;
        warm_again(&mut entry, now);
        entry.configure(&backend);
        assert!(entry.spares.are_too_many() && !entry.spares.are_wanted());
    }

    fn warm_again(entry: &mut BackendEntry, now: Instant) {
        entry.breaker().reset();
        entry.release(&ConnectionKey::new("b", "1"));
        entry.release(&ConnectionKey::new("b", "2"));
        warm(entry, 9, now);
    }

    /// Spares may die of what no session does, such as waiting: a backend that works would be taken from its sessions.
    #[tokio::test(start_paused = true)]
    async fn deaths_of_spares_alone_never_open_the_breaker_but_count() {
        let now = Instant::now();
        let mut entry = entry();
        let key = entry.spares_key.clone();
        assert!((0..50).all(|_| entry.learn(&key, News::LaunchFailed("exit".into()), now).is_none()));
        assert_eq!(failed(&mut entry, "1", now), None);
        let died = News::SpareDied("exit".into());
        assert_eq!(entry.learn(&ConnectionKey::new("b", "2"), died, now), None, "that was the spare's");
        assert!(failed(&mut entry, "2", now).is_some());
    }
}
