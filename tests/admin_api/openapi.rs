//! `GET /api/v1/openapi.json`: what it says of answers is what is answered.

use serde_json::{Value, json};

use super::common::{Ask, Client, Service};
use super::{ask, complaining, json as ask_json, only_session};

/// The document, and the answers that were compared with it.
struct Described {
    document: Value,
    seen: Vec<(String, u16)>,
}

impl Described {
    /// Fails unless the operation describes this answer.
    fn check(&mut self, method: &str, path: &str, status: u16, answer: &Value) {
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let response = self.resolved(&operation["responses"][status.to_string()]);
        let content = response["content"].as_object().unwrap_or_else(|| panic!("{method} {path}: {status}"));
        let schema = content.values().next().unwrap()["schema"].clone();
        // The references in it lead into the document.
        let mut whole = json!({ "components": self.document["components"].clone() });
        whole["allOf"] = json!([schema]);
        let schema = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let wrong: Vec<String> =
            schema.iter_errors(answer).map(|wrong| format!("{wrong} at {}", wrong.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:?} in {answer:#}");
        self.seen.push((format!("{method} {path}"), status));
    }

    fn resolved<'a>(&'a self, at: &'a Value) -> &'a Value {
        at["$ref"].as_str().map_or(at, |reference| self.document.pointer(&reference[1..]).unwrap())
    }

    async fn ask(&mut self, service: &Service, method: &str, template: &str, path: &str) -> Value {
        let (status, answer) = ask_json(service, method, path).await;
        self.check(method, template, status, &answer);
        answer
    }
}

/// A client made from the document would choke on real answers, or miss what they tell.
#[tokio::test]
async fn real_answers_are_as_described() {
    let service = Service::start(&complaining("a", "")).await;
    let client = Client::open(&service, "a").await;
    let session = only_session(&service).await;
    let (_, document) = ask_json(&service, "GET", "/api/v1/openapi.json").await;
    let mut described = Described { document, seen: Vec::new() };
    client.call("crash", json!({})).await;
    client.pid().await;

    let (one, of_one) =
        ("/api/v1/connections/{backend}/{session}", format!("/api/v1/connections/a/{session}"));
    let (restart, restart_one) = (format!("{one}/restart"), format!("{of_one}/restart"));
    for (method, template, path) in [
        ("GET", "/api/v1/openapi.json", "/api/v1/openapi.json"),
        ("GET", "/api/v1/backends", "/api/v1/backends"),
        ("GET", "/api/v1/backends/{id}", "/api/v1/backends/a"),
        ("GET", "/api/v1/backends/{id}", "/api/v1/backends/b"),
        ("GET", "/api/v1/connections", "/api/v1/connections"),
        ("GET", one, &of_one),
        ("GET", one, "/api/v1/connections/a/0123456789ab"),
        ("POST", &restart, &restart_one),
        ("POST", &restart, "/api/v1/connections/a/0123456789ab/restart"),
        ("GET", "/api/v1/connections/{backend}/{session}/stderr", "/api/v1/connections/b/shared/stderr"),
        ("POST", "/api/v1/backends/{id}/restart", "/api/v1/backends/a/restart"),
        ("POST", "/api/v1/backends/{id}/restart", "/api/v1/backends/b/restart"),
        ("POST", "/api/v1/backends/{id}/stop", "/api/v1/backends/a/stop"),
        ("POST", "/api/v1/backends/{id}/start", "/api/v1/backends/a/start"),
        ("GET", "/api/v1/events", "/api/v1/events?history=x"),
        ("GET", "/api/v1/log-level", "/api/v1/log-level"),
        ("POST", "/api/v1/reload", "/api/v1/reload?dry_run=true"),
        ("POST", "/api/v1/reload", "/api/v1/reload"),
    ] {
        described.ask(&service, method, template, path).await;
    }
    for body in [json!({ "level": "debug" }), json!({ "level": 7 })] {
        let put = Ask::new("PUT", "/api/v1/log-level").header("content-type", "application/json");
        let reply = put.body(body.to_string()).send(&service.admin).await;
        described.check("PUT", "/api/v1/log-level", reply.status, &reply.json().await);
    }
    client.pid().await;
    described.ask(&service, "DELETE", one, &of_one).await;

    let events = ask(&service, "GET", "/api/v1/events?follow=false").await.messages().await;
    assert!(events.len() > 8, "{events:?}");
    events.iter().for_each(|event| described.check("GET", "/api/v1/events", 200, event));
    let succeeded = described.seen.iter().filter(|(_, status)| *status == 200);
    let succeeded: std::collections::BTreeSet<&String> = succeeded.map(|(operation, _)| operation).collect();
    let paths = described.document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|item| item.as_object().unwrap().keys());
    // All but those that answer with text: /metrics, /livez and stderr.
    assert_eq!(succeeded.len() + 3, operations.filter(|key| *key != "parameters").count(), "{succeeded:?}");
}
