use serde_json::{Value, json};

use super::*;
use crate::message::Envelope;

mod listening;
mod rounds;

/// A translator, and what it says to each side, as JSON.
struct World {
    translator: Translator,
    now: Instant,
}

/// One thing that is to be done.
#[derive(Debug, PartialEq)]
enum Said {
    Backend(Value),
    Client(Value, Option<u64>),
    Withdrawn(u64),
    Gone(u64),
    Later(Duration),
}

impl Said {
    fn for_backend(self) -> Value {
        match self {
            Self::Backend(message) => message,
            other => panic!("not to the backend: {other:?}"),
        }
    }

    fn for_client(self) -> Value {
        match self {
            Self::Client(message, _) => message,
            other => panic!("not to the client: {other:?}"),
        }
    }
}

fn parse(message: &Value) -> Envelope {
    Envelope::parse(message.to_string().into()).unwrap()
}

impl World {
    /// A client that has declared these, before it has said anything.
    fn new(hangs_up: bool) -> Self {
        Self { translator: Translator::new(hangs_up, "b", "nonce".to_owned()), now: Instant::now() }
    }

    /// The same, once hands are shaken.
    fn greeted(hangs_up: bool, client: Value, server: Value) -> Self {
        let mut world = Self::new(hangs_up);
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": client,
            "clientInfo": { "name": "c", "version": "1" },
        });
        world.client(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }));
        let result = json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": server,
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "s", "version": "1" } },
        });
        world.backend(json!({ "jsonrpc": "2.0", "id": 1, "result": result }), None);
        world
    }

    fn said(&self, outs: Vec<Out>) -> Vec<Said> {
        let json = |message: &Bytes| serde_json::from_slice(message).unwrap();
        let said = |out| match out {
            Out::Send { message, request } => {
                let message: Value = json(&message);
                assert_eq!(message["id"].as_u64().filter(|_| message["method"].is_string()), request);
                Said::Backend(message)
            }
            Out::Ask { id, method, params } => {
                Said::Backend(json(&self.translator.request(id, method, &params)))
            }
            Out::Tell { message, via } => Said::Client(json(&message), via),
            Out::Withdraw(id) => Said::Withdrawn(id),
            Out::Gone(id) => Said::Gone(id),
            Out::Later(pause) => Said::Later(pause),
        };
        outs.into_iter().map(said).collect()
    }

    fn client(&mut self, message: Value) -> Vec<Said> {
        let request = message["id"].as_u64().filter(|_| message["method"].is_string());
        let outs = self.translator.client_says(&parse(&message), request);
        self.said(outs)
    }

    fn backend(&mut self, message: Value, via: Option<u64>) -> Vec<Said> {
        let outs = self.translator.backend_says(&parse(&message), via, self.now);
        self.said(outs)
    }

    fn call(&mut self, wire: u64) -> Value {
        let params = json!({ "name": "t", "_meta": { "progressToken": "p" } });
        let call = json!({ "jsonrpc": "2.0", "id": wire, "method": "tools/call", "params": params });
        only(self.client(call)).for_backend()
    }
}

fn only(mut said: Vec<Said>) -> Said {
    assert_eq!(said.len(), 1, "{said:?}");
    said.pop().unwrap()
}

fn meta<'a>(message: &'a Value, key: &str) -> &'a Value {
    &message["params"]["_meta"][format!("io.modelcontextprotocol/{key}")]
}

/// Nothing would work at all: a modern server knows no handshake.
#[test]
fn hands_are_shaken_with_a_server_that_shakes_none() {
    let mut world = World::new(false);
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": { "sampling": {} },
        "clientInfo": { "name": "c", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let discover = only(world.client(initialize)).for_backend();
    assert_eq!((&discover["id"], &discover["method"]), (&json!(1), &json!("server/discover")));
    assert_eq!(meta(&discover, "protocolVersion"), "2026-07-28");
    assert_eq!(meta(&discover, "clientInfo")["name"], "c");
    assert_eq!(meta(&discover, "clientCapabilities"), &json!({ "sampling": {} }));
    let result = json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } });
    let answer = world.backend(json!({ "jsonrpc": "2.0", "id": 1, "result": result }), None);
    let answer = only(answer).for_client();
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer["result"]["capabilities"], json!({ "tools": {} }));
    assert!(world.client(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).is_empty());
}

/// A session would begin with a server that cannot go on with it.
#[test]
fn what_is_no_modern_server_is_not_taken_for_one() {
    for answer in [
        json!({ "result": {} }),
        json!({ "error": { "code": -32601, "message": "no" } }),
        json!({ "error": { "code": -32022, "message": "no" } }),
    ] {
        let mut world = World::new(false);
        world.client(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} }));
        let mut message = json!({ "jsonrpc": "2.0", "id": 1 });
        message.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        let told = only(world.backend(message, None)).for_client();
        assert!(matches!(told["error"]["code"].as_i64(), Some(-32601 | -32603)), "{told}");
    }
}

#[test]
fn requests_go_with_all_that_the_era_wants_and_their_answers_without() {
    let mut world = World::greeted(false, json!({}), json!({ "logging": {} }));
    let call = world.call(2);
    assert_eq!(meta(&call, "protocolVersion"), "2026-07-28");
    assert_eq!(call["params"]["_meta"]["progressToken"], "p");
    assert!(meta(&call, "logLevel").is_null());
    let result = json!({ "resultType": "complete", "content": [], "ttlMs": 0 });
    let answer = only(world.backend(json!({ "jsonrpc": "2.0", "id": 2, "result": result }), Some(2)));
    assert_eq!(answer.for_client(), json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [] } }));
    let bare = only(world.client(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }))).for_backend();
    assert_eq!(meta(&bare, "protocolVersion"), "2026-07-28");
    let odd = json!({ "jsonrpc": "2.0", "id": 3, "result": { "resultType": "task" } });
    let told = only(world.backend(odd, None)).for_client();
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(3), &json!(-32603)));
}

/// A hanging server would be taken for a living one.
#[test]
fn a_ping_is_answered_when_the_backend_answers_and_not_before() {
    let mut world = World::greeted(false, json!({}), json!({}));
    let asked = only(world.client(json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }))).for_backend();
    assert_eq!((&asked["id"], &asked["method"]), (&json!(2), &json!("server/discover")));
    let result = json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} });
    let answer = world.backend(json!({ "jsonrpc": "2.0", "id": 2, "result": result }), None);
    assert_eq!(only(answer).for_client(), json!({ "jsonrpc": "2.0", "id": 2, "result": {} }));
}

#[test]
fn the_log_level_is_kept_and_said_with_each_request() {
    let mut world = World::greeted(false, json!({}), json!({ "logging": {} }));
    let level = |level: &str| json!({ "jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": { "level": level } });
    let told = only(world.client(level("loud"))).for_client();
    assert_eq!(told["error"]["code"], -32602);
    let told = only(world.client(level("debug"))).for_client();
    assert_eq!(told, json!({ "jsonrpc": "2.0", "id": 2, "result": {} }));
    assert_eq!(meta(&world.call(3), "logLevel"), "debug");
    let mut silent = World::greeted(false, json!({}), json!({}));
    assert_eq!(only(silent.client(level("debug"))).for_client()["error"]["code"], -32601);
}

#[test]
fn what_the_other_era_has_no_word_for_stays_here() {
    let mut world = World::greeted(false, json!({}), json!({}));
    for method in ["notifications/initialized", "notifications/roots/list_changed"] {
        assert!(world.client(json!({ "jsonrpc": "2.0", "method": method })).is_empty());
    }
    let other = json!({ "jsonrpc": "2.0", "method": "notifications/x" });
    assert_eq!(only(world.client(other.clone())).for_backend(), other);
    let asked =
        only(world.backend(json!({ "jsonrpc": "2.0", "id": 5, "method": "roots/list" }), None)).for_backend();
    assert_eq!((&asked["id"], &asked["error"]["code"]), (&json!(5), &json!(-32601)));
}

/// The server would work on for nobody, or the client wait for an answer that cannot come.
#[test]
fn a_request_is_taken_back_as_the_transport_does_it() {
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    let mut http = World::greeted(true, json!({}), json!({}));
    http.call(2);
    assert_eq!(http.client(cancel.clone()), [Said::Withdrawn(2), Said::Gone(2)]);
    let mut stdio = World::greeted(false, json!({}), json!({}));
    stdio.call(2);
    assert_eq!(stdio.client(cancel), [Said::Withdrawn(2)]);
    let late = json!({ "jsonrpc": "2.0", "id": 2, "result": { "resultType": "complete" } });
    assert_eq!(only(stdio.backend(late, None)).for_client()["result"], json!({}));
}

#[test]
fn messages_on_the_stream_of_a_request_are_its_own() {
    let mut world = World::greeted(true, json!({}), json!({}));
    world.call(2);
    let params = json!({ "progressToken": "p", "progress": 1 });
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
    assert_eq!(world.backend(progress.clone(), Some(2)), [Said::Client(progress.clone(), Some(2))]);
    assert_eq!(world.backend(progress.clone(), None), [Said::Client(progress, None)]);
}
