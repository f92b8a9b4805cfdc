//! What may happen: to clients, by operators, by bugs.

use std::time::Duration;

use tokio::time::Instant;

use super::Storm;
use crate::connection::ConnectionMsg;
use crate::error::EndCause;
use crate::key::{ConnectionKey, SHARED};
use crate::model::ledger::ledger;
use crate::model::session::Session;
use crate::model::world::{BACKENDS, COMMON};
use crate::registry::RegistryMsg;
use crate::supervisor::SupervisorMsg;

/// Sessions of clients that are not over, at most.
const SESSIONS: usize = 8;

impl Storm {
    pub(super) async fn happen(&mut self) {
        match self.dice.below(100) {
            0..10 => self.new_session(),
            10..15 => self.get_or_launch(),
            15..60 => self.request(),
            60..66 => self.cancel(),
            66..70 => self.say(),
            70..80 => self.respond(),
            80..84 if self.sky.errors => self.record_error().await,
            84..87 if self.sky.orders => self.end(),
            87..91 if self.sky.orders => self.order().await,
            91..95 if self.sky.panics => self.panic(),
            95 if self.sky.registry_panics => self.panic_registry(),
            96..98 if self.sky.transports => self.set_transport(),
            96..98 if self.sky.reloads => self.reload().await,
            98 => self.give_up(),
            _ => self.request(),
        }
    }

    fn new_session(&mut self) {
        let clients = self.sessions.iter().filter(|session| !session.library && !session.over).count();
        if clients >= SESSIONS {
            return;
        }
        let backend = self.dice.pick(&BACKENDS).copied().unwrap_or(COMMON);
        let mut session = Session::of_client(self.sessions.len(), backend, &self.launcher);
        session.attach(&self.launcher);
        self.sessions.push(session);
    }

    /// The library asks for a key, again and again.
    fn get_or_launch(&mut self) {
        let backend = self.dice.pick(&BACKENDS).copied().unwrap_or(COMMON);
        let name = if backend == COMMON { SHARED } else { "library" };
        let known = self.sessions.iter().position(|session| session.library && session.backend == backend);
        let at = known.unwrap_or_else(|| {
            let number = self.sessions.len();
            self.sessions.push(Session::of_library(number, backend, name.to_owned(), true));
            number
        });
        if !self.sessions[at].is_attaching() {
            self.sessions[at].attach(&self.launcher);
        }
    }

    /// One of the sessions that can be used; now and then one that is over.
    fn any_session(&mut self) -> Option<usize> {
        let over = self.dice.chance(4);
        let usable = self.sessions.iter().filter(|session| session.open && (over || !session.over));
        let usable: Vec<usize> = usable.map(|session| session.number).collect();
        self.dice.pick(&usable).copied()
    }

    fn request(&mut self) {
        let Some(at) = self.any_session() else { return self.new_session() };
        // One, or more at once than may be in flight or wait.
        let many = if self.dice.chance(15) { 1 + self.dice.below(10) } else { 1 };
        for _ in 0..many {
            let same_id = self.dice.chance(3);
            let (method, params, safe) = match self.dice.below(12) {
                0 => ("tools/list", "{}", true),
                1 => ("resources/read", r#"{"uri":"u"}"#, true),
                2 => ("prompts/get", r#"{"_meta":{"progressToken":TOKEN}}"#, true),
                3 | 4 => ("tools/call", r#"{"name":"look"}"#, true),
                5 => ("logging/setLevel", r#"{"level":"info"}"#, false),
                6 => ("resources/subscribe", r#"{"uri":"a"}"#, false),
                7 => ("resources/unsubscribe", r#"{"uri":"a"}"#, false),
                _ => ("tools/call", r#"{"name":"pay","_meta":{"progressToken":TOKEN}}"#, false),
            };
            self.sessions[at].request(method, params, safe, same_id);
        }
    }

    fn cancel(&mut self) {
        let Some(at) = self.any_session() else { return };
        let open = ledger(|ledger| {
            let own = ledger.requests.iter().enumerate();
            let own = own.filter(|(_, request)| request.session == at && !request.is_answered());
            own.map(|(tag, request)| (tag, request.id.clone())).collect::<Vec<_>>()
        });
        match self.dice.pick(&open) {
            Some((_, id)) => {
                ledger(|ledger| {
                    let all = ledger.requests.iter_mut();
                    for request in all.filter(|request| request.session == at && request.id == *id) {
                        request.cancelled = Some(Instant::now());
                    }
                    ledger.note(format_args!("session {at} cancels {id}"));
                });
                self.sessions[at].cancel(id);
            }
            None => self.sessions[at].cancel("4711"),
        }
    }

    fn say(&mut self) {
        let Some(at) = self.any_session() else { return };
        if self.dice.chance(30) {
            let route = self.sessions[at].route.clone();
            let open = self.dice.chance(50);
            route.into_iter().for_each(|route| route.set_stream_open(open));
        }
        self.sessions[at].notify("notifications/roots/list_changed", "{}");
    }

    /// A client answers what a child has asked; sometimes twice, sometimes what nobody has asked it.
    pub(super) fn respond(&mut self) {
        let open = ledger(|ledger| ledger.questions.len());
        if open == 0 {
            return;
        }
        let which = self.dice.below(open as u64) as usize;
        let question = ledger(|ledger| ledger.questions.swap_remove(which));
        let session = &self.sessions[question.session];
        session.respond(&question.id);
        if self.dice.chance(20) {
            session.respond(&question.id);
        }
        if let Some(other) = self.any_session().filter(|_| self.dice.chance(20)) {
            self.sessions[other].respond(&question.id);
        }
    }

    /// The key of a session, as it is known inside.
    fn key(session: &Session) -> ConnectionKey {
        match session.backend {
            COMMON => ConnectionKey::shared(COMMON),
            backend => ConnectionKey::new(backend, session.name.as_str()),
        }
    }

    async fn record_error(&mut self) {
        let Some(at) = self.any_session() else { return };
        let key = Self::key(&self.sessions[at]);
        let pool = self.launcher.pool();
        let Some(handle) = pool.get(&key.backend_id, &key.session_id).await else { return };
        let route = handle.route().clone();
        let phase = ledger(|ledger| {
            let at = ledger.reckoning_of(&route);
            ledger.reckonings[at].phase()
        });
        let Some(count) = pool.record_error(&key.backend_id, &key.session_id).await else { return };
        ledger(|ledger| {
            ledger.note(format_args!("{key} has an error, its {count}."));
            let at = ledger.reckoning_of(&route);
            ledger.reckonings[at].error(phase);
        });
    }

    fn end(&mut self) {
        let Some(at) = self.any_session().filter(|at| !self.sessions[*at].library) else { return };
        let session = &mut self.sessions[at];
        session.over = true;
        let Some(route) = session.route.clone() else { return };
        ledger(|ledger| ledger.note(format_args!("session {at} is ended")));
        if session.backend != COMMON {
            self.ordered(Some(&route.key().backend_id));
        }
        route.end(EndCause::Delete);
    }

    async fn order(&mut self) {
        let backend = self.dice.pick(&BACKENDS).copied().unwrap_or(COMMON);
        let session = self.sessions.iter().filter(|session| session.backend == backend);
        let names: Vec<String> = session.map(|session| Self::key(session).session_hash()).collect();
        let session = self.dice.pick(&names).cloned();
        let what = self.dice.below(10);
        ledger(|ledger| ledger.note(format_args!("order {what} for {backend}")));
        self.ordered(Some(backend));
        // Nobody waits for an order longer than for the Registry; half of those who give one do not wait at all.
        let launcher = self.launcher.clone();
        let done = tokio::spawn(async move {
            match (what, session) {
                (0..3, _) => launcher.restart(backend, None).await,
                (3..6, Some(session)) => launcher.restart(backend, Some(&session)).await,
                (6, Some(session)) => launcher.end_session(backend, &session).await,
                (7, _) => launcher.stop_backend(backend).await,
                _ => launcher.start_backend(backend).await,
            }
        });
        if self.dice.chance(50) {
            let done = tokio::time::timeout(Duration::from_secs(2), done).await;
            if done.is_err() {
                ledger(|ledger| ledger.wrong(format!("order {what} for {backend} is not taken")));
            }
        }
        self.ordered(Some(backend));
    }

    fn panic(&mut self) {
        ledger(|ledger| ledger.panicked = true);
        let connections = Self::connections();
        let Some((number, connection)) = self.dice.pick(&connections).cloned() else { return };
        let (name, route) = ledger(|ledger| (ledger.name(number), ledger.route(number)));
        let Some(route) = route else { return };
        ledger(|ledger| ledger.note(format_args!("a panic of {name}")));
        if self.dice.chance(50) {
            self.ordered(Some(&route.key().backend_id));
            let _ = connection.send_message(ConnectionMsg::Panic);
        } else if let Some(supervisor) = route.place().supervisor.load_full() {
            self.ordered(Some(&route.key().backend_id));
            let _ = supervisor.send_message(SupervisorMsg::Panic);
        }
        ledger(|ledger| {
            let at = ledger.reckoning_of(&route);
            ledger.reckonings[at].doubt();
        });
    }

    fn panic_registry(&mut self) {
        self.registry_panics.retain(|at| at.elapsed() < Duration::from_secs(11));
        if self.registry_panics.len() >= 3 {
            return;
        }
        self.registry_panics.push(Instant::now());
        ledger(|ledger| {
            ledger.panicked = true;
            ledger.note(format_args!("a panic of the registry"));
            ledger.reckonings.iter_mut().for_each(|one| one.doubt());
        });
        self.ordered(None);
        let _ = self.launcher.address().send(RegistryMsg::Panic);
    }

    /// A client goes away while it waits for its session.
    fn give_up(&mut self) {
        let waiting = self.sessions.iter().filter(|session| session.is_attaching());
        let waiting: Vec<usize> = waiting.map(|session| session.number).collect();
        let Some(at) = self.dice.pick(&waiting).copied() else { return };
        let session = &mut self.sessions[at];
        session.give_up();
        session.over |= !session.library;
    }
}
