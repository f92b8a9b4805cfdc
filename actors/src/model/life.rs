//! The life of a scripted child: it hears, does what its script says, ends, and is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::child::{Input, ScriptedLink};
use super::ledger::ledger;
use super::script::{Ending, Opening, Script};
use super::world::LAUNCH;
use crate::fault::{Fault, FaultReason};
use crate::link::stderr::StderrTail;
use crate::link::{Events, LinkEvent, RequestFailure};
use crate::message::Envelope;
use crate::process::ExitStatus;
use crate::root::Seat;

/// What it will do at some time.
pub(super) enum Act {
    Open,
    OpenFails {
        fatal: bool,
    },
    Say(Bytes),
    /// The answer to this request, unless it is cancelled.
    Answer(u64, Bytes),
    /// Is not said, but reported of this request.
    Fail(u64, usize),
    Forget,
    End(Ending),
    Exit(ExitStatus),
    OutputEnds,
    StopReading(Duration),
    ReadOn,
    /// The time for its launch is over.
    Late,
    Leave,
}

pub(super) struct Life {
    pub(super) script: Script,
    events: Events,
    pub(super) incarnation: u64,
    /// Held until nothing of the child is left.
    seat: Option<Seat>,
    inputs: mpsc::UnboundedReceiver<Input>,
    /// For the link, once the transport is open.
    orders: Option<mpsc::UnboundedSender<Input>>,
    agenda: BTreeMap<(Instant, u64), Act>,
    last: u64,
    /// Its own requests that are not answered, by id (raw JSON), and the answer that waits for that.
    pub(super) asked: BTreeMap<Bytes, Option<(u64, Bytes)>>,
    pub(super) questions: u64,
    killed: bool,
    exited: bool,
    ended: bool,
    forgot: bool,
}

impl Life {
    pub(super) fn new(script: Script, events: Events, seat: Seat) -> Self {
        let (orders, inputs) = mpsc::unbounded_channel();
        let mut life = Self {
            incarnation: seat.incarnation(),
            seat: Some(seat),
            events,
            inputs,
            orders: Some(orders),
            agenda: BTreeMap::new(),
            last: 0,
            asked: BTreeMap::new(),
            questions: 0,
            killed: false,
            exited: false,
            ended: false,
            forgot: false,
            script,
        };
        match life.script.opens {
            Opening::After(after) => life.after(after, Act::Open),
            Opening::Fails { after, fatal } => life.after(after, Act::OpenFails { fatal }),
        }
        // A moment before the Connection looks at its clock.
        life.after(LAUNCH - Duration::from_millis(1), Act::Late);
        life
    }

    /// Until nothing of it is left.
    pub(super) async fn run(mut self) {
        let mut owned = true;
        while self.seat.is_some() {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            tokio::select! {
                biased;
                input = self.inputs.recv(), if owned => match input {
                    Some(Input::Line(line)) => self.hear(line),
                    Some(Input::Close) => self.close(),
                    Some(Input::Kill) => self.kill(),
                    None => {
                        owned = false;
                        self.kill();
                    }
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some((_, act)) = self.agenda.pop_first() {
                        self.act(act);
                    }
                }
                else => return ledger(|ledger| ledger.wrong("a child is left that nobody will end".into())),
            }
        }
    }

    pub(super) fn after(&mut self, after: Duration, act: Act) {
        self.last += 1;
        self.agenda.insert((Instant::now() + after, self.last), act);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Open => self.open(),
            Act::OpenFails { fatal } => {
                self.failed(FaultReason::Spawn, fatal);
                let fault = Fault::new(FaultReason::Spawn, "scripted");
                self.events.report(LinkEvent::OpenFailed(if fatal { fault.fatal() } else { fault }));
                self.after(self.script.lingers, Act::Leave);
            }
            Act::Say(message) => self.say(message),
            Act::Answer(_, message) => self.say(message),
            Act::Fail(..) | Act::Forget if self.ended || self.forgot => {}
            Act::Fail(wire, tag) => {
                ledger(|ledger| ledger.request_failed(self.incarnation, tag));
                let failure = RequestFailure::Counted(Fault::new(FaultReason::HttpStatus, "scripted"));
                self.events.report(LinkEvent::Failed { request: wire, failure });
            }
            Act::Forget => {
                self.forgot = true;
                ledger(|ledger| ledger.forgot(self.incarnation));
                self.events.report(LinkEvent::SessionLost { request: None });
            }
            Act::End(ending) => self.end(ending),
            Act::Exit(status) => self.exit(status),
            Act::OutputEnds => self.output_ends(),
            Act::StopReading(time) => {
                ledger(|ledger| ledger.reads(self.incarnation, false));
                self.after(time, Act::ReadOn);
            }
            Act::ReadOn => {
                ledger(|ledger| ledger.reads(self.incarnation, true));
                self.events.report(LinkEvent::Writable);
            }
            Act::Late => ledger(|ledger| ledger.late(self.incarnation)),
            Act::Leave => {
                ledger(|ledger| ledger.left(self.incarnation));
                self.seat = None;
            }
        }
    }

    fn open(&mut self) {
        let Some(orders) = self.orders.take() else { return };
        let stderr = self.script.process.then(|| StderrTail::for_tests(self.script.mark.is_multiple_of(3)));
        let link = ScriptedLink::new(self.incarnation, orders, stderr, self.script.room);
        if let Some((after, ending)) = self.script.end {
            self.after(after, Act::End(ending));
        }
        if let Some((after, time)) = self.script.deaf {
            self.after(after, Act::StopReading(time));
        }
        let pid = self.script.process.then_some(self.incarnation as u32);
        self.events.report(LinkEvent::Open { link: Box::new(link), pid });
    }

    pub(super) fn end(&mut self, ending: Ending) {
        match ending {
            // What is no process does not exit.
            Ending::Exit { .. } if !self.script.process => self.output_ends(),
            Ending::Exit { output } => {
                self.exit(ExitStatus::Code(3));
                output.into_iter().for_each(|after| self.after(after, Act::OutputEnds));
            }
            Ending::Output { exit } => {
                self.output_ends();
                let exit = exit.filter(|_| self.script.process);
                exit.into_iter().for_each(|after| self.after(after, Act::Exit(ExitStatus::Signal(11))));
            }
            Ending::Broken(reason) => self.broken(reason),
        }
    }

    fn close(&mut self) {
        self.after(self.script.obeys, Act::Exit(ExitStatus::Code(0)));
    }

    fn kill(&mut self) {
        if !std::mem::replace(&mut self.killed, true) {
            self.after(self.script.dies, Act::Exit(ExitStatus::Signal(9)));
        }
    }

    fn exit(&mut self, status: ExitStatus) {
        if std::mem::replace(&mut self.exited, true) {
            return;
        }
        if self.script.process {
            self.failed(FaultReason::Exit, false);
            self.events.report(LinkEvent::Exited(status));
        }
        ledger(|ledger| ledger.exited(self.incarnation));
        self.after(self.script.lingers, Act::Leave);
    }

    fn output_ends(&mut self) {
        self.broken(FaultReason::Eof);
    }

    fn broken(&mut self, reason: FaultReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.failed(reason, false);
        self.events.report(LinkEvent::Broken(Fault::new(reason, "scripted")));
    }

    fn failed(&self, reason: FaultReason, fatal: bool) {
        ledger(|ledger| ledger.failed(self.incarnation, reason, fatal));
    }

    /// What was written before the exit is still read, up to the end of the output.
    fn say(&mut self, message: Bytes) {
        if self.ended {
            return;
        }
        ledger(|ledger| ledger.said(self.incarnation, &message));
        match Envelope::parse(message) {
            Ok(message) => self.events.report(LinkEvent::Message { message, via: None, permit: None }),
            Err(error) => ledger(|ledger| ledger.wrong(format!("a script says what is no message: {error}"))),
        }
    }

    fn hear(&mut self, line: Bytes) {
        if self.exited {
            return;
        }
        match Envelope::parse(line) {
            Ok(message) => self.heard(&message),
            Err(error) => ledger(|ledger| ledger.wrong(format!("a child hears what is no message: {error}"))),
        }
    }

    /// Nobody wants the answer to this request any more.
    pub(super) fn cancelled(&mut self, wire: u64) {
        self.agenda.retain(|_, act| !matches!(act, Act::Answer(answered, _) if *answered == wire));
    }
}
