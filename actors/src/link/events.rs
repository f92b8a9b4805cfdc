//! Where a link's tasks report to.
//!
//! To its Connection. A spare has none yet: what it says goes to the Registry that keeps it, then, once it is
//! given to a session, to that session's Supervisor, and from there to the Connection as soon as there is one. What
//! was on its way to the one before is passed on, so nothing is lost; and since each task reports one event at a
//! time, only what it said before the handshake can arrive late.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::LinkEvent;
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::message::{Envelope, Kind};
use crate::metrics::BackendMetrics;
use crate::registry::{RegistryMsg, SpareMsg};
use crate::supervisor::SupervisorMsg;

/// Cheap to clone; one atomic load for each event.
#[derive(Clone)]
pub(crate) struct Events(Arc<Inner>);

struct Inner {
    connection: OnceLock<ActorRef<ConnectionMsg>>,
    reserve: Option<Reserve>,
    probe: Option<mpsc::UnboundedSender<LinkEvent>>,
}

/// The way of a spare until it has a Connection.
struct Reserve {
    incarnation: u64,
    metrics: BackendMetrics,
    registry: ActorRef<RegistryMsg>,
    supervisor: OnceLock<ActorRef<SupervisorMsg>>,
}

impl Events {
    /// To this Connection from the first to the last.
    pub(crate) fn to(connection: ActorRef<ConnectionMsg>) -> Self {
        Self(Arc::new(Inner { connection: OnceLock::from(connection), reserve: None, probe: None }))
    }

    /// To the Registry, which keeps this incarnation in reserve.
    pub(crate) fn of_spare(
        incarnation: u64,
        metrics: BackendMetrics,
        registry: ActorRef<RegistryMsg>,
    ) -> Self {
        let reserve = Some(Reserve { incarnation, metrics, registry, supervisor: OnceLock::new() });
        Self(Arc::new(Inner { connection: OnceLock::new(), reserve, probe: None }))
    }

    /// To whoever only wants to know what the backend speaks.
    pub(crate) fn to_probe(probe: mpsc::UnboundedSender<LinkEvent>) -> Self {
        Self(Arc::new(Inner { connection: OnceLock::new(), reserve: None, probe: Some(probe) }))
    }

    /// From now on to this Supervisor. To be called after it was sent the spare.
    pub(crate) fn give_to(&self, supervisor: ActorRef<SupervisorMsg>) {
        if let Some(reserve) = &self.0.reserve {
            let _ = reserve.supervisor.set(supervisor);
        }
    }

    /// From now on to this Connection.
    pub(crate) fn connect_to(&self, connection: ActorRef<ConnectionMsg>) {
        let _ = self.0.connection.set(connection);
    }

    /// False if nobody is there any more, which is the sign for a link's task to end.
    pub(crate) fn send(&self, event: LinkEvent) -> bool {
        if let Some(connection) = self.0.connection.get() {
            return connection.send_message(ConnectionMsg::Link(event)).is_ok();
        }
        if let Some(probe) = &self.0.probe {
            return probe.send(event).is_ok();
        }
        let Some(reserve) = &self.0.reserve else { return false };
        match reserve.supervisor.get() {
            Some(supervisor) => {
                let incarnation = reserve.incarnation;
                supervisor.send_message(SupervisorMsg::Link { incarnation, event }).is_ok()
            }
            None if matches!(event, LinkEvent::Noise) => {
                reserve.metrics.noise();
                true
            }
            None if is_chatter(&event) => true,
            None => {
                let (incarnation, events) = (reserve.incarnation, self.clone());
                let message = RegistryMsg::Spare(SpareMsg::Link { incarnation, events, event });
                reserve.registry.send_message(message).is_ok()
            }
        }
    }

    /// The same, where it makes no difference.
    pub(crate) fn report(&self, event: LinkEvent) {
        self.send(event);
    }

    /// The Registry got this of a spare that it no longer keeps. If nobody was given it, nobody wants it.
    pub(crate) fn pass_on(&self, event: LinkEvent) {
        if self.0.reserve.as_ref().is_some_and(|reserve| reserve.supervisor.get().is_some()) {
            self.send(event);
        }
    }
}

/// What a server says before its handshake is for nobody, and the Registry has other things to do: it hears of answers
/// and of what wants one.
fn is_chatter(event: &LinkEvent) -> bool {
    let said = |message: &Envelope| match message.kind() {
        Kind::Notification => true,
        Kind::Request => message.method() != Some("ping"),
        Kind::Result | Kind::Error => false,
    };
    match event {
        LinkEvent::Written(_) => true,
        LinkEvent::Message { message, .. } => said(message),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ear::ear;
    use crate::process::ExitStatus;

    fn exited(code: i32) -> LinkEvent {
        LinkEvent::Exited(ExitStatus::Code(code))
    }

    fn said(text: &'static str) -> LinkEvent {
        let message = Envelope::parse(Bytes::from_static(text.as_bytes())).unwrap();
        LinkEvent::Message { message, via: None, permit: None }
    }

    fn code(event: &LinkEvent) -> i32 {
        match event {
            LinkEvent::Exited(ExitStatus::Code(code)) => *code,
            _ => panic!("an exit"),
        }
    }

    /// A spare that dies while it is handed over would be waited for until the launch is over.
    #[tokio::test]
    async fn nothing_is_lost_between_the_reserve_and_the_connection() {
        let (registry, mut to_registry) = ear::<RegistryMsg>().await;
        let (supervisor, mut to_supervisor) = ear::<SupervisorMsg>().await;
        let (connection, mut to_connection) = ear::<ConnectionMsg>().await;
        let events = Events::of_spare(7, BackendMetrics::new(&"b".into()), registry);
        for early in [1, 2] {
            assert!(events.send(exited(early)));
        }
        events.give_to(supervisor);
        events.send(exited(3));
        // The first of the early ones reaches the Registry now, the second when there is a Connection.
        let Some(RegistryMsg::Spare(SpareMsg::Link { incarnation: 7, events: late, event })) =
            to_registry.recv().await
        else {
            panic!("the first")
        };
        late.pass_on(event);
        for wanted in [3, 1] {
            let Some(SupervisorMsg::Link { incarnation: 7, event }) = to_supervisor.recv().await else {
                panic!()
            };
            assert_eq!(code(&event), wanted);
        }
        events.connect_to(connection);
        events.send(exited(4));
        let Some(RegistryMsg::Spare(SpareMsg::Link { events: late, event, .. })) = to_registry.recv().await
        else {
            panic!("the second")
        };
        late.pass_on(event);
        for wanted in [4, 2] {
            let Some(ConnectionMsg::Link(event)) = to_connection.recv().await else { panic!() };
            assert_eq!(code(&event), wanted);
        }
    }

    /// One spare that nobody wants any more would keep the Registry busy for ever.
    #[tokio::test]
    async fn what_nobody_was_given_ends_at_the_registry() {
        let (registry, mut to_registry) = ear::<RegistryMsg>().await;
        let events = Events::of_spare(7, BackendMetrics::new(&"b".into()), registry);
        events.pass_on(exited(1));
        assert!(to_registry.try_recv().is_err());
    }

    /// One server that logs a lot on its standard output would slow down every other.
    #[tokio::test]
    async fn the_registry_hears_of_answers_and_pings_only() {
        let (registry, mut to_registry) = ear::<RegistryMsg>().await;
        let events = Events::of_spare(7, BackendMetrics::new(&"b".into()), registry);
        events.send(LinkEvent::Noise);
        events.send(said(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#));
        events.send(said(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#));
        events.send(said(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#));
        events.send(said(r#"{"jsonrpc":"2.0","id":"mcpvisor-spare","error":{"code":1,"message":"no"}}"#));
        for wanted in [Kind::Request, Kind::Error] {
            let Some(RegistryMsg::Spare(SpareMsg::Link { event, .. })) = to_registry.recv().await else {
                panic!()
            };
            let LinkEvent::Message { message, .. } = event else { panic!("a message") };
            assert_eq!(message.kind(), wanted);
            assert_eq!(super::super::spare::answers_ping(&message), wanted == Kind::Error);
        }
    }
}
