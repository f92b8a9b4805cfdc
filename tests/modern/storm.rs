//! Clients of 2026-07-28 come and go at random while their servers are killed: each gets its own answer or a typed error, and
//! in the end nothing is left.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::{Dice, PATIENCE, Service, all, backend, code, eventually, signal_marked, text_of};
use crate::demo;

const CLIENTS: u64 = 12;
const STEPS: u64 = 25;

/// An answer would reach another client, a call hang, or a process, a stream or a parked call stay for ever.
#[tokio::test]
async fn a_storm_of_kills_mixes_nothing_up_and_leaves_nothing_behind() {
    let settings = "pool.max_error_count = 100000\nlimits.breaker_threshold = 100000\nbackoff.min = \"10ms\"\nbackoff.max = \"50ms\"";
    let config = [
        "[session]\nparked_ttl = \"1s\"\nheader = \"x-session\"\n".to_owned(),
        backend("a", &[], settings),
        demo("d", settings),
    ]
    .concat();
    let mut service = Service::start(&config).await;
    let clients = (0..CLIENTS).map(|number| {
        let service = &service;
        async move {
            let mut dice = Dice::new(number + 1);
            for step in 0..STEPS {
                visit(service, &mut dice, &format!("{number}-{step}")).await;
            }
        }
    });
    let killer = async {
        let mut dice = Dice::new(77);
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let connections = service.connections().await;
            let pids: Vec<u64> = connections.iter().filter_map(|one| one["pid"].as_u64()).collect();
            if let Some(pid) = dice.choose(&pids) {
                signal_marked(u32::try_from(*pid).unwrap(), &service.instance, Signal::KILL);
            }
        }
    };
    let storm = async {
        tokio::select! { _ = all(clients) => {}, () = killer => {} }
    };
    tokio::time::timeout(4 * PATIENCE, storm).await.expect("nobody waits for ever");
    service.in_flight(0).await;
    for name in ["a", "d"] {
        for kind in ["post", "listen"] {
            let series = format!("mcpvisor_streams_open{{backend={name:?},kind={kind:?}}}");
            let closed = async || (service.metric(&series).await == 0.0).then_some(());
            eventually("all streams are closed", closed).await;
        }
        assert_eq!(Modern::new(&service, name).text("echo", json!({ "message": "calm" })).await, "calm");
    }
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
    assert!(!service.log().contains("panicked"));
}

async fn visit(service: &Service, dice: &mut Dice, mark: &str) {
    let name = if dice.below(2) == 0 { "a" } else { "d" };
    let session = dice.below(3).to_string();
    let client = Modern::new(service, name).saying("x-session", &session);
    match dice.below(6) {
        0 | 1 => {
            let (_, answer) = client.call("echo", json!({ "message": mark })).await;
            is_own_or_lost(&answer, mark);
        }
        2 => {
            let steps = json!({ "name": "progress", "arguments": { "steps": 3, "ms": 5 }, "_meta": { "progressToken": mark } });
            let reply = client.post(&client.message("tools/call", steps)).await;
            for message in reply.messages().await {
                if message["method"] == "notifications/progress" {
                    assert_eq!(message["params"]["progressToken"], mark, "{message}");
                }
            }
        }
        3 => {
            let message =
                client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 60_000 } }));
            let early = tokio::time::timeout(Duration::from_millis(50), client.post(&message)).await;
            if let Ok(reply) = early {
                is_lost(&reply.json().await);
            }
        }
        4 if name == "a" => {
            let (_, mut stream) = client.listen(json!({ "toolsListChanged": true })).await;
            let first = stream.message_within(Duration::from_secs(10)).await;
            assert_eq!(first.unwrap()["method"], "notifications/subscriptions/acknowledged");
        }
        _ if name == "a" => elicit(&client, mark, dice.below(2) == 0).await,
        _ => {
            let result = client.request("tools/list", json!({})).await.1;
            assert!(result["result"].is_object() || code(&result) <= -31000, "{result}");
        }
    }
}

/// Asked, the client answers, or never comes back.
async fn elicit(client: &Modern, mark: &str, comes_back: bool) {
    let arguments = json!({ "message": mark });
    let (_, asked) = client.call("elicit", arguments.clone()).await;
    let result = &asked["result"];
    if result["resultType"] != "input_required" {
        // Lost, or with several at work the tool was told that nobody can be asked.
        assert!(asked["error"].is_object() || result["isError"] == true, "{asked}");
        return;
    }
    assert_eq!(result["inputRequests"]["r1"]["params"]["message"], mark, "{asked}");
    if comes_back {
        let answers = json!({ "r1": { "action": "accept", "content": { "name": mark } } });
        let (_, done) = client.answer("elicit", arguments, answers, &result["requestState"]).await;
        match code(&done) {
            0 => assert!(text_of(&done).contains(mark), "{done}"),
            // Too late for `parked_ttl` on a busy machine.
            -32602 => {}
            _ => is_lost(&done),
        }
    }
}

fn is_own_or_lost(answer: &Value, mark: &str) {
    if code(answer) == 0 { assert_eq!(text_of(answer), mark) } else { is_lost(answer) }
}

fn is_lost(answer: &Value) {
    assert!((-31010..=-31000).contains(&code(answer)), "{answer}");
}
