//! The one subscription of a connection, in place of the stream and of each `resources/subscribe` of its client. Pure.
//!
//! What is wanted changes one piece at a time, and a subscription cannot be changed: another is asked for, and the one
//! before ends when that is acknowledged. Meanwhile nothing is lost, and what both say is told once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Out;
use crate::message;

/// A subscription that was lost is asked for again after that, then after ever more …
const PAUSE: Duration = Duration::from_millis(500);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One that lasted so long was one.
const STEADY: Duration = Duration::from_secs(10);

/// The kinds of lists, and the name of each in a filter.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

/// What names resources in a filter.
const RESOURCES: &str = "resourceSubscriptions";

/// A client's `resources/subscribe` that waits for the backend's word.
struct Waiting {
    wire: u64,
    uri: String,
}

/// What was asked for, under this id.
struct Stream {
    id: u64,
    wanted: Value,
    waiting: Vec<Waiting>,
    /// When it was acknowledged.
    since: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Listening {
    /// What the backend tells of: lists …
    lists: Vec<(&'static str, &'static str)>,
    /// … and resources.
    resources: bool,
    /// The client can be told something.
    started: bool,
    uris: BTreeSet<String>,
    /// Taken back, and perhaps still told of.
    left: BTreeSet<String>,
    /// Those that want to be part of the next.
    waiting: Vec<Waiting>,
    asked: Option<Stream>,
    current: Option<Stream>,
    /// Something may have changed while nobody listened.
    missed: bool,
    /// The backend knows no subscriptions.
    unknown: bool,
    /// In a row.
    failures: u32,
}

/// How a subscription ended.
pub(super) enum End {
    /// In good order, or with its stream: it may be had again.
    Lost,
    /// The backend would not have it, in these words.
    Refused(i64, String),
}

impl Listening {
    pub(super) fn of(capabilities: &Value) -> Self {
        let told = |list: &str| capabilities[list]["listChanged"] == true;
        Self {
            lists: LISTS.into_iter().filter(|(list, _)| told(list)).collect(),
            resources: capabilities["resources"]["subscribe"] == true,
            ..Self::default()
        }
    }

    /// The client is ready to be told of changes.
    pub(super) fn start(&mut self, id: impl FnOnce() -> u64) -> Vec<Out> {
        self.started = true;
        self.refresh(id)
    }

    pub(super) fn subscribe(&mut self, wire: u64, uri: String, id: impl FnOnce() -> u64) -> Vec<Out> {
        if !self.resources || self.unknown {
            return vec![Out::error(wire, -32601, "the server has no subscriptions to resources")];
        }
        self.left.remove(&uri);
        self.uris.insert(uri.clone());
        self.waiting.push(Waiting { wire, uri });
        self.refresh(id)
    }

    pub(super) fn unsubscribe(&mut self, wire: u64, uri: &str, id: impl FnOnce() -> u64) -> Vec<Out> {
        if self.uris.remove(uri) {
            self.left.insert(uri.to_owned());
        }
        let mut out = vec![Out::tell(message::empty_result(wire.to_string().as_bytes()))];
        out.extend(self.refresh(id));
        out
    }

    /// The client no longer waits for the answer to this.
    pub(super) fn forget(&mut self, wire: u64) {
        let asked = self.asked.iter_mut().flat_map(|stream| &mut stream.waiting);
        if asked.chain(&mut self.waiting).any(|waiting| waiting.wire == wire) {
            self.waiting.retain(|waiting| waiting.wire != wire);
            if let Some(asked) = &mut self.asked {
                asked.waiting.retain(|waiting| waiting.wire != wire);
            }
        }
    }

    pub(super) fn is(&self, id: u64) -> bool {
        [&self.asked, &self.current].into_iter().flatten().any(|stream| stream.id == id)
    }

    /// Whether what is told under this id is for the client.
    pub(super) fn hears(&self, id: u64, uri: Option<&str>) -> bool {
        self.current.as_ref().is_some_and(|stream| stream.id == id)
            && uri.is_none_or(|uri| !self.left.contains(uri))
    }

    /// What is wanted now.
    fn wanted(&self) -> Option<Value> {
        let mut wanted = json!({});
        if self.started {
            for (_, name) in &self.lists {
                wanted[*name] = json!(true);
            }
        }
        if !self.uris.is_empty() {
            wanted[RESOURCES] = json!(self.uris);
        }
        wanted.as_object().is_some_and(|fields| !fields.is_empty()).then_some(wanted)
    }

    /// Asks for what is wanted, unless it is had, or another question is open.
    pub(super) fn refresh(&mut self, id: impl FnOnce() -> u64) -> Vec<Out> {
        if self.asked.is_some() || self.unknown {
            return Vec::new();
        }
        let Some(wanted) = self.wanted() else {
            return self.current.take().map(|stream| Out::Withdraw(stream.id)).into_iter().collect();
        };
        if self.current.as_ref().is_some_and(|stream| stream.wanted == wanted) {
            let waiting = std::mem::take(&mut self.waiting);
            return waiting.iter().map(granted).collect();
        }
        let (id, waiting) = (id(), std::mem::take(&mut self.waiting));
        let params = json!({ "notifications": wanted });
        self.asked = Some(Stream { id, wanted, waiting, since: None });
        vec![Out::Ask { id, method: "subscriptions/listen", params: params.to_string() }]
    }

    /// The backend listens to what it says here.
    pub(super) fn acknowledged(
        &mut self,
        id: u64,
        honored: &Value,
        now: Instant,
        next: impl FnOnce() -> u64,
    ) -> Vec<Out> {
        let Some(mut stream) = self.asked.take_if(|stream| stream.id == id) else { return Vec::new() };
        stream.since = Some(now);
        let mut out = Vec::new();
        let granted_uris = honored[RESOURCES].as_array();
        let is_granted =
            |uri: &str| granted_uris.is_some_and(|uris| uris.iter().any(|granted| granted == uri));
        let mut refused = Vec::new();
        for waiting in std::mem::take(&mut stream.waiting) {
            if is_granted(&waiting.uri) {
                out.push(granted(&waiting));
                continue;
            }
            self.uris.remove(&waiting.uri);
            let text = format!("the server does not tell of changes of {}", waiting.uri);
            out.push(Out::error(waiting.wire, -32602, &text));
            refused.push(waiting.uri);
        }
        if let Some(fields) = stream.wanted.as_object_mut()
            && let Some(uris) = fields.get_mut(RESOURCES).and_then(Value::as_array_mut)
        {
            // Not wanted any more, so nothing has changed since.
            uris.retain(|uri| !refused.iter().any(|refused| uri == refused));
            if uris.is_empty() {
                fields.remove(RESOURCES);
            }
        }
        if std::mem::take(&mut self.missed) {
            let lists = self.lists.iter().filter(|(_, name)| honored[*name] == true);
            out.extend(lists.map(|(list, _)| {
                Out::tell(message::notification(&format!("notifications/{list}/list_changed"), None))
            }));
        }
        if let Some(before) = self.current.replace(stream) {
            out.push(Out::Withdraw(before.id));
            self.left.retain(|uri| !self.uris.contains(uri));
        }
        out.extend(self.refresh(next));
        out
    }

    /// The subscription under this id is over.
    pub(super) fn ended(&mut self, id: u64, end: End, now: Instant, next: impl FnOnce() -> u64) -> Vec<Out> {
        if let Some(stream) = self.current.take_if(|stream| stream.id == id) {
            // A server that ends each at once would be asked all the time, and its clients told of changes.
            if stream.since.is_some_and(|since| now.saturating_duration_since(since) >= STEADY) {
                self.failures = 0;
            }
            self.missed = true;
            return if self.asked.is_some() { Vec::new() } else { vec![Out::Later(self.pause())] };
        }
        let Some(stream) = self.asked.take_if(|stream| stream.id == id) else { return Vec::new() };
        let (code, text) = match &end {
            End::Lost => (-32603, "the subscription was lost before it was acknowledged".to_owned()),
            End::Refused(code, text) => (*code, text.clone()),
        };
        let mut out = Vec::new();
        for waiting in stream.waiting {
            self.uris.remove(&waiting.uri);
            out.push(Out::error(waiting.wire, code, &text));
        }
        match end {
            End::Refused(-32601, _) => {
                self.unknown = true;
                let waiting = std::mem::take(&mut self.waiting);
                out.extend(waiting.iter().map(|waiting| Out::error(waiting.wire, code, &text)));
            }
            // What there was still holds, and what was refused is not wanted any more.
            End::Refused(..) if self.current.is_some() => out.extend(self.refresh(next)),
            _ => {
                self.missed = true;
                out.push(Out::Later(self.pause()));
            }
        }
        out
    }

    /// So many in a row came to nothing.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn pause(&mut self) -> Duration {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        pause
    }
}

fn granted(waiting: &Waiting) -> Out {
    Out::tell(message::empty_result(waiting.wire.to_string().as_bytes()))
}
