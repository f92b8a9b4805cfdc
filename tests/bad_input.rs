//! Whatever is sent, the answer says what is wrong with it, and nothing is lost.

#[path = "common/all.rs"]
mod common;

use common::{Ask, Client, Service, backend, code, raw};
use serde_json::{Value, json};

/// What a row of a table is answered with: the status, the code of the JSON-RPC error, part of its text.
type Expected = (u16, i64, &'static str);

const LIMIT: usize = 64 << 10;

/// A service, and a session with a memory that no bad input may touch.
async fn world() -> (Service, Client) {
    let limits = format!("[limits]\nmax_body_bytes = {LIMIT}\n");
    let config = [limits, backend("alpha", &[], ""), backend("beta", &[], "")].concat();
    let service = Service::start(&config).await;
    let client = Client::open(&service, "alpha").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    (service, client)
}

async fn nothing_was_lost(mut service: Service, client: Client) {
    assert_eq!(client.text("counter", json!({})).await, "2", "the session has lost its server");
    let shown = service.connections().await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((&shown[0]["restarts"], &shown[0]["total_errors"]), (&json!(0), &json!(0)), "{shown:?}");
    assert_eq!(shown[0]["in_flight"], 0, "{shown:?}");
    for path in ["/livez", "/readyz", "/health"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    assert!(service.runs());
    let log = service.log();
    assert!(!log.contains("panicked") && !log.contains("please report"), "{log}");
}

async fn check(service: &Service, name: &str, ask: Ask, expected: Expected) -> Value {
    let (status, wanted, part) = expected;
    let reply = ask.send(&service.main).await;
    let (found, kind) = (reply.status, reply.header("content-type").map(str::to_owned));
    let text = reply.text().await;
    assert_eq!(found, status, "{name}: {text}");
    assert_eq!(kind.as_deref(), Some("application/json"), "{name}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    assert_eq!(code(&body), wanted, "{name}: {body}");
    assert!(text.contains(part), "{name}: {part:?} is not in {text}");
    body
}

/// A client in development would be told nothing, or something wrong, of its mistake.
#[tokio::test]
async fn a_body_that_is_no_message_is_refused_with_what_is_wrong() {
    let (service, client) = world().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_params = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{deep}}}"#);
    let utf8 =
        [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\xfe\"}}" as &[u8]];
    let utf8_aside = [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"aside\":\"\xff\xfe\"}" as &[u8]];
    let rows: Vec<(&str, Vec<u8>, Expected)> = [
        ("nothing", "", (400, -32700, "")),
        ("no JSON", "hello", (400, -32700, "not valid JSON")),
        ("half a message", r#"{"jsonrpc":"2.0","id":1,"#, (400, -32700, "not valid JSON")),
        ("two messages", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}", (400, -32700, "")),
        ("trailing comma", r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#, (400, -32700, "")),
        ("deep nesting", &deep, (400, -32600, "batch")),
        ("deep nesting in params, cut", &deep_params, (400, -32700, "")),
        ("a number", "42", (400, -32600, "JSON-RPC")),
        ("null", "null", (400, -32600, "JSON-RPC")),
        ("a string", r#""ping""#, (400, -32600, "JSON-RPC")),
        ("an empty object", "{}", (400, -32600, "jsonrpc")),
        ("no version", r#"{"id":1,"method":"ping"}"#, (400, -32600, "jsonrpc")),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, (400, -32600, "2.0")),
        ("a version of another type", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, (400, -32600, "")),
        ("a method of another type", r#"{"jsonrpc":"2.0","id":1,"method":5}"#, (400, -32600, "")),
        ("no method", r#"{"jsonrpc":"2.0","id":1}"#, (400, -32600, "method")),
        ("a null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, (400, -32600, "null")),
        ("a fractional id", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, (400, -32600, "fraction")),
        ("a boolean id", r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, (400, -32600, "id")),
        ("an array as id", r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, (400, -32600, "id")),
        (
            "method and result",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            (400, -32600, "both"),
        ),
        ("result and error", r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, (400, -32600, "both")),
        ("a result without id", r#"{"jsonrpc":"2.0","result":{}}"#, (400, -32600, "id")),
    ]
    .into_iter()
    .map(|(name, body, expected)| (name, body.as_bytes().to_vec(), expected))
    .chain(utf8.into_iter().map(|body| ("invalid UTF-8", body.to_vec(), (400, -32700, ""))))
    .chain(utf8_aside.into_iter().map(|body| ("invalid UTF-8 aside", body.to_vec(), (400, -32700, ""))))
    .collect();
    for (name, body, expected) in rows {
        check(&service, name, client.ask(String::new()).body(body.clone()), expected).await;
        // Without a session it is the same: nothing is launched for what is no message.
        check(&service, name, Ask::mcp("/mcp/beta", body), expected).await;
    }
    nothing_was_lost(service, client).await;
}

/// A client with wrong headers would get a riddle for an answer, or a page in a browser would get in.
#[tokio::test]
async fn wrong_headers_have_each_their_own_status() {
    let (service, client) = world().await;
    let ping = || client.ask(json!({ "jsonrpc": "2.0", "id": 5, "method": "ping" }).to_string());
    let get = || client.credentials(Ask::new("GET", &client.path));
    let rows = [
        ("no content type", ping().header("content-type", ""), (415, -32600, "application/json")),
        ("text", ping().header("content-type", "text/plain"), (415, -32600, "application/json")),
        ("a form", ping().header("content-type", "application/x-www-form-urlencoded"), (415, -32600, "")),
        (
            "accepts JSON only",
            ping().header("accept", "application/json"),
            (406, -32600, "text/event-stream"),
        ),
        (
            "accepts streams only",
            ping().header("accept", "text/event-stream"),
            (406, -32600, "application/json"),
        ),
        ("accepts HTML", ping().header("accept", "text/html"), (406, -32600, "")),
        ("rules streams out", ping().header("accept", "*/*, text/event-stream;q=0"), (406, -32600, "")),
        ("GET for JSON", get().header("accept", "application/json"), (406, -32600, "text/event-stream")),
        ("no session", ping().header("mcp-session-id", ""), (400, -32600, "Mcp-Session-Id")),
        ("GET without session", Ask::new("GET", "/mcp/alpha"), (400, -32600, "Mcp-Session-Id")),
        ("DELETE without session", Ask::new("DELETE", "/mcp/alpha"), (400, -32600, "Mcp-Session-Id")),
        ("an unknown session", ping().header("mcp-session-id", "unknown"), (404, -32001, "initialize")),
        (
            "a version of the future",
            ping().header("mcp-protocol-version", "2030-01-01"),
            (400, -32600, "2025-11-25"),
        ),
        ("no version at all", ping().header("mcp-protocol-version", "latest"), (400, -32600, "2025-11-25")),
        ("a foreign host", ping().header("host", "evil.example"), (403, -32600, "allowed_hosts")),
        (
            "a rebound host",
            ping().header("host", "127.0.0.1.evil.example:8080"),
            (403, -32600, "allowed_hosts"),
        ),
        (
            "a foreign origin",
            ping().header("origin", "https://evil.example"),
            (403, -32600, "allowed_origins"),
        ),
        ("the origin null", ping().header("origin", "null"), (403, -32600, "allowed_origins")),
        ("a resume of nothing", get().header("last-event-id", "nonsense"), (400, -32600, "Last-Event-ID")),
        ("a resume elsewhere", get().header("last-event-id", "999-999"), (400, -32600, "Last-Event-ID")),
    ];
    for (name, ask, expected) in rows {
        check(&service, name, ask, expected).await;
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
        assert_eq!(ping().header("origin", origin).send(&service.main).await.status, 200, "{origin}");
    }
    for types in ["*/*", "text/event-stream;q=0.5, application/json; charset=utf-8", ""] {
        assert_eq!(ping().header("accept", types).send(&service.main).await.status, 200, "{types}");
    }
    assert_eq!(
        ping().header("content-type", "application/json; charset=utf-8").send(&service.main).await.status,
        200
    );
    let stream = get().send(&service.main).await;
    assert!(stream.status == 200 && stream.is_stream(), "GET without Accept takes everything");
    nothing_was_lost(service, client).await;
}

/// A typing error in a URL would cost an hour.
#[tokio::test]
async fn an_unknown_backend_is_404_and_the_nearest_name_is_given() {
    let (service, client) = world().await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let body =
        check(&service, "alhpa", Ask::mcp("/mcp/alhpa", initialize.clone()), (404, -32602, "alpha")).await;
    assert!(body["error"]["message"].as_str().unwrap().contains("'alhpa'"), "{body}");
    for method in ["GET", "DELETE"] {
        let reply =
            Ask::new(method, "/mcp/alhpa").header("accept", "text/event-stream").send(&service.main).await;
        assert_eq!(reply.status, 404, "{method}");
    }
    let unified = Ask::mcp("/mcp", initialize).send(&service.main).await;
    assert_eq!(unified.status, 404);
    assert!(unified.text().await.contains("alpha, beta"), "it says what there is");
    nothing_was_lost(service, client).await;
}

/// Somebody who sends too much would fill the memory, or be cut off without knowing why.
#[tokio::test]
async fn a_body_over_the_limit_is_413_however_it_comes() {
    let (service, client) = world().await;
    let call = |bytes: usize| {
        let arguments = json!({ "message": "x".repeat(bytes) });
        json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "echo", "arguments": arguments } })
            .to_string()
    };
    let fits = client.ask(call(LIMIT - 200)).send(&service.main).await;
    assert_eq!(fits.status, 200);
    for bytes in [LIMIT, 8 << 20] {
        check(&service, "announced", client.ask(call(bytes)), (413, -32600, "max_body_bytes")).await;
    }
    let head = format!(
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: */*\r\nMcp-Session-Id: {}\r\n",
        client.session
    );
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in call(LIMIT * 3).as_bytes().chunks(10_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = raw(&service.main, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("max_body_bytes"), "{answer}");

    let waits = format!("{head}Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
    let answer = raw(&service.main, waits.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "who asks before sending is told at once: {answer}");
    nothing_was_lost(service, client).await;
}

/// A client would not learn which methods there are; a probe of the wrong kind would do harm.
#[tokio::test]
async fn a_wrong_method_is_405_with_the_right_ones() {
    let (service, client) = world().await;
    for (method, path, allowed) in [
        ("PUT", "/mcp/alpha", "GET, POST, DELETE, OPTIONS"),
        ("PATCH", "/mcp/alpha", "GET, POST, DELETE, OPTIONS"),
        ("NONSENSE", "/mcp/alpha", "GET, POST, DELETE, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/livez", "GET, HEAD, OPTIONS"),
        ("GET", "/close", "POST, OPTIONS"),
    ] {
        let reply = client.credentials(Ask::new(method, path)).send(&service.main).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    let reply = Ask::new("POST", "/metrics").send(&service.admin).await;
    assert_eq!(reply.status, 405);
    nothing_was_lost(service, client).await;
}

/// Somebody who plays with paths would reach what is not his.
#[tokio::test]
async fn tricks_with_paths_and_heads_lead_nowhere() {
    let (service, client) = world().await;
    let long = format!("/mcp/{}", "a".repeat(60_000));
    for (path, expected) in [
        ("/mcp/../health", "404"),
        ("/mcp/%2e%2e/health", "404"),
        ("/mcp/alpha/../beta", "404"),
        ("/mcp/%61lpha", "404"),
        ("/mcp//alpha", "404"),
        ("//mcp/alpha", "404"),
        ("/mcp/alpha%2f", "404"),
        ("/mcp/alpha;x=1", "404"),
        ("/mcp/<script>alert(1)<%2fscript>", "40"),
        ("/mcp/alpha?x=../..", "400"), // the endpoint itself, without a session
        (&long, "404"),
        ("mcp/alpha", "400"),
        ("*", "40"),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n\r\n");
        let answer = raw(&service.main, request.as_bytes()).await;
        let shown = path.get(..60).unwrap_or(path);
        let wanted = format!("HTTP/1.1 {expected}");
        assert!(answer.starts_with(&wanted), "{shown}: {}", answer.get(..300).unwrap_or(&answer));
        assert!(answer.len() < 70_000, "{shown}: {} bytes", answer.len());
        assert!(!answer.contains("text/html"), "{shown}");
    }
    let heads = [
        ("a giant header", format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)), "HTTP/1.1 431"),
        ("too many headers", format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(5000)), "HTTP/1.1 431"),
        ("no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("no HTTP", "\0\x01\x02nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("two lengths", "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(), "HTTP/1.1 400"),
        ("a negative length", "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("a bad chunk", "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), "HTTP/1.1 400"),
        ("HTTP/2 by hope", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "HTTP/1.1 400"),
    ];
    for (name, head, wanted) in heads {
        let answer = raw(&service.main, head.as_bytes()).await;
        // hyper closes without a word where it cannot make out a request at all.
        assert!(answer.starts_with(wanted) || answer.is_empty(), "{name}: {answer}");
    }
    nothing_was_lost(service, client).await;
}

/// Two answers would come for one id, and the client could not tell which is which.
#[tokio::test]
async fn an_id_that_is_in_flight_is_refused_and_free_again_afterwards() {
    let (service, client) = world().await;
    let sleep = |ms: u64| {
        json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call",
            "params": { "name": "sleep", "arguments": { "ms": ms } } })
    };
    let (long, long_answer) =
        (sleep(1500), async |message: &Value| client.post(message).await.messages().await);
    let (first, second) = tokio::join!(long_answer(&long), async {
        service.in_flight(1).await;
        client.post(&sleep(0)).await.messages().await
    });
    assert_eq!((code(&second[0]), &second[0]["id"]), (-32600, &json!("same")), "{second:?}");
    assert_eq!(common::text_of(&first[0]), "slept 1500 ms", "the first one is not disturbed");
    let third = client.post(&sleep(0)).await.messages().await;
    assert_eq!(common::text_of(&third[0]), "slept 0 ms");
    nothing_was_lost(service, client).await;
}

/// Old clients would lose their batches; new ones would send what the protocol no longer knows.
#[tokio::test]
async fn batches_are_for_2025_03_26_only() {
    let (service, client) = world().await;
    let initialize = Client::initialize("2025-03-26", json!({})).to_string();
    let old = Client::open_by(&service, "beta", "", &initialize).await;
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let echo = json!({ "jsonrpc": "2.0", "id": "e", "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "hi" } } });
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });

    let reply = old.post(&json!([ping(1), note, echo, ping(2)])).await;
    assert_eq!(reply.status, 200);
    let answers: Vec<Value> = if reply.is_stream() {
        reply.messages().await
    } else {
        serde_json::from_value(reply.json().await).unwrap()
    };
    let mut ids: Vec<String> = answers.iter().map(|answer| answer["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, [r#""e""#, "1", "2"], "{answers:?}");

    let only_notes = old.post(&json!([note, note])).await;
    assert_eq!((only_notes.status, only_notes.text().await.as_str()), (202, ""));

    let start: Value = serde_json::from_str(&initialize).unwrap();
    let refused = [
        ("an empty batch", json!([])),
        ("a batch with initialize", json!([ping(1), start])),
        ("a batch in a batch", json!([[ping(1)]])),
        ("a batch of numbers", json!([1, 2])),
    ];
    for (name, batch) in refused {
        check(&service, name, old.ask(batch.to_string()), (400, -32600, "")).await;
    }
    let later = check(
        &service,
        "a later version",
        client.ask(json!([ping(1)]).to_string()),
        (400, -32600, "2025-03-26"),
    );
    later.await;
    check(&service, "no session", Ask::mcp("/mcp/alpha", json!([ping(1)]).to_string()), (400, -32600, ""))
        .await;
    assert_eq!(old.delete().await, 204);
    common::eventually("it is gone", async || (service.connections().await.len() == 1).then_some(())).await;
    nothing_was_lost(service, client).await;
}

/// Requests that the backend must judge would be judged here, and wrongly.
#[tokio::test]
async fn what_only_the_backend_can_judge_is_passed_on_and_its_errors_come_back() {
    let (service, client) = world().await;
    let unknown = client.request("made/up", json!({ "x": 1 })).await;
    assert_eq!(code(&unknown), -32601);
    assert!(unknown["error"]["data"].is_null(), "only errors of our own carry data: {unknown}");
    assert_eq!(code(&client.call("made_up", json!({})).await), -32602);
    assert_eq!(code(&client.call("refuse", json!({ "code": -32042, "text": "no" })).await), -32042);
    let failed = client.call("fail", json!({ "text": "broken" })).await;
    assert_eq!(failed["result"]["isError"], true);
    assert_eq!(code(&client.request("tools/list", json!({ "cursor": "nonsense" })).await), -32602);
    let odd = r#"{"params":{"arguments":{"message":"\u0068i \ud83d\ude00"},"name":"echo","x":1e30,"y":[0.10,-0]},"id":4711,"jsonrpc":"2.0","method":"tools\/call","extra":{}}"#;
    let answer = client.ask(odd.to_owned()).send(&service.main).await.json().await;
    assert_eq!((answer["id"].as_i64(), common::text_of(&answer).as_str()), (Some(4711), "hi \u{1f600}"));
    nothing_was_lost(service, client).await;
}
