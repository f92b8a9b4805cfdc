//! What a backend says of its own accord, to a session that has several.

use std::sync::{Arc, Weak};

use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{EndCause, SessionEvent, SessionSink};

use super::Hub;
use crate::front::session::{Mailbox, SessionMsg};
use crate::front::unified::view::View;

pub(super) struct Ear {
    pub(super) hub: Weak<Hub>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) view: View,
}

impl SessionSink for Ear {
    fn deliver(&self, event: SessionEvent) {
        let event = match event {
            SessionEvent::Message(message) => {
                if memchr::memmem::find(&message, b"resources/list_changed").is_some() {
                    self.forget(&message);
                }
                SessionEvent::Message(self.view.heard(message))
            }
            SessionEvent::Ended(cause) => return self.ended(cause),
            asked => asked,
        };
        self.mailbox.send(SessionMsg::Event(event));
    }
}

impl Ear {
    fn forget(&self, message: &bytes::Bytes) {
        let method = Envelope::parse(message.clone()).ok();
        let changed =
            method.as_ref().and_then(Envelope::method) == Some("notifications/resources/list_changed");
        if let Some(hub) = self.hub.upgrade().filter(|_| changed) {
            hub.owners.forget(self.view.backend());
        }
    }

    /// Its part in the session is over. The others go on, and it may begin anew.
    fn ended(&self, cause: EndCause) {
        let Some(hub) = self.hub.upgrade().filter(|hub| hub.ended().is_none()) else { return };
        hub.owners.forget(self.view.backend());
        let backend = self.view.backend();
        hub.warn(&format!(
            "backend '{backend}' has ended its part of the session ({}); what it kept in memory is lost",
            cause.as_str()
        ));
        hub.tell_of_changes();
    }
}
