//! A link whose backend speaks the other era.

use bytes::Bytes;
use mcpvisor_config::Timeouts;
use tokio::time::Instant;

use super::{Out, Owner, Translator};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::credentials::Credentials;
use crate::era::MODERN_VERSION;
use crate::fault::{Fault, FaultReason};
use crate::link::stderr::StderrTail;
use crate::link::{Link, LinkEvent, RequestFailure, Sent};
use crate::message::{self, Envelope};
use crate::timer::Timer;

/// An upstream that so many subscriptions in a row could not reach is not there.
const FAILURES: u32 = 3;

/// A link, and the translator between it and its Connection.
pub(crate) struct BridgedLink {
    link: Box<dyn Link>,
    translator: Translator,
    connection: ActorRef<ConnectionMsg>,
    /// When a lost subscription is asked for again.
    again: Option<Timer>,
}

impl BridgedLink {
    /// `nonce`: unlike that of any other connection.
    pub(crate) fn new(
        link: Box<dyn Link>,
        name: &str,
        nonce: String,
        connection: ActorRef<ConnectionMsg>,
    ) -> Self {
        let translator = Translator::new(link.transport() == "tcp", name, nonce);
        Self { link, translator, connection, again: None }
    }

    /// Does what is to be done; what the Connection is to hear of it, and what became of the last thing sent.
    fn run(&mut self, outs: Vec<Out>) -> (Vec<LinkEvent>, Option<Sent>) {
        let (mut events, mut last) = (Vec::new(), None);
        let mut outs = std::collections::VecDeque::from(outs);
        while let Some(out) = outs.pop_front() {
            match out {
                Out::Send { message, request } => {
                    let sent = self.link.send(message, request);
                    match request.filter(|id| *id >= super::OWN_IDS) {
                        None => last = Some(sent),
                        Some(id) if sent == Sent::Full => outs.extend(self.refused(id, &mut events)),
                        Some(_) => {}
                    }
                }
                Out::Ask { id, method, params } => {
                    let message = self.translator.request(id, method, &params);
                    outs.push_front(Out::Send { message, request: Some(id) });
                }
                Out::Tell { message, via } => {
                    if let Ok(message) = Envelope::parse(message) {
                        events.push(LinkEvent::Translated { message, via });
                    }
                }
                Out::Withdraw(id) if self.link.transport() == "tcp" => self.link.abort(id),
                Out::Withdraw(id) => {
                    let params = serde_json::json!({ "requestId": id });
                    self.link.send(message::notification("notifications/cancelled", Some(params)), None);
                }
                Out::Gone(request) => {
                    let fault = Fault::new(FaultReason::Protocol, "it was taken back");
                    events.push(LinkEvent::Failed { request, failure: RequestFailure::Refused(fault) });
                }
                Out::Later(pause) => {
                    let again = ConnectionMsg::Link(LinkEvent::ListenAgain);
                    self.again = Some(Timer::at(Instant::now() + pause, self.connection.clone(), again));
                }
            }
        }
        (events, last)
    }

    /// The backend's queue has no room for something that we send for ourselves, or once more.
    fn refused(&mut self, id: u64, events: &mut Vec<LinkEvent>) -> Vec<Out> {
        match self.translator.owner(id) {
            Some(Owner::Listening) => self.translator.listening_failed(id, Instant::now()).1,
            Some(Owner::Request(request)) => {
                self.translator.failed(request);
                let retry_after = std::time::Duration::from_secs(1);
                events.push(LinkEvent::Failed { request, failure: RequestFailure::Busy { retry_after } });
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The requests of the Connection among these.
    fn known(&self, ids: Vec<u64>) -> Vec<u64> {
        let request = |id: u64| match self.translator.owner(id)? {
            Owner::Request(wire) => Some(wire),
            Owner::Listening => None,
        };
        ids.into_iter().filter_map(request).collect()
    }

    fn failed(&mut self, id: u64, event: impl FnOnce(u64) -> LinkEvent) -> Vec<LinkEvent> {
        match self.translator.owner(id) {
            Some(Owner::Request(wire)) => {
                self.translator.failed(wire);
                vec![event(wire)]
            }
            Some(Owner::Listening) => {
                let (failures, outs) = self.translator.listening_failed(id, Instant::now());
                match event(id) {
                    // As with the standalone stream of the other era.
                    LinkEvent::BrokenFor { fault, .. } if failures >= FAILURES => {
                        vec![LinkEvent::Broken(fault)]
                    }
                    _ => self.run(outs).0,
                }
            }
            None => Vec::new(),
        }
    }
}

impl Link for BridgedLink {
    /// What the translator answers itself comes by the mailbox, as any answer.
    fn send(&mut self, message: Bytes, request: Option<u64>) -> Sent {
        let Ok(message) = Envelope::parse(message) else { return Sent::Queued };
        let outs = self.translator.client_says(&message, request);
        let (events, sent) = self.run(outs);
        for event in events {
            // A Connection that is gone needs no answer.
            let _ = self.connection.send_message(ConnectionMsg::Link(event));
        }
        if sent == Some(Sent::Full) {
            request.into_iter().for_each(|wire| self.translator.failed(wire));
        }
        // What the backend has not seen, the next one may be asked.
        sent.unwrap_or(Sent::Queued)
    }

    fn present(&mut self, credentials: Option<Credentials>) {
        self.link.present(credentials);
    }

    fn hear(&mut self, event: LinkEvent) -> Vec<LinkEvent> {
        match event {
            LinkEvent::Message { message, via, permit: _permit } => {
                let outs = self.translator.backend_says(&message, via, Instant::now());
                self.run(outs).0
            }
            LinkEvent::Written(ids) => vec![LinkEvent::Written(self.known(ids))],
            LinkEvent::Failed { request, failure } => {
                self.failed(request, |request| LinkEvent::Failed { request, failure })
            }
            LinkEvent::BrokenFor { request, fault } => {
                self.failed(request, |request| LinkEvent::BrokenFor { request, fault })
            }
            LinkEvent::ListenAgain => {
                let outs = self.translator.again();
                self.run(outs).0
            }
            event => vec![event],
        }
    }

    fn resume(&mut self) -> Result<Vec<u64>, Fault> {
        let written = self.link.resume()?;
        Ok(self.known(written))
    }

    fn established(&mut self, _version: &str) {
        self.link.established(MODERN_VERSION);
    }

    fn abort(&mut self, request: u64) {
        if let Some(id) = self.translator.abort(request) {
            self.link.abort(id);
        }
    }

    fn configure(&mut self, timeouts: &Timeouts) {
        self.link.configure(timeouts);
    }

    fn close(&mut self) {
        self.again = None;
        self.link.close();
    }

    fn kill(&mut self) {
        self.again = None;
        self.link.kill();
    }

    fn stderr(&self) -> Option<StderrTail> {
        self.link.stderr()
    }

    fn transport(&self) -> &'static str {
        self.link.transport()
    }
}
