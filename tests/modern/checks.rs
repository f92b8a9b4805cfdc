//! What a request is held to before anybody works for it: status and code, and what is told first.

use serde_json::{Value, json};

use crate::client::{Modern, VERSION};
use crate::common::{Ask, Service, backend, code};

/// A request of which one thing is wrong, or more; the first one is told.
struct Case {
    what: &'static str,
    change: fn(&mut Value),
    headers: &'static [(&'static str, &'static str)],
    wanted: (u16, i64),
}

fn meta<'a>(message: &'a mut Value, key: &str) -> &'a mut Value {
    &mut message["params"]["_meta"][format!("io.modelcontextprotocol/{key}")]
}

fn without(message: &mut Value, key: &str) {
    let meta = message["params"]["_meta"].as_object_mut().unwrap();
    meta.remove(&format!("io.modelcontextprotocol/{key}"));
}

const CASES: &[Case] = &[
    Case { what: "nothing", change: |_| {}, headers: &[], wanted: (200, 0) },
    Case { what: "no client info", change: |m| without(m, "clientInfo"), headers: &[], wanted: (200, 0) },
    Case {
        what: "no version header",
        change: |_| {},
        headers: &[("mcp-protocol-version", "")],
        wanted: (400, -32020),
    },
    Case {
        what: "versions that differ, and no capabilities",
        change: |m| without(m, "clientCapabilities"),
        headers: &[("mcp-protocol-version", "2025-11-25")],
        wanted: (400, -32020),
    },
    Case {
        what: "no version in the body",
        change: |m| without(m, "protocolVersion"),
        headers: &[],
        wanted: (400, -32602),
    },
    Case {
        what: "no capabilities",
        change: |m| without(m, "clientCapabilities"),
        headers: &[],
        wanted: (400, -32602),
    },
    Case {
        what: "capabilities that are none, and no method header",
        change: |m| *meta(m, "clientCapabilities") = json!([]),
        headers: &[("mcp-method", "")],
        wanted: (400, -32602),
    },
    Case {
        what: "no _meta at all",
        change: |m| m["params"] = json!({ "name": "echo" }),
        headers: &[],
        wanted: (400, -32602),
    },
    Case {
        what: "a version nobody knows, and no method header",
        change: |m| *meta(m, "protocolVersion") = json!("1900-01-01"),
        headers: &[("mcp-protocol-version", "1900-01-01"), ("mcp-method", "")],
        wanted: (400, -32022),
    },
    Case {
        what: "a version of the era before",
        change: |m| *meta(m, "protocolVersion") = json!("2025-11-25"),
        headers: &[("mcp-protocol-version", "2025-11-25")],
        wanted: (400, -32022),
    },
    Case { what: "no method header", change: |_| {}, headers: &[("mcp-method", "")], wanted: (400, -32020) },
    Case {
        what: "a method in other letters",
        change: |_| {},
        headers: &[("mcp-method", "Tools/Call")],
        wanted: (400, -32020),
    },
    Case { what: "no name header", change: |_| {}, headers: &[("mcp-name", "")], wanted: (400, -32020) },
    Case { what: "another name", change: |_| {}, headers: &[("mcp-name", "add")], wanted: (400, -32020) },
    Case {
        what: "a name in base64",
        change: |_| {},
        headers: &[("mcp-name", "=?base64?ZWNobw==?=")],
        wanted: (200, 0),
    },
    Case {
        what: "a name in bad base64",
        change: |_| {},
        headers: &[("mcp-name", "=?base64?ZWNobw?=")],
        wanted: (400, -32020),
    },
    Case {
        what: "white space around",
        change: |_| {},
        headers: &[("mcp-name", "  echo ")],
        wanted: (200, 0),
    },
    Case {
        what: "a method of the era before, under another name",
        change: |m| m["method"] = json!("ping"),
        headers: &[("mcp-method", "initialize")],
        wanted: (400, -32020),
    },
    Case { what: "no id", change: |m| m["id"] = Value::Null, headers: &[], wanted: (400, -32600) },
    Case {
        what: "a fraction for an id",
        change: |m| m["id"] = json!(1.5),
        headers: &[],
        wanted: (400, -32600),
    },
];

/// A client that is told the wrong thing, or with the wrong status, takes a mistake of its own for the other era.
#[tokio::test]
async fn what_is_wrong_is_told_with_its_status_in_the_order_of_the_specification() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    for case in CASES {
        let mut message =
            client.message("tools/call", json!({ "name": "echo", "arguments": { "message": "x" } }));
        (case.change)(&mut message);
        let ask =
            case.headers.iter().fold(client.ask(&message), |ask, (name, value)| ask.header(name, value));
        let reply = ask.send(&client.address).await;
        let (status, answer) = (reply.status, reply.json().await);
        assert_eq!((status, code(&answer)), case.wanted, "{}: {answer}", case.what);
        if case.wanted.1 != -32600 {
            assert_eq!(answer["id"], message["id"], "{}", case.what);
        }
    }
    assert_eq!(client.text("counter", json!({})).await, "1");
}

/// A client could not learn which version to come back with.
#[tokio::test]
async fn an_unknown_version_is_told_what_there_is() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client =
        Modern::new(&service, "a").with_meta("io.modelcontextprotocol/protocolVersion", json!("2031-01-01"));
    let message = client.message("server/discover", json!({}));
    let reply = client.ask(&message).header("mcp-protocol-version", "2031-01-01").send(&client.address).await;
    let (status, answer) = (reply.status, reply.json().await);
    let data = json!({ "supported": [VERSION, "2025-11-25", "2025-06-18", "2025-03-26"], "requested": "2031-01-01" });
    assert_eq!((status, code(&answer), &answer["error"]["data"]), (400, -32022, &data), "{answer}");
}

/// A client that finds an old server by its old methods would take this for one.
#[tokio::test]
async fn methods_of_the_era_before_are_gone_and_others_are_the_backends_to_know() {
    let service = Service::start(&(backend("a", &[], "") + &crate::demo("d", ""))).await;
    for name in ["a", "d"] {
        let client = Modern::new(&service, name);
        let removed =
            ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
        for method in removed.into_iter().chain(["unknown/method"]) {
            let (status, answer) = client.request(method, json!({})).await;
            assert_eq!((status, code(&answer)), (404, -32601), "{name} {method}: {answer}");
        }
        let (status, answer) = client.request("tools/list", json!({})).await;
        assert_eq!((status, code(&answer)), (200, 0), "{answer}");
    }
}

/// There is no session whose stream could be opened, and nothing that could be answered or ended.
#[tokio::test]
async fn streams_ends_notifications_and_answers_have_a_status_of_their_own() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    for method in ["GET", "DELETE"] {
        let ask = Ask::new(method, "/mcp/a").header("mcp-protocol-version", VERSION);
        let reply = ask.header("accept", "text/event-stream").send(&service.main).await;
        assert_eq!(reply.status, 405, "{method}");
    }
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(client.post(&note).await.status, 202);
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let reply = client.post(&answer).await;
    let (status, answer) = (reply.status, reply.json().await);
    assert_eq!((status, code(&answer)), (400, -32600), "{answer}");
    assert_eq!(service.connections().await, Vec::<Value>::new(), "nothing was launched for any of it");
}

/// A client could be made to believe that it has a session, and lose it.
#[tokio::test]
async fn a_session_id_and_an_event_id_mean_nothing_and_are_not_repeated() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a").saying("mcp-session-id", "made-up").saying("last-event-id", "7");
    let mut ids = Vec::new();
    let reply = client.post(&client.message("tools/call", json!({ "name": "pid" }))).await;
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None));
    let mut stream = client.listen(json!({ "toolsListChanged": true })).await.1;
    stream.message().await.unwrap();
    ids.extend(stream.last_event_id.clone());
    assert_eq!(ids, Vec::<String>::new(), "nothing of this era can be resumed");
}
