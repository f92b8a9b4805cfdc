//! One launch, step by step: a seat from the Root, a ticket (or a spare) from the Registry, then the Connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::incarnation::Incarnation;
use super::machine::Event;
use super::{SupervisorMsg, SupervisorState};
use crate::actor::{Actor, ActorRef};
use crate::connection::{Connection, ConnectionArgs, ConnectionMsg, Source};
use crate::era::Era;
use crate::error::{EndCause, Overload, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::link::spare;
use crate::registry::{News, RegistryMsg, Start};
use crate::root::{RootMsg, Seat};
use crate::timer::Timer;

/// Where a launch stands before there is a Connection, and while it shakes hands.
pub(super) enum Launch {
    /// Waiting until no older incarnation of the key lives.
    Claiming { attempt: u64 },
    /// Waiting for its turn among the launches of the backend.
    Queued { attempt: u64, seat: Seat },
    /// Under way, holding a ticket unless it started from a spare.
    Running { since: Instant, start: Start },
}

impl SupervisorState {
    /// Asks for a seat. What is asked for and no longer wanted is given back when it comes.
    pub(super) fn launch(&mut self, myself: &ActorRef<SupervisorMsg>) {
        if self.ends_with_connection() {
            return self.end_session(myself, EndCause::EndSession, "it would have to be launched again");
        }
        let attempt = self.attempts;
        self.attempts += 1;
        self.launch = Some(Launch::Claiming { attempt });
        let late = Instant::now() + self.args.configured.backend.timeouts.launch;
        self.timers.ticket = Some(Timer::at(late, myself.clone(), SupervisorMsg::TicketLate { attempt }));
        let claim = RootMsg::Claim { key: self.key().clone(), supervisor: myself.clone() };
        // Without a Root the service is ending, and this actor with it.
        let _ = self.args.root.send_message(claim);
    }

    pub(super) fn seated(&mut self, seat: Seat) {
        let Some(Launch::Claiming { attempt }) = self.launch else { return };
        self.launch = Some(Launch::Queued { attempt, seat });
        let backend = &self.args.configured.backend;
        let era = self.args.route.record().era;
        let spoken = if self.args.eras.bridges(backend, era) { Era::Modern } else { era };
        let fits = spoken == spare::era(backend);
        let spare = self.args.configured.launchable && self.args.transport.is_none() && !self.afresh && fits;
        let _ = self.args.registry.send_message(RegistryMsg::Ticket { key: self.key().clone(), spare });
    }

    /// The launch waits for the breaker, as long as that takes; what waits for the launch does not.
    pub(super) fn held(&mut self, myself: &ActorRef<SupervisorMsg>, until: Instant) {
        if matches!(self.launch, Some(Launch::Queued { .. })) {
            self.timers.ticket = None;
            self.waits(until);
            self.on(myself, Event::Held(until));
        }
    }

    pub(super) async fn ticket(&mut self, myself: &ActorRef<SupervisorMsg>) {
        let seat = match self.launch.take() {
            Some(Launch::Queued { seat, .. }) => seat,
            other => {
                self.launch = other;
                self.return_ticket();
                return self.news(News::Left);
            }
        };
        self.timers.ticket = None;
        self.on(myself, Event::Ticket);
        let number = seat.incarnation();
        match self.args.transport.take() {
            Some(transport) => {
                self.connect(myself, number, Start::Open, Source::Open(transport, seat)).await;
            }
            None if self.args.configured.launchable => {
                self.connect(myself, number, Start::Fresh, Source::Launch(seat)).await;
            }
            None => {
                self.return_ticket();
                let text = "its transport ended, and no backend of that name is configured to launch anew";
                self.failed(myself, Fault::new(FaultReason::Spawn, text).fatal());
            }
        }
    }

    /// The incarnation begins.
    pub(super) async fn connect(
        &mut self,
        myself: &ActorRef<SupervisorMsg>,
        number: u64,
        start: Start,
        source: Source,
    ) {
        self.afresh = false;
        self.count_restart();
        self.tell_launch(number, start);
        let args = ConnectionArgs {
            route: self.args.route.clone(),
            backend: self.args.configured.backend.clone(),
            supervisor: myself.clone(),
            registry: self.args.registry.clone(),
            eras: self.args.eras.clone(),
            tokens: self.args.tokens.clone(),
            instance: self.args.instance.clone(),
            sweeper: self.args.sweeper.clone(),
            metrics: self.args.metrics.clone(),
            events: self.args.events.clone(),
            expose_stderr: self.args.configured.expose_stderr,
            source,
        };
        match Connection::spawn_linked(None, Connection, args, myself.get_cell()).await {
            Ok((connection, _)) => {
                self.launch = Some(Launch::Running { since: Instant::now(), start });
                self.current = Some(Incarnation::new(number, connection));
            }
            Err(error) => {
                self.return_ticket();
                self.failed(myself, Fault::new(FaultReason::Panic, error.to_string()));
            }
        }
        self.publish();
    }

    /// Nothing could be started: as any failed launch.
    fn failed(&mut self, myself: &ActorRef<SupervisorMsg>, fault: Fault) {
        self.args.metrics.launched("spawn_failed", None);
        self.news(News::LaunchFailed(fault.to_string()));
        self.count_fault(&Arc::new(fault.clone()));
        self.on(myself, Event::Fault { fault: &fault, random: 0.0 });
        self.on(myself, Event::Gone);
    }

    /// No ticket within the time of a launch: those who wait for the launch are told. Requests of
    /// sessions that were served before wait on, to their own deadlines.
    pub(super) fn ticket_late(&mut self, myself: &ActorRef<SupervisorMsg>, late: u64) {
        match self.launch {
            Some(Launch::Claiming { attempt } | Launch::Queued { attempt, .. }) if attempt == late => {}
            _ => return,
        }
        let retry_after = self.args.configured.backend.timeouts.launch;
        let (backend, what) = (self.key().backend_id.clone(), Overload::Tickets);
        let most = Some(self.args.configured.backend.limits.max_concurrent_launches as u64);
        let refusal = Refusal::Overloaded { backend, what, most, retry_after };
        for (_, reply) in self.attached.drain(..) {
            let _ = reply.send(Err(refusal.clone()));
        }
        if !self.machine.is_established() {
            self.refuse_room(&refusal);
            self.on(myself, Event::Delete(EndCause::EndSession));
        }
    }

    pub(super) fn opened(&mut self, incarnation: u64, pid: Option<u32>) {
        if let Some(current) = self.current.as_mut().filter(|current| current.number == incarnation) {
            current.pid = pid;
            self.publish();
        }
    }

    /// The handshake succeeded, or was refused by the backend in its own words.
    pub(super) fn answered(
        &mut self,
        myself: &ActorRef<SupervisorMsg>,
        incarnation: u64,
        answer: bytes::Bytes,
        accepted: bool,
    ) {
        if !self.is_launching(incarnation) {
            return;
        }
        self.spare_answered();
        if !accepted {
            self.end_launch("handshake_failed");
            self.news(News::Left);
            for (_, reply) in self.attached.drain(..) {
                let _ = reply.send(Ok(crate::route::Attached { answer: answer.clone(), accepted: false }));
            }
            return self.on(myself, Event::Delete(EndCause::EndSession));
        }
        if let Some((start, took)) = self.end_launch("ok") {
            self.news(News::Ready(start, took));
        }
        if let Some(died_at) = self.died_at.take() {
            self.args.metrics.recovered(died_at.elapsed());
        }
        self.args.route.update_record(|record| record.first_answer(&answer));
        if let Some(current) = &mut self.current {
            current.ready = true;
        }
        self.on(myself, Event::Ready);
    }

    /// By now it is known what the backend speaks, and the next Connection translates. Whoever waits waits on.
    pub(super) fn stranger(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64) {
        if !self.is_launching(incarnation) {
            return;
        }
        self.spare_answered();
        self.end_launch("cancelled");
        self.news(News::Left);
        self.on(myself, Event::Stranger);
    }

    fn count_restart(&mut self) {
        let ordered = self.ordered.take();
        match (self.owed.take(), ordered) {
            (Some(owed), _) => owed.begun(),
            (None, Some(reason)) => self.args.metrics.restarted(reason),
            (None, None) => return,
        }
        self.restarts += 1;
    }

    /// Whether this is the incarnation that is shaking hands. One that was given up for another has nothing
    /// more to say, but may have said it a moment before it knew.
    pub(super) fn is_launching(&self, incarnation: u64) -> bool {
        matches!(self.launch, Some(Launch::Running { .. })) && self.is_current(incarnation)
    }

    /// The launch is over, however it ended: its ticket is somebody else's now. What it started from, and how long
    /// it took.
    pub(super) fn end_launch(&mut self, result: &'static str) -> Option<(Start, Duration)> {
        self.timers.ticket = None;
        let Some(Launch::Running { since, start }) = self.launch.take() else { return None };
        self.return_ticket();
        let took = since.elapsed();
        self.args.metrics.launched(result, (result == "ok").then_some(took));
        Some((start, took))
    }

    /// Gives up a launch before or while it runs. False: there is no incarnation to wait for.
    pub(super) fn abandon(&mut self) -> bool {
        let queued = matches!(self.launch, Some(Launch::Queued { .. }));
        let launching = self.launch.is_some();
        self.end_launch("cancelled");
        if queued {
            self.return_ticket();
        }
        // After the ticket: else this very key might be given the next one.
        if launching {
            self.news(News::Left);
        }
        match &self.current {
            Some(current) => {
                let _ = current.connection.send_message(ConnectionMsg::Kill);
                true
            }
            None => false,
        }
    }

    /// What this key teaches of its backend.
    pub(super) fn news(&self, news: News) {
        let _ = self.args.registry.send_message(RegistryMsg::News { key: self.key().clone(), news });
    }

    fn return_ticket(&self) {
        let _ = self.args.registry.send_message(RegistryMsg::TicketDone { key: self.key().clone() });
    }
}
