//! Bad input: the right status, an error that says what would be right, and a service that goes on.

use serde_json::{Value, json};

use crate::client::{BOTH, Client, EVENTS, JSON, Response, send};
use crate::serve;
use crate::service::{Service, World};

const INIT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// What is wrong, how it is sent, the status, the code, and words that the error has.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, i64, &'a str);

fn refused(response: Response, what: &str, status: u16, code: i64, words: &str) -> Value {
    assert_eq!(response.status, status, "{what}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
    let body = response.json();
    assert_eq!(body["error"]["code"], code, "{what}: {body}");
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(words), "{what}: {message}");
    body
}

fn still_serves(service: &Service) {
    assert_eq!(Client::open(service, "one").text("echo", json!({ "message": "hi" })), "hi");
}

/// A client author would be left guessing by a bare status, and everybody else by a dead service.
#[test]
fn every_wrong_request_is_told_what_would_be_right() {
    let world = World::new();
    let service = serve(&world, "[limits]\nmax_body_bytes = 2000", &[("one", &[])]);
    let long = format!("{:3000}", "x");
    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let cases: &[Case<'_>] = &[
        (
            "strange host",
            &[("Host", "evil.example"), JSON, BOTH],
            INIT.as_bytes(),
            403,
            -32600,
            "auth.allowed_hosts",
        ),
        (
            "strange origin",
            &[("Origin", "http://evil.example"), JSON, BOTH],
            INIT.as_bytes(),
            403,
            -32600,
            "allowed_origins",
        ),
        ("no content type", &[BOTH], INIT.as_bytes(), 415, -32600, "application/json"),
        (
            "wrong content type",
            &[("Content-Type", "text/plain"), BOTH],
            INIT.as_bytes(),
            415,
            -32600,
            "application/json",
        ),
        (
            "announced too long",
            &[JSON, BOTH],
            long.as_bytes(),
            413,
            -32600,
            "2000 bytes (limits.max_body_bytes)",
        ),
        (
            "found too long",
            &[JSON, BOTH, ("Transfer-Encoding", "chunked")],
            chunked.as_bytes(),
            413,
            -32600,
            "max_body_bytes",
        ),
        (
            "takes no stream",
            &[JSON, ("Accept", "application/json")],
            INIT.as_bytes(),
            406,
            -32600,
            "text/event-stream",
        ),
        ("not JSON", &[JSON, BOTH], b"{\"jsonrpc\":", 400, -32700, "not valid JSON"),
        ("empty", &[JSON, BOTH], b"", 400, -32700, "not valid JSON"),
        (
            "not UTF-8",
            &[JSON, BOTH],
            b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"x\"}",
            400,
            -32700,
            "not valid JSON",
        ),
        ("no message", &[JSON, BOTH], b"{}", 400, -32600, "\"jsonrpc\" must be \"2.0\""),
        ("wrong types", &[JSON, BOTH], br#"{"jsonrpc":"2.0","id":1,"method":7}"#, 400, -32600, "JSON-RPC"),
        ("a bare value", &[JSON, BOTH], b"7", 400, -32600, "JSON-RPC"),
        (
            "null id",
            &[JSON, BOTH],
            br#"{"jsonrpc":"2.0","id":null,"method":"initialize"}"#,
            400,
            -32600,
            "must not be null",
        ),
        (
            "fraction id",
            &[JSON, BOTH],
            br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            400,
            -32600,
            "integer",
        ),
        ("no session", &[JSON, BOTH], PING.as_bytes(), 400, -32600, "Mcp-Session-Id is missing"),
        (
            "unknown session",
            &[JSON, BOTH, ("Mcp-Session-Id", "x")],
            PING.as_bytes(),
            404,
            -32001,
            "initialize",
        ),
        ("empty batch", &[JSON, BOTH], b"[]", 400, -32600, "empty batch"),
        (
            "batch with initialize",
            &[JSON, BOTH],
            br#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#,
            400,
            -32600,
            "initialize",
        ),
    ];
    for (what, headers, body, status, code, words) in cases {
        refused(send(&service.main, "POST", "/mcp/one", headers, body), what, *status, *code, words);
    }
    still_serves(&service);
}

/// A typo in an address would look like a broken service.
#[test]
fn a_wrong_address_or_method_names_the_right_one() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[]), ("two", &[])]);
    let send = |method: &str, path: &str| send(&service.main, method, path, &[JSON, BOTH], b"");
    refused(send("POST", "/mcp/oen"), "typo", 404, -32602, "did you mean 'one'?");
    refused(send("POST", "/mcp/group/x"), "group", 404, -32600, "there are no groups");
    let put = send("PUT", "/mcp/one");
    assert_eq!(put.header("allow"), Some("GET, POST, DELETE, OPTIONS"));
    refused(put, "PUT", 405, -32600, "GET, POST, DELETE");
    assert_eq!(send("GET", "/close").status, 405);
    for path in ["/", "/favicon.ico", "/mcp/one/x"] {
        let response = send("GET", path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.json()["error"].as_str().unwrap().contains("/mcp/{backend}"));
    }
    assert_eq!(send("HEAD", "/health").status, 200);
    assert_eq!(send("OPTIONS", "/mcp/one").status, 204);
}

/// A page of a developer's own tool could not use the service, or any page could.
#[test]
fn a_browser_is_let_in_from_accepted_origins_only() {
    let world = World::new();
    let service = serve(&world, "[auth]\nallowed_origins = [\"https://app.example\"]", &[("one", &[])]);
    let asked = |origin: &str| send(&service.main, "OPTIONS", "/mcp/one", &[("Origin", origin)], b"");
    let allowed = asked("https://app.example");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("mcp-session-id"));
    let refused = asked("https://evil.example");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
}

/// Anybody could use the servers, or one client the sessions of another.
#[test]
fn keys_keep_strangers_out_and_clients_apart() {
    let digest = |key: &str| {
        use sha2::Digest;
        sha2::Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let keys = format!(
        "[auth]\nkeys = [{{ id = \"a\", sha256 = \"{}\" }}, {{ id = \"b\", sha256 = \"{}\" }}]",
        digest("key-a"),
        digest("key-b")
    );
    let world = World::new();
    let service = serve(&world, &keys, &[("one", &[])]);
    let nobody = Client::new(&service, "one").initialize("2025-11-25");
    assert!(nobody.header("www-authenticate").unwrap().starts_with("Bearer"));
    refused(nobody, "no key", 401, -32600, "Authorization: Bearer KEY");
    assert_eq!(send(&service.main, "POST", "/close", &[], b"").status, 401);
    assert_eq!(send(&service.main, "GET", "/livez", &[], b"").status, 200);

    let mut a = Client::new(&service, "one");
    a.headers = vec![("Authorization".into(), "Bearer key-a".into())];
    a.session = a.initialize("2025-11-25").header("mcp-session-id").unwrap().to_owned();
    assert_eq!(a.request(json!(1), "ping", &json!({})).status, 200);

    let mut b = a.clone();
    b.headers = vec![("Authorization".into(), "Bearer key-b".into())];
    let foreign = b.request(json!(1), "ping", &json!({}));
    let foreign = (foreign.status, foreign.text());
    b.session = "0".repeat(40);
    let unknown = b.request(json!(1), "ping", &json!({}));
    assert_eq!(foreign, (unknown.status, unknown.text()));
    assert_eq!(foreign.0, 404);
    b.session = a.session.clone();
    assert_eq!(b.listen(None).status, 404);
    assert_eq!(b.delete().status, 404);
    assert_eq!(a.request(json!(2), "ping", &json!({})).status, 200);
}

/// A session would be taken for one of another server, or an unknown revision for a known one.
#[test]
fn a_session_is_of_one_backend_and_one_version() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[]), ("two", &[])]);
    let client = Client::open(&service, "one");
    let mut elsewhere = client.clone();
    elsewhere.path = "/mcp/two".into();
    assert_eq!(elsewhere.request(json!(1), "ping", &json!({})).status, 404);

    let versioned = |version: &str| {
        let mut client = client.clone();
        client.headers = vec![("MCP-Protocol-Version".into(), version.into())];
        client.request(json!(1), "ping", &json!({}))
    };
    assert_eq!(versioned("2025-11-25").status, 200);
    assert_eq!(versioned("2025-06-18").status, 200);
    refused(versioned("1999-01-01"), "version", 400, -32600, "'2025-11-25'");
    assert_eq!(client.send("GET", &[("Accept", "text/html")], b"").status, 406);
    assert_eq!(client.send("GET", &[EVENTS, ("Last-Event-ID", "nonsense")], b"").status, 400);
    assert_eq!(client.post(&json!([{"jsonrpc":"2.0","id":1,"method":"ping"}])).status, 400);
}
