//! `auth.rules`: who may use what. What is not given is not there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;

use common::{Ask, Client, Service, backend, code};
use modern::Modern;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `all` may use everything, `some` the tools `echo` and `pid` of `a`, `none` nothing.
fn config(rules: &str, settings: &str) -> String {
    let key = |name: &str| {
        let digest: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[auth.keys]]\nid = \"{name}\"\nsha256 = \"{digest}\"\n")
    };
    let keys: String = ["all", "some", "none"].map(key).concat();
    let groups = "[groups]\nab = [\"a\", \"b\"]\nonly_b = [\"b\"]\n";
    [&keys, rules, groups, &backend("a", &[], settings), &backend("b", &[], settings)].concat()
}

const RULES: &str = "[[auth.rules]]\nprincipals = [\"all\"]\nbackends = [\"*\"]\n\
                     [[auth.rules]]\nprincipals = [\"some\"]\nbackends = [\"a\"]\ntools = [\"echo\", \"pid\"]\n";

async fn open(service: &Service, path: &str, key: &str) -> Client {
    Client::open_with(service, path, key, json!({})).await
}

fn tools(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().unwrap_or_else(|| panic!("no list: {result}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Status and body of an `initialize`.
async fn greeted(service: &Service, path: &str, key: &str) -> (u16, String) {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let ask = Ask::mcp(path, initialize).header("authorization", &format!("Bearer {key}"));
    let reply = ask.send(&service.main).await;
    (reply.status, reply.text().await)
}

/// Whoever was given two tools would have all of them, by another era or another endpoint.
#[tokio::test]
async fn a_principal_sees_and_calls_only_the_tools_it_was_given() {
    for settings in ["", "isolation = \"shared\"\n"] {
        let service = Service::start(&config(RULES, settings)).await;
        let everybody = open(&service, "a", "all").await;
        assert!(tools(&everybody.request("tools/list", json!({})).await["result"]).len() > 2);
        for (path, prefix) in [("a", ""), ("", "a__"), ("group/ab", "a__")] {
            let (legacy, modern) =
                (open(&service, path, "some").await, Modern::new(&service, path).by("some"));
            let expected = ["echo", "pid"].map(|tool| format!("{prefix}{tool}"));
            let old = legacy.request("tools/list", json!({})).await["result"].clone();
            let new = modern.result("tools/list", json!({})).await;
            assert_eq!(new["cacheScope"], "private");
            for list in [old, new] {
                let mut tools = tools(&list);
                tools.sort();
                assert_eq!(tools, expected, "/mcp/{path}");
            }
            let said = json!({ "message": "x" });
            let echo = format!("{prefix}echo");
            assert_eq!(legacy.text(&echo, said.clone()).await, "x");
            assert_eq!(modern.text(&echo, said).await, "x");
            for hidden in ["counter", "add", "nothing"].map(|tool| format!("{prefix}{tool}")) {
                let (old, new) =
                    (legacy.call(&hidden, json!({})).await, modern.call(&hidden, json!({})).await.1);
                for answer in [old, new] {
                    assert_eq!(code(&answer), -32602, "{hidden}: {answer}");
                }
            }
        }
        assert_eq!(everybody.text("counter", json!({})).await, "1", "none of this has reached the server");
    }
}

/// Names of servers would be told to whom they do not concern.
#[tokio::test]
async fn a_backend_that_was_not_given_is_not_there() {
    let service = Service::start(&config(RULES, "")).await;
    for (path, nothing) in [("/mcp/b", "/mcp/x"), ("/mcp/group/only_b", "/mcp/group/only_x")] {
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let (status, refused) = greeted(&service, path, "some").await;
        let (unknown_status, unknown) = greeted(&service, nothing, "some").await;
        assert_eq!((status, unknown_status), (404, 404), "{path}");
        assert_eq!(
            refused.replace(&format!("'{}'", name(path)), ""),
            unknown.replace(&format!("'{}'", name(nothing)), "")
        );
        assert_eq!(greeted(&service, path, "all").await.0, 200, "{path}");
    }
    for (method, path) in [("GET", "/sse/b"), ("POST", "/message/b?session_id=x"), ("DELETE", "/mcp/b")] {
        let ask = Ask::new(method, path).header("authorization", "Bearer some");
        assert_eq!(ask.send(&service.main).await.status, 404, "{method} {path}");
    }
    let modern = Modern::new(&service, "b").by("some");
    assert_eq!(modern.post(&modern.message("tools/list", json!({}))).await.status, 404);
    for (key, seen) in
        [("all", json!(["a", "b"])), ("some", json!(["a"])), ("none", json!([])), ("", json!([]))]
    {
        let bearer = if key.is_empty() { String::new() } else { format!("Bearer {key}") };
        let health = Ask::new("GET", "/health").header("authorization", &bearer).send(&service.main).await;
        let health = health.json().await;
        let names: Vec<&String> = health["servers"].as_object().unwrap().keys().collect();
        assert_eq!(json!(names), seen, "{key}");
    }
    // Several as one: those that are given, and no word of the others.
    for key in ["some", "none"] {
        let (legacy, modern) = (open(&service, "", key).await, Modern::new(&service, "").by(key));
        for said in [
            legacy.request("tools/list", json!({})).await,
            modern.result("tools/list", json!({})).await,
            modern.result("server/discover", json!({})).await,
            legacy.call("b__echo", json!({ "message": "x" })).await,
        ] {
            assert!(!said.to_string().replace("Unknown tool: b__echo", "").contains("\"b"), "{key}: {said}");
        }
        assert_eq!(code(&legacy.call("b__echo", json!({})).await), -32602);
        assert_eq!(code(&modern.call("b__echo", json!({})).await.1), -32602);
    }
    let close = Ask::new("POST", "/close").header("authorization", "Bearer some").send(&service.main).await;
    assert_eq!(close.status, 403, "it would end what others use");
}

/// What was taken back would go on until somebody restarts the service.
#[tokio::test]
async fn rules_hold_at_once_also_for_sessions_that_are_there() {
    let service = Service::start(&config(RULES, "")).await;
    let (kept, ended) = (open(&service, "a", "some").await, open(&service, "b", "all").await);
    let (of_all, of_some) = (open(&service, "", "all").await, open(&service, "", "some").await);
    let (mut stream, mut news) = (ended.stream().await, of_some.stream().await);
    let pid = kept.pid().await;
    assert_eq!(of_all.text("b__echo", json!({ "message": "x" })).await, "x");
    let other = "[[auth.rules]]\nprincipals = [\"all\"]\nbackends = [\"a\"]\n\
                 [[auth.rules]]\nprincipals = [\"some\"]\nbackends = [\"a\", \"b\"]\ntools = [\"pid\"]\n";
    let report = service.reload(&config(other, "")).await;
    assert_eq!((&report["settings"], &report["strangers"]), (&json!(["auth.rules"]), &json!(1)), "{report}");
    assert!(stream.message().await.is_none(), "it has ended");
    assert_eq!(ended.post(&ended.message("ping", json!({}))).await.status, 404);
    // The others are the same sessions with the same processes, and see what they see now.
    assert_eq!(kept.pid().await, pid);
    assert_eq!(code(&kept.call("echo", json!({ "message": "x" })).await), -32602);
    assert_eq!(code(&of_all.call("b__echo", json!({ "message": "x" })).await), -32602);
    while news.message().await.unwrap()["method"] != "notifications/tools/list_changed" {}
    let mut seen = tools(&of_some.request("tools/list", json!({})).await["result"]);
    seen.sort();
    assert_eq!(seen, ["a__pid", "b__pid"]);
}
