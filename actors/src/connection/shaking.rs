//! The transport opens, and the handshake runs over it.

use tokio::time::Instant;

use super::doubt::Outcome;
use super::handshake::{Handshake, Step, Verdict};
use super::{ConnectionState, Life};
use crate::bridge::BridgedLink;
use crate::credentials::Credentials;
use crate::era::Era;
use crate::fault::{Fault, FaultReason};
use crate::instance::random_instance;
use crate::link::{Link, Sent};
use crate::message::{self, Envelope, Kind};
use crate::metrics::version_label;
use crate::probe::Spoken;
use crate::supervisor::SupervisorMsg;

impl ConnectionState {
    pub(super) fn open(&mut self, link: Box<dyn Link>, pid: Option<u32>) {
        if !matches!(self.life, Life::Opening) {
            // Given up meanwhile: dropping the link ends what was opened.
            return;
        }
        if let Some(stderr) = link.stderr() {
            let record = stderr.record(self.incarnation, pid);
            self.route.place().stderr.send_modify(|history| history.begin(record));
        }
        let link = if self.bridged { self.bridge(link) } else { link };
        (self.link, self.pid) = (Some(link), pid);
        self.tell(SupervisorMsg::Opened { incarnation: self.incarnation, pid });
        let mut handshake = Handshake::new(&self.record_to_replay(), self.route.is_own());
        let id = self.next_id();
        match handshake.initialize(id) {
            Ok(initialize) => {
                self.life = Life::Shaking(handshake);
                self.say(initialize, Some(id));
            }
            Err(fault) => self.broken(fault),
        }
    }

    /// The link to a backend that does not speak as its client does.
    fn bridge(&self, link: Box<dyn Link>) -> Box<dyn Link> {
        let name = &self.route.key().backend_id;
        let nonce = random_instance();
        Box::new(BridgedLink::new(link, name, nonce.to_string(), self.myself.clone()))
    }

    /// An answer while the handshake runs.
    pub(super) fn handshake_answer(&mut self, answer: &Envelope) {
        let Life::Shaking(handshake) = &mut self.life else { return };
        if handshake.waiting.is_none() || handshake.waiting != answer.wire_id() {
            return;
        }
        if handshake.answer.is_some() {
            return self.step_over(answer.kind() == Kind::Result);
        }
        match handshake.verdict(answer) {
            Verdict::Established(version) => {
                self.doubtful = false;
                self.version = version_label(&version);
                self.session_since = Some(Instant::now());
                if let Some(link) = &mut self.link {
                    link.established(&version);
                }
                self.shake();
            }
            // What the client has said was not even passed on.
            Verdict::Refused if self.bridged => {
                let error = String::from_utf8_lossy(answer.body().unwrap_or_default()).into_owned();
                let text = format!("{} was answered with {error}", Era::Modern.opening());
                self.broken(Fault::new(FaultReason::Handshake, text));
            }
            Verdict::Refused if self.doubtful => self.doubt(Outcome::Refused(answer.bytes().clone())),
            Verdict::Failed(fault) if self.doubtful => self.doubt(Outcome::Failed(fault)),
            Verdict::Refused => {
                let (incarnation, answer) = (self.incarnation, answer.bytes().clone());
                self.life = Life::Over;
                self.close_link();
                self.tell(SupervisorMsg::Answered { incarnation, answer, accepted: false });
            }
            Verdict::VersionChanged(now) => {
                self.replay_failed("version");
                self.tell(SupervisorMsg::VersionChanged { incarnation: self.incarnation, now });
            }
            Verdict::Failed(fault) => self.broken(fault),
        }
    }

    /// Goes on after a step of the replay, however that ended: a failed setLevel or subscribe is a partial
    /// replay, and no reason to lose the session.
    pub(super) fn step_over(&mut self, done: bool) {
        if let Life::Shaking(handshake) = &mut self.life {
            handshake.step_over(done);
        }
        self.shake();
    }

    /// The time for the launch is over. A backend that has answered `initialize` serves: what it did not answer
    /// after that are steps of a replay, and no answer is as good as a refusal.
    pub(super) fn launch_late(&mut self) {
        match &mut self.life {
            Life::Shaking(handshake) if handshake.answer.is_some() => {
                handshake.give_up_steps();
                self.shake();
            }
            Life::Doubting(_) => self.spoken(Spoken::Legacy),
            Life::Opening | Life::Shaking(_) => {
                let opening = if self.bridged { Era::Modern } else { self.era }.opening();
                let limit = self.backend.timeouts.launch;
                let text = format!("no answer to {opening} within {limit:?} (timeouts.launch)");
                self.broken(Fault::new(FaultReason::LaunchTimeout, text));
            }
            _ => {}
        }
    }

    /// Says what is left to say, up to the next answer to wait for.
    fn shake(&mut self) {
        loop {
            let Life::Shaking(handshake) = &mut self.life else { return };
            match handshake.next() {
                Some(Step::Initialized) => {
                    self.say_initialized(message::notification("notifications/initialized", None));
                }
                Some(Step::Request(method, params)) => {
                    self.last_id += 1;
                    let id = self.last_id;
                    handshake.waiting = Some(id);
                    self.say(message::raw_request(id, method, &params), Some(id));
                    return;
                }
                None => return self.ready(),
            }
        }
    }

    fn ready(&mut self) {
        let Life::Shaking(handshake) = std::mem::replace(&mut self.life, Life::Ready) else { return };
        self.timer = None;
        self.catch_up();
        if handshake.is_replay() {
            self.replayed(&handshake);
        }
        let answer = handshake.answer.unwrap_or_default();
        self.tell(SupervisorMsg::Answered { incarnation: self.incarnation, answer, accepted: true });
    }

    pub(super) fn say_initialized(&mut self, message: bytes::Bytes) {
        self.initialized = true;
        let bytes = message.len();
        let sent = self.link.as_mut().map_or(Sent::Queued, |link| link.send_initialized(message));
        self.check(sent, bytes);
    }

    /// Sends a message of our own, or one that no answer depends on.
    pub(super) fn say(&mut self, message: bytes::Bytes, request: Option<u64>) {
        let bytes = message.len();
        let sent = self.link.as_mut().map_or(Sent::Queued, |link| link.send(message, request));
        self.check(sent, bytes);
    }

    /// The same in the name of a client.
    pub(super) fn say_for(&mut self, whose: &Envelope, message: bytes::Bytes) {
        self.in_the_name_of(whose, |this| this.say(message, None));
    }

    /// What is sent meanwhile is shown with what has come with this message.
    pub(super) fn in_the_name_of<T>(&mut self, whose: &Envelope, send: impl FnOnce(&mut Self) -> T) -> T {
        let Some(credentials) = whose.credentials() else { return send(self) };
        self.present(Some(credentials.clone()));
        let sent = send(self);
        self.present(None);
        sent
    }

    fn present(&mut self, credentials: Option<Credentials>) {
        if let Some(link) = &mut self.link {
            link.present(credentials);
        }
    }

    fn check(&mut self, sent: Sent, bytes: usize) {
        if sent != Sent::Full {
            self.metrics.said(bytes);
        } else {
            let text = "the backend does not read, and what waits for it passed limits.max_message_bytes";
            self.broken(Fault::new(FaultReason::WriteStalled, text));
        }
    }

    pub(super) fn tell(&self, message: SupervisorMsg) {
        // A Supervisor that is gone takes this actor along.
        let _ = self.supervisor.send_message(message);
    }
}
