//! A request that somebody waits for. Nobody can forget a client: dropping it answers.

mod reply;

pub use reply::{Answer, Exchange, Reply, ReplyStream};

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Refusal;
use crate::fault::{Fault, FaultReason};
use crate::filter;
use crate::message::Envelope;
use crate::metrics;
use crate::route::Route;

/// How often a request may be handed on because an actor died with it, before it is answered.
const MAX_BOUNCES: u8 = 3;

/// Whether the backend can have seen a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not one byte of it was handed to the transport: it is safe to send it again.
    NotWritten,
    /// It may have been carried out.
    Written,
}

/// One client request with its reply. However it ends, the client gets exactly one answer:
/// dropped before it was written, it goes back to the Registry to be routed anew; dropped after, it is
/// answered with `backend_lost` and reason `panic`, since only a bug drops it.
pub(crate) struct Pending(Option<Box<Inner>>);

struct Inner {
    message: Envelope,
    reply: Reply,
    route: Route,
    stage: Stage,
    bounces: u8,
    retried: bool,
    renewed: bool,
    waiting_since: Option<Instant>,
    deadline: Instant,
    last_deadline: Instant,
}

impl Pending {
    pub(crate) fn new(
        message: Envelope,
        reply: Reply,
        route: Route,
        deadline: Instant,
        last_deadline: Instant,
    ) -> Self {
        Self(Some(Box::new(Inner {
            message,
            reply,
            route,
            stage: Stage::NotWritten,
            bounces: 0,
            retried: false,
            renewed: false,
            waiting_since: None,
            deadline,
            last_deadline,
        })))
    }

    /// The request as the client sent it.
    pub(crate) fn message(&self) -> &Envelope {
        &self.inner().message
    }

    /// The session that waits.
    pub(crate) fn route(&self) -> &Route {
        &self.inner().route
    }

    /// The client's id, raw JSON.
    pub(crate) fn id(&self) -> &[u8] {
        self.message().id().unwrap_or(b"null")
    }

    /// When it is answered with a timeout, unless progress moves that.
    pub(crate) fn deadline(&self) -> Instant {
        self.inner().deadline
    }

    /// Whether the deadline has reached the bound that progress does not move.
    pub(crate) fn at_last_deadline(&self) -> bool {
        self.inner().deadline >= self.inner().last_deadline
    }

    /// Progress: the request clock starts again, up to its bound.
    pub(crate) fn extend(&mut self, deadline: Instant) {
        let inner = self.inner_mut();
        inner.deadline = deadline.min(inner.last_deadline);
    }

    /// The request clock starts again and its bound moves along: it stood still meanwhile.
    pub(crate) fn restart(&mut self, deadline: Instant) {
        let inner = self.inner_mut();
        inner.last_deadline = inner.last_deadline.max(deadline);
        inner.deadline = deadline;
    }

    pub(crate) fn stage(&self) -> Stage {
        self.inner().stage
    }

    pub(crate) fn written(&mut self) {
        self.inner_mut().stage = Stage::Written;
    }

    /// It cannot be sent now.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.inner_mut().waiting_since.get_or_insert(now);
    }

    /// It is sent now: since when it has waited for that, if it has.
    pub(crate) fn waited_since(&mut self) -> Option<Instant> {
        self.inner_mut().waiting_since.take()
    }

    /// Marks a request that may be sent a second time, once. False if it was already.
    pub(crate) fn retry(&mut self) -> bool {
        let inner = self.inner_mut();
        inner.stage = Stage::NotWritten;
        !std::mem::replace(&mut inner.retried, true)
    }

    /// Marks a request that was refused because its session was lost, which is no second sending. False if
    /// that happened to it before: then it is not a session that it wants.
    pub(crate) fn renew(&mut self) -> bool {
        let inner = self.inner_mut();
        inner.stage = Stage::NotWritten;
        !std::mem::replace(&mut inner.renewed, true)
    }

    /// Sends the client a message that precedes the answer. False if its stream takes none.
    pub(crate) fn precede(&mut self, message: Bytes) -> bool {
        self.inner_mut().reply.precede(message)
    }

    /// Answers with a message of the backend, which gets the client's own id.
    pub(crate) fn answer(mut self, answer: &Envelope) {
        if let Some(inner) = self.0.take() {
            inner.count_retry(true);
            let id = inner.message.id().unwrap_or(b"null");
            let list = filter::is_list(&inner.message);
            let seen = || inner.route.seen(&inner.message, answer);
            let answered = match list.then(seen).flatten().map(Envelope::parse) {
                Some(Ok(seen)) => seen.with_id(id),
                _ => answer.with_id(id),
            };
            inner.reply.answer(Ok(answered));
        }
    }

    /// Answers with an error of our own.
    pub(crate) fn refuse(mut self, refusal: Refusal) {
        if let Some(inner) = self.0.take() {
            inner.refuse(refusal);
        }
    }

    /// Every method but `drop` takes `self` or leaves the inside in place.
    fn inner(&self) -> &Inner {
        match &self.0 {
            Some(inner) => inner,
            None => unreachable!("a pending request is only emptied by value"),
        }
    }

    fn inner_mut(&mut self) -> &mut Inner {
        match &mut self.0 {
            Some(inner) => inner,
            None => unreachable!("a pending request is only emptied by value"),
        }
    }
}

impl Inner {
    /// The one place where a request comes to be lost.
    fn refuse(self, refusal: Refusal) {
        self.count_retry(false);
        if let Refusal::BackendLost { backend, .. } = &refusal {
            metrics::lost(backend);
        }
        self.reply.answer(Err(refusal));
    }

    fn count_retry(&self, ok: bool) {
        if self.retried {
            metrics::retried(&self.route.key().backend_id, ok);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut inner) = self.0.take() else { return };
        let backend = inner.route.key().backend_id.clone();
        inner.bounces += 1;
        if inner.stage == Stage::NotWritten && inner.bounces <= MAX_BOUNCES {
            let route = inner.route.clone();
            return route.reroute(Self(Some(inner)));
        }
        let fault =
            Fault::new(FaultReason::Panic, "mcpvisor failed while it held the request; please report this");
        let budget = inner.route.limits();
        let retryable = inner.stage == Stage::NotWritten;
        inner.refuse(Refusal::BackendLost {
            backend,
            retryable,
            fault: Arc::new(fault),
            error_count: budget.0,
            max_error_count: budget.1,
        });
    }
}
