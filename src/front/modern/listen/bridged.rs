//! A subscription at a backend of the legacy era: a place among those who hear what it says to all.

use std::pin::Pin;

use bytes::Bytes;
use mcpvisor_actors::message::{Envelope, Kind};
use mcpvisor_actors::{EndCause, Launcher, Refusal, Route, SessionEvent, SessionRecord, SessionSink, Stage};
use metrics::Counter;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::wanted::Wanted;
use super::{ACKNOWLEDGED, Heard, named, with_subscription_id};
use crate::front::inbound::Inbound;
use crate::front::modern::bridge::greet;
use crate::front::modern::key::Who;
use crate::front::modern::own;
use crate::front::modern::talk::Said;

/// What may wait for a slow reader; what comes then is lost to it, and counted.
const WAITING: usize = 256;

type Opening = Pin<Box<dyn Future<Output = Result<Open, Refusal>> + Send>>;

/// See the module.
pub(super) enum Bridged {
    /// The backend is launched if need be, and told what is wanted.
    Opening(Opening),
    Open(Open),
}

/// One that has been acknowledged.
pub(super) struct Open {
    _listener: Listener,
    events: mpsc::Receiver<SessionEvent>,
    granted: Wanted,
}

impl Bridged {
    /// Subscribes in the way of the legacy era. Nothing happens before the first [`Bridged::hear`].
    pub(super) fn begin(inbound: &Inbound<'_>, who: &Who, message: &Envelope) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        let ear = Ear { events: sender, overflows: inbound.face.overflows.clone() };
        let (launcher, who, wanted) = (inbound.front.launcher.clone(), who.clone(), Wanted::of(message));
        Self::Opening(Box::pin(open(launcher, who, wanted, ear, events)))
    }

    /// What is heard next. May be dropped and called again.
    pub(super) async fn hear(&mut self, id: &Bytes) -> Heard {
        match self {
            Self::Opening(opening) => match opening.await {
                Ok(open) => {
                    let first = named(id, ACKNOWLEDGED, open.granted.acknowledged());
                    *self = Self::Open(open);
                    Heard::Said(Said::Event(first))
                }
                Err(refusal) => Heard::Refused(refusal),
            },
            Self::Open(open) => match open.events.recv().await {
                Some(SessionEvent::Message(message)) => open.told(id, message),
                // It cannot be asked.
                Some(SessionEvent::ServerRequest { .. } | SessionEvent::ServerRequestGone { .. }) => {
                    Heard::Nothing
                }
                Some(SessionEvent::Ended(_)) | None => Heard::End,
            },
        }
    }
}

impl Open {
    fn told(&self, id: &Bytes, message: Bytes) -> Heard {
        match Envelope::parse(message) {
            Ok(message) if self.granted.hears(&message) => {
                Heard::Said(Said::Event(with_subscription_id(id, &message)))
            }
            _ => Heard::Nothing,
        }
    }
}

async fn open(
    launcher: Launcher,
    who: Who,
    wanted: Wanted,
    ear: Ear,
    events: mpsc::Receiver<SessionEvent>,
) -> Result<Open, Refusal> {
    // It is told of restarts from here on, as who has shaken hands is.
    let record = SessionRecord::clone(&who.record).at_stage(Stage::Initialized);
    let listener = Listener(launcher.listener(who.key.clone(), record.into(), Box::new(ear))?);
    listener.0.attach().await?;
    let greeting = greet(&launcher, &who).await?;
    let mut granted = wanted.granted_by(&greeting);
    let patience = launcher.backend(&who.key.backend_id)?.timeouts.request;
    granted.uris = subscribe(&listener.0, std::mem::take(&mut granted.uris), Instant::now() + patience).await;
    Ok(Open { _listener: listener, events, granted })
}

/// Those of them that the backend has granted by then.
async fn subscribe(route: &Route, uris: Vec<String>, deadline: Instant) -> Vec<String> {
    let mut granted = Vec::new();
    for uri in uris {
        let params = json!({ "uri": uri });
        let Ok(answer) = timeout_at(deadline, own::ask(route, "resources/subscribe", &params)).await else {
            break;
        };
        if answer.is_some_and(|answer| answer.kind() == Kind::Result) {
            granted.push(uri);
        }
    }
    granted
}

/// Leaves when it is dropped.
struct Listener(Route);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.end(EndCause::Delete);
    }
}

/// Hears what the backend says to all.
struct Ear {
    events: mpsc::Sender<SessionEvent>,
    overflows: Counter,
}

impl SessionSink for Ear {
    fn deliver(&self, event: SessionEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.overflows.increment(1);
        }
    }

    fn can_be_asked(&self) -> bool {
        false
    }
}
