//! A backend that would not shake hands: perhaps it speaks the other era only.
//!
//! Nobody asks before, since nearly all that legacy clients talk to is of their own era, and the question takes a process of
//! its own. It is asked once; then the answer is known for all who follow (`protocol.md`, "Same era when possible").

use bytes::Bytes;
use tokio::sync::oneshot;

use super::handshake::Handshake;
use super::{ConnectionMsg, ConnectionState, Life};
use crate::credentials::Newest;
use crate::fault::Fault;
use crate::message::{Envelope, Kind};
use crate::probe::Spoken;
use crate::registry::RegistryMsg;
use crate::supervisor::SupervisorMsg;

/// What becomes of a handshake if there is no other way to make it.
pub(super) enum Doubt {
    /// The error is the client's to see.
    Refused(Bytes),
    /// It counts.
    Failed(Handshake, Fault),
    /// The same, where it ends already.
    Died(Fault),
}

/// How a handshake came to nothing.
pub(super) enum Outcome {
    /// See [`Doubt::Refused`].
    Refused(Bytes),
    /// See [`Doubt::Failed`].
    Failed(Fault),
}

impl ConnectionState {
    /// Asks what the backend speaks. Meanwhile this process goes, since the next one shall not wait for that.
    pub(super) fn doubt(&mut self, outcome: Outcome) {
        let Life::Shaking(handshake) = std::mem::replace(&mut self.life, Life::Over) else { return };
        self.ask_era(match outcome {
            Outcome::Refused(answer) => Doubt::Refused(answer),
            Outcome::Failed(fault) => Doubt::Failed(handshake, fault),
        });
    }

    /// The same for one that has gone at once: its end may be seen before its last words.
    pub(super) fn doubt_late(&mut self, answer: &Envelope) {
        if !self.doubtful || answer.kind() != Kind::Error || answer.wire_id() != Some(self.last_id) {
            return;
        }
        match std::mem::replace(&mut self.life, Life::Over) {
            Life::Dying { fault, settled: false } => self.ask_era(Doubt::Died(fault)),
            other => self.life = other,
        }
    }

    fn ask_era(&mut self, doubt: Doubt) {
        self.doubtful = false;
        self.life = Life::Doubting(doubt);
        self.close_link();
        let (registry, myself) = (self.registry.clone(), self.myself.clone());
        let (backend, credentials) = (self.route.key().backend_id.clone(), self.route.newest());
        tokio::spawn(async move {
            let (reply, spoken) = oneshot::channel();
            let _ = registry.send_message(RegistryMsg::Era { backend, credentials, reply });
            let _ = myself.send_message(ConnectionMsg::Spoken(spoken.await.unwrap_or(Spoken::Legacy)));
        });
    }

    /// What it speaks, as far as that could be found out.
    pub(super) fn spoken(&mut self, spoken: Spoken) {
        if !matches!(self.life, Life::Doubting(_)) {
            return;
        }
        let Life::Doubting(doubt) = std::mem::replace(&mut self.life, Life::Over) else { return };
        self.timer = None;
        let incarnation = self.incarnation;
        match doubt {
            _ if spoken == Spoken::Modern => self.tell(SupervisorMsg::Stranger { incarnation }),
            Doubt::Refused(answer) => {
                self.tell(SupervisorMsg::Answered { incarnation, answer, accepted: false });
            }
            Doubt::Failed(handshake, fault) => {
                self.life = Life::Shaking(handshake);
                return self.broken(fault);
            }
            Doubt::Died(fault) => {
                self.life = Life::Dying { fault, settled: false };
                return self.last_words();
            }
        }
        if self.gone {
            self.conclude();
        }
    }
}
