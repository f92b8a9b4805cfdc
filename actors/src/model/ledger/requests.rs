//! What the callers see: one answer to each request, the right one, in time.

use std::time::Duration;

use bytes::Bytes;
use ractor::ActorId;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Ledger;
use crate::error::Refusal;
use crate::message::{Envelope, Kind, progress_token};
use crate::model::session::Question;
use crate::model::world::{REQUEST, REQUEST_MAX};
use crate::pending::Answer;
use crate::route::SessionEvent;

/// What the machinery may add to a deadline.
const MARGIN: Duration = Duration::from_millis(100);
/// A request that met no Registry waits so long for the next one.
const REGISTRY: Duration = Duration::from_millis(1100);
/// How long a cancelled request may still be answered.
const CANCELLED: Duration = Duration::from_secs(2);

/// Where a request went when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Way {
    Connection(ActorId),
    Supervisor(ActorId),
    Registry,
}

/// One request of a client; its number in the ledger is its tag.
pub(in crate::model) struct Request {
    pub(in crate::model) session: usize,
    /// As the client wrote it, raw JSON.
    pub(in crate::model) id: String,
    pub(in crate::model) token: Option<String>,
    /// How often it may be written.
    pub(in crate::model) most: usize,
    pub(in crate::model) sent: Instant,
    /// Since when its clock runs.
    pub(in crate::model) since: Instant,
    pub(in crate::model) way: Way,
    /// Its id was in use already, or was used again.
    pub(in crate::model) duplicate: bool,
    pub(in crate::model) cancelled: Option<Instant>,
    /// It was heard of before its answer: its clock does not only run.
    pub(in crate::model) moved: bool,
    pub(in crate::model) writes: Vec<u64>,
    pub(in crate::model) answered: Option<Instant>,
}

impl Request {
    pub(in crate::model) fn is_answered(&self) -> bool {
        self.answered.is_some()
    }
}

impl Ledger {
    /// It is handed to a child. What may have been carried out is not carried out again, and nobody is overtaken.
    pub(super) fn wrote_request(&mut self, incarnation: u64, tag: usize, late: bool) {
        let (Some(child), Some(request)) = (self.children.get_mut(&incarnation), self.requests.get_mut(tag))
        else {
            return self.wrong(format!("{tag} is no request"));
        };
        request.writes.push(incarnation);
        let times = request.writes.len();
        let mut wrongs = Vec::new();
        if times > request.most {
            wrongs.push(format!("request {tag} is written {times} times, to {} last", child.name));
        }
        if request.is_answered() && !late {
            wrongs.push(format!("request {tag} is written to {} after its answer", child.name));
        }
        // Those that came the straight way: the ones that waited for this child where it was launched, and the ones
        // that were sent to it.
        let straight = match request.way {
            Way::Connection(id) => id == child.connection.get_id(),
            Way::Supervisor(id) => Some(id) == child.supervisor,
            Way::Registry => false,
        };
        if straight && times == 1 {
            let latest = child.latest.entry(request.session).or_insert(tag);
            if *latest > tag {
                wrongs.push(format!("request {latest} has overtaken {tag} on the way to {}", child.name));
            }
            *latest = tag.max(*latest);
        }
        let line = format!("{} is told request {tag}", child.name);
        self.note(format_args!("{line}"));
        wrongs.into_iter().for_each(|what| self.wrong(what));
    }

    /// A message came on the stream of a request, before its answer.
    pub(in crate::model) fn preceded(&mut self, tag: usize, bytes: Bytes) {
        self.requests[tag].moved = true;
        self.note(format_args!("request {tag} is preceded by {}", String::from_utf8_lossy(&bytes)));
        let Ok(message) = Envelope::parse(bytes) else { return self.wrong("no message".into()) };
        let session = self.requests[tag].session;
        match (message.kind(), message.method()) {
            (Kind::Request, _) => self.asked(session, message.id_bytes().unwrap_or_default()),
            (_, Some("notifications/progress")) => {
                let token = progress_token(&message).map(|token| String::from_utf8_lossy(token).into_owned());
                if token != self.requests[tag].token {
                    self.wrong(format!("request {tag} gets progress of {token:?}"));
                }
            }
            _ => {}
        }
    }

    /// The tree tells a session something.
    pub(in crate::model) fn delivered(&mut self, session: usize, event: &SessionEvent) {
        match event {
            SessionEvent::ServerRequest { id, .. } => self.asked(session, id.clone()),
            SessionEvent::ServerRequestGone { id } => self.questions.retain(|open| open.id != *id),
            SessionEvent::Ended(cause) => {
                self.ended.push(session);
                self.note(format_args!("session {session} has ended: {cause}"));
            }
            SessionEvent::Message(_) => {}
        }
    }

    fn asked(&mut self, session: usize, id: Bytes) {
        self.note(format_args!("session {session} is asked {}", String::from_utf8_lossy(&id)));
        if self.questions.iter().any(|open| open.id == id && open.session == session) {
            self.wrong(format!("session {session} is asked twice under one id"));
        }
        self.questions.push(Question { session, id });
    }

    /// The one answer.
    pub(in crate::model) fn answered(&mut self, tag: usize, answer: Answer) {
        let now = Instant::now();
        let request = &mut self.requests[tag];
        request.answered = Some(now);
        let wrong = match &answer {
            Ok(bytes) => wrong_answer(tag, request, bytes),
            Err(refusal) => {
                let after = now.duration_since(request.sent);
                let excuse = match refusal {
                    Refusal::Cancelled => request.cancelled.is_some(),
                    Refusal::Timeout { .. } => after >= REQUEST,
                    Refusal::Invalid { .. } => request.duplicate,
                    Refusal::BackendLost { .. } => self.panicked || !request.writes.is_empty(),
                    Refusal::ShuttingDown { .. } => self.closing || self.panicked,
                    Refusal::UnknownBackend { .. } => false,
                    _ => true,
                };
                let panic = refusal.reason() == "panic" && !self.panicked;
                (!excuse || panic).then(|| format!("after {after:?}: {refusal} ({})", refusal.reason()))
            }
        };
        match &answer {
            Ok(_) => self.note(format_args!("request {tag} is answered")),
            Err(refusal) => {
                self.note(format_args!("request {tag} is refused: {} {}", refusal.kind(), refusal.reason()));
            }
        }
        if let Some(wrong) = wrong {
            self.wrong(format!("request {tag} is answered without cause: {wrong}"));
        }
    }

    /// The requests that only this child could still answer.
    pub(super) fn waits_for(&self, incarnation: u64) -> Vec<usize> {
        let waits = |request: &Request| {
            !request.is_answered()
                && request.writes.last() == Some(&incarnation)
                && request.writes.len() == request.most
        };
        let all = self.requests.iter().enumerate();
        all.filter(|(_, request)| waits(request)).map(|(tag, _)| tag).collect()
    }

    pub(in crate::model) fn check_overdue(&mut self) {
        let now = Instant::now();
        let margin = if self.panicked { MARGIN + REGISTRY } else { MARGIN };
        let asked: Vec<usize> = self.questions.iter().map(|open| open.session).collect();
        let mut wrongs = Vec::new();
        for (tag, request) in self.requests.iter_mut().enumerate().filter(|(_, one)| !one.is_answered()) {
            let clock = if request.moved { REQUEST_MAX + REQUEST } else { REQUEST };
            let cancelled = request.cancelled.map_or(request.sent, |at| at + CANCELLED);
            if asked.contains(&request.session) {
                // The clock stands, and starts again at the latest with the answer.
                request.since = request.since.max(now + REQUEST - clock);
            }
            if now > (request.since + clock).max(cancelled) + margin {
                wrongs.push(format!(
                    "request {tag} is not answered {:?} after it was sent",
                    now - request.sent
                ));
                request.answered = Some(now);
            }
        }
        wrongs.into_iter().for_each(|what| self.wrong(what));
    }
}

/// Whether an answer of a child is that to another request.
fn wrong_answer(tag: usize, request: &Request, bytes: &Bytes) -> Option<String> {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        result: Option<Mark>,
        error: Option<Marked>,
    }
    #[derive(Deserialize)]
    struct Mark {
        tag: Option<usize>,
    }
    #[derive(Deserialize)]
    struct Marked {
        data: Option<Mark>,
    }
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let Ok(told) = serde_json::from_slice::<Told<'_>>(bytes) else { return Some(text()) };
    let mark = told.result.or(told.error.and_then(|error| error.data)).and_then(|mark| mark.tag);
    // An unsubscribe is answered here where another session still wants it.
    let right = mark == Some(tag) || (mark.is_none() && request.writes.is_empty());
    (!right || told.id.get() != request.id).then(text)
}
