//! What a scripted child makes of what it hears.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::dice::Dice;
use super::ledger::{ledger, tag_of};
use super::life::{Act, Life};
use super::script::{Deed, Hello, Script};
use crate::message::{self, Envelope, Kind, cancelled_request_id, request_progress_token};

const VERSION: &str = "2025-11-25";

impl Life {
    pub(super) fn heard(&mut self, message: &Envelope) {
        match (message.kind(), message.method().unwrap_or_default()) {
            (Kind::Request, "initialize") => self.greet(message),
            (Kind::Request, _) => match tag_of(message.bytes()) {
                Some(tag) => self.serve(message, tag),
                // Ours, not a client's: the replay of a handshake, or a ping.
                None => self.after(Duration::ZERO, Act::Say(answer(message, &json!({})))),
            },
            (Kind::Notification, "notifications/cancelled") => {
                let wire = cancelled_request_id(message).and_then(number);
                // Every other child minds.
                if let Some(wire) = wire.filter(|wire| (wire + self.script.mark % 2).is_multiple_of(2)) {
                    self.cancelled(wire);
                }
            }
            (Kind::Notification, _) => {}
            (Kind::Result | Kind::Error, _) => self.told(message),
        }
    }

    fn greet(&mut self, message: &Envelope) {
        let result = |version| json!({ "protocolVersion": version, "capabilities": {} });
        let say = |body: Value| Act::Say(answer(message, &body));
        match self.script.hello {
            Hello::After(time) => self.after(time, say(result(VERSION))),
            Hello::NoVersion => self.after(Duration::ZERO, say(json!({}))),
            Hello::OtherVersion => {
                let served = ledger(|ledger| ledger.served(self.incarnation));
                self.after(Duration::ZERO, say(result(if served { "2025-06-18" } else { VERSION })));
            }
            Hello::Error => {
                let id = message.id_bytes().unwrap_or_default();
                self.after(Duration::ZERO, Act::Say(message::error(Some(&id), -32603, "scripted", None)));
            }
            Hello::Never => {}
            Hello::Dies(ending) => self.end(ending),
        }
    }

    fn serve(&mut self, message: &Envelope, tag: usize) {
        let Some(wire) = message.wire_id() else { return };
        let mut dice = Dice::named(self.script.mark, "deed", tag as u64);
        // A page of tools teaches which of them are safe.
        let tools = json!([{ "name": "look", "annotations": { "readOnlyHint": true } }, { "name": "pay" }]);
        let answer = answer(message, &json!({ "tag": tag, "tools": tools }));
        match Script::deed(&mut dice, self.script.temper) {
            Deed::Answer(after) => self.after(after, Act::Answer(wire, answer)),
            Deed::AnswerTwice(after) => {
                self.after(after, Act::Answer(wire, answer.clone()));
                self.after(after + dice.millis(0..50), Act::Answer(wire, answer));
            }
            Deed::Error(after) => {
                let error = message::error(
                    message.id_bytes().as_deref(),
                    -32000,
                    "scripted",
                    Some(&json!({ "tag": tag })),
                );
                self.after(after, Act::Answer(wire, error));
            }
            Deed::Never => {}
            Deed::Progress(times, each) => {
                if let Some(token) = request_progress_token(message) {
                    let token = String::from_utf8_lossy(token).into_owned();
                    for time in 1..=times {
                        let params = format!(r#"{{"progressToken":{token},"progress":{time}}}"#);
                        let progress = format!(
                            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#
                        );
                        self.after(each * time as u32, Act::Say(progress.into()));
                    }
                }
                self.after(each * (times as u32 + 1), Act::Answer(wire, answer));
            }
            Deed::Ask(after) => self.ask(after, wire, answer),
            Deed::Stray(after) => {
                self.after(after, Act::Say(message::empty_result(b"987654321")));
                self.after(after, Act::Say(message::empty_result(b"\"never asked\"")));
                self.after(after, Act::Answer(wire, answer));
            }
            Deed::Die(ending) => self.end(ending),
            Deed::AnswerAndDie(ending) => {
                self.after(Duration::ZERO, Act::Answer(wire, answer));
                self.after(Duration::ZERO, Act::End(ending));
            }
            // A process has no such news of a single request.
            Deed::Fail | Deed::Forget if self.script.process => {
                self.after(Duration::ZERO, Act::Answer(wire, answer))
            }
            Deed::Fail => self.after(dice.millis(0..20), Act::Fail(wire, tag)),
            Deed::Forget => self.after(dice.millis(0..20), Act::Forget),
        }
    }

    /// Asks the client something; the request is answered once that is answered.
    fn ask(&mut self, after: Duration, wire: u64, answer: Bytes) {
        self.questions += 1;
        let number = self.questions;
        let id = if number.is_multiple_of(2) { format!("\"q{number}\"") } else { number.to_string() };
        let question = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#);
        self.asked.insert(id.into(), Some((wire, answer)));
        self.after(after, Act::Say(question.into()));
    }

    /// An answer to one of its own requests.
    fn told(&mut self, message: &Envelope) {
        let id = message.id_bytes().unwrap_or_default();
        match self.asked.remove(&id) {
            Some(answer) => {
                let answer = answer.into_iter();
                answer.for_each(|(wire, answer)| self.after(Duration::ZERO, Act::Answer(wire, answer)));
            }
            None => {
                let id = String::from_utf8_lossy(&id).into_owned();
                ledger(|ledger| ledger.wrong(format!("a child hears a second answer to its request {id}")));
            }
        }
    }
}

fn answer(request: &Envelope, result: &Value) -> Bytes {
    let id = request.id_bytes().unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, String::from_utf8_lossy(&id)).into()
}

fn number(raw: &[u8]) -> Option<u64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}
