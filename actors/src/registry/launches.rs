//! Launch tickets, or spares in their place, and what the launches teach of a backend.

use std::sync::Arc;

use tokio::time::Instant;

use super::backend::News;
use super::{RegistryMsg, RegistryState, tell};
use crate::actor::ActorRef;
use crate::error::{Refusal, Unavailable};
use crate::event::{EventKind, SupervisionEvent};
use crate::key::ConnectionKey;
use crate::supervisor::SupervisorMsg;
use crate::timer::Timer;

impl RegistryState {
    pub(super) fn ticket(&mut self, key: ConnectionKey, takes_spare: bool) {
        // Whoever asked and is gone gives nothing back.
        if !self.entries.contains_key(&key) {
            return;
        }
        let Some(entry) = self.backends.get_mut(&key.backend_id) else { return self.grant(&key) };
        entry.request(key.clone(), takes_spare);
        let granted = self.admit(&key.backend_id);
        if granted.contains(&key) {
            return;
        }
        let held =
            self.backends.get_mut(&key.backend_id).and_then(|entry| entry.breaker().holds(Instant::now()));
        if let (Some(until), Some(entry)) = (held, self.entries.get(&key)) {
            tell(&entry.supervisor, SupervisorMsg::Held { until });
        }
    }

    pub(super) fn ticket_done(&mut self, key: &ConnectionKey) {
        if let Some(entry) = self.backends.get_mut(&key.backend_id) {
            entry.release(key);
            self.admit(&key.backend_id);
        }
    }

    /// The Supervisor is gone, and will say no more of its launch.
    pub(super) fn launch_forgotten(&mut self, key: &ConnectionKey) {
        if let Some(entry) = self.backends.get_mut(&key.backend_id) {
            entry.learn(key, News::Left, Instant::now());
            entry.release(key);
            self.admit(&key.backend_id);
        }
    }

    /// What a launch, or the end of an incarnation, says of the backend.
    pub(super) fn learn(&mut self, myself: &ActorRef<RegistryMsg>, key: &ConnectionKey, news: News) {
        let backend = &key.backend_id;
        if matches!(news, News::LaunchFailed(_)) {
            self.doubt_era(key);
        }
        let Some(entry) = self.backends.get_mut(backend) else { return };
        let was_open = entry.breaker().is_open();
        let opened = entry.learn(key, news, Instant::now());
        self.show_breaker(backend, was_open);
        match opened {
            Some(until) => self.breaker_opened(myself, backend, until),
            None => drop(self.admit(backend)),
        }
    }

    /// The cooldown of a breaker is over: the first in line tries for all.
    pub(super) fn breaker_over(&mut self, backend: &Arc<str>) {
        self.admit(backend);
    }

    /// An operator wants launches now.
    pub(super) fn reset_breaker(&mut self, backend: &Arc<str>) {
        let Some(entry) = self.backends.get_mut(backend) else { return };
        let was_open = entry.breaker().is_open();
        entry.breaker().reset();
        self.show_breaker(backend, was_open);
        self.admit(backend);
    }

    /// Why a key that is not there would not be launched now.
    pub(super) fn held(&mut self, backend: &Arc<str>) -> Option<Refusal> {
        let now = Instant::now();
        let breaker = self.backends.get_mut(backend)?.breaker();
        Some(Refusal::BackendUnavailable {
            backend: backend.clone(),
            reason: Unavailable::Breaker,
            retry_after: Some(breaker.holds(now)?.saturating_duration_since(now)),
            cause: breaker.cause().map(str::to_owned),
        })
    }

    fn breaker_opened(&mut self, myself: &ActorRef<RegistryMsg>, backend: &Arc<str>, until: Instant) {
        let message = RegistryMsg::BreakerOver { backend: backend.clone() };
        let Some(entry) = self.backends.get_mut(backend) else { return };
        entry.breaker_timer = Some(Timer::at(until, myself.clone(), message));
        for key in entry.waiting() {
            if let Some(entry) = self.entries.get(key) {
                tell(&entry.supervisor, SupervisorMsg::Held { until });
            }
        }
    }

    fn show_breaker(&mut self, backend: &Arc<str>, was_open: bool) {
        let metrics = self.metrics_of(backend);
        let Some(breaker) = self.backends.get_mut(backend).map(|entry| entry.breaker()) else { return };
        let is_open = breaker.is_open();
        if is_open == was_open {
            return;
        }
        metrics.breaker(is_open);
        let event = if is_open {
            let cause = breaker.cause().unwrap_or_default();
            let text = format!("too many connections in a row failed; launches are held back: {cause}");
            SupervisionEvent::of_backend(EventKind::BreakerOpened, backend, text)
        } else {
            SupervisionEvent::of_backend(EventKind::BreakerClosed, backend, "launches go on")
        };
        self.args.events.emit(event);
    }

    /// Lets those launch who may; what they leave is for the next spare.
    pub(super) fn admit(&mut self, backend: &Arc<str>) -> Vec<ConnectionKey> {
        let Some(entry) = self.backends.get_mut(backend) else { return Vec::new() };
        let admitted = entry.admit(Instant::now());
        for one in &admitted {
            match one.spare {
                Some(spare) => self.give_spare(spare, &one.key),
                None => self.grant(&one.key),
            }
        }
        self.keep_spares(backend);
        admitted.into_iter().map(|one| one.key).collect()
    }

    fn grant(&self, key: &ConnectionKey) {
        if let Some(entry) = self.entries.get(key) {
            tell(&entry.supervisor, SupervisorMsg::Ticket);
        }
    }
}
