//! Attaches, requests and notifications that found no ready Connection.

use tokio::time::Instant;

use super::machine::{Event, Refused};
use super::{SupervisorMsg, SupervisorState};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::error::{EndCause, Overload, Refusal};
use crate::message::cancelled_request_id;
use crate::pending::Pending;
use crate::registry::AttachReply;
use crate::route::{Attached, Notice, Route};
use crate::timer::Timer;

impl SupervisorState {
    pub(super) fn attach(&mut self, myself: &ActorRef<SupervisorMsg>, route: Route, reply: AttachReply) {
        if let Err(refused) = self.machine.admits(Instant::now()) {
            if matches!(refused, Refused::Ended(_)) && route.ended().is_none() {
                // A new session on a key that others shared: it waits for the end of what they had.
                return self.attached.push((route, reply));
            }
            let _ = reply.send(Err(self.refusal(refused)));
            return;
        }
        if self.machine.is_ready() {
            let answer = self.args.route.record().first_result.clone();
            let _ = reply.send(Ok(Attached { answer, accepted: true }));
            return;
        }
        self.attached.push((route, reply));
        self.on(myself, Event::Wanted);
    }

    pub(super) fn request(&mut self, myself: &ActorRef<SupervisorMsg>, mut pending: Pending) {
        if let Err(refused) = self.machine.admits(Instant::now()) {
            return pending.refuse(self.refusal(refused));
        }
        if let Some(cause) = pending.route().ended() {
            return pending.refuse(Refusal::SessionEnded { backend: self.key().backend_id.clone(), cause });
        }
        if self.machine.is_ready()
            && let Some(current) = &self.current
        {
            // Undelivered, it comes back as a dropped request.
            let _ = current.connection.send_message(ConnectionMsg::Request(pending));
            return;
        }
        let (backend, what) = (self.key().backend_id.clone(), Overload::Queue);
        let deadline = pending.deadline();
        pending.wait(Instant::now());
        if let Err(pending) = self.room.request(pending) {
            let retry_after = self.args.configured.backend.backoff.max;
            let most = Some(self.args.configured.backend.limits.max_queued as u64);
            return pending.refuse(Refusal::Overloaded { backend, what, most, retry_after });
        }
        self.args.route.place().usage.set_queued(self.room.requests());
        self.wake_at(myself, deadline);
        self.on(myself, Event::Wanted);
    }

    /// A session that shares the connection has ended.
    pub(super) fn leave(&mut self, route: Route, cause: EndCause) {
        for pending in self.room.take_of(&route) {
            pending.refuse(Refusal::SessionEnded { backend: self.key().backend_id.clone(), cause });
        }
        self.args.route.place().usage.set_queued(self.room.requests());
        if let Some(current) = &self.current {
            let _ = current.connection.send_message(ConnectionMsg::Leave { route, cause });
        }
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        let Notice { route, message } = &notice;
        if message.method() == Some("notifications/cancelled")
            && let Some(id) = cancelled_request_id(message)
        {
            let cancelled = self.room.cancel(route, id);
            if !cancelled.is_empty() {
                cancelled.into_iter().for_each(|pending| pending.refuse(Refusal::Cancelled));
                return self.args.route.place().usage.set_queued(self.room.requests());
            }
        }
        match self.current.as_ref().filter(|_| self.machine.is_ready()) {
            Some(current) => drop(current.connection.send_message(ConnectionMsg::Notify(notice))),
            None if !self.room.notify(notice) => {
                tracing::warn!(backend = %self.key().backend_id, "a notification was dropped: too many wait for the backend");
            }
            // No reason to launch: it is sent when a request has done so.
            None => {}
        }
    }

    /// Answers what has waited to its deadline.
    pub(super) fn tick(&mut self, myself: &ActorRef<SupervisorMsg>) {
        self.timers.tick = None;
        for pending in self.room.expired(Instant::now()) {
            let max = pending.at_last_deadline();
            pending.refuse(Refusal::Timeout { backend: self.key().backend_id.clone(), max });
        }
        self.args.route.place().usage.set_queued(self.room.requests());
        if let Some(next) = self.room.next_deadline() {
            self.wake_at(myself, next);
        }
    }

    fn wake_at(&mut self, myself: &ActorRef<SupervisorMsg>, at: Instant) {
        if self.timers.tick.as_ref().is_none_or(|timer| timer.deadline() > at) {
            self.timers.tick = Some(Timer::at(at, myself.clone(), SupervisorMsg::Tick));
        }
    }
}
