//! Processes kept in reserve: their links, from the start to the hand-over.
//!
//! Which to keep, and who gets one, is decided by the pure entry of their backend.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::backend::News;
use super::{RegistryMsg, RegistryState, tell};
use crate::event::{EventKind, EventSender, SupervisionEvent};
use crate::fault::{Fault, FaultReason};
use crate::key::ConnectionKey;
use crate::link::spare::{self, Spare};
use crate::link::stdio::{self, Launch};
use crate::link::{Events, Link, LinkEvent};
use crate::message::{self, Envelope, Kind};
use crate::metrics::BackendMetrics;
use crate::process::ExitStatus;
use crate::root::{RootMsg, Seat};
use crate::supervisor::SupervisorMsg;
use crate::timer::Timer;

/// So long, and so much, is read of the last words on standard error.
const LAST_WORDS: Duration = Duration::from_millis(100);
const LAST_WORDS_BYTES: usize = 2048;

/// What the Registry is told of spares.
pub(crate) enum SpareMsg {
    /// The Root: one more of this backend may be started.
    Seated { backend: Arc<str>, seat: Seat },
    /// What the link of one reports.
    Link { incarnation: u64, events: Events, event: LinkEvent },
    /// The Root: nothing of one is left.
    Gone { incarnation: u64 },
    /// There may be something to do.
    Due { backend: Arc<str> },
    /// What is left of the drain is only enough to kill.
    DrainLate,
}

/// One spare that nobody was given, until nothing of it is left. Dropped, it is killed.
pub(super) struct Kept {
    pub(super) backend: Arc<str>,
    metrics: BackendMetrics,
    events: Events,
    pid: Option<u32>,
    link: Option<Box<dyn Link>>,
    end: Option<End>,
}

enum End {
    /// Nobody wants it any more.
    Ordered,
    /// It died; whether that counts against the backend.
    Died { fault: Fault, counts: bool },
}

impl RegistryState {
    pub(super) fn spare(&mut self, message: SpareMsg) {
        match message {
            SpareMsg::Seated { backend, seat } => self.start_spare(backend, seat),
            SpareMsg::Link { incarnation, events, event } => self.spare_event(incarnation, &events, event),
            SpareMsg::Gone { incarnation } => self.spare_gone(incarnation),
            SpareMsg::Due { backend } => drop(self.admit(&backend)),
            SpareMsg::DrainLate => {
                self.reserve.values_mut().filter_map(|kept| kept.link.as_mut()).for_each(|link| link.kill());
            }
        }
    }

    /// Ends those of a backend that are too old, starts the next one it lacks, and sees to it that this is done again
    /// when it has to be.
    pub(super) fn keep_spares(&mut self, backend: &Arc<str>) {
        let now = Instant::now();
        let may_start = self.may_start_spare(backend);
        let Some(entry) = self.backends.get_mut(backend).filter(|entry| entry.spares.are_wanted()) else {
            return;
        };
        let old = entry.spares.superfluous(now);
        let begin = may_start && entry.begin_spare(now);
        let next = entry.spares.next(now).filter(|_| self.draining.is_none());
        if next != entry.spare_timer.as_ref().map(Timer::deadline) {
            let due = RegistryMsg::Spare(SpareMsg::Due { backend: backend.clone() });
            entry.spare_timer = next.map(|at| Timer::at(at, self.myself.clone(), due));
        }
        let (starting, warm) = entry.spares.count();
        entry.metrics.spares(starting, warm);
        if begin && let Some(root) = &self.args.root {
            let (backend, registry) = (backend.clone(), self.myself.clone());
            let _ = root.send_message(RootMsg::SeatSpare { backend, registry });
        }
        old.into_iter().for_each(|incarnation| self.end_spare(incarnation, "max_age"));
    }

    /// The same for all backends.
    pub(super) fn keep_all_spares(&mut self) {
        let backends: Vec<Arc<str>> = self.backends.keys().cloned().collect();
        backends.iter().for_each(|backend| self.keep_spares(backend));
    }

    /// Ends all spares of a backend in order. Others take their place, if any are still wanted.
    pub(super) fn end_spares(&mut self, backend: &Arc<str>, reason: &'static str) {
        if let Some(entry) = self.backends.get_mut(backend) {
            entry.spares.clear();
            entry.spare_timer = None;
            entry.metrics.spares(0, 0);
        }
        let own = self.reserve.iter().filter(|(_, kept)| kept.backend == *backend);
        let own: Vec<u64> = own.map(|(&incarnation, _)| incarnation).collect();
        own.into_iter().for_each(|incarnation| self.end_spare(incarnation, reason));
        self.admit(backend);
    }

    /// Gives a spare to the session with this key.
    pub(super) fn give_spare(&mut self, incarnation: u64, key: &ConnectionKey) {
        let Some(Kept { events, pid, link: Some(link), .. }) = self.reserve.remove(&incarnation) else {
            return;
        };
        let Some(entry) = self.entries.get(key) else { return };
        tell(
            &entry.supervisor,
            SupervisorMsg::Spare(Spare { incarnation, link, pid, events: events.clone() }),
        );
        events.give_to(entry.supervisor.clone());
    }

    /// Sessions come first where there is little room.
    fn may_start_spare(&self, backend: &Arc<str>) -> bool {
        let room = self.entries.len() + self.reserve.len() < self.args.live.config().limits.max_connections;
        room && self.draining.is_none() && !self.is_stopped(backend) && self.has_memory_for(backend)
    }

    /// What is no longer wanted gives its seat back by dropping it.
    fn start_spare(&mut self, backend: Arc<str>, seat: Seat) {
        let incarnation = seat.incarnation();
        let Some(entry) = self.backends.get_mut(&backend) else { return };
        if !entry.spares.seated(incarnation) {
            return;
        }
        let metrics = entry.metrics.clone();
        let event = SupervisionEvent::of_backend(
            EventKind::SpareLaunching,
            &backend,
            "launching a process in reserve",
        );
        self.args.events.emit(event.incarnation(Some(incarnation), None));
        let events = Events::of_spare(incarnation, metrics.clone(), self.myself.clone());
        let launch = Launch {
            session: spare::SESSION.to_owned(),
            backend: entry.backend.clone(),
            instance: self.args.instance.clone(),
            sweeper: self.args.sweeper.clone(),
        };
        stdio::open(launch, events.clone(), seat);
        self.reserve.insert(incarnation, Kept { backend, metrics, events, pid: None, link: None, end: None });
    }

    fn spare_event(&mut self, incarnation: u64, events: &Events, event: LinkEvent) {
        let Some(kept) = self.reserve.get_mut(&incarnation) else { return events.pass_on(event) };
        match event {
            LinkEvent::Open { link, pid } => self.spare_opened(incarnation, link, pid),
            LinkEvent::Message { message, .. } => self.spare_said(incarnation, &message),
            LinkEvent::Writable => {
                if let Some(Err(fault)) = kept.link.as_mut().map(|link| link.resume()) {
                    self.spare_died(incarnation, fault);
                }
            }
            LinkEvent::OpenFailed(fault) | LinkEvent::Broken(fault) => self.spare_died(incarnation, fault),
            LinkEvent::Exited(status) => self.spare_exited(incarnation, status),
            LinkEvent::Noise | LinkEvent::Written(_) => {}
            // A Connection's own.
            LinkEvent::Translated { .. } | LinkEvent::ListenAgain => {}
            // An upstream's; it has no spares.
            LinkEvent::BrokenFor { .. } | LinkEvent::Failed { .. } | LinkEvent::SessionLost { .. } => {}
        }
    }

    fn spare_opened(&mut self, incarnation: u64, mut link: Box<dyn Link>, pid: Option<u32>) {
        let Some(kept) = self.reserve.get_mut(&incarnation).filter(|kept| kept.end.is_none()) else { return };
        let Some(entry) = self.backends.get_mut(&kept.backend) else { return };
        let Some(ask) = entry.spares.opened(incarnation, Instant::now()) else {
            // Dropped, it is killed.
            kept.end = Some(End::Ordered);
            return;
        };
        if ask {
            link.send(spare::ping(&entry.backend), None);
        }
        (kept.link, kept.pid) = (Some(link), pid);
        let backend = kept.backend.clone();
        self.admit(&backend);
    }

    fn spare_said(&mut self, incarnation: u64, message: &Envelope) {
        let Some(kept) = self.reserve.get_mut(&incarnation).filter(|kept| kept.end.is_none()) else { return };
        match message.kind() {
            Kind::Request => {
                if let (Some(id), Some(link)) = (message.id_bytes(), &mut kept.link) {
                    link.send(message::empty_result(&id), None);
                }
            }
            _ if spare::answers_ping(message) => {
                let backend = kept.backend.clone();
                let event = SupervisionEvent::of_backend(
                    EventKind::SpareWarm,
                    &backend,
                    "a process in reserve is up",
                );
                self.args.events.emit(event.incarnation(Some(incarnation), kept.pid));
                if let Some(entry) = self.backends.get_mut(&backend) {
                    entry.spares.answered(incarnation, Instant::now());
                }
                self.admit(&backend);
            }
            _ => {}
        }
    }

    /// The end of its output and its exit come together; whichever is first takes it out of the reserve.
    fn spare_exited(&mut self, incarnation: u64, status: ExitStatus) {
        let Some(kept) = self.reserve.get_mut(&incarnation) else { return };
        let metrics = kept.metrics.clone();
        let signal = matches!(status, ExitStatus::Signal(_));
        let reason = if signal { FaultReason::Signal } else { FaultReason::Exit };
        let fault = Fault::new(reason, status.to_string());
        match &mut kept.end {
            Some(End::Ordered) => return metrics.exited("expected", status),
            Some(End::Died { fault: first, .. }) if first.reason == FaultReason::Eof => *first = fault,
            Some(End::Died { .. }) => {}
            None => self.spare_died(incarnation, fault),
        }
        metrics.exited("unexpected", status);
    }

    fn spare_died(&mut self, incarnation: u64, fault: Fault) {
        let Some(kept) = self.reserve.get_mut(&incarnation).filter(|kept| kept.end.is_none()) else { return };
        if let Some(link) = &mut kept.link {
            link.kill();
        }
        let backend = kept.backend.clone();
        let Some(entry) = self.backends.get_mut(&backend) else { return };
        let counts = entry.spares.died(incarnation, Instant::now(), fault.fatal);
        kept.end = Some(End::Died { fault, counts });
        self.admit(&backend);
    }

    fn end_spare(&mut self, incarnation: u64, reason: &'static str) {
        let Some(kept) = self.reserve.get_mut(&incarnation).filter(|kept| kept.end.is_none()) else { return };
        let event = SupervisionEvent::of_backend(
            EventKind::SpareEnded,
            &kept.backend,
            "a process in reserve is ended",
        );
        self.args.events.emit(event.incarnation(Some(incarnation), kept.pid).because(reason));
        kept.end = Some(End::Ordered);
        // One that is not open yet is killed when it is.
        if let Some(link) = &mut kept.link {
            link.close();
        }
    }

    fn spare_gone(&mut self, incarnation: u64) {
        if self.reserve.get(&incarnation).is_some_and(|kept| kept.end.is_none()) {
            let text = "its transport ended without a word; please report this";
            self.spare_died(incarnation, Fault::new(FaultReason::Panic, text));
        }
        let Some(kept) = self.reserve.remove(&incarnation) else { return };
        let Some(End::Died { fault, counts }) = kept.end else { return };
        kept.metrics.spare_lost();
        if counts && let Some(entry) = self.backends.get(&kept.backend) {
            let key = entry.spares_key.clone();
            self.learn(&self.myself.clone(), &key, News::LaunchFailed(fault.to_string()));
        }
        let text = format!("a process in reserve died: {}", fault.detail);
        let event = SupervisionEvent::of_backend(EventKind::SpareLost, &kept.backend, text)
            .fault(&fault)
            .incarnation(Some(incarnation), kept.pid);
        tell_death(self.args.events.clone(), event, kept.link);
    }
}

/// With its last words, which take a moment to read.
fn tell_death(events: EventSender, event: SupervisionEvent, link: Option<Box<dyn Link>>) {
    let stderr = link.and_then(|link| link.stderr());
    tokio::spawn(async move {
        let tail = match stderr {
            Some(stderr) => {
                tokio::time::timeout(LAST_WORDS, stderr.tail(LAST_WORDS_BYTES)).await.unwrap_or_default()
            }
            None => Default::default(),
        };
        let tail = String::from_utf8_lossy(&tail).trim().to_owned();
        events.emit(SupervisionEvent { stderr_tail: Some(tail).filter(|tail| !tail.is_empty()), ..event });
    });
}
