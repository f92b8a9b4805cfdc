//! The Sessions actor: the parent of every Session.
//!
//! * Owns: nothing that cannot be made again from the [`Table`].
//! * Receives: sessions to start; their ends; the tick that expires those nobody uses.
//! * Sends: the end to sessions that expired.
//! * Dies when: the front ends. After a panic it is started again and takes up the sessions of the table.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mcpvisor_actors::{EndCause, actor};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::actor::{SessionActor, SessionMsg};
use super::{Session, Table};

/// Stopping takes no longer than one message that is being dealt with.
const STOP: Duration = Duration::from_secs(1);

/// The parent of all sessions, and the table they are found in.
pub(crate) struct Sessions {
    table: Arc<Table>,
    address: Arc<Address>,
    ttl: Ttl,
    stopping: CancellationToken,
}

type Address = ArcSwapOption<ActorRef<SessionsMsg>>;

enum SessionsMsg {
    /// Starts the actor of a session; answered once it has a mailbox.
    Start(Arc<Session>, oneshot::Sender<()>),
    /// Ends what nobody used for `session.ttl`.
    Tick,
    /// `session.ttl` is another one.
    NewTtl,
    /// A bug of ours.
    #[cfg(test)]
    Panic,
}

struct SessionsActor;

/// Milliseconds.
type Ttl = Arc<AtomicU64>;

struct State {
    table: Arc<Table>,
    ttl: Ttl,
    ticks: Option<AbortHandle>,
    children: HashMap<ActorId, Arc<Session>>,
}

impl Sessions {
    /// Starts the actor on the current runtime; a session unused for `ttl` ends.
    pub(crate) fn start(table: Arc<Table>, ttl: Duration) -> Self {
        let (address, stopping) = (Arc::new(Address::empty()), CancellationToken::new());
        let ttl = Arc::new(AtomicU64::new(millis(ttl)));
        let first = spawn(&table, &ttl, &address);
        tokio::spawn(keep_running(first, table.clone(), ttl.clone(), address.clone(), stopping.clone()));
        Self { table, address, ttl, stopping }
    }

    /// A session unused for this long ends, from now on.
    pub(crate) fn set_ttl(&self, ttl: Duration) {
        if self.ttl.swap(millis(ttl), Relaxed) != millis(ttl) {
            self.send(SessionsMsg::NewTtl);
        }
    }

    /// Where sessions are found.
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Starts the actor of a session. False if that is not possible now.
    pub(crate) async fn spawn(&self, session: Arc<Session>) -> bool {
        let (reply, started) = oneshot::channel();
        self.send(SessionsMsg::Start(session, reply));
        started.await.is_ok()
    }

    /// The session is over: nobody finds it any more, and its streams end.
    pub(crate) fn end(&self, session: &Session, cause: EndCause) {
        if self.table.remove(session.id(), cause).is_some() {
            session.send(SessionMsg::End);
        }
    }

    /// Ends every session's actor, and with it its streams; returns when they are gone.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        if let Some(actor) = self.address.load_full() {
            // Its children are killed with it; their states, and so their streams, are dropped.
            let _ = actor.stop_and_wait(None, Some(STOP)).await;
        }
    }

    #[cfg(test)]
    pub(crate) fn panic(&self) {
        self.send(SessionsMsg::Panic);
    }

    fn send(&self, message: SessionsMsg) {
        if let Some(actor) = self.address.load().as_ref() {
            drop(actor.send_message(message));
        }
    }
}

type Running = JoinHandle<Result<JoinHandle<()>, SpawnErr>>;

/// Starts the actor; it has an address at once.
fn spawn(table: &Arc<Table>, ttl: &Ttl, address: &Address) -> Option<Running> {
    let (actor, running) =
        ActorRuntime::spawn_instant(None, SessionsActor, (table.clone(), ttl.clone())).ok()?;
    address.store(Some(Arc::new(actor)));
    Some(running)
}

/// Starts the actor again after every panic: sessions must not depend on its luck.
async fn keep_running(
    mut running: Option<Running>,
    table: Arc<Table>,
    ttl: Ttl,
    address: Arc<Address>,
    stopping: CancellationToken,
) {
    while let Some(Ok(Ok(ended))) = match running {
        Some(running) => Some(running.await),
        None => None,
    } {
        let _ = ended.await;
        if stopping.is_cancelled() {
            return;
        }
        mcpvisor_actors::metrics::actor_failed(actor::ActorKind::Session);
        tracing::error!(
            event = "actor.failed",
            actor = "sessions",
            "the parent of the sessions failed; it is started again"
        );
        running = spawn(&table, &ttl, &address);
    }
    tracing::error!(
        event = "actor.failed",
        actor = "sessions",
        "the parent of the sessions cannot be started"
    );
}

impl Actor for SessionsActor {
    type Msg = SessionsMsg;
    type State = State;
    type Arguments = (Arc<Table>, Ttl);

    async fn pre_start(
        &self,
        _: ActorRef<SessionsMsg>,
        (table, ttl): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { table, ttl, ticks: None, children: HashMap::new() })
    }

    async fn post_start(
        &self,
        myself: ActorRef<SessionsMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Those of a parent before this one, which died with it.
        for session in state.table.all() {
            state.start(&myself, session).await?;
        }
        state.tick(&myself);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionsMsg>,
        message: SessionsMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionsMsg::Start(session, reply) => {
                state.start(&myself, session).await?;
                let _ = reply.send(()); // else whoever asked has gone, and ends the session
            }
            SessionsMsg::Tick => state.expire(),
            SessionsMsg::NewTtl => state.tick(&myself),
            #[cfg(test)]
            SessionsMsg::Panic => panic!("on demand"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SessionsMsg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(who, ..) => drop(state.children.remove(&who.get_id())),
            SupervisionEvent::ActorFailed(who, error) => {
                let Some(session) = state.children.remove(&who.get_id()) else { return Ok(()) };
                let hash = session.hash();
                let error = error.to_string();
                tracing::error!(
                    event = "actor.failed",
                    actor = "session",
                    session = hash,
                    error,
                    "it is started again"
                );
                mcpvisor_actors::metrics::actor_failed(actor::ActorKind::Session);
                state.start(&myself, session).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    async fn start(
        &mut self,
        myself: &ActorRef<SessionsMsg>,
        session: Arc<Session>,
    ) -> Result<(), ActorProcessingErr> {
        let args = (session.clone(), self.table.clone());
        let (actor, _) = actor::Actor::spawn_linked(None, SessionActor, args, myself.get_cell()).await?;
        self.children.insert(actor.get_id(), session.clone());
        session.mailbox().set(actor);
        Ok(())
    }

    /// Coarse: a session may live that much longer than its time.
    fn tick(&mut self, myself: &ActorRef<SessionsMsg>) {
        let every = (self.ttl() / 10).clamp(Duration::from_millis(100), Duration::from_secs(60));
        let ticks = myself.send_interval(every, || SessionsMsg::Tick).abort_handle();
        if let Some(before) = self.ticks.replace(ticks) {
            before.abort();
        }
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl.load(Relaxed))
    }

    fn expire(&self) {
        let ttl = self.ttl();
        for session in self.table.all() {
            if session.unused_for() > ttl && self.table.remove(session.id(), EndCause::Ttl).is_some() {
                session.let_go(EndCause::Ttl);
                session.send(SessionMsg::End);
            }
        }
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}
