//! A session of the legacy era on several backends: one [`Route`] for each, made when it is first needed.
//!
//! Every backend is shaken hands with by the client's own `initialize`, so that supervision, restarts and replays know nothing of
//! the others. What a backend says of its own accord comes in by its [`Ear`].

mod answer;
mod ear;
mod gathered;
mod initialize;
mod member;
mod pages;
mod requests;
mod resources;
mod returns;
mod ways;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, LogLevel, cancelled_request_id};
use mcpvisor_actors::{
    CancellationToken, ConnectionKey, Credentials, EndCause, Launcher, Refusal, SessionEvent, SessionRecord,
};
use papaya::{HashMap, HashSet};
use serde_json::{Value, json};

use super::greet::LISTED;
use super::owners::Owners;
use super::part::Part;
use super::set::same;
use super::view::View;
use crate::front::face::Face;
use crate::front::modern::Seal;
use crate::front::session::{Mailbox, SessionMsg};

use ear::Ear;
pub(crate) use initialize::initialize;
use member::Member;
pub(crate) use requests::Seen;
pub(crate) use resources::learn_links;

/// See the module.
pub(crate) struct Hub {
    me: Weak<Hub>,
    launcher: Launcher,
    set: Part,
    session: Arc<str>,
    principal: Arc<str>,
    /// The client's own, byte for byte.
    initialize: Bytes,
    /// What it has shown last.
    credentials: ArcSwapOption<Credentials>,
    mailbox: Arc<Mailbox>,
    seal: Arc<Seal>,
    owners: Owners,
    /// Those that were served when the client was last told of it.
    served: ArcSwap<Served>,
    /// By backend.
    members: HashMap<Arc<str>, Arc<Member>>,
    /// What the client was promised in answer to `initialize`.
    promised: OnceLock<Value>,
    /// The client's `notifications/initialized`, once it has come.
    initialized: OnceLock<Envelope>,
    /// The params of its last `logging/setLevel`.
    level: ArcSwapOption<Bytes>,
    stream_open: AtomicBool,
    /// The requests that are being worked for, by the client's ids (raw JSON).
    in_flight: HashMap<Bytes, CancellationToken>,
    /// Backends that are looked after until they are back.
    missed: HashSet<Arc<str>>,
    /// Numbers the requests that are asked for ourselves.
    asked: AtomicU64,
    ended: OnceLock<EndCause>,
}

/// The backends of a set at some time.
struct Served(Arc<[Arc<Face>]>);

/// What a session is made of.
pub(super) struct Beginning {
    pub(super) launcher: Launcher,
    pub(super) set: Part,
    pub(super) session: Arc<str>,
    pub(super) principal: Arc<str>,
    pub(super) initialize: Bytes,
    pub(super) credentials: Option<Credentials>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) seal: Arc<Seal>,
}

impl Hub {
    pub(super) fn new(beginning: Beginning) -> Arc<Self> {
        let Beginning { launcher, set, session, principal, initialize, credentials, mailbox, seal } =
            beginning;
        let served = set.members();
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            launcher,
            set,
            session,
            principal,
            initialize,
            credentials: ArcSwapOption::new(credentials.map(Arc::new)),
            mailbox,
            seal,
            owners: Owners::default(),
            served: ArcSwap::from_pointee(Served(served)),
            members: HashMap::new(),
            promised: OnceLock::new(),
            initialized: OnceLock::new(),
            level: ArcSwapOption::empty(),
            stream_open: false.into(),
            in_flight: HashMap::new(),
            missed: HashSet::new(),
            asked: 0.into(),
            ended: OnceLock::new(),
        })
    }

    /// What people see of its id: the same for the connection of each backend, unless that shares one.
    pub(crate) fn session_hash(&self) -> String {
        self.key().session_hash()
    }

    /// What it would be the connection of.
    fn key(&self) -> ConnectionKey {
        ConnectionKey::new(self.set.name().clone(), self.session.clone())
    }

    /// Why it is over, once it is.
    pub(crate) fn ended(&self) -> Option<EndCause> {
        self.ended.get().copied()
    }

    /// Ends it with every connection.
    pub(crate) fn end(&self, cause: EndCause) {
        let _ = self.ended.set(cause);
        for member in self.members.pin().values() {
            member.route.end(cause);
        }
    }

    /// Says whether there is a stream for what belongs to no request.
    pub(crate) fn set_stream_open(&self, open: bool) {
        self.stream_open.store(open, Relaxed);
        for member in self.members.pin().values() {
            member.route.set_stream_open(open);
        }
    }

    /// From now on its client shows this to the backends that are to see it.
    pub(crate) fn present(&self, credentials: &Credentials) {
        if credentials.header().is_none() || self.credentials.load().as_deref() == Some(credentials) {
            return;
        }
        self.credentials.store(Some(Arc::new(credentials.clone())));
        for member in self.members.pin().values() {
            member.route.present(credentials);
        }
    }

    /// Passes a notification of the client to every backend that it can concern.
    pub(crate) fn notify(&self, message: Envelope) {
        match message.method() {
            Some("notifications/initialized") => {
                let _ = self.initialized.set(message);
                return self.attached().iter().for_each(|member| self.greet(member));
            }
            Some("notifications/cancelled") => {
                let token =
                    cancelled_request_id(&message).and_then(|id| self.in_flight.pin().get(id).cloned());
                if let Some(token) = token {
                    token.cancel();
                }
            }
            _ => {}
        }
        for member in self.attached() {
            member.route.notify(message.clone());
        }
    }

    /// Passes on what the client answers to a request of a backend. Ids are unique over all incarnations of all backends, so it is
    /// given to each, and taken by the one that has asked.
    pub(crate) fn respond(&self, message: &Envelope) {
        for member in self.attached() {
            member.route.respond(message.clone());
        }
    }

    /// The backends that are served may be others from now on.
    pub(crate) fn follow(&self) {
        let now = self.set.members();
        if same(&self.served.load().0, &now) {
            return;
        }
        self.served.store(Served(now).into());
        let gone = |name: &Arc<str>| self.set.member(name).is_none();
        let members = self.members.pin();
        for (name, member) in members.iter().filter(|(name, _)| gone(name)) {
            member.route.end(EndCause::Removed);
            members.remove(name);
            self.owners.forget(name);
        }
        self.tell_of_changes();
    }

    /// The client's lists are old. It hears of those that it was promised: some are strict about that.
    fn tell_of_changes(&self) {
        let promised = |list: &&str| self.promised.get().is_some_and(|all| all[*list].is_object());
        for list in LISTED.into_iter().filter(promised) {
            self.say(message::notification(&format!("notifications/{list}/list_changed"), None));
        }
    }

    /// Tells the client something that belongs to no request.
    fn say(&self, message: Bytes) {
        self.mailbox.send(SessionMsg::Event(SessionEvent::Message(message)));
    }

    /// Warns the client, if it wants to hear that.
    fn warn(&self, text: &str) {
        let wanted = self.level.load().as_ref().and_then(|raw| LogLevel::in_params(Some(raw)));
        if wanted > Some(LogLevel::WARNING) {
            return;
        }
        let params = json!({ "level": "warning", "logger": "mcpvisor", "data": text });
        self.say(message::notification("notifications/message", Some(params)));
    }

    /// The connections that have been made.
    fn attached(&self) -> Vec<Arc<Member>> {
        self.members.pin().values().filter(|member| member.said.initialized()).cloned().collect()
    }

    /// The way to a backend, whether or not it has been used.
    fn member(&self, face: &Arc<Face>) -> Result<Arc<Member>, Refusal> {
        if let Some(cause) = self.ended() {
            return Err(Refusal::SessionEnded { backend: face.name.clone(), cause });
        }
        let members = self.members.pin();
        // One whose part in the session was ended begins anew.
        let known = members.get(&face.name).filter(|member| member.route.ended().is_none());
        if let Some(member) = known {
            return Ok(member.clone());
        }
        let credentials = self.credentials.load().as_deref().cloned();
        let record = SessionRecord::new(&*self.principal, self.initialize.clone());
        let record = record.with_credentials(credentials);
        let view = View::new(face.name.clone());
        let ear = Box::new(Ear { hub: self.me.clone(), mailbox: self.mailbox.clone(), view: view.clone() });
        let route = self.launcher.route(&face.name, &self.session, record, ear)?;
        route.set_stream_open(self.stream_open.load(Relaxed));
        let member = Arc::new(Member::new(face.clone(), view, route));
        let of_now = members.update_or_insert(
            face.name.clone(),
            |other| if other.route.ended().is_none() { other.clone() } else { member.clone() },
            member.clone(),
        );
        // It may have ended since it was looked at, and whoever ended it not have seen this one.
        if let Some(cause) = self.ended() {
            of_now.route.end(cause);
            return Err(Refusal::SessionEnded { backend: face.name.clone(), cause });
        }
        Ok(of_now.clone())
    }

    fn me(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// The id of a request of our own, as no client's is.
    fn next_id(&self) -> Value {
        json!(format!("mcpvisor:{}", self.asked.fetch_add(1, Relaxed)))
    }
}
