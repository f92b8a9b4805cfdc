//! Whatever HTTP is spoken, the answer says what is wrong with it, and nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::bystander::{MAX_BODY, check, nothing_was_lost, world};
use common::{Ask, raw};
use serde_json::json;

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
            (400, -32602, "protocolVersion"),
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

/// Somebody who sends too much would fill the memory, or be cut off without knowing why.
#[tokio::test]
async fn a_body_over_the_limit_is_413_however_it_comes() {
    let (service, client) = world().await;
    let call = |bytes: usize| {
        let arguments = json!({ "message": "x".repeat(bytes) });
        json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "echo", "arguments": arguments } })
            .to_string()
    };
    let fits = client.ask(call(MAX_BODY - 200)).send(&service.main).await;
    assert_eq!(fits.status, 200);
    for bytes in [MAX_BODY, 8 << 20] {
        check(&service, "announced", client.ask(call(bytes)), (413, -32600, "max_body_bytes")).await;
    }
    let head = format!(
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: */*\r\nMcp-Session-Id: {}\r\n",
        client.session
    );
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in call(MAX_BODY * 3).as_bytes().chunks(10_000) {
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
