//! Clients without sessions, on several backends as one (`docs/unified.md`).
//!
//! Each request goes the way that it would go to a single backend, under the name that the backend knows: whose connection it uses,
//! and how it is translated, is decided there. What several have to say is gathered here.

mod discover;
mod lists;
mod reading;
mod seen;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use mcpvisor_actors::message::{self, Envelope};
use serde_json::Value;

use super::checks::{INVALID_PARAMS, METHOD_NOT_FOUND};
use super::listen::Fan;
use super::meta::Meta;
use super::talk::{Said, Talk};
use crate::auth::Caller;
use crate::front::Front;
use crate::front::face::Face;
use crate::front::inbound::Inbound;
use crate::front::lease::Lease;
use crate::front::rejection::Rejection;
use crate::front::unified::{Asked, Owners, Part, View, split, unknown};
pub(crate) use seen::Seen;

/// Who asks, and what: for as long as it takes.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(super) front: Arc<Front>,
    pub(super) set: Part,
    caller: Caller,
    headers: Arc<HeaderMap>,
    pub(super) message: Envelope,
    /// `params._meta`, but for what is for one answer only.
    meta: Value,
    owners: Arc<Owners>,
}

/// Answers a request that has passed the checks.
pub(super) async fn begin(
    inbound: &Inbound<'_>,
    set: &Part,
    message: Envelope,
    meta: Meta,
) -> Result<Talk, Rejection> {
    let visitor = Visitor::new(inbound, set, message);
    let method = visitor.message.method().unwrap_or_default().to_owned();
    match Asked::of(&method) {
        Asked::List(list) => Ok(later(async move { visitor.list(list).await })),
        Asked::Named(what) => visitor.named(inbound, what, meta).await,
        Asked::Uri if method == "resources/read" => visitor.read(inbound, meta).await,
        Asked::Reference => visitor.complete(inbound, meta).await,
        Asked::Nothing if method == "server/discover" => Ok(later(async move { visitor.discover().await })),
        Asked::Nothing if method == "subscriptions/listen" => {
            Ok(Talk::Fan(Fan::begin(visitor, Lease::begin(inbound)).into()))
        }
        Asked::Uri | Asked::Nothing => {
            let text = format!("there is no {method} for several backends at once: use /mcp/{{backend}}");
            Ok(Talk::Told(Some(visitor.wrong(StatusCode::NOT_FOUND, METHOD_NOT_FOUND, &text))))
        }
    }
}

fn later(said: impl Future<Output = Said> + Send + 'static) -> Talk {
    Talk::Later(Some(Box::pin(said)))
}

impl Visitor {
    fn new(inbound: &Inbound<'_>, set: &Part, message: Envelope) -> Self {
        let params: Value =
            message.params().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
        let mut meta = params["_meta"].clone();
        if let Some(fields) = meta.as_object_mut() {
            fields.remove("progressToken");
        }
        Self {
            front: inbound.front.clone(),
            set: set.clone(),
            caller: inbound.caller.clone(),
            headers: Arc::new(inbound.headers.clone()),
            owners: set.owners(),
            message,
            meta,
        }
    }

    /// The same as a request to one backend.
    fn inbound<'a>(&'a self, face: &Arc<Face>) -> Inbound<'a> {
        let (face, caller) = (face.clone(), self.caller.clone());
        Inbound { front: &self.front, face, set: None, caller, headers: &self.headers }
    }

    /// A request of our own, in the client's name.
    pub(super) fn request(&self, method: &str, mut params: Value) -> Option<Envelope> {
        params["_meta"] = self.meta.clone();
        let request = Envelope::parse(message::request(0, method, &params)).ok()?;
        // The client's own id, which may be a number of any size.
        Envelope::parse(request.with_id(self.id())).ok()
    }

    /// Sends a request to one backend.
    pub(super) async fn send(&self, face: &Arc<Face>, message: Envelope) -> Result<Talk, Rejection> {
        let (meta, inbound) = (Meta::of(&message), self.inbound(face));
        inbound.check_rate(message.id())?;
        // Boxed: it is the way by which this was called.
        Box::pin(super::begin(&inbound, message, meta)).await
    }

    /// Sends a request of our own to one backend; its answer.
    async fn ask(&self, face: &Arc<Face>, method: &str, params: Value) -> Option<Envelope> {
        let request = self.request(method, params)?;
        let answer = match self.send(face, request).await {
            Ok(mut talk) => last(&mut talk).await?.1,
            Err(rejection) => rejection.body().clone(),
        };
        Envelope::parse(answer).ok()
    }

    async fn named(&self, inbound: &Inbound<'_>, what: &str, meta: Meta) -> Result<Talk, Rejection> {
        let name = meta.name.clone().unwrap_or_default();
        let found = split(&name).and_then(|(backend, rest)| Some((self.set.member(backend)?, rest)));
        let Some((face, rest)) = found else { return Ok(self.unknown(what, &name)) };
        let message = View::new(face.name.clone()).call(&self.message, rest);
        let meta = Meta { name: Some(rest.to_owned()), ..meta };
        self.pass(inbound, &face, message, meta).await
    }

    async fn complete(&self, inbound: &Inbound<'_>, meta: Meta) -> Result<Talk, Rejection> {
        let params = self.message.params().and_then(|raw| serde_json::from_slice::<Value>(raw).ok());
        let reference = params.map(|mut params| params["ref"].take()).unwrap_or_default();
        if reference["type"] == "ref/resource" {
            return self
                .complete_resource(inbound, reference["uri"].as_str().unwrap_or_default(), meta)
                .await;
        }
        let name = reference["name"].as_str().unwrap_or_default();
        let found = split(name).and_then(|(backend, rest)| Some((self.set.member(backend)?, rest)));
        let Some((face, rest)) = found else { return Ok(self.unknown("prompt", name)) };
        let message = View::new(face.name.clone()).completion(&self.message, rest);
        self.pass(inbound, &face, message, meta).await
    }

    /// Passes the client's own request on, as this backend knows it.
    async fn pass(
        &self,
        inbound: &Inbound<'_>,
        face: &Arc<Face>,
        message: Envelope,
        meta: Meta,
    ) -> Result<Talk, Rejection> {
        let (front, headers, caller) = (inbound.front, inbound.headers, inbound.caller.clone());
        let inner = Inbound { front, face: face.clone(), set: None, caller, headers };
        let talk = Box::pin(super::begin(&inner, message, meta)).await?;
        Ok(Talk::Seen(Seen::new(talk, View::new(face.name.clone()), self.owners.clone()).into()))
    }

    fn unknown(&self, what: &str, name: &str) -> Talk {
        let order = self.set.order();
        let names: Vec<&str> = order.iter().map(|name| &**name).collect();
        Talk::Told(Some(self.wrong(StatusCode::OK, INVALID_PARAMS, &unknown(what, name, &names))))
    }

    fn wrong(&self, status: StatusCode, code: i32, text: &str) -> Said {
        Said::Last(status, message::error(Some(self.id()), code, text, None))
    }

    /// A result, raw JSON.
    fn told(&self, result: &str) -> Said {
        let answer =
            [br#"{"jsonrpc":"2.0","id":"#, self.id(), br#","result":"#, result.as_bytes(), b"}"].concat();
        Said::Last(StatusCode::OK, Bytes::from(answer))
    }

    /// The client's id, raw JSON.
    pub(super) fn id(&self) -> &[u8] {
        self.message.id().unwrap_or(b"null")
    }
}

/// What a talk ends with.
async fn last(talk: &mut Talk) -> Option<(StatusCode, Bytes)> {
    loop {
        match talk.next().await? {
            Said::Event(_) => {}
            Said::Last(status, answer) => return Some((status, answer)),
            Said::Refused(_, answer) => return Some((StatusCode::OK, answer)),
        }
    }
}
