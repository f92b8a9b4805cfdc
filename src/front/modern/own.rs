//! Requests that mcpvisor makes for itself, on the way of a request or a subscription of a client.

use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Exchange, ReplyStream, Route};
use serde_json::Value;

use super::call::take_back;
use crate::front::rejection::INTERNAL_ERROR;

/// Nothing else is asked on such a way at the same time.
const ID: u64 = 0;

/// The answer, a JSON-RPC error too; `None`: there is none, as the connection was lost. Dropped before, the request is taken
/// back.
pub(super) async fn ask(route: &Route, method: &str, params: &Value) -> Option<Envelope> {
    let request = Envelope::parse(message::request(ID, method, params)).ok()?;
    let mut asking = Asking { route, answered: false };
    let answer = match route.request(request).await.ok()? {
        Exchange::Answer(answer) => answer.ok(),
        Exchange::Stream(ReplyStream { mut preceding, answer }) => {
            while let Some(message) = preceding.recv().await {
                refuse(route, message);
            }
            answer.await.ok().and_then(Result::ok)
        }
    };
    asking.answered = true;
    Envelope::parse(answer?).ok()
}

/// Some servers ask before they do anything else, and wait for an answer.
fn refuse(route: &Route, message: Bytes) {
    let Some(question) = Envelope::parse(message).ok().filter(|message| message.kind() == Kind::Request)
    else {
        return;
    };
    let text = "the client cannot be asked now: it has not called anything yet";
    if let Ok(refusal) = Envelope::parse(message::error(question.id(), INTERNAL_ERROR, text, None)) {
        route.respond(refusal);
    }
}

struct Asking<'a> {
    route: &'a Route,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            take_back(self.route, ID.to_string().as_bytes());
        }
    }
}
