//! A process that was started before anybody asked for it.

use bytes::Bytes;
use mcpvisor_config::{Backend, Protocol};

use super::{Events, Link, LinkEvent};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::era::Era;
use crate::message::Envelope;

/// In place of a session's hash in the log, until it is given to one.
pub(crate) const SESSION: &str = "spare";

/// Not a number: those are the ids of its Connection later.
const PING_ID: &[u8] = br#""mcpvisor-spare""#;

/// On its way from the Registry to the session that gets it. Dropped, it is killed.
pub(crate) struct Spare {
    pub(crate) incarnation: u64,
    pub(crate) link: Box<dyn Link>,
    pub(crate) pid: Option<u32>,
    pub(crate) events: Events,
}

impl Spare {
    /// Gives it to the Connection of a session with this hash, for which it opens now.
    pub(crate) fn open(self, connection: &ActorRef<ConnectionMsg>, session: String) {
        if let Some(stderr) = self.link.stderr() {
            stderr.belongs_to(session);
        }
        let open = LinkEvent::Open { link: self.link, pid: self.pid };
        // First: whatever else is reported comes after it.
        let _ = connection.send_message(ConnectionMsg::Link(open));
        self.events.connect_to(connection.clone());
    }
}

/// The era in which the spares of a backend are spoken to: from the first byte on, so it is the same for all.
pub(crate) fn era(backend: &Backend) -> Era {
    if backend.protocol == Protocol::Modern { Era::Modern } else { Era::Legacy }
}

/// Asks whether it is up: the one request that the legacy era allows before `initialize`, or the one that every modern
/// server must answer.
pub(crate) fn ping(backend: &Backend) -> Bytes {
    match era(backend) {
        Era::Legacy => [br#"{"jsonrpc":"2.0","id":"#, PING_ID, br#","method":"ping"}"#].concat().into(),
        Era::Modern => crate::era::discover(&serde_json::from_slice(PING_ID).unwrap_or_default(), backend),
    }
}

/// Whether this answers it; an error does as well.
pub(crate) fn answers_ping(message: &Envelope) -> bool {
    message.id() == Some(PING_ID)
}
