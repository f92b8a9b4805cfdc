//! `subscriptions/listen` on several backends: one stream of what changes at any of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{self, Envelope};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::wanted::Wanted;
use super::{ACKNOWLEDGED, named};
use crate::front::face::Face;
use crate::front::lease::Lease;
use crate::front::modern::talk::{Said, Talk};
use crate::front::modern::unified::Visitor;
use crate::front::unified::{Members, same};

/// How long the acknowledgement waits for the slowest backend. One that comes later comes with its changes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to listen at a backend, at first and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);
/// What may wait for a slow reader; its backends wait then.
const WAITING: usize = 256;

/// What comes of one backend.
enum Heard {
    /// It listens, and has granted these (`notifications`).
    Granted(Arc<str>, Value),
    /// It does not, for now.
    Missing(Arc<str>),
    Event(Bytes),
}

/// See the module. Dropped, everybody stops listening.
pub(crate) struct Fan {
    visitor: Visitor,
    wanted: Wanted,
    ending: CancellationToken,
    lease: Lease,
    members: watch::Receiver<Members>,
    /// Those that were served when it was looked last.
    known: Arc<[Arc<Face>]>,
    sender: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
    tasks: JoinSet<()>,
    listening: HashMap<Arc<str>, AbortHandle>,
    /// Until when it is waited for those that have said nothing; `None`: the client has its acknowledgement.
    until: Option<Instant>,
    silent: HashSet<Arc<str>>,
    granted: Vec<String>,
    /// Nothing of it is said before the acknowledgement.
    next: VecDeque<Bytes>,
    ended: bool,
}

impl Fan {
    pub(crate) fn begin(visitor: Visitor, lease: Lease) -> Self {
        let wanted = Wanted::of(&visitor.message);
        let mut members = visitor.set.changes();
        members.mark_unchanged();
        let now = visitor.set.members();
        let (sender, heard) = mpsc::channel(WAITING);
        let mut fan = Self {
            ending: visitor.front.ending.clone(),
            lease,
            members,
            wanted,
            sender,
            heard,
            tasks: JoinSet::new(),
            listening: HashMap::new(),
            until: Some(Instant::now() + PATIENCE),
            known: now.clone(),
            silent: now.iter().map(|face| face.name.clone()).collect(),
            granted: Vec::new(),
            next: VecDeque::new(),
            ended: false,
            visitor,
        };
        now.iter().for_each(|face| fan.listen(face));
        fan
    }

    /// What the client is told next. May be dropped and called again.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        if self.ended {
            return None;
        }
        loop {
            if self.until.is_none()
                && let Some(next) = self.next.pop_front()
            {
                return Some(Said::Event(next));
            }
            let patience = self.until;
            tokio::select! {
                biased;
                () = self.ending.cancelled() => return Some(self.complete()),
                () = self.lease.over() => return Some(self.complete()),
                Ok(()) = self.members.changed() => self.follow(),
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                    self.acknowledge();
                }
                // There is a sender here: it does not end.
                Some(heard) = self.heard.recv() => self.hear(heard),
            }
        }
    }

    /// An end in good order.
    fn complete(&mut self) -> Said {
        self.ended = true;
        Said::Last(StatusCode::OK, message::subscription_ended(&self.id()))
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Granted(backend, granted) => {
                let uris = granted["resourceSubscriptions"].as_array().into_iter().flatten();
                self.granted.extend(uris.filter_map(Value::as_str).map(str::to_owned));
                if self.until.is_none() {
                    // It was not there, and what it has to show may be other things.
                    self.tell_of_changes();
                }
                self.settle(&backend);
            }
            Heard::Missing(backend) => self.settle(&backend),
            Heard::Event(event) => self.next.push_back(event),
        }
    }

    /// It is no longer waited for.
    fn settle(&mut self, backend: &Arc<str>) {
        self.silent.remove(backend);
        if self.silent.is_empty() && self.until.is_some() {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.until = None;
        // Every list that is wanted: backends come and go, whatever they promise themselves.
        let granted = self.wanted.of_resources(std::mem::take(&mut self.granted));
        let first = named(&self.id(), ACKNOWLEDGED, granted.acknowledged());
        self.next.push_front(first);
    }

    fn tell_of_changes(&mut self) {
        let id = self.id();
        for method in self.wanted.changed() {
            self.next.push_back(named(&id, method, json!({})));
        }
    }

    /// Other backends are served from now on.
    fn follow(&mut self) {
        // Those that are not for this principal may be all that has changed.
        let now = self.visitor.set.members();
        if same(&self.known, &now) {
            return;
        }
        self.known = now.clone();
        let gone = |name: &Arc<str>| now.iter().all(|face| face.name != *name);
        for (_, task) in self.listening.extract_if(|name, _| gone(name)) {
            task.abort();
        }
        self.silent.retain(|name| !gone(name));
        for face in now.iter() {
            if !self.listening.contains_key(&face.name) {
                self.listen(face);
            }
        }
        if self.until.is_none() {
            self.tell_of_changes();
        }
    }

    fn listen(&mut self, face: &Arc<Face>) {
        let listening = listen(self.visitor.clone(), face.clone(), self.wanted.clone(), self.sender.clone());
        let task = self.tasks.spawn(listening);
        self.listening.insert(face.name.clone(), task);
    }

    fn id(&self) -> Bytes {
        Bytes::copy_from_slice(self.visitor.id())
    }
}

/// Listens at one backend, again and again: it may be down for a while.
async fn listen(visitor: Visitor, face: Arc<Face>, wanted: Wanted, heard: mpsc::Sender<Heard>) {
    let mut pause = FIRST;
    loop {
        if listen_once(&visitor, &face, &wanted, &heard).await {
            pause = FIRST;
        }
        if heard.send(Heard::Missing(face.name.clone())).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST);
    }
}

/// Until it ends. True if it was listening.
async fn listen_once(
    visitor: &Visitor,
    face: &Arc<Face>,
    wanted: &Wanted,
    heard: &mpsc::Sender<Heard>,
) -> bool {
    visitor.learn_owners(&wanted.uris).await;
    let own = |uri: &&String| visitor.owner(uri).is_some_and(|owner| owner.name == face.name);
    let uris: Vec<String> = wanted.uris.iter().filter(own).cloned().collect();
    let wanted = wanted.of_resources(uris);
    let Some(request) = visitor.request("subscriptions/listen", wanted.acknowledged()) else { return false };
    let Ok(mut talk) = visitor.send(face, request).await else { return false };
    let mut listening = false;
    while let Some(Said::Event(event)) = Talk::next(&mut talk).await {
        let granted = if listening { None } else { granted(&event) };
        listening |= granted.is_some();
        let event = granted.map_or(Heard::Event(event), |granted| Heard::Granted(face.name.clone(), granted));
        if heard.send(event).await.is_err() {
            break;
        }
    }
    listening
}

/// What an acknowledgement grants; `None`: it is none.
fn granted(event: &Bytes) -> Option<Value> {
    let event = Envelope::parse(event.clone()).ok()?;
    if event.method() != Some(ACKNOWLEDGED) {
        return None;
    }
    let mut params: Value = serde_json::from_slice(event.params()?).ok()?;
    Some(params["notifications"].take())
}
