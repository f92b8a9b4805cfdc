//! Which eras a backend speaks, learned from one process, or one upstream session, that serves nobody else.
//!
//! Some servers lock to the first era that they hear, and some never answer what they do not know, so no session's
//! own process is asked (`protocol.md`, "Same era when possible").

use std::sync::Arc;

use mcpvisor_config::{Backend, Transport};
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::own_initialize;
use crate::credentials::Credentials;
use crate::era::{self, Era};
use crate::link::http::Tokens;
use crate::link::stdio::{self, Launch};
use crate::link::upstream::Whose;
use crate::link::{Events, Link, LinkEvent, upstream};
use crate::message::{self, Envelope};
use crate::process::Sweeper;
use crate::root::Seat;

/// In place of a session's hash in the log.
const SESSION: &str = "probe";

const DISCOVER: u64 = 1;
const INITIALIZE: u64 = 2;

/// What a backend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
    /// Whatever its client begins with.
    Both,
}

impl Spoken {
    /// How it is spoken to for a client of `era`.
    pub(crate) fn to(self, client: Era) -> Era {
        match self {
            Self::Legacy => Era::Legacy,
            Self::Modern => Era::Modern,
            Self::Both => client,
        }
    }

    /// What the first answer of a probe says; `None`: nothing.
    fn of(answer: &Envelope) -> Option<Self> {
        match answer.wire_id()? {
            DISCOVER if era::is_modern_answer(answer) => {
                let body: Value = serde_json::from_slice(answer.body()?).ok()?;
                let versions = body.get("supportedVersions").or_else(|| body["data"].get("supported"));
                let versions: Vec<&str> = versions
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let legacy = versions.iter().any(|version| *version < era::MODERN_VERSION);
                // One that names old revisions only knows the new errors, and nothing else of the new era.
                Some(match (versions.contains(&era::MODERN_VERSION), legacy) {
                    (false, true) => Self::Legacy,
                    (true, true) => Self::Both,
                    (_, false) => Self::Modern,
                })
            }
            DISCOVER => Some(Self::Legacy),
            INITIALIZE if answer.kind() == message::Kind::Result => Some(Self::Legacy),
            _ => None,
        }
    }
}

/// What a probe is made with.
pub(crate) struct Probe {
    pub(crate) backend: Arc<Backend>,
    pub(crate) instance: Arc<str>,
    pub(crate) sweeper: Sweeper,
    pub(crate) tokens: Tokens,
    /// Of the client who wants to know, if the backend is to see them.
    pub(crate) credentials: Option<Credentials>,
}

impl Probe {
    /// Asks, within `timeouts.launch`. `None`: it said nothing that tells. Dropped, it ends what it has started.
    pub(crate) async fn run(self, seat: Seat) -> Option<Spoken> {
        let (sender, mut events) = mpsc::unbounded_channel();
        let to = Events::to_probe(sender);
        let timeouts = self.backend.timeouts;
        let deadline = Instant::now() + timeouts.launch;
        match &self.backend.transport {
            Transport::Http { .. } => {
                let whose = Whose { newest: Arc::new(self.credentials.clone()), tokens: &self.tokens };
                upstream::open(&self.backend, Era::Modern, None, whose, to, seat);
            }
            Transport::Stdio { .. } => {
                let (session, backend) = (SESSION.to_owned(), self.backend.clone());
                stdio::open(
                    Launch { session, backend, instance: self.instance, sweeper: self.sweeper },
                    to,
                    seat,
                );
            }
        }
        let mut link = opened(&mut events, deadline).await?;
        link.send(era::discover(&DISCOVER.into(), &self.backend), Some(DISCOVER));
        let patience = deadline.min(Instant::now() + timeouts.probe);
        let mut spoken = timeout_at(patience, answer(&mut events, &mut link)).await;
        if spoken.is_err() {
            // It may be one that never answers what it does not know.
            if let Ok(initialize) = Envelope::parse(own_initialize(&self.backend)) {
                link.send(initialize.with_id(INITIALIZE.to_string().as_bytes()), Some(INITIALIZE));
            }
            spoken = timeout_at(deadline, answer(&mut events, &mut link)).await;
        }
        // Asked to leave, as any other; the time for that is the ladder's.
        link.close();
        let grace = timeouts.stdin_grace + timeouts.term_grace;
        tokio::spawn(async move {
            let _ = timeout(grace * 2, async {
                while !matches!(events.recv().await, Some(LinkEvent::Exited(_)) | None) {}
            })
            .await;
            drop(link);
        });
        spoken.ok().flatten()
    }
}

async fn opened(events: &mut UnboundedReceiver<LinkEvent>, deadline: Instant) -> Option<Box<dyn Link>> {
    let open = async {
        loop {
            match events.recv().await? {
                LinkEvent::Open { link, .. } => return Some(link),
                LinkEvent::OpenFailed(_) => return None,
                _ => {}
            }
        }
    };
    timeout_at(deadline, open).await.ok().flatten()
}

/// The first answer that tells; `None`: there will be none.
async fn answer(events: &mut UnboundedReceiver<LinkEvent>, link: &mut Box<dyn Link>) -> Option<Spoken> {
    loop {
        match events.recv().await? {
            LinkEvent::Message { message, .. } if message.is_answer() => {
                if let Some(spoken) = Spoken::of(&message) {
                    return Some(spoken);
                }
            }
            LinkEvent::Message { message, .. } => {
                // Some do nothing before they have had an answer to a ping.
                if let Some(id) = message.id_bytes().filter(|_| message.method() == Some("ping")) {
                    link.send(message::empty_result(&id), None);
                }
            }
            LinkEvent::Writable => drop(link.resume()),
            // Refused without a word of the protocol: the other era's servers do that.
            LinkEvent::Failed { request: DISCOVER, failure } if failure.is_refusal() => {
                return Some(Spoken::Legacy);
            }
            LinkEvent::Failed { .. }
            | LinkEvent::Broken(_)
            | LinkEvent::BrokenFor { .. }
            | LinkEvent::OpenFailed(_)
            | LinkEvent::SessionLost { .. }
            | LinkEvent::Exited(_) => return None,
            LinkEvent::Open { .. }
            | LinkEvent::Noise
            | LinkEvent::Written(_)
            | LinkEvent::Translated { .. }
            | LinkEvent::ListenAgain => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<Spoken> {
        Spoken::of(&Envelope::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap())
    }

    /// A server of both eras would be spoken to in one of them only, and a client lose what that one cannot say.
    #[test]
    fn the_first_answer_tells_the_eras() {
        let modern = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#;
        let both = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2025-11-25"]}}"#;
        let other = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"","data":{"supported":["2027-01-01"]}}}"#;
        let polite = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"","data":{"supported":["2025-11-25"]}}}"#;
        let unknown = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}"#;
        let shaken = r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18"}}"#;
        let refused = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no"}}"#;
        for (text, spoken) in [
            (modern, Some(Spoken::Modern)),
            (both, Some(Spoken::Both)),
            (other, Some(Spoken::Modern)),
            (polite, Some(Spoken::Legacy)),
            (unknown, Some(Spoken::Legacy)),
            (shaken, Some(Spoken::Legacy)),
            (refused, None),
        ] {
            assert_eq!(said(text), spoken, "{text}");
        }
        assert_eq!(Spoken::Both.to(Era::Modern), Era::Modern);
        assert_eq!(Spoken::Legacy.to(Era::Modern), Era::Legacy);
    }
}
