//! A launch that starts from a process kept in reserve.

use super::launch::Launch;
use super::machine::Event;
use super::{SupervisorMsg, SupervisorState};
use crate::actor::ActorRef;
use crate::connection::{ConnectionMsg, Source};
use crate::event::{EventKind, SupervisionEvent};
use crate::fault::{Fault, FaultReason};
use crate::link::{LinkEvent, Spare};
use crate::registry::{News, Start};
use crate::root::RootMsg;

impl SupervisorState {
    /// One that is no longer wanted is dropped, which ends it.
    pub(super) async fn spare(&mut self, myself: &ActorRef<SupervisorMsg>, spare: Spare) {
        let seat = match self.launch.take() {
            Some(Launch::Queued { seat, .. }) if self.args.transport.is_none() => seat,
            other => return self.launch = other,
        };
        self.timers.ticket = None;
        self.on(myself, Event::Ticket);
        // Before anything of it can be gone: the Root tells us of that from now on.
        let take_over = RootMsg::TakeOver { spare: spare.incarnation, seat, supervisor: myself.clone() };
        let _ = self.args.root.send_message(take_over);
        self.connect(myself, spare.incarnation, Start::Spare, Source::Spare(spare)).await;
    }

    /// What a spare reported on its way here is its Connection's.
    pub(super) fn pass_on(&mut self, incarnation: u64, event: LinkEvent) {
        if let Some(current) = self.current.as_ref().filter(|current| current.number == incarnation) {
            let _ = current.connection.send_message(ConnectionMsg::Link(event));
        }
    }

    /// A spare that dies before it has answered is no error of its session: whoever waits does so for one fresh launch.
    /// One that was silent until their time was over is a launch like any other. Whether it was such a death.
    pub(super) fn spare_died(&mut self, myself: &ActorRef<SupervisorMsg>, fault: &Fault) -> bool {
        if !matches!(self.launch, Some(Launch::Running { start: Start::Spare, .. })) {
            return false;
        }
        self.afresh = true;
        self.args.metrics.spare_used(false);
        let bug = self.current.as_ref().is_some_and(|current| current.failed);
        if bug || fault.reason == FaultReason::LaunchTimeout {
            return false;
        }
        self.launch = None;
        self.news(News::SpareDied(fault.to_string()));
        let text = format!(
            "a process in reserve died before it had answered: {}; another is launched",
            fault.detail
        );
        let current = self.current.as_ref();
        let event = SupervisionEvent::of(EventKind::SpareLost, self.key(), text)
            .incarnation(current.map(|current| current.number), current.and_then(|current| current.pid));
        self.args.events.emit(event.fault(fault));
        self.on(myself, Event::SpareDied);
        true
    }

    /// A spare answered, whatever it said.
    pub(super) fn spare_answered(&self) {
        if matches!(self.launch, Some(Launch::Running { start: Start::Spare, .. })) {
            self.args.metrics.spare_used(true);
        }
    }
}
