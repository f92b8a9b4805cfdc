//! The ways of a message: to the Connection, else to the Supervisor, else to the Registry.

use ractor::MessagingErr;
use tokio::time::Instant;

use super::Route;
use crate::connection::ConnectionMsg;
use crate::error::Refusal;
use crate::filter;
use crate::message::Envelope;
use crate::pending::Pending;
use crate::registry::RegistryMsg;
use crate::session_record::Stage;
use crate::supervisor::SupervisorMsg;

/// What a session says that nobody answers: a notification, or its answer to a request of the backend.
pub(crate) struct Notice {
    pub(crate) route: Route,
    pub(crate) message: Envelope,
}

impl Route {
    /// Sends a notification of the client.
    pub fn notify(&self, message: Envelope) {
        let place = self.place();
        place.usage.touch(Instant::now());
        // A server may take it for a request that only lacks its id.
        let admitted = filter::admit(&place.settings.load(), || self.0.record.load(), &message);
        let Ok(admitted) = admitted else { return };
        let message = admitted.unwrap_or(message);
        if message.method() == Some("notifications/initialized") {
            // The client says it once, whatever becomes of the connection that it was meant for.
            self.update_record(|record| record.stage = record.stage.max(Stage::Initialized));
        }
        let notice = Notice { route: self.clone(), message };
        let notice = match self.to_connection(ConnectionMsg::Notify(notice)) {
            Some(ConnectionMsg::Notify(notice)) => notice,
            _ => return,
        };
        let notice = match self.to_supervisor(SupervisorMsg::Notify(notice)) {
            Some(SupervisorMsg::Notify(notice)) => notice,
            _ => return,
        };
        // With no registry left the service is ending, and the notification with it.
        let _ = self.0.registry.send(RegistryMsg::Notify(notice));
    }

    /// Sends the client's answer to a request of the backend. An answer to an incarnation that is gone
    /// has no reader and is dropped.
    pub fn respond(&self, message: Envelope) {
        self.place().usage.touch(Instant::now());
        let notice = Notice { route: self.clone(), message };
        drop(self.to_connection(ConnectionMsg::Respond(notice)));
    }

    /// From here to the current Connection, else to the Supervisor, else to the Registry.
    pub(crate) fn dispatch(&self, pending: Pending) {
        let pending = match self.to_connection(ConnectionMsg::Request(pending)) {
            Some(ConnectionMsg::Request(pending)) => pending,
            _ => return,
        };
        let pending = match self.to_supervisor(SupervisorMsg::Request(pending)) {
            Some(SupervisorMsg::Request(pending)) => pending,
            _ => return,
        };
        self.reroute(pending);
    }

    /// To the Registry, which knows or starts the Supervisor.
    pub(crate) fn reroute(&self, pending: Pending) {
        let Err(RegistryMsg::Request(pending)) = self.0.registry.send(RegistryMsg::Request(pending)) else {
            return;
        };
        // The Registry has failed and is being replaced, or the service is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return pending.refuse(self.shutting_down());
        };
        let route = self.clone();
        runtime.spawn(async move {
            let message = RegistryMsg::Request(pending);
            if let Err(RegistryMsg::Request(pending)) = route.0.registry.send_to_next(message).await {
                pending.refuse(route.shutting_down());
            }
        });
    }

    /// An attach that reached a Supervisor which was ending.
    pub(crate) fn reattach(&self, reply: crate::registry::AttachReply) {
        let message = RegistryMsg::Attach { route: self.clone(), reply };
        if let Err(RegistryMsg::Attach { reply, .. }) = self.0.registry.send(message) {
            let _ = reply.send(Err(self.shutting_down()));
        }
    }

    pub(super) fn shutting_down(&self) -> Refusal {
        Refusal::ShuttingDown { backend: self.key().backend_id.clone(), close: true }
    }

    /// The message back, if there is nobody to take it.
    fn to_connection(&self, message: ConnectionMsg) -> Option<ConnectionMsg> {
        let connection = self.place().connection.load();
        match connection.as_ref() {
            Some(connection) => undelivered(connection.send_message(message)),
            None => Some(message),
        }
    }

    fn to_supervisor(&self, message: SupervisorMsg) -> Option<SupervisorMsg> {
        let supervisor = self.place().supervisor.load();
        match supervisor.as_ref() {
            Some(supervisor) => undelivered(supervisor.send_message(message)),
            None => Some(message),
        }
    }
}

/// `SendErr` gives the message back: it was never delivered and may go elsewhere.
fn undelivered<M>(sent: Result<(), MessagingErr<M>>) -> Option<M> {
    match sent {
        Err(MessagingErr::SendErr(message)) => Some(message),
        _ => None,
    }
}
