//! Which era a backend is spoken to in, and what discovery, lists and calls come to in each.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Modern, VERSION};
use crate::common::conforming;
use crate::common::{Client, Service, all, backend, code, eventually, processes_of, text_of};
use crate::demo;

/// A client of today could not use a server of yesterday: what it asks has to be said in other words.
#[tokio::test]
async fn a_backend_of_the_era_before_is_discovered_listed_and_called() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let found = client.result("server/discover", json!({})).await;
    assert_eq!(found["supportedVersions"], json!([VERSION, "2025-11-25", "2025-06-18", "2025-03-26"]));
    assert_eq!(found["capabilities"]["tools"], json!({ "listChanged": true }));
    assert_eq!(found["instructions"], "a server that misbehaves on demand");
    let tools = client.result("tools/list", json!({})).await;
    assert!(tools["tools"].as_array().unwrap().len() > 10);
    let read = client.result("resources/read", json!({ "uri": "fixture://one" })).await;
    assert!(read["contents"][0]["text"].as_str().unwrap().starts_with("fixture://one as process"));
    let prompt = client.result("prompts/get", json!({ "name": "greet" })).await;
    let called =
        client.result("tools/call", json!({ "name": "echo", "arguments": { "message": "x" } })).await;
    for (result, cached) in
        [(&found, true), (&tools, true), (&read, true), (&prompt, false), (&called, false)]
    {
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcpvisor-fixture");
        assert_eq!((result["ttlMs"] == 0, result["cacheScope"] == "private"), (cached, cached), "{result}");
    }
    let told = client.text("handshake", json!({})).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let initialize: Value = serde_json::from_str(told["initialize"].as_str().unwrap()).unwrap();
    let params = &initialize["params"];
    assert_eq!(
        (&params["protocolVersion"], &params["clientInfo"]["name"]),
        (&json!("2025-11-25"), &json!("test"))
    );
    assert!(params["capabilities"]["sampling"].is_object(), "what the client can: {params}");
    assert_eq!((&told["initialize_count"], &told["initialized_count"]), (&json!(1), &json!(1)));
}

/// What a server says to clients of its own era would be changed on the way.
#[tokio::test]
async fn a_backend_of_the_same_era_is_passed_as_it_is() {
    let folder = TempDir::new().unwrap();
    let service = Service::start_in(folder, &(demo("d", "") + &conforming("m", "modern", "")), &[]).await;
    for name in ["d", "m"] {
        let client = Modern::new(&service, name);
        let found = client.result("server/discover", json!({})).await;
        // But for this: a client of any revision is served, whatever the backend speaks.
        assert_eq!(found["supportedVersions"], json!([VERSION, "2025-11-25", "2025-06-18", "2025-03-26"]));
        assert_eq!(found["resultType"], "complete");
        client.result("tools/list", json!({})).await;
    }
    assert_eq!(Modern::new(&service, "d").text("add", json!({ "a": 1, "b": 2 })).await, "3");
    assert_eq!(
        Modern::new(&service, "m").text("test_simple_text", json!({})).await,
        "This is a simple text response for testing."
    );
}

/// A client that speaks only another revision would leave, though it can be served whatever the backend speaks.
#[tokio::test]
async fn every_revision_that_is_served_is_told_whatever_the_backend_speaks() {
    let service = Service::start(&conforming("m", "modern", "")).await;
    let client = Modern::new(&service, "m");
    client.result("server/discover", json!({})).await;
    let wrong =
        Modern::new(&service, "m").with_meta("io.modelcontextprotocol/protocolVersion", json!("2031-01-01"));
    let message = wrong.message("tools/list", json!({}));
    let reply = wrong.ask(&message).header("mcp-protocol-version", "2031-01-01").send(&service.main).await;
    let answer = reply.json().await;
    assert_eq!(
        (code(&answer), &answer["error"]["data"]["supported"]),
        (-32022, &json!([VERSION, "2025-11-25", "2025-06-18", "2025-03-26"])),
        "{answer}"
    );
}

/// Clients of both eras at the same address: each would have to know what the server behind speaks.
#[tokio::test]
async fn clients_of_both_eras_are_served_at_one_address() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    for name in ["a", "d"] {
        let (old, new) = (Client::open(&service, name).await, Modern::new(&service, name));
        let (before, after) = tokio::join!(old.text("counter", json!({})), new.text("counter", json!({})));
        assert_eq!((before.as_str(), after.as_str()), ("1", "1"), "each has its own process");
    }
}

/// Every session of a server that never answers what it does not know would begin with a wait.
#[tokio::test]
async fn a_backend_that_never_answers_the_question_costs_one_probe_and_no_more() {
    let folder = TempDir::new().unwrap();
    let (starts, record) = (folder.path().join("starts"), folder.path().join("record"));
    let flags = ["--ignore", "server/discover", "--count-starts", starts.to_str().unwrap()];
    let flags = [&flags[..], &["--record", record.to_str().unwrap()]].concat();
    let config = backend("a", &flags, "timeouts.probe = \"300ms\"");
    let service = Service::start_in(folder, &config, &[]).await;
    let clients = (0..5).map(async |_| Modern::new(&service, "a").text("counter", json!({})).await);
    let mut counts = all(clients).await;
    counts.sort();
    assert_eq!(counts, ["1", "2", "3", "4", "5"]);
    assert_eq!(fs::read(&starts).unwrap().len(), 2, "one probe, and one that serves");
    let asked = |method: &str| {
        let record = fs::read_to_string(&record).unwrap();
        record.lines().filter(|line| line.contains(&format!("\"{method}\""))).count()
    };
    assert_eq!((asked("server/discover"), asked("initialize")), (1, 2));
    // The child of the probe has left by itself, and was never one of the backend's.
    eventually("one child is left", async || {
        (service.connections().await.len() == 1 && servers(&service).len() == 1).then_some(())
    })
    .await;
    assert_eq!(service.metric(r#"mcpvisor_connections{backend="a",phase="ready"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="exit"}"#).await, 0.0);
    let text = Modern::new(&service, "a").text("echo", json!({ "message": "x" })).await;
    assert_eq!((text.as_str(), asked("server/discover")), ("x", 1));
}

/// A server that locks to the first era it hears would be spoken to in the wrong one by a probe.
#[tokio::test]
async fn what_is_configured_is_not_asked() {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = ["old", "new"].map(|name| folder.path().join(name)).into();
    let flags = ["--record", paths[0].to_str().unwrap()];
    let config = [
        backend("old", &flags, "protocol = \"legacy\""),
        demo("d", "protocol = \"legacy\""),
        demo("n", "protocol = \"modern\""),
    ]
    .concat();
    let service = Service::start_in(folder, &config, &[]).await;
    for name in ["old", "d", "n"] {
        assert_eq!(Modern::new(&service, name).text("echo", json!({ "message": "x" })).await, "x");
    }
    let record = fs::read_to_string(&paths[0]).unwrap();
    assert!(!record.contains("server/discover") && record.contains("initialize"), "{record}");
    assert!(!service.log().contains("backend.probing"), "nobody was asked");
    // In the era before, the demo server is discovered in the words of mcpvisor.
    let found = Modern::new(&service, "d").result("server/discover", json!({})).await;
    assert_eq!(found["supportedVersions"][0], VERSION);
}

/// A server that asks for roots before it does anything else would wait for them for ever.
#[tokio::test]
async fn what_a_server_asks_before_there_is_a_call_is_answered() {
    for method in ["tools/call", "logged call", "subscriptions/listen", "tools/list", "server/discover"] {
        let folder = TempDir::new().unwrap();
        let record = folder.path().join("record");
        let flags = ["--request-early", "--record", record.to_str().unwrap()];
        let service = Service::start_in(folder, &backend("a", &flags, ""), &[]).await;
        let client = Modern::new(&service, "a");
        match method {
            "tools/call" => drop(client.text("counter", json!({})).await),
            "logged call" => {
                let loud = client.with_meta("io.modelcontextprotocol/logLevel", json!("debug"));
                loud.text("counter", json!({})).await;
            }
            "subscriptions/listen" => {
                let uris = json!({ "resourceSubscriptions": ["fixture://one"] });
                assert!(client.listen(uris).await.1.message().await.is_some());
            }
            _ => drop(client.result(method, json!({})).await),
        }
        eventually(&format!("an answer after {method}"), async || {
            let record = fs::read_to_string(&record).unwrap();
            let mut lines = record.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["method"].is_null()).map(|line| assert_eq!(line["id"], 1))
        })
        .await;
    }
}

/// A backend that cannot be started would leave its clients waiting, or its probes running.
#[tokio::test]
async fn a_backend_that_cannot_start_is_refused_and_asked_again_later() {
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "").unwrap();
    let flags = ["--broken-while", broken.to_str().unwrap(), "--ignore", "server/discover"];
    let settings = "timeouts.probe = \"100ms\"\nbackoff.min = \"10ms\"\nbackoff.max = \"20ms\"";
    let service = Service::start_in(folder, &backend("a", &flags, settings), &[]).await;
    let client = Modern::new(&service, "a");
    let (status, answer) = client.call("echo", json!({ "message": "x" })).await;
    assert!(status == 200 && code(&answer) < -31000 && code(&answer) > -31010, "{status} {answer}");
    fs::remove_file(&broken).unwrap();
    eventually("it serves once it can", async || {
        let (_, answer) = client.call("echo", json!({ "message": "x" })).await;
        answer["result"].is_object().then(|| assert_eq!(text_of(&answer), "x"))
    })
    .await;
    eventually("no probe is left", async || (servers(&service).len() == 1).then_some(())).await;
}

/// What runs of the backends: the children of the service but for its guard.
fn servers(service: &Service) -> Vec<u32> {
    let command = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let children = processes_of(service.pid()).into_iter().map(|(pid, _)| pid);
    children.filter(|pid| command(*pid).contains("misbehave")).collect()
}
