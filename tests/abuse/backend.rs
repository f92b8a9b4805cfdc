//! A server that means harm: to the gateway that runs it, to its client, and to others.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Ask, Client, backend, code, reason, soon, text_of};
use crate::world::{MALLORY, World};

const MIB: u64 = 1 << 20;

/// More than what one message may have, and the readers and queues around it.
const ROOM: u64 = 160 * MIB;

/// What becomes of the call.
enum Becomes {
    /// Its answer, as if nothing had been.
    Answered,
    /// This error, as the server said it.
    Error(i64),
    /// Something that only its client can judge: it has passed.
    Passed,
    /// It is lost with its server, for this reason.
    Lost(&'static str),
    /// One or the other.
    Either,
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// One bad server would take the service down, or fill it up, or speak with another's voice.
#[tokio::test]
async fn a_hostile_server_harms_nobody_but_its_own_session() {
    use Becomes::{Answered, Either, Error, Lost, Passed};
    let settings = "limits.max_message_bytes = \"4MiB\"\nlimits.breaker_threshold = 100000\npool.max_error_count = 1000\nbackoff.min = \"1ms\"\nbackoff.max = \"10ms\"\ntimeouts.request = \"10s\"\n";
    let world = World::new(&backend("bad", &["--hostile"], settings)).await;
    let mallory = Client::open_with(&world.service, "bad", MALLORY, json!({ "roots": {} })).await;
    let neighbour = Client::open_with(&world.service, "bad", MALLORY, json!({})).await;
    neighbour.text("counter", json!({})).await;
    let rows: Vec<(&str, Becomes)> = vec![
        ("answers never asked for", Answered),
        ("an answer for everybody", Answered),
        ("a giant id", Answered),
        ("a giant number for an id", Answered),
        ("the id as text", Answered),
        ("the id as a fraction", Answered),
        ("the id with an exponent", Answered),
        ("the id in an array", Answered),
        ("the id in an object", Answered),
        ("the id null", Answered),
        ("the id true", Answered),
        ("the id below zero", Answered),
        ("a deep id", Answered),
        ("errors for nobody", Answered),
        ("progress without end", Answered),
        ("progress of others", Answered),
        ("progress backwards", Answered),
        ("progress of no number", Answered),
        ("cancels what it was never asked", Answered),
        ("calls its client", Answered),
        ("pings without end", Either),
        ("asks without end", Either),
        ("asks twice under one id", Answered),
        ("changes without end", Answered),
        ("another handshake", Answered),
        ("words of another era", Answered),
        ("empty lines", Answered),
        ("noise", Answered),
        ("NUL", Answered),
        ("colours", Answered),
        ("batches", Answered),
        ("a batch of batches", Lost("protocol")),
        ("stderr without a newline", Answered),
        ("stderr with terminal commands", Answered),
        ("a line without end", Lost("oversize")),
        ("a message without end", Lost("oversize")),
        ("a batch of nonsense", Lost("protocol")),
        ("invalid UTF-8", Lost("protocol")),
        ("a raw control character", Lost("protocol")),
        ("a result and an error", Lost("protocol")),
        ("neither result nor error", Lost("protocol")),
        ("two ids", Lost("protocol")),
        ("another version of JSON-RPC", Lost("protocol")),
        ("text after the message", Lost("protocol")),
        ("twice", Answered),
        ("deep", Passed),
        ("wide", Answered),
        ("huge numbers", Passed),
        ("control characters", Passed),
        ("a lone surrogate", Passed),
        ("between carriage returns", Answered),
        ("an answer of another era", Answered),
        ("no object", Passed),
        ("null", Passed),
        ("a code of text", Passed),
        ("a huge code", Passed),
        ("an error that is text", Passed),
        ("an error that is null", Passed),
        ("a forged error of the gateway", Error(-31007)),
        ("in a batch", Answered),
    ];
    let before = resident(world.service.pid());
    let mut worst = 0;
    for (what, becomes) in rows {
        for accept in ["application/json, text/event-stream", "text/event-stream, application/json"] {
            let call = mallory.message(
                "tools/call",
                json!({ "name": "hostile", "arguments": { "what": what }, "_meta": { "progressToken": 1 } }),
            );
            let sent = mallory.ask(call.to_string()).header("accept", accept);
            let text = world.attack(what, async {
                let reply = sent.send_patiently(&world.service.main).await;
                assert_eq!(reply.status, 200, "{what}");
                soon(what, reply.text()).await
            });
            let text = text.await;
            let id = call["id"].to_string();
            let shown = text.get(text.len().saturating_sub(400)..).unwrap_or(&text);
            let answers = answers(&text, &call["id"]);
            let answer = answers.first().cloned().unwrap_or(Value::Null);
            let alone = answers.len() == 1;
            match becomes {
                Answered => assert!(alone && text_of(&answer) == what, "{what}: {shown}"),
                Error(wanted) => assert!(alone && code(&answer) == wanted, "{what}: {shown}"),
                // Some of it only a reader of bytes can read.
                Passed => assert!(
                    text.contains(&format!("\"id\":{id}")) && !text.contains("\"data\":{\"backend\":\"bad\""),
                    "{what}: {shown}"
                ),
                Lost(why) => assert_eq!((code(&answer), reason(&answer)), (-31001, why), "{what}: {shown}"),
                Either => {
                    assert!(alone && (code(&answer) == -31001 || text_of(&answer) == what), "{what}: {shown}")
                }
            }
            assert!(!shown.contains("a lie"), "{what}: {shown}");
            worst = worst.max(resident(world.service.pid()).saturating_sub(before));
            assert!(worst < ROOM, "{what}: the service needs {} MiB more", worst / MIB);
            assert_eq!(mallory.text("echo", json!({ "message": what })).await, what, "the session goes on");
        }
    }
    println!("memory: at most {} MiB more", worst / MIB);
    assert_eq!(
        neighbour.text("counter", json!({})).await,
        "2",
        "another session of the same backend has its own server"
    );
    mallory.delete().await;
    neighbour.delete().await;
    world.ends("backend, over stdio").await;
}

/// The answers in a body, plain or of events.
fn answers(body: &str, id: &Value) -> Vec<Value> {
    let data = body
        .split("\n\n")
        .map(|event| event.lines().filter_map(|line| line.strip_prefix("data:")).collect::<String>());
    let parsed = data.chain([body.to_owned()]).filter_map(|text| serde_json::from_str::<Value>(&text).ok());
    parsed.filter(|message| message["id"] == *id && message.get("method").is_none()).collect()
}

/// The name of a tool would be a header, a label, a path or a command for somebody on its way.
#[tokio::test]
async fn hostile_names_of_tools_are_only_names() {
    let labels = "[telemetry]\ntool_labels = true\n";
    let world = World::new(&[labels, &backend("bad", &["--hostile"], "")].concat()).await;
    for path in ["bad", ""] {
        let mallory = Client::open_with(&world.service, path, MALLORY, json!({})).await;
        let listed = world.attack("a list", mallory.request("tools/list", json!({}))).await;
        let listed = listed["result"]["tools"].as_array().unwrap().clone();
        let hostile: Vec<&str> = listed
            .iter()
            .filter(|tool| tool["description"] == "Has a hostile name.")
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert!(hostile.len() >= if path.is_empty() { 1 } else { 14 }, "{path}: {hostile:?}");
        for name in hostile {
            let answer = world.attack(name, mallory.call(name, json!({}))).await;
            assert!(text_of(&answer).ends_with("does nothing"), "{name:?}: {answer}");
        }
        mallory.delete().await;
    }
    let page = world.service.metrics().await;
    for line in page.lines() {
        assert!(
            line.is_empty()
                || line.starts_with('#')
                || line.starts_with("mcpvisor_")
                || line.starts_with("process_")
                || line.starts_with("mcp_"),
            "a line of a forged metric: {line}"
        );
        assert!(!line.starts_with("mcpvisor_forged"), "{line}");
    }
    for path in ["/api/v1/backends", "/api/v1/connections", "/api/v1/openapi.json"] {
        let text = Ask::new("GET", path).send(&world.service.admin).await.text().await;
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{path}: {text}");
    }
    world.ends("backend, names").await;
}
