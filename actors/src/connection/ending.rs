//! The end of an incarnation, in order or by a fault.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Retry;
use tokio::time::Instant;

use super::{ConnectionMsg, ConnectionState, Life};
use crate::error::{Overload, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::link::RequestFailure;
use crate::message;
use crate::pending::Pending;
use crate::process::ExitStatus;
use crate::route::SessionEvent;
use crate::supervisor::{Retire, SupervisorMsg, Waiting};
use crate::timer::Timer;

/// An exit and the end of the stream come together, in any order; so long is one waited for after the
/// other: the exit code is the better cause, and answers may still stand in the pipe.
const OTHER_HALF: Duration = Duration::from_millis(20);

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
            Life::Closing | Life::Dying { .. } | Life::Over => return,
        }
        let wait = fault.reason == FaultReason::Eof
            && self.link.as_ref().is_some_and(|link| link.stderr().is_some());
        self.life = Life::Dying { fault, settled: false };
        if wait { self.wait_for_other_half() } else { self.last_words() }
    }

    /// The process is over.
    pub(super) fn exited(&mut self, status: ExitStatus) {
        let mut fault = match status {
            ExitStatus::Code(code) => {
                Fault { exit_code: Some(code), ..Fault::new(FaultReason::Exit, status.to_string()) }
            }
            ExitStatus::Unknown => Fault::new(FaultReason::Exit, status.to_string()),
            ExitStatus::Signal(signal) => {
                Fault { signal: Some(signal), ..Fault::new(FaultReason::Signal, status.to_string()) }
            }
        };
        let launching = match &mut self.life {
            Life::Opening | Life::Shaking(_) => true,
            Life::Ready | Life::Retiring { .. } => false,
            Life::Dying { fault: first, settled } => {
                self.metrics.exited("unexpected");
                if first.reason == FaultReason::Eof && !*settled {
                    *first = fault;
                    self.last_words();
                }
                return;
            }
            Life::Closing | Life::Over => return self.metrics.exited("expected"),
        };
        self.metrics.exited("unexpected");
        if launching {
            fault.detail.push_str(", before it had answered initialize");
        }
        self.life = Life::Dying { fault, settled: false };
        self.wait_for_other_half();
    }

    fn wait_for_other_half(&mut self) {
        let at = Instant::now() + OTHER_HALF;
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
        self.link = None;
        fault.stderr_tail = stderr.filter(|text| !text.is_empty());
        let fault = Arc::new(fault);
        let told = self.told(&fault);
        let (seen, mut unseen) = self.in_flight.take();
        let mut lost = 0;
        for mut flight in seen {
            self.record(&flight, "backend_lost");
            if flight.cancelled {
                flight.pending.refuse(Refusal::Cancelled);
            } else if self.is_safe(&flight.pending) && flight.pending.retry() {
                unseen.push(flight.pending);
            } else {
                lost += 1;
                flight.pending.refuse(self.lost(&told));
            }
        }
        self.metrics.lost(lost);
        self.forget_questions();
        // The Supervisor hears of the end before it gets back what it must keep until the next start.
        self.tell(SupervisorMsg::Fault { incarnation: self.incarnation, fault });
        self.give_back(unseen);
        if self.gone {
            self.conclude();
        }
    }

    /// The transport is gone. Its end is often seen a moment before its cause has been made out.
    pub(super) fn gone(&mut self) {
        self.gone = true;
        match self.life {
            Life::Closing | Life::Over => self.conclude(),
            Life::Dying { .. } => self.last_words(),
            // The link failed without a report: still an end that must not hang anybody.
            Life::Opening | Life::Shaking(_) | Life::Ready | Life::Retiring { .. } => {
                let text = "the transport ended without a word; please report this";
                self.broken(Fault::new(FaultReason::Panic, text));
            }
        }
    }

    fn conclude(&mut self) {
        self.life = Life::Over;
        self.tell(SupervisorMsg::Concluded { incarnation: self.incarnation });
        self.myself.stop(None);
    }

    fn give_back(&mut self, unseen: Vec<Pending>) {
        for pending in unseen {
            self.tell(SupervisorMsg::Request(pending));
        }
        for item in std::mem::take(&mut self.queue) {
            self.tell(match item {
                Waiting::Request(pending) => SupervisorMsg::Request(pending),
                Waiting::Notify(message) => SupervisorMsg::Notify(message),
            });
        }
        let usage = &self.route.place().usage;
        usage.set_in_flight(0);
        usage.set_queued(0);
    }

    /// Requests of the backend that wait at the client: nobody is there to be answered.
    fn forget_questions(&mut self) {
        for id in self.asked.take() {
            let params =
                format!(r#"{{"requestId":{},"reason":"the backend is gone"}}"#, String::from_utf8_lossy(&id));
            self.route.deliver(SessionEvent::ServerRequestGone { id });
            if let Ok(params) = serde_json::from_str(&params) {
                let message = message::notification("notifications/cancelled", Some(params));
                self.route.deliver(SessionEvent::Message(message));
            }
        }
    }

    /// One request failed on its way, the link lives.
    pub(super) fn failed(&mut self, request: u64, failure: RequestFailure) {
        if let Life::Shaking(handshake) = &self.life {
            if handshake.waiting == Some(request) {
                let fault = match failure {
                    RequestFailure::Counted(fault) | RequestFailure::Refused(fault) => fault,
                    RequestFailure::Busy { .. } => {
                        Fault::new(FaultReason::HttpStatus, "HTTP 429 to initialize")
                    }
                };
                self.broken(Fault { reason: FaultReason::HttpConnect, ..fault });
            }
            return;
        }
        let Some(mut flight) = self.in_flight.remove(request) else { return };
        self.record(&flight, "http_status");
        match failure {
            RequestFailure::Counted(fault) if self.is_safe(&flight.pending) && flight.pending.retry() => {
                tracing::debug!(backend = %self.route.key().backend_id, %fault, "a safe request is sent once more");
                self.transmit(flight.pending);
            }
            RequestFailure::Counted(fault) => {
                if !std::mem::replace(&mut self.status_counted, true) {
                    self.tell(SupervisorMsg::Survived { fault: fault.clone() });
                }
                flight.pending.refuse(self.lost(&Arc::new(fault)));
            }
            RequestFailure::Refused(fault) => flight.pending.refuse(self.lost(&Arc::new(fault))),
            RequestFailure::Busy { retry_after } => {
                let backend = self.route.key().backend_id.clone();
                flight.pending.refuse(Refusal::Overloaded { backend, what: Overload::Rate, retry_after });
            }
        }
        self.advance();
    }

    /// The upstream no longer knows its session: nothing was carried out. A new one, and the replay.
    pub(super) fn session_lost(&mut self, request: Option<u64>) {
        if !matches!(self.life, Life::Ready) {
            let text = "the upstream lost its session while it was being made";
            return self.broken(Fault::new(FaultReason::HttpConnect, text));
        }
        self.life = Life::Over;
        self.link = None;
        let refused = request.and_then(|wire| self.in_flight.remove(wire)).map(|mut flight| {
            flight.pending.retry();
            flight.pending
        });
        let (seen, mut unseen) = self.in_flight.take();
        let fault = Arc::new(Fault::new(FaultReason::HttpStatus, "the upstream lost its session (HTTP 404)"));
        for flight in seen {
            self.record(&flight, "backend_lost");
            flight.pending.refuse(self.lost(&fault));
        }
        unseen.extend(refused);
        self.forget_questions();
        self.tell(SupervisorMsg::Renew { incarnation: self.incarnation });
        self.give_back(unseen);
    }

    pub(super) fn retire(&mut self, cause: Retire, by: Instant) {
        match self.life {
            Life::Ready | Life::Retiring { .. } => {}
            Life::Opening | Life::Shaking(_) => return self.kill(),
            Life::Closing | Life::Dying { .. } | Life::Over => return,
        }
        if cause == Retire::Evict {
            if !self.in_flight.is_empty() || !self.queue.is_empty() || !self.asked.is_empty() {
                return self.tell(SupervisorMsg::EvictRefused { incarnation: self.incarnation });
            }
            return self.close();
        }
        self.life = Life::Retiring { cause, by };
        if cause == Retire::Restart {
            self.give_back(Vec::new());
            self.route.place().usage.set_in_flight(self.in_flight.len());
        }
        if by <= Instant::now() {
            return self.cut_retirement();
        }
        self.wake_at(by);
        self.finish_retirement();
    }

    /// Closes a retiring connection once nothing is left to do.
    pub(super) fn finish_retirement(&mut self) {
        if matches!(self.life, Life::Retiring { .. }) && self.in_flight.is_empty() && self.queue.is_empty() {
            self.close();
        }
    }

    /// Its time is over: what is still in flight is cancelled there and answered here.
    pub(super) fn cut_retirement(&mut self) {
        let Life::Retiring { cause, .. } = self.life else { return };
        let backend = self.route.key().backend_id.clone();
        let refusal = match cause {
            Retire::Delete(cause) => Refusal::SessionEnded { backend, cause },
            Retire::Drain | Retire::Limit | Retire::Evict => Refusal::ShuttingDown { backend, close: false },
            Retire::Restart => {
                let text = "it was restarted by hand before it had answered";
                self.lost(&Arc::new(Fault::new(FaultReason::Exit, text)))
            }
        };
        let wires: Vec<u64> = self.in_flight.wires().collect();
        for wire in wires {
            self.cancel_at_backend(wire, "the connection is being closed");
        }
        let (seen, unseen) = self.in_flight.take();
        for pending in seen.into_iter().map(|flight| flight.pending).chain(unseen) {
            pending.refuse(refusal.clone());
        }
        for item in std::mem::take(&mut self.queue) {
            if let Waiting::Request(pending) = item {
                pending.refuse(refusal.clone());
            }
        }
        self.close();
    }

    fn close(&mut self) {
        self.life = Life::Closing;
        self.tick = None;
        self.forget_questions();
        let usage = &self.route.place().usage;
        usage.set_in_flight(0);
        usage.set_queued(0);
        self.close_link();
    }

    pub(super) fn close_link(&mut self) {
        if let Some(link) = &mut self.link {
            link.close();
        }
    }

    /// Given up before it served anybody.
    pub(super) fn kill(&mut self) {
        self.life = Life::Over;
        self.timer = None;
        if let Some(link) = &mut self.link {
            link.kill();
        }
        self.link = None;
        let (seen, unseen) = self.in_flight.take();
        let fault = Arc::new(Fault::new(FaultReason::Exit, "it was given up"));
        for flight in seen {
            flight.pending.refuse(self.lost(&fault));
        }
        self.give_back(unseen);
    }

    fn lost(&self, fault: &Arc<Fault>) -> Refusal {
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
    fn told(&self, fault: &Arc<Fault>) -> Arc<Fault> {
        if self.expose_stderr || fault.stderr_tail.is_none() {
            return fault.clone();
        }
        Arc::new(Fault { stderr_tail: None, ..Fault::clone(fault) })
    }

    /// Whether sending it a second time can do no harm (`supervision.md`, "Safe").
    fn is_safe(&self, pending: &Pending) -> bool {
        let method = pending.message().method().unwrap_or_default();
        self.backend.retry == Retry::Safe
            && (method.ends_with("/list")
                || matches!(method, "resources/read" | "prompts/get" | "completion/complete" | "ping"))
    }
}

fn ended(fault: &Fault) -> bool {
    matches!(fault.reason, FaultReason::Exit | FaultReason::Signal)
}
