//! One key: its phases, its error budget, and what waits while it has no ready connection.
//!
//! * Owns: the [`Machine`](machine::Machine), the waiting room, those who wait for the launch, the
//!   current Connection.
//! * Receives: attaches and requests that found no Connection; the Connection's news; orders.
//! * Sends: a claim to the Root and a ticket request to the Registry before each launch; what waited to
//!   the new Connection, and then that Connection's address to everybody.
//! * Dies when: the key has nothing left to do and the Registry agrees.
//!
//! Its address outlives its Connections; the session outlives it.

pub(crate) mod backoff;
mod budget;
mod events;
mod incarnation;
mod launch;
mod log;
mod machine;
mod orders;
mod owed;
mod refusals;
mod reload;
mod requests;
mod session_end;
mod spare;
mod waiting_room;

use std::sync::Arc;

use bytes::Bytes;
use ractor::{ActorProcessingErr, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::{Actor, ActorKind, ActorRef};
use crate::credentials::Challenge;
use crate::error::EndCause;
use crate::event::EventSender;
use crate::fault::{Fault, FaultReason};
use crate::link::duplex::OpenTransport;
use crate::link::http::Tokens;
use crate::link::{LinkEvent, Spare};
use crate::metrics::{BackendMetrics, PhaseGauge};
use crate::pending::Pending;
use crate::process::Sweeper;
use crate::registry::{AttachReply, Eras, Receipt, RegistryMsg};
use crate::root::{RootMsg, Seat};
use crate::route::{Notice, Route};

pub(crate) use budget::Budget;
use incarnation::{Incarnation, Timers};
use launch::Launch;
pub(crate) use machine::Retire;
use machine::{Event, Machine};
pub(crate) use orders::SWEEP;
use owed::OwedRestart;
pub(crate) use reload::Configured;
pub(crate) use waiting_room::Waiting;
use waiting_room::WaitingRoom;

/// What a Supervisor is told.
pub(crate) enum SupervisorMsg {
    /// Somebody wants the answer to `initialize`.
    Attach { route: Route, reply: AttachReply },
    /// A request that found no Connection, or that one gave back.
    Request(Pending),
    /// A notification that found no Connection.
    Notify(Notice),
    /// A session that shares the connection has ended.
    Leave { route: Route, cause: EndCause },
    /// The Root: no incarnation of the key lives; launch may go on.
    Seated(Seat),
    /// The Registry: a launch ticket.
    Ticket,
    /// The Registry: a process that was kept in reserve, in place of a ticket.
    Spare(Spare),
    /// What that reported before it had a Connection.
    Link { incarnation: u64, event: LinkEvent },
    /// The Registry: the breaker of the backend holds the launch back; a ticket comes later.
    Held { until: Instant },
    /// No ticket came in time.
    TicketLate { attempt: u64 },
    /// The transport of an incarnation is open.
    Opened { incarnation: u64, pid: Option<u32> },
    /// The backend answered `initialize`; `accepted`: with a result.
    Answered { incarnation: u64, answer: Bytes, accepted: bool },
    /// The backend would not shake hands, since it speaks the other era: launch anew, uncounted.
    Stranger { incarnation: u64 },
    /// The incarnation is over, by the first fault that ended it.
    Fault { incarnation: u64, fault: Arc<Fault> },
    /// A fault that the incarnation survives.
    Survived { fault: Fault },
    /// The upstream no longer knows its session: launch anew, uncounted.
    Renew { incarnation: u64 },
    /// The replayed handshake was answered with another protocol version.
    VersionChanged { incarnation: u64, now: String },
    /// A Connection would not be evicted, since a request had arrived.
    EvictRefused { incarnation: u64 },
    /// A Connection closes for want of use, and its session with it (`on_restart = "end_session"`).
    SessionIdle { incarnation: u64 },
    /// The Root: the transport of the incarnation and all its processes are gone.
    Gone { incarnation: u64 },
    /// The Connection, after that: everybody has been told how it ended.
    Concluded { incarnation: u64 },
    /// The backoff is over.
    BackoffOver,
    /// The deadline of something that waits has come.
    Tick,
    /// An error seen outside; the count after it.
    External { reply: oneshot::Sender<Option<u32>> },
    /// The janitor's verdict; checked once more.
    Evict,
    /// The Supervisor before this one failed.
    Resume,
    /// From now on this holds.
    Configure(Configured),
    /// Another incarnation, uncounted: by hand, or because a reload changed the backend.
    Restart { by_hand: bool },
    /// An operator stopped the backend: finish and go, the session lives on.
    Stop,
    /// An operator takes that back.
    Start,
    /// Somebody waits until what came before this is done.
    Receipt(Receipt),
    /// An open transport takes the place of what there is.
    Set { transport: OpenTransport },
    /// The session is over.
    Delete { cause: EndCause, done: Option<oneshot::Sender<bool>> },
    /// The service drains.
    Drain { deadline: Instant },
    /// What is left of the drain is only enough to kill.
    DrainLate,
    /// The Registry has forgotten the key.
    Ended,
    /// A bug, for the tests.
    #[cfg(test)]
    Panic,
}

pub(crate) struct SupervisorArgs {
    pub(crate) route: Route,
    pub(crate) configured: Configured,
    pub(crate) root: ActorRef<RootMsg>,
    pub(crate) registry: ActorRef<RegistryMsg>,
    pub(crate) eras: Eras,
    pub(crate) tokens: Tokens,
    pub(crate) instance: Arc<str>,
    pub(crate) sweeper: Sweeper,
    pub(crate) metrics: BackendMetrics,
    pub(crate) events: EventSender,
    /// An open transport to use first.
    pub(crate) transport: Option<OpenTransport>,
}

pub(crate) struct Supervisor;

pub(crate) struct SupervisorState {
    args: SupervisorArgs,
    machine: Machine,
    room: WaitingRoom,
    attached: Vec<(Route, AttachReply)>,
    launch: Option<Launch>,
    attempts: u64,
    /// The last spare failed: the next launch does without.
    afresh: bool,
    current: Option<Incarnation>,
    timers: Timers,
    /// The next launch is a restart: for this fault …
    owed: Option<OwedRestart>,
    /// … or by this order.
    ordered: Option<&'static str>,
    died_at: Option<Instant>,
    restarts: u64,
    last_fault: Option<Arc<Fault>>,
    /// What the backend has answered to a client's credentials.
    challenge: Option<Arc<Challenge>>,
    /// When a drain has to have killed what is left.
    drain_by: Option<Instant>,
    ended: Vec<oneshot::Sender<bool>>,
    gauge: Option<PhaseGauge>,
}

impl Actor for Supervisor {
    const KIND: ActorKind = ActorKind::Supervisor;
    type Msg = SupervisorMsg;
    type State = SupervisorState;
    type Arguments = SupervisorArgs;

    async fn pre_start(
        &self,
        _: ActorRef<SupervisorMsg>,
        args: SupervisorArgs,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let established = args.route.is_established();
        let budget = args.route.record().budget.clone();
        let backend = &args.configured.backend;
        let machine = Machine::new(backend.pool, backend.backoff, established, budget);
        let mut state = SupervisorState {
            machine: if args.route.is_own() { machine.lasting() } else { machine },
            room: WaitingRoom::new(backend.limits.max_queued),
            args,
            attached: Vec::new(),
            launch: None,
            attempts: 0,
            afresh: false,
            current: None,
            timers: Timers::default(),
            owed: None,
            ordered: None,
            died_at: None,
            restarts: 0,
            last_fault: None,
            challenge: None,
            drain_by: None,
            ended: Vec::new(),
            gauge: None,
        };
        // What a Connection of an earlier one had in flight when it failed, nobody else takes back.
        state.args.route.place().usage.idle();
        state.publish();
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMsg::Attach { route, reply } => state.attach(&myself, route, reply),
            SupervisorMsg::Request(pending) => state.request(&myself, pending),
            SupervisorMsg::Notify(notice) => state.notify(notice),
            SupervisorMsg::Leave { route, cause } => state.leave(route, cause),
            SupervisorMsg::Seated(seat) => state.seated(seat),
            SupervisorMsg::Ticket => state.ticket(&myself).await,
            SupervisorMsg::Spare(spare) => state.spare(&myself, spare).await,
            SupervisorMsg::Link { incarnation, event } => state.pass_on(incarnation, event),
            SupervisorMsg::Held { until } => state.held(&myself, until),
            SupervisorMsg::TicketLate { attempt } => state.ticket_late(&myself, attempt),
            SupervisorMsg::Opened { incarnation, pid } => state.opened(incarnation, pid),
            SupervisorMsg::Answered { incarnation, answer, accepted } => {
                state.answered(&myself, incarnation, answer, accepted);
            }
            SupervisorMsg::Stranger { incarnation } => state.stranger(&myself, incarnation),
            SupervisorMsg::Fault { incarnation, fault } => state.fault(&myself, incarnation, fault),
            SupervisorMsg::Survived { fault } => {
                state.args.metrics.fault(fault.reason);
                state.last_fault = Some(fault.into());
                state.on(&myself, Event::External);
            }
            SupervisorMsg::Renew { incarnation } => state.renew(&myself, incarnation),
            SupervisorMsg::VersionChanged { incarnation, now } => {
                state.version_changed(&myself, incarnation, &now);
            }
            SupervisorMsg::EvictRefused { incarnation } if state.is_current(incarnation) => {
                state.on(&myself, Event::EvictRefused);
            }
            SupervisorMsg::EvictRefused { .. } => {}
            SupervisorMsg::SessionIdle { incarnation } => state.session_idle(&myself, incarnation),
            SupervisorMsg::Gone { incarnation } => state.gone(&myself, incarnation),
            SupervisorMsg::Concluded { incarnation } => state.concluded(&myself, incarnation),
            SupervisorMsg::BackoffOver => state.on(&myself, Event::BackoffOver),
            SupervisorMsg::Tick => state.tick(&myself),
            SupervisorMsg::External { reply } => {
                state.args.metrics.fault(FaultReason::External);
                state.on(&myself, Event::External);
                let _ = reply.send(Some(state.errors()));
            }
            SupervisorMsg::Evict => state.evict(&myself),
            SupervisorMsg::Resume => state.resume(&myself),
            SupervisorMsg::Configure(configured) => state.configure(configured),
            SupervisorMsg::Restart { by_hand } => state.restart(&myself, by_hand),
            SupervisorMsg::Stop => state.on(&myself, Event::Stop),
            SupervisorMsg::Start => state.on(&myself, Event::Start),
            SupervisorMsg::Receipt(receipt) => drop(receipt),
            SupervisorMsg::Set { transport } => state.set(&myself, transport),
            SupervisorMsg::Delete { cause, done } => {
                state.ended.extend(done);
                state.on(&myself, Event::Delete(cause));
            }
            SupervisorMsg::Drain { deadline } => state.drain(&myself, deadline),
            SupervisorMsg::DrainLate => drop(state.abandon()),
            SupervisorMsg::Ended => state.finish(&myself),
            #[cfg(test)]
            SupervisorMsg::Panic => panic!("injected into the supervisor"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMsg>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(who, why) = event {
            state.connection_failed(&myself, who.get_id(), &why);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
