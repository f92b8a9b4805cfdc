//! The link to a scripted child: what a Connection holds in place of pipes.
//!
//! It takes messages at once, keeps them while the child does not read, and says so, as the real one does.

use std::collections::VecDeque;

use bytes::Bytes;
use mcpvisor_config::Backend;
use tokio::sync::mpsc;

use super::ledger::ledger;
use super::life::Life;
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::fault::{Fault, FaultReason};
use crate::link::stderr::StderrTail;
use crate::link::{Events, Link, Sent};
use crate::root::Seat;
use crate::route::Route;

/// The command of backends whose children are scripted.
pub(crate) const SCRIPTED: &str = "scripted";

/// What the child hears.
pub(super) enum Input {
    Line(Bytes),
    Close,
    Kill,
}

/// In place of starting a process.
pub(crate) fn open(
    route: &Route,
    backend: &Backend,
    connection: &ActorRef<ConnectionMsg>,
    events: Events,
    seat: Seat,
) {
    let script = ledger(|ledger| ledger.born(route, seat.incarnation(), connection, backend));
    tokio::spawn(Life::new(script, events, seat).run());
}

pub(super) struct ScriptedLink {
    incarnation: u64,
    child: mpsc::UnboundedSender<Input>,
    stderr: Option<StderrTail>,
    /// What the child has not read yet.
    waiting: VecDeque<(Bytes, Option<u64>)>,
    room: usize,
    closed: bool,
}

impl ScriptedLink {
    pub(super) fn new(
        incarnation: u64,
        child: mpsc::UnboundedSender<Input>,
        stderr: Option<StderrTail>,
        room: usize,
    ) -> Self {
        Self { incarnation, child, stderr, waiting: VecDeque::new(), room, closed: false }
    }

    /// `late`: it has waited here, perhaps longer than for its answer.
    fn write(&self, message: Bytes, late: bool) {
        ledger(|ledger| ledger.wrote(self.incarnation, &message, late));
        // A child that is gone meanwhile has not read it; it cannot be known.
        let _ = self.child.send(Input::Line(message));
    }
}

impl Link for ScriptedLink {
    fn send(&mut self, message: Bytes, request: Option<u64>) -> Sent {
        let (gone, deaf) = ledger(|ledger| ledger.hears(self.incarnation));
        if gone || self.closed {
            return Sent::Queued;
        }
        if !deaf && self.waiting.is_empty() {
            self.write(message, false);
            return Sent::Written;
        }
        if self.waiting.len() >= self.room {
            ledger(|ledger| ledger.full(self.incarnation, &message));
            return Sent::Full;
        }
        ledger(|ledger| ledger.took(self.incarnation, &message));
        self.waiting.push_back((message, request));
        Sent::Queued
    }

    fn resume(&mut self) -> Result<Vec<u64>, Fault> {
        let (gone, deaf) = ledger(|ledger| ledger.hears(self.incarnation));
        if gone && !self.waiting.is_empty() {
            ledger(|ledger| ledger.failed(self.incarnation, FaultReason::Eof, false));
            return Err(Fault::new(FaultReason::Eof, "standard input is closed"));
        }
        let mut written = Vec::new();
        while !deaf && let Some((message, request)) = self.waiting.pop_front() {
            self.write(message, true);
            written.extend(request);
        }
        Ok(written)
    }

    fn close(&mut self) {
        ledger(|ledger| ledger.ordered(self.incarnation, "close"));
        self.closed = true;
        self.waiting.clear();
        let _ = self.child.send(Input::Close);
    }

    fn kill(&mut self) {
        ledger(|ledger| ledger.ordered(self.incarnation, "die"));
        self.closed = true;
        self.waiting.clear();
        let _ = self.child.send(Input::Kill);
    }

    fn stderr(&self) -> Option<StderrTail> {
        self.stderr.clone()
    }

    fn transport(&self) -> &'static str {
        "pipe"
    }
}

/// As with a process, nobody is left who could order anything: the child is killed.
impl Drop for ScriptedLink {
    fn drop(&mut self) {
        ledger(|ledger| ledger.dropped(self.incarnation));
    }
}
