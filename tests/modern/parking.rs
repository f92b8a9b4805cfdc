//! What a backend asks in the middle of a call: an answer of its own to a client of 2026-07-28, who comes back with answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::conforming;
use crate::common::{Service, backend, code, eventually, kill_9, reason, text_of};

fn said(answer: &Value) -> Value {
    serde_json::from_str(&text_of(answer)).unwrap()
}

/// A tool that needs its user, the client's model or its folders would fail for every client of today.
#[tokio::test]
async fn every_question_is_asked_and_its_answer_reaches_the_backend() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let elicited = json!({ "action": "accept", "content": { "name": "Ann", "n": 1.0 } });
    let sampled =
        json!({ "role": "assistant", "content": { "type": "text", "text": "Hello" }, "model": "m" });
    let roots = json!({ "roots": [{ "uri": "file:///x" }] });
    for (tool, method, answer) in [
        ("elicit", "elicitation/create", elicited),
        ("sample", "sampling/createMessage", sampled),
        ("roots", "roots/list", roots),
    ] {
        let (asked, state) = client.asked(tool, json!({})).await;
        assert_eq!(
            (asked.as_object().unwrap().len(), &asked["r1"]["method"]),
            (1, &json!(method)),
            "{asked}"
        );
        assert!(asked["r1"].get("id").is_none() && asked["r1"].get("jsonrpc").is_none());
        let (status, done) = client.answer(tool, json!({}), json!({ "r1": answer }), &state).await;
        assert_eq!((status, &done["result"]["resultType"], said(&done)), (200, &json!("complete"), answer));
    }
    service.in_flight(0).await;
}

/// A tool that asks for several things at once would get one answer only.
#[tokio::test]
async fn what_is_asked_together_is_asked_in_one_round_and_what_follows_in_the_next() {
    let service = Service::start(&conforming("a", "legacy", "")).await;
    let client = Modern::new(&service, "a");
    let tool = "test_input_required_result_multiple_inputs";
    let (asked, state) = client.asked(tool, json!({})).await;
    let mut keys: Vec<&String> = asked.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["client_roots", "greeting", "user_name"]);
    let answers = json!({ "user_name": { "action": "decline" }, "client_roots": { "roots": [] },
        "greeting": { "role": "assistant", "content": { "type": "text", "text": "Hi" }, "model": "m" } });
    let (_, done) = client.answer(tool, json!({}), answers, &state).await;
    assert!(text_of(&done).contains("state-ok"), "{done}");
    let tool = "test_input_required_result_multi_round";
    let (asked, first) = client.asked(tool, json!({})).await;
    assert!(asked["step1"].is_object(), "{asked}");
    let accept = |content: Value| json!({ "action": "accept", "content": content });
    let (_, next) =
        client.answer(tool, json!({}), json!({ "step1": accept(json!({ "name": "Ann" })) }), &first).await;
    let second = &next["result"]["requestState"];
    assert!(next["result"]["inputRequests"]["step2"].is_object() && *second != first, "{next}");
    let answers = json!({ "step2": accept(json!({ "color": "blue" })) });
    let (_, done) = client.answer(tool, json!({}), answers, second).await;
    assert!(text_of(&done).contains("blue"), "{done}");
}

/// A client that forgets an answer, or sends nonsense, would lose the whole call.
#[tokio::test]
async fn answers_that_are_missing_or_malformed_are_asked_for_again() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let (asked, mut state) = client.asked("elicit", json!({})).await;
    for wrong in [
        json!({}),
        json!({ "other": { "action": "accept" } }),
        json!({ "r1": 7 }),
        json!({ "r1": { "action": "yes" } }),
    ] {
        let (status, again) = client.answer("elicit", json!({}), wrong.clone(), &state).await;
        let result = &again["result"];
        assert_eq!((status, &result["resultType"]), (200, &json!("input_required")), "{wrong}: {again}");
        assert_eq!(result["inputRequests"], asked, "the same is asked");
        assert_ne!(result["requestState"], state);
        state = result["requestState"].clone();
    }
    let (_, done) = client.answer("elicit", json!({}), json!({ "r1": { "action": "cancel" } }), &state).await;
    assert_eq!(said(&done), json!({ "action": "cancel" }));
}

/// Answers to something that was never asked would be taken for answers to what is asked next.
#[tokio::test]
async fn answers_without_a_state_are_a_new_call_and_the_backend_never_sees_them() {
    let folder = tempfile::TempDir::new().unwrap();
    let record = folder.path().join("record");
    let flags = ["--record", record.to_str().unwrap()];
    let service = Service::start_in(folder, &backend("a", &flags, ""), &[]).await;
    let client = Modern::new(&service, "a");
    for state in [None, Some(Value::Null)] {
        let mut params = json!({ "name": "elicit", "inputResponses": { "r1": { "action": "accept" } } });
        if let Some(state) = state {
            params["requestState"] = state;
        }
        let answer = client.result("tools/call", params).await;
        assert_eq!(answer["resultType"], "input_required");
    }
    let record = std::fs::read_to_string(&record).unwrap();
    let call = record.lines().find(|line| line.contains("tools/call")).unwrap();
    assert!(!call.contains("inputResponses") && !call.contains("io.modelcontextprotocol/"), "{call}");
}

/// Progress of the second half would come under a token that nobody knows any more.
#[tokio::test]
async fn a_call_that_goes_on_answers_under_the_new_id() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let (_, state) = client.asked("elicit", json!({})).await;
    let params = json!({ "name": "elicit", "arguments": {}, "requestState": state, "inputResponses": { "r1": { "action": "decline" } } });
    let mut message = client.message("tools/call", params);
    message["id"] = json!("another");
    let answer = client.post(&message).await.json().await;
    assert_eq!((&answer["id"], said(&answer)), (&json!("another"), json!({ "action": "decline" })));
}

/// One client that never comes back would keep all others from being asked anything.
#[tokio::test]
async fn a_call_that_nobody_comes_back_for_keeps_no_other_from_asking() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let first = client.asked("elicit", json!({ "message": "first" })).await;
    let second = client.asked("elicit", json!({ "message": "second" })).await;
    for (message, (asked, state)) in [("second", second), ("first", first)] {
        assert_eq!(asked["r1"]["params"]["message"], message);
        let answers = json!({ "r1": { "action": "accept", "content": { "name": message } } });
        let (_, done) = client.answer("elicit", json!({ "message": message }), answers, &state).await;
        assert_eq!(said(&done)["content"]["name"], message);
    }
}

/// The same for one that gave up, to which the backend need not answer any more.
#[tokio::test]
async fn a_call_that_was_taken_back_keeps_no_other_from_asking() {
    let service = Service::start(&backend("a", &["--no-answer"], "")).await;
    let client = Modern::new(&service, "a");
    client.pid().await;
    let message = client.message("tools/call", json!({ "name": "silent" }));
    let gone = tokio::time::timeout(Duration::from_millis(300), client.post(&message)).await;
    assert!(gone.is_err());
    let cancelled = async || (client.text("cancelled", json!({})).await == "1").then_some(());
    eventually("the backend has heard of it", cancelled).await;
    client.asked("elicit", json!({})).await;
}

/// A question could be put to somebody who never made the call it is about.
#[tokio::test]
async fn what_may_be_about_either_of_two_calls_is_refused() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    client.pid().await;
    let ((_, slept), answer) = tokio::join!(client.call("sleep", json!({ "ms": 1500 })), async {
        service.in_flight(1).await;
        client.call("elicit", json!({})).await.1
    });
    assert_eq!(text_of(&slept), "slept 1500 ms");
    assert_eq!(answer["result"]["isError"], true, "the tool was told: {answer}");
}

/// A question in the middle of what cannot be interrupted would never be answered.
#[tokio::test]
async fn a_server_that_dies_with_a_parked_call_is_told_when_the_client_comes_back() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let pid = client.pid().await;
    let (_, state) = client.asked("elicit", json!({})).await;
    kill_9(pid);
    service.in_flight(0).await;
    let (status, answer) =
        client.answer("elicit", json!({}), json!({ "r1": { "action": "accept" } }), &state).await;
    assert_eq!((status, code(&answer), reason(&answer)), (200, -31001, "signal"), "{answer}");
    let (_, state) = client.asked("elicit", json!({})).await;
    let (_, done) =
        client.answer("elicit", json!({}), json!({ "r1": { "action": "decline" } }), &state).await;
    assert_eq!(said(&done), json!({ "action": "decline" }));
}

/// What a server of this era asks would be changed, and its state not be recognised.
#[tokio::test]
async fn a_backend_of_the_same_era_asks_in_its_own_words_and_gets_its_own_state_back() {
    let service = Service::start(&conforming("m", "modern", "")).await;
    let client = Modern::new(&service, "m");
    let tool = "test_input_required_result_request_state";
    let (asked, state) = client.asked(tool, json!({})).await;
    assert!(asked["confirm"].is_object());
    assert_eq!(state, "state-of-the-conformance-fixture", "byte for byte");
    let answers = json!({ "confirm": { "action": "accept", "content": { "ok": true } } });
    let (_, done) = client.answer(tool, json!({}), answers.clone(), &state).await;
    assert!(text_of(&done).contains("state-ok"), "{done}");
    let (_, refused) = client.answer(tool, json!({}), answers, &json!("changed")).await;
    assert_eq!(code(&refused), -32602, "the backend looks after its own: {refused}");
}
