//! `subscriptions/listen`: a stream of what changes, to a backend of either era.

mod wanted;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{EndCause, Route, SessionEvent, SessionRecord, SessionSink, Stage};
use metrics::Counter;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::answer::error_code;
use super::bridge::greet;
use super::call::Call;
use super::key::Who;
use super::own;
use super::talk::Said;
use crate::front::face::Face;
use crate::front::fields::Fields;
use crate::front::inbound::Inbound;
use crate::front::rejection::Rejection;
use wanted::Wanted;

/// What may wait for a slow reader; what comes then is lost to it, and counted.
const WAITING: usize = 256;

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// `backend_lost` and `shutting_down`, see `contract.md`.
const BACKEND_LOST: i64 = -31001;
const SHUTTING_DOWN: i64 = -31005;

/// One stream.
pub(crate) struct Listen {
    source: Source,
    /// To be said before anything else.
    next: VecDeque<Bytes>,
    /// The client's id, raw JSON.
    id: Bytes,
    ending: CancellationToken,
    ended: bool,
}

enum Source {
    Quiet,
    Modern(Box<Modern>),
    Bridged { _listener: Listener, events: mpsc::Receiver<SessionEvent>, granted: Wanted },
}

/// The backend itself listens for us.
struct Modern {
    call: Call,
    face: Arc<Face>,
    /// For the next process, when this one is gone.
    message: Envelope,
    wanted: Wanted,
    /// The next acknowledgement is not the client's first.
    again: bool,
}

/// Grants nothing, until the client has heard enough of that.
pub(crate) fn quiet(inbound: &Inbound<'_>, message: &Envelope) -> Listen {
    let id = message.id_bytes().unwrap_or_default();
    let first = named(&id, "notifications/subscriptions/acknowledged", Wanted::default().acknowledged());
    Listen::new(inbound, Source::Quiet, id, VecDeque::from([first]))
}

/// Passes the request on.
pub(crate) fn modern(inbound: &Inbound<'_>, who: &Who, message: Envelope) -> Result<Listen, Rejection> {
    let id = message.id_bytes().unwrap_or_default();
    let wanted = Wanted::of(&message);
    let call = Call::begin(inbound, who, message.clone())?;
    let modern = Modern { call, face: inbound.face.clone(), message, wanted, again: false };
    Ok(Listen::new(inbound, Source::Modern(Box::new(modern)), id, VecDeque::new()))
}

/// Subscribes in the way of the legacy era, then tells what of it was granted.
pub(crate) async fn bridged(
    inbound: &Inbound<'_>,
    who: &Who,
    message: Envelope,
) -> Result<Listen, Rejection> {
    let id = message.id_bytes().unwrap_or_default();
    let refused = |refusal| Rejection::refused(Some(&id), StatusCode::OK, &refusal);
    let (sender, events) = mpsc::channel(WAITING);
    let sink = Ear { events: sender, overflows: inbound.face.overflows.clone() };
    // It is told of restarts from here on, as who has shaken hands is.
    let record = SessionRecord::clone(&who.record).at_stage(Stage::Initialized);
    let route =
        inbound.front.launcher.listener(who.key.clone(), record.into(), Box::new(sink)).map_err(refused)?;
    let listener = Listener(route);
    listener.0.attach().await.map_err(refused)?;
    let greeting = greet(inbound, who).await.map_err(refused)?;
    let mut granted = Wanted::of(&message).granted_by(&greeting);
    let mut subscribed = Vec::new();
    for uri in std::mem::take(&mut granted.uris) {
        if subscribe(&listener.0, &uri).await {
            subscribed.push(uri);
        }
    }
    granted.uris = subscribed;
    let first = named(&id, "notifications/subscriptions/acknowledged", granted.acknowledged());
    let source = Source::Bridged { _listener: listener, events, granted };
    Ok(Listen::new(inbound, source, id, VecDeque::from([first])))
}

impl Listen {
    fn new(inbound: &Inbound<'_>, source: Source, id: Bytes, next: VecDeque<Bytes>) -> Self {
        Self { source, next, id, ending: inbound.front.ending.clone(), ended: false }
    }

    /// What the client is told next. May be dropped and called again.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(next) = self.next.pop_front() {
                return Some(Said::Event(next));
            }
            let said = tokio::select! {
                biased;
                () = self.ending.cancelled() => Some(self.complete()),
                said = self.source.say(&self.id, &mut self.next) => said,
            };
            match said {
                None => {}
                Some(Said::Event(event)) => return Some(Said::Event(event)),
                Some(Said::Last(status, told)) => {
                    self.ended = true;
                    return Some(if told.is_empty() { self.complete() } else { Said::Last(status, told) });
                }
            }
        }
    }

    /// An end in good order.
    fn complete(&mut self) -> Said {
        self.ended = true;
        let id: Value = serde_json::from_slice(&self.id).unwrap_or_default();
        let result = json!({ "resultType": "complete", "_meta": { SUBSCRIPTION_ID: id } });
        Said::Last(StatusCode::OK, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into())
    }
}

impl Source {
    /// An empty last word stands for an end in good order; `None`: look again.
    async fn say(&mut self, id: &Bytes, next: &mut VecDeque<Bytes>) -> Option<Said> {
        match self {
            Self::Quiet => std::future::pending().await,
            Self::Modern(modern) => modern.say(id, next).await,
            Self::Bridged { events, granted, .. } => match events.recv().await {
                Some(SessionEvent::Message(message)) => {
                    let message = Envelope::parse(message).ok()?;
                    if !granted.hears(&message) {
                        return None;
                    }
                    Some(Said::Event(with_subscription_id(id, &message)))
                }
                // It cannot be asked.
                Some(SessionEvent::ServerRequest { .. } | SessionEvent::ServerRequestGone { .. }) => None,
                Some(SessionEvent::Ended(_)) | None => Some(Said::Last(StatusCode::OK, Bytes::new())),
            },
        }
    }
}

impl Modern {
    async fn say(&mut self, id: &Bytes, next: &mut VecDeque<Bytes>) -> Option<Said> {
        let Some((message, last)) = self.call.next().await else {
            return Some(Said::Last(StatusCode::OK, Bytes::new()));
        };
        if !last {
            let method = Envelope::parse(message.clone()).ok();
            let acknowledges = method.as_ref().and_then(Envelope::method)
                == Some("notifications/subscriptions/acknowledged");
            if acknowledges && std::mem::take(&mut self.again) {
                // Another process: what it has to show may be other things.
                next.extend(self.wanted.changed().map(|method| named(id, method, json!({}))));
                return None;
            }
            return Some(Said::Event(message));
        }
        match error_code(&message) {
            Some(BACKEND_LOST) => {
                self.again = true;
                let route = self.call.route().clone();
                self.call = Call::send(&self.face, route, self.message.clone());
                None
            }
            Some(SHUTTING_DOWN) => Some(Said::Last(StatusCode::OK, Bytes::new())),
            _ => Some(Said::Last(super::answer::status(&message), message)),
        }
    }
}

async fn subscribe(route: &Route, uri: &str) -> bool {
    let answer = own::ask(route, "resources/subscribe", &json!({ "uri": uri })).await;
    answer.is_some_and(|answer| answer.kind() == Kind::Result)
}

/// A notification of our own on the subscription.
fn named(id: &Bytes, method: &str, mut params: Value) -> Bytes {
    let id: Value = serde_json::from_slice(id).unwrap_or_default();
    params["_meta"] = json!({ SUBSCRIPTION_ID: id });
    message::notification(method, Some(params))
}

/// A notification of the backend on the subscription with this id (raw JSON).
fn with_subscription_id(id: &Bytes, message: &Envelope) -> Bytes {
    let Some(params) = message.params() else {
        return named(id, message.method().unwrap_or_default(), json!({}));
    };
    let Some(mut fields) = Fields::parse(params) else { return message.bytes().clone() };
    let mut meta = fields.get("_meta").and_then(|meta| Fields::parse(meta.as_bytes())).unwrap_or_default();
    meta.set(SUBSCRIPTION_ID, String::from_utf8_lossy(id).into_owned());
    let meta = meta.to_string();
    fields.set("_meta", meta);
    message.with_part(params, fields.to_string().as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notification_says_which_subscription_it_is_for_and_stays_what_it_was() {
        let id = Bytes::from_static(b"\"s\"");
        let of = |text: &str| {
            let message = Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            String::from_utf8(with_subscription_id(&id, &message).to_vec()).unwrap()
        };
        assert_eq!(
            of(
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","n":1.50,"_meta":{"x":1}}}"#
            ),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","n":1.50,"_meta":{"x":1,"io.modelcontextprotocol/subscriptionId":"s"}}}"#
        );
        let without: Value =
            serde_json::from_str(&of(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#))
                .unwrap();
        assert_eq!(without["params"]["_meta"][SUBSCRIPTION_ID], "s");
    }
}
