//! One incarnation: from the first byte to the last.
//!
//! * Owns: the link, the requests in flight, the requests of the backend that wait at the client.
//! * Receives: requests, notifications and answers of the client, straight from its route; what the link
//!   reports; the order to retire.
//! * Sends: answers; the news of its handshake and of its end to the Supervisor, with every request that
//!   the backend cannot have seen.
//! * Dies when: all that belongs to the incarnation is gone, and everybody has been told how it ended.

mod announcement;
mod asked;
mod capabilities;
mod doubt;
mod ending;
mod failures;
mod handshake;
mod hearing;
mod in_flight;
mod inbound;
mod life;
mod liveness;
mod loss;
mod message;
mod outbound;
mod pulse;
mod queue;
mod reload;
mod renewal;
mod replay;
mod retirement;
mod safe_tools;
mod shaking;
mod shared;
mod sharing;
mod source;

use std::sync::Arc;

use mcpvisor_config::{Backend, Transport};
use ractor::{ActorProcessingErr, SupervisionEvent};
use tokio::time::Instant;

use crate::actor::{Actor, ActorKind, ActorRef};
use crate::era::Era;
use crate::event::EventSender;
use crate::link::duplex;
use crate::link::http::Tokens;
use crate::link::stdio::{self, Launch};
use crate::link::upstream::Whose;
use crate::link::{Events, Link, LinkEvent, upstream};
use crate::metrics::{self, BackendMetrics};
use crate::process::Sweeper;
use crate::registry::{Eras, RegistryMsg};
use crate::route::Route;
use crate::supervisor::{Retire, SupervisorMsg};
use crate::timer::Timer;

use asked::Asked;
pub(crate) use handshake::own_initialize;
use in_flight::InFlight;
use life::Life;
use liveness::Liveness;
pub(crate) use loss::Loss;
pub(crate) use message::ConnectionMsg;
use queue::Queue;
pub(crate) use safe_tools::SafeTools;
use shared::Shared;
pub(crate) use source::Source;

pub(crate) struct ConnectionArgs {
    pub(crate) route: Route,
    pub(crate) backend: Arc<Backend>,
    pub(crate) supervisor: ActorRef<SupervisorMsg>,
    pub(crate) registry: ActorRef<RegistryMsg>,
    pub(crate) eras: Eras,
    pub(crate) tokens: Tokens,
    pub(crate) instance: Arc<str>,
    pub(crate) sweeper: Sweeper,
    pub(crate) metrics: BackendMetrics,
    pub(crate) events: EventSender,
    pub(crate) expose_stderr: bool,
    pub(crate) source: Source,
}

pub(crate) struct Connection;

pub(crate) struct ConnectionState {
    myself: ActorRef<ConnectionMsg>,
    incarnation: u64,
    era: Era,
    /// The backend speaks the modern era only, and its clients do not.
    bridged: bool,
    /// Nothing is known yet of what the backend speaks: it is to be asked if it would not shake hands.
    doubtful: bool,
    route: Route,
    backend: Arc<Backend>,
    supervisor: ActorRef<SupervisorMsg>,
    registry: ActorRef<RegistryMsg>,
    metrics: BackendMetrics,
    events: EventSender,
    expose_stderr: bool,
    life: Life,
    pid: Option<u32>,
    link: Option<Box<dyn Link>>,
    in_flight: InFlight,
    /// Requests beyond the bounds of what may be in flight; while dying, all that still arrives.
    queue: Queue,
    asked: Asked,
    liveness: Liveness,
    /// Unless it is one session's own.
    shared: Option<Shared>,
    last_id: u64,
    initialized: bool,
    since: Instant,
    /// A request of the client was answered.
    served: bool,
    /// It ended by a fault, not by an order.
    faulty: bool,
    /// The revision that was agreed on, as a label value …
    version: &'static str,
    /// … and since when, until the session is over.
    session_since: Option<Instant>,
    /// A failed POST counts once per incarnation: the count of errors with it, once that has happened.
    status_counted: Option<u32>,
    timer: Option<Timer>,
    tick: Option<Timer>,
    /// Nothing of the transport is left: once settled, this is over.
    gone: bool,
}

impl Actor for Connection {
    const KIND: ActorKind = ActorKind::Connection;
    type Msg = ConnectionMsg;
    type State = ConnectionState;
    type Arguments = ConnectionArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<ConnectionMsg>,
        args: ConnectionArgs,
    ) -> Result<ConnectionState, ActorProcessingErr> {
        let incarnation = args.source.incarnation();
        let events = Events::to(myself.clone());
        let session = args.route.key().session_hash();
        let backend = args.backend.clone();
        let era = args.route.record().era;
        let bridged = args.eras.bridges(&backend, era);
        let doubtful = args.eras.is_doubtful(&backend, era) && !matches!(args.source, Source::Open(..));
        match (args.source, &args.backend.transport) {
            (Source::Spare(spare), _) => spare.open(&myself, session),
            (Source::Open(transport, seat), _) => duplex::open(transport, &backend, events, seat),
            #[cfg(test)]
            (Source::Launch(seat), Transport::Stdio { command, .. }) if command == crate::model::SCRIPTED => {
                crate::model::open(&args.route, &backend, &myself, events, seat);
            }
            (Source::Launch(seat), Transport::Stdio { .. }) => {
                let launch = Launch { session, backend, instance: args.instance, sweeper: args.sweeper };
                stdio::open(launch, events, seat);
            }
            (Source::Launch(seat), Transport::Http { .. }) => {
                let spoken = if bridged { Era::Modern } else { era };
                let route = Arc::new(args.route.clone());
                let whose = Whose { newest: route.clone(), tokens: &args.tokens };
                upstream::open(&backend, spoken, Some(route), whose, events, seat);
            }
        }
        // What a Connection that failed has left there, nobody else takes back.
        args.route.place().usage.set_in_flight(0);
        let now = Instant::now();
        let late = now + args.backend.timeouts.launch;
        Ok(ConnectionState {
            timer: Some(Timer::at(late, myself.clone(), ConnectionMsg::LaunchLate)),
            myself,
            incarnation,
            era,
            bridged,
            doubtful,
            in_flight: InFlight::default(),
            queue: Queue::default(),
            shared: args.route.is_own().then(Shared::default),
            asked: Asked::new(incarnation),
            liveness: Liveness::new(&args.backend, now),
            route: args.route,
            backend: args.backend,
            supervisor: args.supervisor,
            registry: args.registry,
            metrics: args.metrics,
            events: args.events,
            expose_stderr: args.expose_stderr,
            life: Life::Opening,
            pid: None,
            link: None,
            last_id: 0,
            initialized: false,
            since: Instant::now(),
            served: false,
            faulty: false,
            version: metrics::OTHER,
            session_since: None,
            status_counted: None,
            tick: None,
            gone: false,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<ConnectionMsg>,
        message: ConnectionMsg,
        state: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ConnectionMsg::Request(pending) => state.request(pending),
            ConnectionMsg::Notify(notice) => state.notify(notice),
            ConnectionMsg::Respond(notice) => state.respond(&notice),
            ConnectionMsg::Leave { route, cause } => state.leave(&route, cause),
            ConnectionMsg::Link(event) => state.link_event(event),
            ConnectionMsg::LaunchLate => state.launch_late(),
            ConnectionMsg::Tick => state.deadlines(),
            ConnectionMsg::GraceOver if matches!(state.life, Life::Renewing) => state.finish_renewal(),
            ConnectionMsg::GraceOver => state.last_words(),
            ConnectionMsg::Epitaph(stderr) => state.die(stderr),
            ConnectionMsg::Gone => state.gone(),
            ConnectionMsg::Spoken(spoken) => state.spoken(spoken),
            ConnectionMsg::Configure { backend, expose_stderr } => state.configure(backend, expose_stderr),
            ConnectionMsg::Retire { cause, by } => state.retire(cause, by),
            ConnectionMsg::Kill => state.kill(),
            #[cfg(test)]
            ConnectionMsg::Panic => panic!("injected into the connection"),
        }
        Ok(())
    }

    /// A Connection has no children.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ConnectionMsg>,
        _: SupervisionEvent,
        _: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl ConnectionState {
    fn link_event(&mut self, event: LinkEvent) {
        if let Some(link) = self.link.as_mut().filter(|_| self.bridged) {
            if let LinkEvent::Message { message, .. } = &event {
                self.liveness.heard(Instant::now());
                self.metrics.heard(message.bytes().len());
            }
            return link.hear(event).into_iter().for_each(|event| self.take(event));
        }
        self.take(event);
    }

    fn take(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Open { link, pid } => self.open(link, pid),
            LinkEvent::OpenFailed(fault) => self.broken(fault),
            LinkEvent::Message { message, via, permit: _permit } => self.message(message, via),
            LinkEvent::Translated { message, via } => self.dispatch(&message, via),
            // There is a link to hear it, or nobody who listens.
            LinkEvent::ListenAgain => {}
            LinkEvent::Noise => self.noise(),
            LinkEvent::Written(requests) => self.in_flight.written(&requests),
            LinkEvent::Writable => match self.link.as_mut().map(|link| link.resume()) {
                Some(Ok(requests)) => self.in_flight.written(&requests),
                Some(Err(fault)) => self.broken(fault),
                None => {}
            },
            LinkEvent::Broken(fault) => self.broken(fault),
            LinkEvent::BrokenFor { request, fault } => self.broken_for(request, fault),
            LinkEvent::Exited(status) => self.exited(status),
            LinkEvent::Failed { request, failure } => self.failed(request, failure),
            LinkEvent::SessionLost { request } => self.session_lost(request),
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Wakes the actor at `at`, if nothing wakes it earlier.
    fn wake_at(&mut self, at: Instant) {
        if self.tick.as_ref().is_none_or(|timer| timer.deadline() > at) {
            self.tick = Some(Timer::at(at, self.myself.clone(), ConnectionMsg::Tick));
        }
    }
}

#[cfg(test)]
mod tests;
