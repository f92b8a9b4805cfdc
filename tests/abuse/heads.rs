//! Heads of requests: what HTTP does not allow, what there is too much of, and what is there twice.

use crate::wire::Then::{Ends, Waits};
use crate::world::{ALICE, MALLORY, World};

/// What it is, what is sent, and the lists of statuses that are right.
type Row = (&'static str, Vec<u8>, &'static [&'static [u16]]);

const OK: &[&[u16]] = &[&[200]];
const BAD: &[&[u16]] = &[&[400]];
/// Refused, or cut where it cannot be made out at all.
const CUT: &[&[u16]] = &[&[400], &[]];

/// A careless reader would find other headers in it than a careful one.
#[tokio::test]
async fn what_is_no_head_is_refused() {
    let world = World::new("").await;
    let live = |line: &str| {
        format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{line}Connection: close\r\n\r\n").into_bytes()
    };
    let line = |line: &str| format!("{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes();
    let rows: Vec<Row> = vec![
        ("nothing wrong", live("X-Fine: \u{e4}\r\n"), OK),
        ("a folded line", live("X: a\r\n b\r\n"), BAD),
        ("a line folded by a tab", live("X: a\r\n\tb\r\n"), BAD),
        ("a space first", live(" X: a\r\n"), BAD),
        ("no colon", live("Nonsense\r\n"), BAD),
        ("no name", live(": a\r\n"), BAD),
        ("a space in a name", live("X Y: a\r\n"), BAD),
        ("a space after a name", live("X : a\r\n"), BAD),
        ("a NUL in a name", live("X\0Y: a\r\n"), BAD),
        ("a NUL in a value", live("X: a\0b\r\n"), BAD),
        ("a control character in a value", live("X: a\x01b\r\n"), BAD),
        ("DEL in a value", live("X: a\x7fb\r\n"), BAD),
        ("CR in a value", live("X: a\rHost: evil.example\r\n"), BAD),
        ("a name of other letters", live("X-\u{e4}: a\r\n"), BAD),
        ("brackets in a name", live("X[0]: a\r\n"), BAD),
        ("an escape to a terminal", live("X: \x1b[2J\r\n"), BAD),
        (
            "lines that end in LF",
            b"GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n".to_vec(),
            &[&[200], &[400]],
        ),
        (
            "lines that end in CR",
            b"GET /livez HTTP/1.1\rHost: localhost\rConnection: close\r\r".to_vec(),
            CUT,
        ),
        ("no version", line("GET /livez"), CUT),
        ("version 0.9", line("GET /livez HTTP/0.9"), CUT),
        ("version 1.2", line("GET /livez HTTP/1.2"), CUT),
        ("version 2.0", line("GET /livez HTTP/2.0"), CUT),
        ("version 11", line("GET /livez HTTP/11"), CUT),
        ("a version in small letters", line("GET /livez http/1.1"), CUT),
        ("two versions", line("GET /livez HTTP/1.1 HTTP/1.1"), CUT),
        ("two spaces", line("GET  /livez HTTP/1.1"), CUT),
        ("a tab", line("GET\t/livez\tHTTP/1.1"), CUT),
        ("no method", line("/livez HTTP/1.1"), CUT),
        ("a method of brackets", line("<GET> /livez HTTP/1.1"), CUT),
        ("a method with a NUL", line("GE\0T /livez HTTP/1.1"), CUT),
        (
            "a method of 100 KB",
            line(&format!("{} /livez HTTP/1.1", "M".repeat(100_000))),
            &[&[400], &[405], &[431], &[414], &[]],
        ),
        ("a method in small letters", line("get /livez HTTP/1.1"), &[&[405]]),
        ("TRACE", line("TRACE /livez HTTP/1.1"), &[&[405]]),
        (
            "empty lines first",
            b"\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
            &[&[200], &[400]],
        ),
        ("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), CUT),
        ("an upgrade to HTTP/2", live("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), OK),
        (
            "an upgrade to WebSocket",
            live(
                "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
            ),
            OK,
        ),
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec(), CUT),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(), CUT),
        ("SMTP", b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n\r\n".to_vec(), CUT),
        ("Redis", b"*1\r\n$4\r\nPING\r\n\r\n".to_vec(), CUT),
        (
            "the PROXY protocol",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /livez HTTP/1.1\r\n\r\n".to_vec(),
            CUT,
        ),
        ("an unknown expectation", live("Expect: the-unexpected\r\n"), &[&[200], &[417]]),
        (
            "an address of another client",
            live("X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n"),
            OK,
        ),
        (
            "another method and path by header",
            live("X-HTTP-Method-Override: POST\r\nX-Original-URL: /close\r\nX-Rewrite-URL: /close\r\n"),
            OK,
        ),
    ];
    for (name, bytes, accepted) in rows {
        world.sends(name, &bytes, Waits, true, accepted).await;
    }
    for (name, bytes) in [
        ("half a line", &b"GET /li"[..]),
        ("half a head", b"GET /livez HTTP/1.1\r\nHost: local"),
        ("nothing", b""),
    ] {
        world.sends(name, bytes, Ends, true, CUT).await;
    }
    world.ends("heads, malformed").await;
}

/// A head without end would fill the memory.
#[tokio::test]
async fn there_is_an_end_to_a_head() {
    let world = World::new("").await;
    let head = |path: &str, lines: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n").into_bytes()
    };
    let large: &[&[u16]] = &[&[431], &[]];
    let rows: Vec<Row> = vec![
        ("a header of 100 KB", head("/livez", &format!("X: {}\r\n", "x".repeat(100_000))), &[&[431]]),
        ("a header of 8 MB", head("/livez", &format!("X: {}\r\n", "x".repeat(8 << 20))), large),
        (
            "a header name of 8 MB",
            head("/livez", &format!("{}: x\r\n", "x".repeat(8 << 20))),
            &[&[431], &[400], &[]],
        ),
        ("100,000 headers", head("/livez", &"X: y\r\n".repeat(100_000)), large),
        ("101 headers", head("/livez", &"X: y\r\n".repeat(101)), large),
        ("a path of 60 KB", head(&format!("/{}", "a".repeat(60_000)), ""), &[&[404]]),
        ("a path of 70 KB", head(&format!("/{}", "a".repeat(70_000)), ""), &[&[414], &[431]]),
        ("a path of 8 MB", head(&format!("/{}", "a".repeat(8 << 20)), ""), &[&[414], &[431], &[]]),
        ("a query of 60 KB", head(&format!("/livez?{}", "a".repeat(60_000)), ""), OK),
        (
            "a key of 60 KB",
            head("/mcp/alpha", &format!("Authorization: Bearer {}\r\n", "k".repeat(60_000))),
            &[&[401]],
        ),
        (
            "a session of 60 KB",
            head(
                "/mcp/alpha",
                &format!(
                    "Accept: */*\r\nAuthorization: Bearer {MALLORY}\r\nMcp-Session-Id: {}\r\n",
                    "s".repeat(60_000)
                ),
            ),
            &[&[404]],
        ),
        (
            "an Accept of 60 KB",
            head(
                "/mcp/alpha",
                &format!("Authorization: Bearer {MALLORY}\r\nAccept: {}\r\n", "a/b;q=0.1,".repeat(6000)),
            ),
            &[&[406]],
        ),
        (
            "a Last-Event-ID of 60 KB",
            head(
                "/mcp/alpha",
                &format!(
                    "Accept: */*\r\nAuthorization: Bearer {MALLORY}\r\nMcp-Session-Id: {}\r\nLast-Event-ID: {}\r\n",
                    world.mallory.session,
                    "9".repeat(60_000)
                ),
            ),
            BAD,
        ),
    ];
    for (name, bytes, accepted) in rows {
        let answer = world.sends(name, &bytes, Waits, true, accepted).await;
        assert!(answer.text.len() < 5000, "{name}: {} bytes come back", answer.text.len());
    }
    world.ends("heads, too large").await;
}

/// Whoever stands before the service may go by the one, and the service by the other.
#[tokio::test]
async fn what_can_be_said_once_is_refused_twice() {
    let world = World::new("").await;
    let (mallory, alice) = (&world.mallory.session, &world.alice().session);
    let pair = |name: &str, one: &str, other: &str| format!("{name}: {one}\r\n{name}: {other}\r\n");
    let rows = [
        ("hosts", pair("Host", "localhost", "evil.example")),
        ("the same host twice", pair("Host", "localhost", "localhost")),
        ("origins", pair("Origin", "http://localhost", "https://evil.example")),
        ("keys", pair("Authorization", &format!("Bearer {MALLORY}"), &format!("Bearer {ALICE}"))),
        ("a key and none", pair("Authorization", &format!("Bearer {MALLORY}"), "")),
        ("sessions", pair("Mcp-Session-Id", mallory, alice)),
        ("types", pair("Content-Type", "application/json", "text/plain")),
        ("versions", pair("MCP-Protocol-Version", "2025-11-25", "2026-07-28")),
        ("methods", pair("Mcp-Method", "ping", "tools/call")),
        ("names", pair("Mcp-Name", "echo", "counter")),
        ("events", pair("Last-Event-ID", "0_0", "1_1")),
        ("parameters", pair("Mcp-Param-Region", "eu", "us")),
    ];
    let others = [
        ("Host", "localhost".to_owned()),
        ("Authorization", format!("Bearer {MALLORY}")),
        ("Mcp-Session-Id", mallory.clone()),
        ("Content-Type", "application/json".to_owned()),
    ];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (name, twice) in rows {
        let rest = others.iter().filter(|(header, _)| !twice.starts_with(&format!("{header}:")));
        let rest: String = rest.map(|(header, value)| format!("{header}: {value}\r\n")).collect();
        let bytes = format!(
            "POST /mcp/alpha HTTP/1.1\r\n{twice}{rest}Accept: */*\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = world.sends(name, bytes.as_bytes(), Waits, false, BAD).await;
        assert!(answer.text.contains("more than once"), "{name}: {}", answer.text);
    }
    world.ends("heads, twice").await;
}
