//! What an operator hides of a server is not there for anybody, and what he renames has one name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;

use serde_json::{Value, json};

use common::{Client, Service, backend, code, text_of};
use modern::Modern;

const FILTER: &str = r#"
tools = { allow = ["echo", "pid", "co*", "crash"], deny = ["crash"], rename = { echo = "say" }, describe = { echo = "Says it." } }
resources = { deny = ["fixture://two"] }
"#;

fn names(list: &Value, field: &str, name: &str) -> Vec<String> {
    let entries = list[field].as_array().unwrap().iter();
    entries.map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

/// A tool that was hidden because it is dangerous would be called by whoever knows its name.
#[tokio::test]
async fn clients_of_both_eras_see_and_use_what_is_let_through() {
    let service = Service::start(&backend("a", &["--crash-tool"], FILTER)).await;
    let legacy = Client::open(&service, "a").await;
    let modern = Modern::new(&service, "a");
    let lists = [
        legacy.request("tools/list", json!({})).await["result"].clone(),
        modern.result("tools/list", json!({})).await,
    ];
    for list in lists {
        let mut tools = names(&list, "tools", "name");
        tools.sort();
        assert_eq!(tools, ["counter", "pid", "say"], "{list}");
        let say = list["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "say").unwrap();
        assert_eq!(say["description"], "Says it.");
    }
    let message = json!({ "message": "x" });
    assert_eq!(legacy.text("say", message.clone()).await, "x");
    assert_eq!(modern.text("say", message.clone()).await, "x");
    let pid = legacy.pid().await;
    for hidden in ["echo", "crash", "add", "nothing"] {
        let (old, (_, new)) = (legacy.call(hidden, json!({})).await, modern.call(hidden, json!({})).await);
        for answer in [old, new] {
            assert_eq!(code(&answer), -32602, "{hidden}: {answer}");
            assert_eq!(answer["error"]["message"], format!("Unknown tool: {hidden}"));
        }
    }
    assert_eq!(legacy.pid().await, pid, "nothing has reached the server");
}

#[tokio::test]
async fn hidden_resources_are_not_found() {
    let service = Service::start(&backend("a", &[], FILTER)).await;
    let (legacy, modern) = (Client::open(&service, "a").await, Modern::new(&service, "a"));
    let params = json!({ "uri": "fixture://two" });
    assert_eq!(code(&legacy.request("resources/read", params.clone()).await), -32002);
    assert_eq!(code(&legacy.request("resources/subscribe", params.clone()).await), -32002);
    let (_, answer) = modern.request("resources/read", params).await;
    assert_eq!(code(&answer), -32602, "in the words of its era: {answer}");
}

/// What is hidden at its own endpoint would be there at the one for all.
#[tokio::test]
async fn several_servers_as_one_hide_the_same() {
    let service = Service::start(&(backend("a", &["--crash-tool"], FILTER) + &backend("b", &[], ""))).await;
    // Clients that take `/mcp/NAME`: the endpoint of all is the one without a name.
    let (legacy, modern) = (Client::open(&service, "").await, Modern::new(&service, ""));
    let lists = [
        legacy.request("tools/list", json!({})).await["result"].clone(),
        modern.result("tools/list", json!({})).await,
    ];
    for list in lists {
        let tools = names(&list, "tools", "name");
        let of_a: Vec<&String> = tools.iter().filter(|name| name.starts_with("a__")).collect();
        assert_eq!(of_a.len(), 3, "{tools:?}");
        assert!(tools.contains(&"a__say".to_owned()) && tools.contains(&"b__echo".to_owned()), "{tools:?}");
    }
    let message = json!({ "message": "x" });
    assert_eq!(legacy.text("a__say", message.clone()).await, "x");
    assert_eq!(text_of(&modern.call("a__say", message).await.1), "x");
    for hidden in ["a__echo", "a__crash"] {
        assert_eq!(code(&legacy.call(hidden, json!({})).await), -32602, "{hidden}");
        assert_eq!(code(&modern.call(hidden, json!({})).await.1), -32602, "{hidden}");
    }
}
