//! From events to effects to what is done, told and published.

use std::sync::Arc;

use tokio::time::Instant;

use super::machine::{Effect, Event, Refused, Retire};
use super::owed::OwedRestart;
use super::waiting_room::Waiting;
use super::{SupervisorMsg, SupervisorState};
use crate::actor::ActorRef;
use crate::connection::{ConnectionMsg, Loss};
use crate::error::{EndCause, Refusal};
use crate::event::EventKind;
use crate::fault::{Fault, FaultReason};
use crate::key::ConnectionKey;
use crate::metadata::{Phase, Status, Wait};
use crate::registry::{News, RegistryMsg};
use crate::route::Attached;
use crate::timer::Timer;

impl SupervisorState {
    /// Feeds the machine and does what it says.
    pub(super) fn on(&mut self, myself: &ActorRef<SupervisorMsg>, event: Event<'_>) {
        let waiting = self.room.requests() > 0 || !self.attached.is_empty();
        let effects = self.machine.on(event, waiting, Instant::now());
        for effect in effects {
            self.run(myself, effect);
        }
        self.publish();
    }

    fn run(&mut self, myself: &ActorRef<SupervisorMsg>, effect: Effect) {
        match effect {
            Effect::Launch => self.launch(myself),
            Effect::Abandon => {
                if !self.abandon() {
                    self.on(myself, Event::Gone);
                }
            }
            Effect::Withdraw => self.args.route.place().connection.store(None),
            Effect::Retire(cause) => self.retire(cause),
            Effect::Open => self.open(),
            Effect::BackOff(until) => {
                self.tell_backoff(until);
                self.waits(until);
                self.timers.backoff = Some(Timer::at(until, myself.clone(), SupervisorMsg::BackoffOver));
            }
            Effect::Refuse(refused) => self.refuse_all(refused),
            Effect::Stopped { fatal } => self.stopped(myself, fatal),
            Effect::End => {
                self.abandon_restart();
                let may_end = RegistryMsg::MayEnd { key: self.key().clone(), supervisor: myself.get_id() };
                let _ = self.args.registry.send_message(may_end);
            }
        }
    }

    /// What waited goes first, through the mailbox that later requests will use: nothing overtakes it.
    fn open(&mut self) {
        let Some(connection) = self.current.as_ref().map(|current| current.connection.clone()) else {
            return;
        };
        let record = self.args.route.record();
        for (_, reply) in self.attached.drain(..) {
            let _ = reply.send(Ok(Attached { answer: record.first_result.clone(), accepted: true }));
        }
        for item in self.room.take() {
            let message = match item {
                Waiting::Request(pending) => ConnectionMsg::Request(pending),
                Waiting::Notify(notice) => ConnectionMsg::Notify(notice),
            };
            // A Connection that died meanwhile gives requests back by dropping them.
            let _ = connection.send_message(message);
        }
        self.args.route.place().usage.set_queued(0);
        self.args.route.place().connection.store(Some(Arc::new(connection)));
        self.args.events.emit(self.event(EventKind::Ready, "it answers"));
    }

    fn retire(&mut self, cause: Retire) {
        let Some(current) = &self.current else { return };
        let now = Instant::now();
        let timeouts = &self.args.configured.backend.timeouts;
        let ladder = timeouts.stdin_grace + timeouts.term_grace;
        // The ladder has to fit into the drain as well.
        let drained = self.drain_by.map(|by| by.checked_sub(ladder).unwrap_or(now));
        let by = match cause {
            // It is the backend that goes, and not a client that has lost its interest.
            Retire::Delete(EndCause::Removed) => drained.unwrap_or(now + self.args.configured.drain_timeout),
            Retire::Delete(_) => now,
            Retire::Drain => drained.unwrap_or(now),
            Retire::Restart | Retire::Stop => now + self.args.configured.drain_timeout,
            Retire::Evict | Retire::Limit => now + timeouts.request,
        };
        let _ = current.connection.send_message(ConnectionMsg::Retire { cause, by });
    }

    /// The incarnation is over. It has answered or given back all its requests itself.
    pub(super) fn fault(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64, fault: Arc<Fault>) {
        if !self.is_current(incarnation) {
            return;
        }
        let launching = self.machine.phase() == Phase::Launching;
        if launching && !self.is_launching(incarnation) {
            return;
        }
        if launching && self.spare_died(myself, &fault) {
            return;
        }
        if launching && let Some(challenge) = &fault.challenge {
            self.challenge = Some(challenge.clone());
            self.end_launch("handshake_failed");
            self.news(News::Left);
            return self.on(myself, Event::Unauthorized);
        }
        if launching {
            self.end_launch(match fault.reason {
                FaultReason::Spawn => "spawn_failed",
                FaultReason::LaunchTimeout => "timeout",
                _ => "handshake_failed",
            });
            self.news(News::LaunchFailed(fault.to_string()));
        } else if self.machine.phase() == Phase::Ready {
            self.news(News::Died(fault.to_string()));
        }
        // A transport that nobody can open again is no case for a restart.
        let lasting = self.args.configured.launchable || self.args.transport.is_some();
        let fault = if lasting { fault } else { Arc::new(Fault::clone(&fault).fatal()) };
        if launching || self.machine.phase() == Phase::Ready {
            self.count_fault(&fault);
            self.died_at.get_or_insert_with(Instant::now);
        }
        if self.ends_with_connection() {
            return self.end_session(myself, EndCause::EndSession, "its connection was lost");
        }
        self.on(myself, Event::Fault { fault: &fault, random: random() });
    }

    pub(super) fn count_fault(&mut self, fault: &Arc<Fault>) {
        self.args.metrics.fault(fault.reason);
        self.owed = Some(OwedRestart::new(fault.reason, self.args.metrics.clone()));
        self.last_fault = Some(fault.clone());
        // A Connection that failed by a bug of ours could not say so itself.
        self.args.route.memory_lost(Loss::Fault(fault.clone()));
        self.tell_lost(fault);
    }

    /// The upstream lost its session, which is nobody's fault: a new one, and the replay.
    pub(super) fn renew(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64) {
        if self.is_current(incarnation) {
            self.on(myself, Event::Renew);
        }
    }

    /// The Connection may still be making out how its transport ended; it has the last word.
    pub(super) fn gone(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64) {
        let Some(current) = self.current.as_mut().filter(|current| current.number == incarnation) else {
            return;
        };
        current.gone = true;
        if current.failed || current.connection.send_message(ConnectionMsg::Gone).is_err() {
            self.concluded(myself, incarnation);
        }
    }

    pub(super) fn concluded(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64) {
        if self.is_current(incarnation) {
            if let Some(cause) = self.machine.retiring() {
                self.tell_drained(cause);
            }
            self.current = None;
            // The news of a launch that has begun meanwhile come after this.
            if self.launch.is_none() {
                self.news(News::Left);
            }
            self.on(myself, Event::Gone);
        }
    }

    fn stopped(&mut self, myself: &ActorRef<SupervisorMsg>, fatal: bool) {
        self.args.metrics.stopped(fatal);
        if let Some(owed) = self.owed.take() {
            owed.stopped();
        }
        self.ordered = None;
        self.died_at = None;
        self.tell(EventKind::Stopped, if fatal { "fatal" } else { "max_error_count" }, "");
        if self.ends_with_connection() {
            self.end_session(myself, EndCause::EndSession, "its connection was stopped");
        }
    }

    /// The Registry has forgotten the key; what reached us meanwhile goes back to it.
    pub(super) fn finish(&mut self, myself: &ActorRef<SupervisorMsg>) {
        for item in self.room.take() {
            if let Waiting::Request(pending) = item {
                self.args.route.reroute(pending);
            }
        }
        for (route, reply) in self.attached.drain(..) {
            route.reattach(reply);
        }
        for done in self.ended.drain(..) {
            let _ = done.send(true);
        }
        if matches!(self.machine.retiring(), Some(Retire::Delete(_) | Retire::Drain)) {
            self.args.route.place().stderr.send_modify(|history| history.over = true);
        }
        self.tell(EventKind::Gone, "ended", "");
        myself.stop(None);
    }

    /// What everybody may read of this key.
    pub(super) fn publish(&mut self) {
        let phase = self.machine.phase();
        self.keep_budget();
        let place = self.args.route.place();
        let before = place.status.load().as_ref().map(|status| status.phase);
        if before != Some(phase) || self.gauge.is_none() {
            self.gauge = Some(self.args.metrics.phase(phase));
        }
        let last_error = self.last_fault.as_ref().map(|fault| match &fault.stderr_tail {
            Some(tail) if !tail.is_empty() => format!("{fault}; standard error ended with: {tail}").into(),
            _ => fault.to_string().into(),
        });
        place.status.store(Some(Arc::new(Status {
            phase,
            pid: self.current.as_ref().and_then(|current| current.pid),
            incarnation: self.current.as_ref().map_or(0, |current| current.number),
            restarts: self.restarts,
            last_error,
            error_count: self.errors(),
            budget: self.machine.budget().clone(),
            wait: self.timers.wait.filter(|_| phase == Phase::BackingOff),
        })));
    }

    /// The next launch does not come before then.
    pub(super) fn waits(&mut self, until: Instant) {
        self.timers.wait = Some(Wait { time: until.saturating_duration_since(Instant::now()), until });
    }

    /// The budget outlives this actor, in the session's record.
    fn keep_budget(&self) {
        let budget = self.machine.budget();
        if self.args.route.record().budget != *budget {
            self.args.route.update_record(|record| record.budget.clone_from(budget));
        }
    }

    pub(super) fn key(&self) -> &ConnectionKey {
        self.args.route.key()
    }

    pub(super) fn is_current(&self, incarnation: u64) -> bool {
        self.current.as_ref().is_some_and(|current| current.number == incarnation)
    }

    pub(super) fn errors(&self) -> u32 {
        self.machine.budget().errors(Instant::now(), &self.args.configured.backend.pool)
    }

    pub(super) fn refuse_all(&mut self, refused: Refused) {
        for (_, reply) in std::mem::take(&mut self.attached) {
            let _ = reply.send(Err(self.refusal(refused)));
        }
        // A failed attempt is no reason to give up requests of a session that has been served.
        if refused == Refused::Launch && self.machine.is_established() {
            return;
        }
        let refusal = self.refusal(refused);
        self.refuse_room(&refusal);
    }

    pub(super) fn refuse_room(&mut self, refusal: &Refusal) {
        for item in self.room.take() {
            if let Waiting::Request(pending) = item {
                pending.refuse(refusal.clone());
            }
        }
        self.args.route.place().usage.set_queued(0);
    }
}

/// Spreads restarts; good enough where unpredictability is not the point.
pub(super) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
