//! The ends of a session that come from its backend.

use mcpvisor_config::OnRestart;
use tracing::Level;

use super::machine::Event;
use super::{SupervisorMsg, SupervisorState};
use crate::actor::ActorRef;
use crate::error::EndCause;
use crate::event::{EventKind, SupervisionEvent};
use crate::registry::News;

impl SupervisorState {
    /// Whether the session is over now that its connection is (`on_restart = "end_session"`). Not if an open
    /// transport was put in its place on purpose, and before that connection was lost: whoever did that knows what
    /// is lost.
    pub(super) fn ends_with_connection(&self) -> bool {
        let route = &self.args.route;
        match route.ended() {
            // The Connection has said so, to whoever asked it: nothing that came since can take it back.
            Some(EndCause::EndSession) => true,
            // It ends by that.
            Some(_) => false,
            None => {
                let meant = self.args.configured.backend.on_restart == OnRestart::EndSession;
                meant && self.args.transport.is_none() && route.is_established()
            }
        }
    }

    /// Ends the session although nobody asked for that.
    pub(super) fn end_session(&mut self, myself: &ActorRef<SupervisorMsg>, cause: EndCause, why: &str) {
        self.args
            .events
            .emit(SupervisionEvent::of(EventKind::SessionEnded, self.key(), why).because(cause.as_str()));
        self.over(myself, cause);
    }

    /// Nothing is launched for it any more: what waits is refused, and its client is told by 404.
    fn over(&mut self, myself: &ActorRef<SupervisorMsg>, cause: EndCause) {
        self.args.route.conclude(cause);
        self.on(myself, Event::Delete(cause));
    }

    /// A session cannot go on in another protocol version: its client has agreed to the first one.
    pub(super) fn version_changed(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64, now: &str) {
        if self.is_launching(incarnation) {
            self.spare_answered();
            self.end_launch("handshake_failed");
            self.news(News::Left);
            self.end_session(myself, EndCause::Version, &format!("the restarted backend speaks {now}"));
        }
    }

    /// The Connection closes for want of use, and its session is not to lose its memory in silence.
    pub(super) fn session_idle(&mut self, myself: &ActorRef<SupervisorMsg>, incarnation: u64) {
        if self.is_current(incarnation) && self.ends_with_connection() {
            let cause = EndCause::EndSession;
            let event =
                SupervisionEvent::of(EventKind::SessionEnded, self.key(), "nobody used its connection");
            self.args.events.emit(event.because(cause.as_str()).at_level(Level::INFO));
            self.over(myself, cause);
        }
    }
}
