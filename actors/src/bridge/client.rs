//! What a client says, in the words of the modern era. Pure.

use bytes::Bytes;

use super::introduction::Introduction;
use super::round::Round;
use super::{Out, Translator, Way, id, number, uri};
use crate::message::{self, Envelope, Kind, LogLevel, cancelled_request_id};

impl Translator {
    /// What the Connection says. `request`: it is to be answered.
    pub(crate) fn client_says(&mut self, message: &Envelope, request: Option<u64>) -> Vec<Out> {
        match (message.kind(), request) {
            (Kind::Request, Some(wire)) => self.asked_by_client(message, wire),
            (Kind::Request, None) => Vec::new(),
            (Kind::Notification, _) => self.told_by_client(message),
            (Kind::Result | Kind::Error, _) => self.answered_by_client(message),
        }
    }

    fn asked_by_client(&mut self, message: &Envelope, wire: u64) -> Vec<Out> {
        let discover = Out::Ask { id: wire, method: "server/discover", params: "{}".to_owned() };
        match message.method().unwrap_or_default() {
            "initialize" => {
                self.client = Introduction::of(message);
                self.ways.insert(wire, Way::Greeting);
                vec![discover]
            }
            "ping" => {
                self.ways.insert(wire, Way::Ping);
                vec![discover]
            }
            "logging/setLevel" => vec![self.set_level(message, wire)],
            method @ ("resources/subscribe" | "resources/unsubscribe") => {
                let Some(uri) = uri(message.params()) else {
                    return vec![Out::error(wire, -32602, "params.uri is missing")];
                };
                let next = id(&mut self.last);
                match method {
                    "resources/subscribe" => self.listening.subscribe(wire, uri, next),
                    _ => self.listening.unsubscribe(wire, &uri, next),
                }
            }
            _ => {
                let message = self.signed(message);
                self.ways.insert(wire, Way::Forwarded(Round::new(&message)));
                vec![Out::Send { message, request: Some(wire) }]
            }
        }
    }

    fn set_level(&mut self, message: &Envelope, wire: u64) -> Out {
        if !self.has_logging {
            return Out::error(wire, -32601, "the server has no log messages");
        }
        let Some(level) = LogLevel::in_params(message.params()) else {
            return Out::error(wire, -32602, "params.level is none of the levels of the protocol");
        };
        self.level = Some(level);
        Out::tell(message::empty_result(wire.to_string().as_bytes()))
    }

    /// A request with all that the modern era wants to be told each time.
    fn signed(&self, message: &Envelope) -> Bytes {
        let level = self.level.filter(|_| self.has_logging);
        let Some(signed) = self.client.sign(message.params(), level) else { return message.bytes().clone() };
        if let Some(params) = message.params() {
            return message.with_part(params, signed.as_bytes());
        }
        let whole = message.bytes().trim_ascii_end();
        let head = whole.strip_suffix(b"}").unwrap_or(whole);
        [head, br#","params":"#, signed.as_bytes(), b"}"].concat().into()
    }

    fn told_by_client(&mut self, message: &Envelope) -> Vec<Out> {
        match message.method().unwrap_or_default() {
            "notifications/initialized" => self.listening.start(id(&mut self.last)),
            "notifications/cancelled" => {
                cancelled_request_id(message).and_then(number).map_or_else(Vec::new, |wire| self.cancel(wire))
            }
            // The era has no such thing: what is asked is answered by the client each time.
            "notifications/roots/list_changed" | "notifications/progress" => Vec::new(),
            _ => vec![Out::Send { message: message.bytes().clone(), request: None }],
        }
    }

    /// The Connection takes back a request, and may still hear its answer.
    fn cancel(&mut self, wire: u64) -> Vec<Out> {
        self.listening.forget(wire);
        let Some(way) = self.ways.get_mut(&wire) else { return vec![Out::Gone(wire)] };
        let (asking, current) = match way {
            Way::Forwarded(round) => (round.is_asking(), round.id().unwrap_or(wire)),
            _ => (false, wire),
        };
        if asking {
            let mut out = self.withdraw_questions(wire);
            self.forget(wire);
            out.push(Out::Gone(wire));
            return out;
        }
        if self.hangs_up {
            self.forget(wire);
            return vec![Out::Withdraw(current), Out::Gone(wire)];
        }
        vec![Out::Withdraw(current)]
    }
}
