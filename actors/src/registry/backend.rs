//! What the Registry knows of one configured backend, and decides for it. Pure.

mod breaker;
mod tickets;

use std::sync::Arc;

use mcpvisor_config::Backend;
use tokio::time::Instant;

use crate::key::ConnectionKey;
use crate::timer::Timer;
use breaker::Breaker;
use tickets::Tickets;

/// What became of a launch, or of the incarnation that followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// The handshake was answered.
    Ready,
    /// The launch failed, by this fault.
    LaunchFailed(String),
    /// This fault ended an incarnation that had been ready.
    Died(String),
    /// It was given up, or ended in order.
    Left,
}

/// One per configured backend.
pub(super) struct BackendEntry {
    pub(super) backend: Arc<Backend>,
    /// Set while the breaker is open.
    pub(super) breaker_timer: Option<Timer>,
    tickets: Tickets,
    breaker: Breaker,
}

impl BackendEntry {
    pub(super) fn new(backend: &Backend) -> Self {
        let tickets = Tickets::new(backend.limits.max_concurrent_launches);
        let breaker = Breaker::new(backend.limits.breaker_threshold, backend.pool.cooldown);
        Self { backend: Arc::new(backend.clone()), breaker_timer: None, tickets, breaker }
    }

    pub(super) fn breaker(&mut self) -> &mut Breaker {
        &mut self.breaker
    }

    /// A Supervisor wants to launch: it gets in line.
    pub(super) fn request(&mut self, key: ConnectionKey) {
        self.tickets.request(key);
    }

    /// A ticket comes back, or is no longer waited for.
    pub(super) fn release(&mut self, key: &ConnectionKey) {
        self.tickets.release(key);
    }

    /// Takes note. When that opens the breaker: until when.
    pub(super) fn learn(&mut self, key: &ConnectionKey, news: News, now: Instant) -> Option<Instant> {
        match news {
            News::Ready => self.breaker.ready(key, now),
            News::LaunchFailed(cause) => return self.breaker.launch_failed(key, now, cause),
            News::Died(cause) => return self.breaker.died(key, now, cause),
            News::Left => self.breaker.left(key, now),
        }
        None
    }

    /// Who may launch now, of those who wait.
    pub(super) fn admit(&mut self, now: Instant) -> Vec<ConnectionKey> {
        let breaker = &mut self.breaker;
        std::iter::from_fn(|| self.tickets.next(|key| breaker.admits(key, now).is_ok())).collect()
    }

    /// Who waits for a launch.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ConnectionKey> {
        self.tickets.waiting()
    }
}
