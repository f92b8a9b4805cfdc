//! The end of an incarnation, in order or by a fault.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::{OnRestart, Retry};
use tokio::time::Instant;

use super::in_flight::Flight;
use super::{ConnectionMsg, ConnectionState, Life, Loss};
use crate::confine;
use crate::error::{EndCause, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::message;
use crate::pending::Pending;
use crate::process::ExitStatus;
use crate::route::SessionEvent;
use crate::supervisor::{Retire, SupervisorMsg, Waiting};
use crate::timer::Timer;

/// An exit and the end of the stream come together, in any order. After an exit the end of the stream is waited for so long:
/// answers may still stand in the pipe, and only what has escaped its process group keeps the stream open.
const END_AFTER_EXIT: Duration = Duration::from_millis(30);

/// After the end of the stream, the exit: its code is the better cause, and on a busy machine a large process takes its time to
/// die. One that lives on has nothing more to say.
const EXIT_AFTER_END: Duration = Duration::from_millis(250);

/// So long, and so much, is read of the last words on standard error.
const LAST_WORDS: Duration = Duration::from_millis(10);
const LAST_WORDS_BYTES: usize = 2048;

impl ConnectionState {
    /// A fault of the link. The first one counts.
    pub(super) fn broken(&mut self, fault: Fault) {
        match &mut self.life {
            Life::Opening | Life::Shaking(_) | Life::Ready | Life::Retiring { .. } => {}
            // The end of the stream, after the exit was seen: both halves are there.
            Life::Dying { fault: first, settled: false }
                if ended(first) && fault.reason == FaultReason::Eof =>
            {
                return self.last_words();
            }
            // The next one will find out for itself.
            Life::Renewing => return self.finish_renewal(),
            Life::Doubting(_) | Life::Closing | Life::Dying { .. } | Life::Over => return,
        }
        let wait = fault.reason == FaultReason::Eof
            && self.link.as_ref().is_some_and(|link| link.stderr().is_some());
        self.dying(fault);
        if wait { self.wait_for_other_half(EXIT_AFTER_END) } else { self.last_words() }
    }

    /// The process is over.
    pub(super) fn exited(&mut self, status: ExitStatus) {
        let mut fault = self.fault_of(status);
        let launching = match &mut self.life {
            Life::Opening | Life::Shaking(_) => true,
            Life::Ready | Life::Retiring { .. } => false,
            Life::Dying { fault: first, settled } => {
                self.metrics.exited("unexpected", status);
                if first.reason == FaultReason::Eof && !*settled {
                    *first = fault;
                    self.last_words();
                }
                return;
            }
            // Killed for its fault, of which everybody has been told by now.
            Life::Over if self.faulty => return self.metrics.exited("unexpected", status),
            Life::Doubting(_) | Life::Renewing | Life::Closing | Life::Over => {
                return self.metrics.exited("expected", status);
            }
        };
        self.metrics.exited("unexpected", status);
        if launching {
            fault.detail.push_str(&format!(", before it had answered {}", self.era.opening()));
        }
        self.dying(fault);
        self.wait_for_other_half(END_AFTER_EXIT);
    }

    /// What is known of it.
    fn fault_of(&self, status: ExitStatus) -> Fault {
        let mut fault = match status {
            ExitStatus::Code(code) => {
                Fault { exit_code: Some(code), ..Fault::new(FaultReason::Exit, status.to_string()) }
            }
            ExitStatus::Unknown => Fault::new(FaultReason::Exit, status.to_string()),
            ExitStatus::Signal(signal) => {
                Fault { signal: Some(signal), ..Fault::new(FaultReason::Signal, status.to_string()) }
            }
        };
        if let Some(cause) = confine::likely_cause(&self.backend, status) {
            fault.detail.push_str(&format!("; {cause}"));
        }
        fault
    }

    /// From here on nothing is served.
    fn dying(&mut self, fault: Fault) {
        if let Life::Shaking(handshake) = &self.life
            && handshake.is_replay()
        {
            self.replay_failed(fault.reason.as_str());
        }
        // A transport may be waiting to take the place of one that is replaced by hand.
        if !matches!(self.life, Life::Retiring { cause: Retire::Restart, .. }) {
            self.end_session();
        }
        self.faulty = true;
        self.session_over();
        self.life = Life::Dying { fault, settled: false };
    }

    /// Marks the session as over if it ends with its connection (`on_restart = "end_session"`), before anybody is
    /// answered: whoever asks after that answer must find it so. The Supervisor tells the session.
    pub(super) fn end_session(&self) -> bool {
        let ends = self.backend.on_restart == OnRestart::EndSession && self.route.is_established();
        if ends {
            self.route.all_have_ended(EndCause::EndSession);
        }
        ends
    }

    fn wait_for_other_half(&mut self, patience: Duration) {
        let at = Instant::now() + patience;
        self.timer = Some(Timer::at(at, self.myself.clone(), ConnectionMsg::GraceOver));
    }

    /// Ends what is left, and asks for the last words on standard error.
    pub(super) fn last_words(&mut self) {
        let Life::Dying { settled, .. } = &mut self.life else { return };
        if std::mem::replace(settled, true) {
            return;
        }
        self.timer = None;
        let Some(link) = &mut self.link else { return self.die(None) };
        link.kill();
        let Some(stderr) = link.stderr() else { return self.die(None) };
        let myself = self.myself.clone();
        tokio::spawn(async move {
            let tail =
                tokio::time::timeout(LAST_WORDS, stderr.tail(LAST_WORDS_BYTES)).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&tail).trim().to_owned();
            let _ = myself.send_message(ConnectionMsg::Epitaph(Some(text)));
        });
    }

    /// Answers all that was in flight, or gives it back; then the Supervisor decides what follows.
    pub(super) fn die(&mut self, stderr: Option<String>) {
        let Life::Dying { mut fault, .. } = std::mem::replace(&mut self.life, Life::Over) else { return };
        fault.stderr_tail = stderr.filter(|text| !text.is_empty());
        let fault = Arc::new(fault);
        self.route.memory_lost(Loss::Fault(fault.clone()));
        let (seen, mut unseen) = self.in_flight.take();
        unseen.extend(self.answer_lost(seen, &self.lost(&self.told(&fault))));
        self.link = None;
        self.forget_questions();
        // The Supervisor hears of the end before it gets back what it must keep until the next start.
        self.tell(SupervisorMsg::Fault { incarnation: self.incarnation, fault });
        self.give_back(unseen);
        if self.gone {
            self.conclude();
        }
    }

    /// Answers what the backend had when it was lost; what may safely be sent once more comes back.
    pub(super) fn answer_lost(&self, seen: Vec<Flight>, refusal: &Refusal) -> Vec<Pending> {
        let mut again = Vec::new();
        for mut flight in seen {
            self.record(&flight, "backend_lost");
            if flight.cancelled {
                flight.pending.refuse(Refusal::Cancelled);
            } else if let Some(cause) = flight.pending.route().ended() {
                let backend = self.route.key().backend_id.clone();
                flight.pending.refuse(Refusal::SessionEnded { backend, cause });
            } else if self.is_safe(&flight.pending) && flight.pending.retry() {
                again.push(flight.pending);
            } else {
                flight.pending.refuse(refusal.clone());
            }
        }
        again
    }

    /// The transport is gone. Its end is often seen a moment before its cause has been made out, and before the last of what it
    /// said has been read.
    pub(super) fn gone(&mut self) {
        self.gone = true;
        match self.life {
            Life::Closing | Life::Over => self.conclude(),
            Life::Renewing => self.finish_renewal(),
            // Settled soon: all of its halves arrive, or the time for them is over.
            Life::Dying { .. } | Life::Doubting(_) => {}
            // The link failed without a report: still an end that must not hang anybody.
            Life::Opening | Life::Shaking(_) | Life::Ready | Life::Retiring { .. } => {
                let text = "the transport ended without a word; please report this";
                self.broken(Fault::new(FaultReason::Panic, text));
            }
        }
    }

    pub(super) fn conclude(&mut self) {
        self.life = Life::Over;
        self.session_over();
        self.metrics.lived(self.since.elapsed());
        self.tell(SupervisorMsg::Concluded { incarnation: self.incarnation });
        self.myself.stop(None);
    }

    /// The session with the backend is over, however it ends; what follows is no longer of it.
    pub(super) fn session_over(&mut self) {
        if let Some(since) = self.session_since.take() {
            self.metrics.session_lasted(since.elapsed());
        }
    }

    pub(super) fn give_back(&mut self, unseen: Vec<Pending>) {
        for pending in unseen {
            self.tell(SupervisorMsg::Request(pending));
        }
        for item in self.queue.take() {
            self.tell(match item {
                Waiting::Request(pending) => SupervisorMsg::Request(pending),
                Waiting::Notify(notice) => SupervisorMsg::Notify(notice),
            });
        }
        let place = self.route.place();
        let usage = &place.usage;
        usage.set_in_flight(0);
        usage.set_queued(0);
    }

    /// Requests of the backend that wait at the client: nobody is there to be answered.
    pub(super) fn forget_questions(&mut self) {
        self.route.place().usage.set_asked(0);
        for (id, session) in self.asked.take() {
            let params =
                format!(r#"{{"requestId":{},"reason":"the backend is gone"}}"#, String::from_utf8_lossy(&id));
            session.tell(SessionEvent::ServerRequestGone { id });
            if let Ok(params) = serde_json::from_str(&params) {
                let message = message::notification("notifications/cancelled", Some(params));
                session.tell(SessionEvent::Message(message));
            }
        }
    }

    pub(super) fn lost(&self, fault: &Arc<Fault>) -> Refusal {
        let (errors, max_error_count) = self.route.limits();
        Refusal::BackendLost {
            backend: self.route.key().backend_id.clone(),
            fault: fault.clone(),
            retryable: false,
            error_count: errors + 1,
            max_error_count,
        }
    }

    /// The fault as clients may see it.
    pub(super) fn told(&self, fault: &Arc<Fault>) -> Arc<Fault> {
        if self.expose_stderr || fault.stderr_tail.is_none() {
            return fault.clone();
        }
        Arc::new(Fault { stderr_tail: None, ..Fault::clone(fault) })
    }

    /// Whether sending it a second time can do no harm (`supervision.md`, "Safe").
    pub(super) fn is_safe(&self, pending: &Pending) -> bool {
        let message = pending.message();
        self.backend.retry == Retry::Safe
            && match message.method().unwrap_or_default() {
                "resources/read" | "prompts/get" | "completion/complete" | "ping" => true,
                "tools/call" => self.route.place().safe_tools.load().covers(message.params()),
                method => method.ends_with("/list"),
            }
    }
}

fn ended(fault: &Fault) -> bool {
    matches!(fault.reason, FaultReason::Exit | FaultReason::Signal)
}
