//! A session with a memory, beside which anything may happen.

use serde_json::{Value, json};

use super::{Ask, Client, Service, backend, code};

/// `limits.max_body_bytes` of its service.
pub const MAX_BODY: usize = 64 << 10;

/// A service, and a session with a memory that no bad input may touch.
pub async fn world() -> (Service, Client) {
    let limits = format!("[limits]\nmax_body_bytes = {MAX_BODY}\n");
    let config = [limits, backend("alpha", &[], ""), backend("beta", &[], "")].concat();
    let service = Service::start(&config).await;
    let client = Client::open(&service, "alpha").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    (service, client)
}

/// Whether the session still has its server, with its memory, and the service is well.
pub async fn nothing_was_lost(mut service: Service, client: Client) {
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

/// Sends it, and compares status, code and part of the text.
pub async fn check(service: &Service, name: &str, ask: Ask, expected: (u16, i64, &str)) -> Value {
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
