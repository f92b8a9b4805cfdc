//! `requestState`: worth nothing but to the one who got it, for the request it was given for, once, and for a time.

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::{Service, backend, code, conforming, eventually, text_of};
use crate::keys::{ALICE, BOB, keys};

fn accept() -> Value {
    json!({ "r1": { "action": "accept" } })
}

/// Somebody could answer for another, twice, or something else than was asked.
#[tokio::test]
async fn a_state_that_is_not_for_this_is_refused() {
    let config = [keys(), backend("a", &[], ""), backend("b", &[], "")].concat();
    let service = Service::start(&config).await;
    let client = Modern::new(&service, "a").by(ALICE);
    let (_, state) = client.asked("elicit", json!({ "message": "m" })).await;
    let same = json!({ "message": "m" });
    let refused = |(status, answer): (u16, Value), what: &str| {
        assert_eq!((status, code(&answer)), (200, -32602), "{what}: {answer}");
    };
    let text = state.as_str().unwrap();
    for (what, changed) in [
        ("a change at the end", json!(format!("{text}A"))),
        (
            "a change in the middle",
            json!(text.replacen(&text[20..22], if &text[20..22] == "AA" { "BB" } else { "AA" }, 1)),
        ),
        ("nothing", json!("")),
        ("no text", json!(7)),
        ("one of another server", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        refused(client.answer("elicit", same.clone(), accept(), &changed).await, what);
    }
    refused(client.answer("elicit", json!({ "message": "n" }), accept(), &state).await, "other arguments");
    refused(client.answer("sample", same.clone(), accept(), &state).await, "another tool");
    refused(
        Modern::new(&service, "b").by(ALICE).answer("elicit", same.clone(), accept(), &state).await,
        "another backend",
    );
    let other = Modern::new(&service, "a").by(ALICE).able(json!({ "elicitation": {} }));
    refused(other.answer("elicit", same.clone(), accept(), &state).await, "another connection");
    refused(
        Modern::new(&service, "a").by(BOB).answer("elicit", same.clone(), accept(), &state).await,
        "somebody else",
    );
    let foreign = service.metric(r#"mcpvisor_auth_failures_total{reason="foreign_state"}"#).await;
    assert_eq!(foreign, 1.0, "it is counted once");
    let (status, done) = client.answer("elicit", same.clone(), accept(), &state).await;
    assert_eq!(
        (status, text_of(&done).as_str()),
        (200, r#"{"action":"accept"}"#),
        "none of this has hurt the call"
    );
    refused(client.answer("elicit", same, accept(), &state).await, "once more");
}

/// A client that never comes back would keep its server at work for ever.
#[tokio::test]
async fn a_call_nobody_comes_back_for_is_taken_back_at_the_backend() {
    let config = format!("[session]\nparked_ttl = \"500ms\"\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let client = Modern::new(&service, "a");
    let (_, state) = client.asked("elicit", json!({})).await;
    service.in_flight(0).await;
    let (status, answer) = client.answer("elicit", json!({}), accept(), &state).await;
    assert_eq!((status, code(&answer)), (200, -32602), "{answer}");
    let cancelled = async || (client.text("cancelled", json!({})).await == "1").then_some(());
    eventually("the backend has heard of it", cancelled).await;
}

/// The clock of a request would run while its user thinks.
#[tokio::test]
async fn the_time_of_a_call_stands_still_while_it_is_parked() {
    let service = Service::start(&backend("a", &[], "timeouts.request = \"1s\"")).await;
    let client = Modern::new(&service, "a");
    let (_, state) = client.asked("elicit", json!({})).await;
    // Longer than the call may take, told by another one that does not wait for its user.
    let (_, late) = client.call("sleep", json!({ "ms": 60_000 })).await;
    assert_eq!(code(&late), -31003, "{late}");
    let (_, done) = client.answer("elicit", json!({}), accept(), &state).await;
    assert_eq!(text_of(&done), r#"{"action":"accept"}"#);
}

/// What was sealed before a restart would be refused although the operator gave a key for it; what it names is gone.
#[tokio::test]
async fn a_state_of_an_earlier_start_is_refused_in_words() {
    let mut service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let (_, state) = client.asked("elicit", json!({})).await;
    service.signal(rustix::process::Signal::TERM);
    service.start_again().await;
    let client = Modern::new(&service, "a");
    let (status, answer) = client.answer("elicit", json!({}), accept(), &state).await;
    assert_eq!((status, code(&answer)), (200, -32602), "{answer}");
}

/// A server cannot tell its clients apart here: somebody else's confirmation could be used for a call of one's own.
#[tokio::test]
async fn a_state_of_the_server_s_own_is_bound_to_whoever_got_it() {
    const TOOL: &str = "test_input_required_result_request_state";
    const OWN: &str = "state-of-the-conformance-fixture";
    let config =
        [keys(), conforming("own", "modern", ""), conforming("shared", "modern", "isolation = \"shared\"")];
    let service = Service::start(&config.concat()).await;
    let mut foreign = 0.0;
    for name in ["own", "shared"] {
        let client = |key: &str| Modern::new(&service, name).by(key);
        let (alice, bob) = (client(ALICE), client(BOB));
        let (questions, state) = alice.asked(TOOL, json!({})).await;
        assert!(!state.as_str().unwrap().contains(OWN), "{state}");
        let answers: Value = questions.as_object().unwrap().keys().fold(json!({}), |mut answers, key| {
            answers[key] = json!({ "action": "accept", "content": { "ok": true } });
            answers
        });
        let elsewhere = if name == "own" { "shared" } else { "own" };
        for (what, thief, state) in [
            ("somebody else", &bob, &state),
            ("as the server wrote it", &bob, &json!(OWN)),
            ("no text", &alice, &json!(7)),
            ("another backend", &Modern::new(&service, elsewhere).by(ALICE), &state),
        ] {
            let (status, answer) = thief.answer(TOOL, json!({}), answers.clone(), state).await;
            assert_eq!((status, code(&answer)), (200, -32602), "{name}, {what}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains("not valid for this request"));
        }
        foreign += 1.0;
        let counted = service.metric(r#"mcpvisor_auth_failures_total{reason="foreign_state"}"#).await;
        assert_eq!(counted, foreign, "{name}");
        let (_, done) = alice.answer(TOOL, json!({}), answers.clone(), &state).await;
        assert_eq!(done["result"]["resultType"], "complete", "{name}: {done}");
        // The same at the endpoint of all.
        let (alice, bob) = (Modern::new(&service, "").by(ALICE), Modern::new(&service, "").by(BOB));
        let tool = format!("{name}__{TOOL}");
        let (_, state) = alice.asked(&tool, json!({})).await;
        assert_eq!(code(&bob.answer(&tool, json!({}), answers.clone(), &state).await.1), -32602);
        foreign += 1.0;
        let (_, done) = alice.answer(&tool, json!({}), answers, &state).await;
        assert_eq!(done["result"]["resultType"], "complete", "{name}: {done}");
    }
    // Where there is only one principal, nothing is changed.
    let service = Service::start(&conforming("m", "modern", "isolation = \"shared\"")).await;
    assert_eq!(Modern::new(&service, "m").asked(TOOL, json!({})).await.1, OWN);
}
