//! Requests of a client, each to whom it concerns.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{CancellationToken, Exchange, Overload, Refusal, Route};
use tokio::sync::oneshot;

use super::Hub;
use super::member::Member;
use super::ways::Way;
use crate::front::events::Source;
use crate::front::exchange::refused;
use crate::front::face::Face;
use crate::front::measure::Operation;
use crate::front::rejection::INVALID_REQUEST;
use crate::front::session::Session;
use crate::front::unfetched;
use crate::front::unified::view::View;
use crate::telemetry::traces::RequestTrace;

/// Before a client that asks too much at once should ask again.
const RETRY: Duration = Duration::from_secs(1);

/// Which backend works on a request: empty while that is being found out, and where it is nobody's in particular.
pub(super) type Whose = Arc<OnceLock<Arc<Face>>>;

/// How one answer, and what precedes it, is seen by the client.
pub(crate) struct Seen {
    hub: Arc<Hub>,
    whose: Whose,
    /// Taken out of those in flight with it.
    id: Bytes,
}

impl Seen {
    /// What precedes the answer.
    pub(crate) fn heard(&self, message: Bytes) -> Bytes {
        match self.whose.get() {
            Some(face) => View::new(face.name.clone()).heard(message),
            None => message,
        }
    }

    /// The answer: what it links to is of the same backend.
    pub(crate) fn answered(&self, answer: &Bytes) {
        if let Some(face) = self.whose.get() {
            super::resources::learn_links(&self.hub.owners, &face.name, answer);
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.hub.in_flight.pin().remove(&self.id);
    }
}

impl Hub {
    /// Sends a request on its way. Whatever happens, it is answered.
    pub(crate) fn send(self: &Arc<Self>, session: &Arc<Session>, message: Envelope) -> Source {
        let id = message.id_bytes().unwrap_or_else(|| Bytes::from_static(b"null"));
        let begin = |face: &Arc<Face>| Operation::begin(face, message.method(), session.version());
        let whole = || begin(session.face());
        let source =
            |exchange, operation| Source::new(exchange, id.clone(), operation, Some(session.begin_use()));
        if let Some(refusal) = unfetched::refusal(session) {
            return source(refused(refusal), whole());
        }
        if let Some(refusal) = self.overloaded() {
            return source(refused(refusal), whole());
        }
        let token = CancellationToken::new();
        if self.in_flight.pin().try_insert(id.clone(), token.clone()).is_err() {
            let shown = String::from_utf8_lossy(&id);
            let message =
                format!("a request with id {shown} is already in flight in this session; ids must be unique");
            return source(refused(Refusal::Invalid { code: INVALID_REQUEST, message }), whole());
        }
        let whose = Whose::default();
        let seen = Seen { hub: self.clone(), whose: whose.clone(), id: id.clone() };
        let source = match self.way(&message, &token, &whose) {
            Way::Here(exchange) => {
                // What is asked of whom for it is not the client's request.
                let version = session.version().as_str();
                let (_, trace) = RequestTrace::begin(message.clone(), &self.key(), version, None);
                source(exchange, whole().by(whose).traced(trace))
            }
            Way::To(face, inner) => {
                let _ = whose.set(face.clone());
                let (inner, trace) = match self.member(&face) {
                    Ok(member) => RequestTrace::begin(
                        inner,
                        member.route.key(),
                        session.version().as_str(),
                        Some(&face),
                    ),
                    // It is refused.
                    Err(_) => (inner, None),
                };
                let (exchange, label) = self.to(&face, inner, &token);
                source(exchange, begin(&face).of_tool(label).traced(trace))
            }
        };
        source.seen_by(seen)
    }

    /// As many as all backends together would take; else lists of a slow one would pile up here.
    fn overloaded(&self) -> Option<Refusal> {
        let config = self.launcher.config();
        let each = config.limits.max_in_flight.saturating_add(config.limits.max_queued);
        let most = each.saturating_mul(self.set.members().len().max(1));
        let (backend, what) = (self.set.name().clone(), Overload::Queue);
        let refusal = || Refusal::Overloaded { backend, what, most: Some(most as u64), retry_after: RETRY };
        (self.in_flight.len() >= most).then(refusal)
    }

    /// To a backend: at once where it has shaken hands, else when it has.
    fn to(
        self: &Arc<Self>,
        face: &Arc<Face>,
        message: Envelope,
        token: &CancellationToken,
    ) -> (oneshot::Receiver<Exchange>, Option<Arc<str>>) {
        if let Err(full) = face.check_rate(&self.principal) {
            return (refused(full.refusal(face)), None);
        }
        let ready = self.members.pin().get(&face.name).filter(|member| is_ready(member)).cloned();
        if let Some(member) = ready {
            let label = member.route.tool_label(&message);
            return (member.route.request(message), label);
        }
        let (hub, face) = (self.clone(), face.clone());
        let sent = self.work(token, async move { hub.when_attached(&face, message).await });
        (sent, None)
    }

    pub(super) async fn when_attached(&self, face: &Arc<Face>, message: Envelope) -> Exchange {
        match self.attach(face).await {
            Ok(member) => exchange(&member.route, message).await,
            Err(refusal) => {
                self.miss(face, None);
                Exchange::Answer(Err(refusal))
            }
        }
    }

    /// Works for a request until it is done or the client takes it back.
    pub(super) fn work(
        &self,
        token: &CancellationToken,
        work: impl Future<Output = Exchange> + Send + 'static,
    ) -> oneshot::Receiver<Exchange> {
        let (reply, exchange) = oneshot::channel();
        let token = token.clone();
        tokio::spawn(async move {
            let done = tokio::select! {
                done = work => done,
                () = token.cancelled() => Exchange::Answer(Err(Refusal::Cancelled)),
            };
            let _ = reply.send(done);
        });
        exchange
    }
}

fn is_ready(member: &Member) -> bool {
    member.said.initialized() && member.route.ended().is_none()
}

pub(super) async fn exchange(route: &Route, message: Envelope) -> Exchange {
    let lost = || {
        let message = "mcpvisor lost the request; please report this".to_owned();
        Exchange::Answer(Err(Refusal::Invalid { code: crate::front::rejection::INTERNAL_ERROR, message }))
    };
    route.request(message).await.unwrap_or_else(|_| lost())
}
