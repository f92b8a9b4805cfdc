//! One backend of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Exchange, Refusal, ReplyStream, Route};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Hub;
use crate::front::face::Face;
use crate::front::rejection::INTERNAL_ERROR;
use crate::front::unified::view::View;

/// How long a backend may take to be told the level of its log.
const LEVEL: Duration = Duration::from_secs(2);

pub(super) struct Member {
    pub(super) face: Arc<Face>,
    pub(super) view: View,
    pub(super) route: Route,
    /// Its InitializeResult, once it has answered.
    pub(super) said: OnceCell<Value>,
    /// Whether it knows that the client is ready.
    greeted: AtomicBool,
}

impl Member {
    pub(super) fn new(face: Arc<Face>, view: View, route: Route) -> Self {
        Self { face, view, route, said: OnceCell::new(), greeted: false.into() }
    }

    /// Whether it has declared the capability.
    pub(super) fn has(&self, capability: &str) -> bool {
        let declared = self.said.get().map(|said| &said["capabilities"][capability]);
        !matches!(declared, None | Some(Value::Null | Value::Bool(false)))
    }
}

impl Hub {
    /// The way to a backend that has shaken hands; it is launched if need be.
    pub(super) async fn attach(&self, face: &Arc<Face>) -> Result<Arc<Member>, Refusal> {
        let member = self.member(face)?;
        member.said.get_or_try_init(|| shake_hands(&member)).await?;
        self.greet(&member);
        Ok(member)
    }

    /// Tells it what the client has told before it was there.
    pub(super) fn greet(&self, member: &Arc<Member>) {
        let Some(initialized) = self.initialized.get() else { return };
        if !member.said.initialized() || member.greeted.swap(true, SeqCst) {
            return;
        }
        member.route.notify(initialized.clone());
        let Some(level) = self.level.load_full().filter(|_| member.has("logging")) else { return };
        let (Some(hub), member) = (self.me(), member.clone()) else { return };
        tokio::spawn(async move {
            let params = serde_json::from_slice(&level).unwrap_or_default();
            // What it says to that changes nothing.
            let _ = timeout(LEVEL, hub.ask(&member, "logging/setLevel", params)).await;
        });
    }

    /// Asks a backend something for ourselves. What precedes the answer is told as what belongs to no request. Dropped before, the
    /// request is taken back.
    pub(super) async fn ask(
        &self,
        member: &Member,
        method: &str,
        params: Value,
    ) -> Result<Envelope, Refusal> {
        let lost =
            || Refusal::Invalid { code: INTERNAL_ERROR, message: "the answer is no message".to_owned() };
        let id = self.next_id();
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let request = Envelope::parse(request.to_string().into()).map_err(|_| lost())?;
        let mut asking = Asking { member, id, answered: false };
        let exchange = member.route.request(request).await;
        let answer = match exchange.map_err(|_| lost())? {
            Exchange::Answer(answer) => answer,
            Exchange::Stream(ReplyStream { mut preceding, answer }) => {
                while let Some(message) = preceding.recv().await {
                    self.pass(member, message);
                }
                answer.await.map_err(|_| lost())?
            }
        };
        asking.answered = true;
        Envelope::parse(answer?).map_err(|_| lost())
    }

    fn pass(&self, member: &Member, message: Bytes) {
        use mcpvisor_actors::SessionEvent::{Message, ServerRequest};
        let Ok(envelope) = Envelope::parse(message.clone()) else { return };
        let event = match (envelope.kind(), envelope.id_bytes()) {
            (Kind::Request, Some(id)) => ServerRequest { id, message },
            _ => Message(member.view.heard(message)),
        };
        self.mailbox.send(crate::front::session::SessionMsg::Event(event));
    }
}

async fn shake_hands(member: &Member) -> Result<Value, Refusal> {
    let attached = member.route.attach().await?;
    let answer = Envelope::parse(attached.answer).ok();
    let body = answer.as_ref().and_then(Envelope::body);
    let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    if !attached.accepted {
        let text = body["message"].as_str().unwrap_or_default();
        let message = format!("backend '{}' refused the session: {text}", member.face.name);
        return Err(Refusal::Invalid { code: INTERNAL_ERROR, message });
    }
    member.face.said.store(Some(Arc::new(body.clone())));
    Ok(body)
}

struct Asking<'a> {
    member: &'a Member,
    id: Value,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let params = json!({ "requestId": self.id, "reason": "nobody waits for it any more" });
        let cancel = message::notification("notifications/cancelled", Some(params));
        if let Ok(cancel) = Envelope::parse(cancel) {
            self.member.route.notify(cancel);
        }
    }
}
