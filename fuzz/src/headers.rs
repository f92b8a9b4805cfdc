//! Headers of requests.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use mcpvisor::fuzzing::{accepts, checked, decoded, event_id, is_modern, lets_in, trace};
use mcpvisor_actors::message::Envelope;

/// Lines of headers, then an empty line and a message.
pub fn check(data: &[u8]) {
    let split = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = split.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(&line[..colon]),
            HeaderValue::from_bytes(line[colon..].get(1..).unwrap_or_default().trim_ascii()),
        ) else {
            continue;
        };
        headers.append(name, value);
    }
    for value in headers.values() {
        value_is_read_as_it_is(value);
    }
    let [_, json, stream, prefers] = accepts(&headers);
    assert!(!headers.is_empty() || (json && stream && !prefers));
    gate(&headers);
    let message = Envelope::parse(bytes::Bytes::copy_from_slice(body));
    let message = message.unwrap_or_else(|_| {
        Envelope::parse(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n"}}"#[..].into())
            .expect("a message")
    });
    let (by_header, modern) = is_modern(&headers, &message);
    assert!(modern || !by_header || message.method() == Some("initialize"));
    if let Err((status, code)) = checked(&headers, &message) {
        assert!(matches!((status, code), (400, -32020 | -32602 | -32022) | (404, -32601)), "{status} {code}");
    } else {
        let method = headers.get("mcp-method").and_then(decoded);
        assert_eq!(method.as_deref(), message.method(), "passed, and says something else than the body");
    }
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if let Some(traced) = trace(&text("traceparent"), &text("tracestate"), message.clone()) {
        assert_eq!(
            (traced.id(), traced.method(), traced.kind()),
            (message.id(), message.method(), message.kind())
        );
    }
}

fn value_is_read_as_it_is(value: &HeaderValue) {
    if let Some(id) = event_id(value.as_bytes()) {
        assert_eq!(event_id(id.as_bytes()), Some(id));
    }
    let Some(meaning) = decoded(value) else { return };
    let encoded = format!("=?base64?{}?=", STANDARD.encode(&meaning));
    let encoded = HeaderValue::from_str(&encoded).expect("letters and signs");
    assert_eq!(decoded(&encoded).as_ref(), Some(&meaning), "there is one way to say it");
    let text = std::str::from_utf8(value.as_bytes()).expect("what was decoded is text");
    if !text.contains("=?base64?") {
        assert_eq!(meaning, text.trim_matches([' ', '\t']));
    }
}

/// Who is let in has named this machine, or a name of the service; and no page of somebody else's.
fn gate(headers: &HeaderMap) {
    let mut request = Request::get("/mcp/a").body(()).expect("a request").into_parts().0;
    request.headers = headers.clone();
    let (hosts, origins) = (vec!["mcp.example".to_owned()], vec!["https://app.example".to_owned()]);
    if lets_in("127.0.0.1:8080", &hosts, &origins, &request).is_err() {
        return;
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    assert!(is_ours(host), "let in as {host:?}");
    for name in ["host", "origin", "authorization", "mcp-session-id", "mcp-method", "mcp-name"] {
        assert!(headers.get_all(name).iter().count() <= 1, "{name} twice");
    }
    if let Some(origin) = headers.get("origin") {
        let origin = origin.to_str().expect("let in").trim().trim_end_matches('/').to_ascii_lowercase();
        let of_ours = origin.split_once("://").is_some_and(|(_, host)| is_ours(host));
        assert!(of_ours || origin == "https://app.example", "let in from {origin:?}");
    }
}

/// Written otherwise than the gate: by what a URL of that host would lead to.
fn is_ours(host: &str) -> bool {
    let host = host.trim().to_ascii_lowercase();
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || port.strip_prefix(':').is_some_and(digits) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if digits(port) => name,
            None => &host,
            Some(_) => return false,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    address || name == "localhost" || name.ends_with(".localhost") || name == "mcp.example"
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
