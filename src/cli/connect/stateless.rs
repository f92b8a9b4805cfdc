//! Clients of 2026-07-28: each request stands for itself, and its headers repeat what its body says.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Dropped, Era, HttpLink, KnownTools, Mirrored, MirroredTools};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::bridge::Bridge;
use crate::front::names_a_version;

/// Before a service that is not there is asked again.
const WAIT: std::time::Duration = std::time::Duration::from_millis(250);

/// See the module.
#[derive(Default)]
pub(super) struct Stateless {
    link: Option<(u64, HttpLink)>,
    tools: Arc<ArcSwap<MirroredTools>>,
}

impl Stateless {
    /// Whether its link has this number.
    pub(super) fn is(&self, link: u64) -> bool {
        self.link.as_ref().is_some_and(|(number, _)| *number == link)
    }

    /// The answer is no longer wanted, which the end of its stream says.
    pub(super) fn abort(&mut self, wire: u64) {
        if let Some((_, link)) = &mut self.link {
            link.abort(wire);
        }
    }

    pub(super) fn into_link(self) -> Option<HttpLink> {
        self.link.map(|(_, link)| link)
    }

    fn learn(&self, list: &Envelope) {
        if let (Kind::Result, Some(page)) = (list.kind(), list.body()) {
            let mut tools = MirroredTools::clone(&self.tools.load());
            tools.learn(page);
            self.tools.store(Arc::new(tools));
        }
    }
}

/// The tools of the endpoint, as its last lists have said.
struct Known(Arc<ArcSwap<MirroredTools>>);

impl KnownTools for Known {
    fn mirrored(&self, tool: &str) -> Option<Arc<[Mirrored]>> {
        self.0.load().of(tool)
    }

    fn renew(&self, tools: MirroredTools) {
        self.0.store(tools.into());
    }

    fn dropped(&self, tools: &[Dropped]) {
        for Dropped { tool, why } in tools {
            tracing::warn!(tool, why, "a tool is kept from the client: its x-mcp-header is not valid");
        }
    }
}

impl Bridge {
    pub(super) fn send_without_session(&mut self, wire: u64, frame: Bytes) {
        if self.stateless.link.is_none() {
            let known = Arc::new(Known(self.stateless.tools.clone()));
            match self.open(Era::Modern, Some(known)) {
                Ok(link) => self.stateless.link = Some(link),
                Err(cause) if !self.was_reached() => return self.never_reached(&cause),
                Err(_) => return self.requests.hold(wire, Instant::now(), Some(WAIT)),
            }
        }
        if let Some((_, link)) = &mut self.stateless.link {
            link.post(frame, Some(wire));
        }
    }

    pub(super) fn notify_without_session(&mut self, message: Envelope) {
        if let Some((_, link)) = &mut self.stateless.link {
            link.post(message.bytes().clone(), None);
        }
    }

    /// It may be somewhere else when it comes back.
    pub(super) fn forget_address(&mut self) {
        // Other requests may still be on their way there: their link must not end with this one.
        if self.requests.that(|one| one.era == Era::Modern && one.sent).is_empty() {
            self.stateless.link = None;
        }
    }

    /// What precedes an answer. A subscription is named by the id of its request: the client's own.
    pub(super) fn said_without_session(&mut self, message: &Envelope, permit: Option<OwnedSemaphorePermit>) {
        let named = message::subscription_id(message).and_then(|part| Some((part, self.id_of(part)?)));
        let said = named.map_or_else(|| message.bytes().clone(), |(part, id)| message.with_part(part, &id));
        self.out.say(said, permit);
    }

    pub(super) fn answered_without_session(
        &mut self,
        wire: u64,
        message: &Envelope,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let Some(request) = self.requests.get(wire) else { return };
        let method = request.message.method().unwrap_or_default();
        if method == "tools/list" {
            self.stateless.learn(message);
        }
        let named = message::result_subscription_id(message).and_then(|part| Some((part, self.id_of(part)?)));
        let answer = match named {
            Some((part, id)) => message.with_id_and(request.id(), part, &id),
            None => message.with_id(request.id()),
        };
        self.finish(wire, answer, permit);
    }

    /// The client's id of the request of that number.
    fn id_of(&self, wire: &[u8]) -> Option<Bytes> {
        let wire = std::str::from_utf8(wire).ok()?.parse().ok()?;
        self.requests.get(wire).and_then(|request| request.message.id_bytes())
    }
}

/// Whether a message is of this era.
pub(super) fn is_modern(message: &Envelope) -> bool {
    message.method() == Some("server/discover") || names_a_version(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_an_argument_does_not_change_the_era() {
        let of = |params: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            is_modern(&Envelope::parse(text.into()).unwrap())
        };
        assert!(of(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#));
        assert!(!of(r#"{"arguments":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#));
        assert!(!of("{}"));
    }
}
