//! What a backend wants to know before it answers (2026-07-28, "Multi Round-Trip Requests"), asked as the legacy era asks
//! it. Pure.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{MOST_ROUNDS, Out, Translator, Way};
use crate::message::{self, Envelope, Fields, Kind};

/// A request, and what has been asked for it.
pub(super) struct Round {
    message: Bytes,
    method: String,
    /// The id that the backend knows, unless it is the first.
    id: Option<u64>,
    rounds: u32,
    asking: Option<Asking>,
}

/// Questions at the client.
struct Asking {
    /// In the backend's order: its name for each, ours, and what the client said (raw JSON).
    questions: Vec<(String, u64, Option<String>)>,
    /// To be repeated (raw JSON).
    state: Option<String>,
}

impl Round {
    pub(super) fn new(message: &Bytes) -> Self {
        let method = Envelope::parse(message.clone()).ok();
        let method = method.as_ref().and_then(Envelope::method).unwrap_or_default().to_owned();
        Self { message: message.clone(), method, id: None, rounds: 0, asking: None }
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    pub(super) fn begins(&mut self) {
        self.rounds += 1;
    }

    /// The request with what its client has said, under this id.
    fn once_more(&self, id: u64, responses: Option<String>, state: Option<String>) -> Option<Bytes> {
        let message = Envelope::parse(self.message.clone()).ok()?;
        let params = message.params()?;
        let mut fields = Fields::parse(params)?;
        for (name, value) in [("inputResponses", responses), ("requestState", state)] {
            fields.remove(name);
            if let Some(value) = value {
                fields.add(name, value);
            }
        }
        Some(message.with_id_and(id.to_string().as_bytes(), params, fields.to_string().as_bytes()))
    }
}

impl Translator {
    /// The backend has answered the request with questions.
    pub(super) fn input_required(&mut self, wire: u64, answer: &Envelope) -> Vec<Out> {
        let asks = matches!(self.ways.get(&wire), Some(Way::Forwarded(round)) if round.rounds <= MOST_ROUNDS);
        if !asks {
            return self.give_up(
                wire,
                &format!("the server has asked {MOST_ROUNDS} times and wants to know still more"),
            );
        }
        let body = answer.body().unwrap_or_default();
        let fields = Fields::parse(body).unwrap_or_default();
        let state = fields.get("requestState").map(str::to_owned);
        let requests = fields.get("inputRequests").unwrap_or("{}");
        let Some(requests) = Fields::parse(requests.as_bytes()) else {
            return self.give_up(wire, "the server's inputRequests are no object");
        };
        let (mut questions, mut out) = (Vec::new(), Vec::new());
        for (key, request) in requests.iter() {
            match self.question(request) {
                Ok((id, message)) => {
                    questions.push((key.to_owned(), id, None));
                    out.push(Out::Tell { message, via: Some(wire) });
                }
                Err(text) => return self.give_up(wire, &text),
            }
        }
        if questions.is_empty() && state.is_none() {
            return self.give_up(wire, "the server wants to know more and does not say what");
        }
        self.questions.extend(questions.iter().map(|(_, id, _)| (*id, wire)));
        if let Some(Way::Forwarded(round)) = self.ways.get_mut(&wire) {
            round.asking = Some(Asking { questions, state });
        }
        if out.is_empty() { self.send_again(wire) } else { out }
    }

    /// One question as a request to the client, and its id.
    fn question(&mut self, request: &str) -> Result<(u64, Bytes), String> {
        let read: Value = serde_json::from_str(request).unwrap_or_default();
        let method = read["method"].as_str().unwrap_or_default();
        if let Some(capability) = self.client.undeclared(method, &read["params"]) {
            return Err(format!(
                "the server asks for {method}, which takes what the client has not declared: {capability}"
            ));
        }
        self.last += 1;
        let id = self.last;
        let fields = Fields::parse(request.as_bytes()).unwrap_or_default();
        let given = fields.get("params").unwrap_or("{}").to_owned();
        let mut params = Fields::parse(given.as_bytes()).unwrap_or_default();
        if method == "elicitation/create" && read["params"]["mode"] == "url" {
            let name = json!(format!("{}-{id}", self.nonce)).to_string();
            params.set_if_missing("elicitationId", || name);
        } else if !self.client.is_newest() {
            params.remove("mode");
        }
        Ok((id, message::raw_request(id, method, params.to_string().as_bytes())))
    }

    /// The client has answered one of the questions, or there is nobody to ask.
    pub(super) fn answered_by_client(&mut self, message: &Envelope) -> Vec<Out> {
        let Some(id) = message.wire_id() else { return Vec::new() };
        let Some(wire) = self.questions.remove(&id) else { return Vec::new() };
        let Some(Way::Forwarded(round)) = self.ways.get_mut(&wire) else { return Vec::new() };
        let Some(asking) = &mut round.asking else { return Vec::new() };
        let body = String::from_utf8_lossy(message.body().unwrap_or_default()).into_owned();
        if message.kind() == Kind::Error {
            let read: Value = serde_json::from_str(&body).unwrap_or_default();
            let told = read["message"].as_str().unwrap_or("an error");
            let text = format!("the client did not answer what the server wants to know: {told}");
            return self.give_up(wire, &text);
        }
        if let Some((_, _, said)) = asking.questions.iter_mut().find(|(_, known, _)| *known == id) {
            *said = Some(body);
        }
        if asking.questions.iter().any(|(_, _, said)| said.is_none()) {
            return Vec::new();
        }
        self.send_again(wire)
    }

    /// All is said.
    fn send_again(&mut self, wire: u64) -> Vec<Out> {
        self.last += 1;
        let id = self.last;
        let Some(Way::Forwarded(round)) = self.ways.get_mut(&wire) else { return Vec::new() };
        let Some(Asking { questions, state }) = round.asking.take() else { return Vec::new() };
        let mut responses = Fields::default();
        for (key, _, said) in questions {
            responses.add(key, said.unwrap_or_default());
        }
        let responses = Some(responses.to_string()).filter(|responses| responses != "{}");
        let Some(message) = round.once_more(id, responses, state) else {
            return self.give_up(wire, "the request cannot be sent once more");
        };
        round.id = Some(id);
        self.renamed.insert(id, wire);
        vec![Out::Send { message, request: Some(id) }]
    }

    /// The request ends with an error, and nobody is asked anything for it any more.
    fn give_up(&mut self, wire: u64, text: &str) -> Vec<Out> {
        let mut out = self.withdraw_questions(wire);
        self.forget(wire);
        out.push(Out::error(wire, -32603, text));
        out
    }

    pub(super) fn withdraw_questions(&mut self, wire: u64) -> Vec<Out> {
        let mut open: Vec<u64> =
            self.questions.extract_if(|_, about| *about == wire).map(|(id, _)| id).collect();
        open.sort_unstable();
        let taken_back = |id: u64| {
            let params = json!({ "requestId": id, "reason": "no longer needed" });
            let message = message::notification("notifications/cancelled", Some(params));
            Out::Tell { message, via: Some(wire) }
        };
        open.into_iter().map(taken_back).collect()
    }
}
