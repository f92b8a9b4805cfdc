//! What a server wants to know of its client.

use serde_json::{Value, json};

use crate::common::{Client, Reply, Service, code, conforming, soon, text_of};
use crate::{WAYS, World, able, start};

/// What a client says to each kind of question.
fn reply_to(question: &Value) -> Value {
    match question["method"].as_str().unwrap() {
        "elicitation/create" => {
            json!({ "action": "accept", "content": { "name": "Ann", "color": "red", "ok": true } })
        }
        "sampling/createMessage" => {
            let content = json!({ "type": "text", "text": "Paris" });
            json!({ "role": "assistant", "content": content, "model": "m" })
        }
        "roots/list" => json!({ "roots": [{ "uri": "file:///x" }] }),
        other => panic!("not a question: {other}"),
    }
}

/// Answers what is asked on the stream of a call until that is answered; what was asked, and the answer.
async fn converse(client: &Client, mut stream: Reply) -> (Vec<String>, Value) {
    let mut asked = Vec::new();
    loop {
        let message = soon("the next message", stream.message()).await.unwrap();
        match message["method"].as_str() {
            Some(method) => asked.push(method.to_owned()),
            None => return (asked, message),
        }
        client.respond(&message["id"], reply_to(&message)).await;
    }
}

/// Tools that need the client's model, its user or its files would not work through the gateway.
#[tokio::test]
async fn questions_are_asked_as_the_client_knows_them_and_answered_together() {
    let world = World::start("").await;
    for name in WAYS {
        let client = able(&world.service, name).await;
        let (call, stream) = start(&client, "test_input_required_result_multiple_inputs", json!({})).await;
        let (mut asked, answer) = converse(&client, stream).await;
        asked.sort();
        assert_eq!(asked, ["elicitation/create", "roots/list", "sampling/createMessage"], "{name}");
        assert_eq!(answer["id"], call["id"]);
        let text = text_of(&answer);
        assert!(["state-ok", "Ann", "Paris", "file:///x"].iter().all(|part| text.contains(part)), "{text}");
    }
}

/// A tool that asks one thing after another would stop at the second.
#[tokio::test]
async fn a_tool_may_ask_more_than_once() {
    let world = World::start("").await;
    for name in WAYS {
        let client = able(&world.service, name).await;
        let (_, stream) = start(&client, "test_input_required_result_multi_round", json!({})).await;
        let (asked, answer) = converse(&client, stream).await;
        assert_eq!(asked.len(), 2, "{name}: {answer}");
        assert!(text_of(&answer).contains("red"));
        let params = json!({ "name": "test_input_required_result_prompt" });
        let stream = client.post(&client.message("prompts/get", params)).await;
        let (asked, answer) = converse(&client, stream).await;
        assert_eq!((asked.len(), answer["result"]["messages"].is_array()), (1, true), "{name}: {answer}");
    }
}

/// One user's question would be shown in another's call, or be refused, as on any other pipe.
#[tokio::test]
async fn questions_of_several_calls_at_once_come_on_the_stream_of_each() {
    let world = World::start("").await;
    for name in WAYS {
        let client = able(&world.service, name).await;
        let (one, mut first) = start(&client, "test_input_required_result_elicitation", json!({})).await;
        let (other, mut second) = start(&client, "test_input_required_result_sampling", json!({})).await;
        let (form, model) = (first.message().await.unwrap(), second.message().await.unwrap());
        assert_eq!(
            (&form["method"], &model["method"]),
            (&json!("elicitation/create"), &json!("sampling/createMessage"))
        );
        client.respond(&model["id"], reply_to(&model)).await;
        let answer = soon("the second answer", second.message()).await.unwrap();
        assert!(answer["id"] == other["id"] && text_of(&answer).contains("Paris"), "{name}: {answer}");
        client.respond(&form["id"], reply_to(&form)).await;
        let answer = soon("the first answer", first.message()).await.unwrap();
        assert!(answer["id"] == one["id"] && text_of(&answer).contains("Ann"), "{name}: {answer}");
    }
}

/// A user who thinks for a while would lose the call.
#[tokio::test]
async fn the_time_of_a_call_stands_still_while_its_client_is_asked() {
    let settings = "timeouts.request = \"1s\"\ntimeouts.heartbeat = \"200ms\"\ntimeouts.missed_pings = 2";
    let service = Service::start(&conforming("p", "modern", settings)).await;
    let client = able(&service, "p").await;
    let (_, mut stream) = start(&client, "test_input_required_result_elicitation", json!({})).await;
    let asked = stream.message().await.unwrap();
    let waited = stream.message_within(std::time::Duration::from_millis(2500)).await;
    assert_eq!(waited, None, "nothing is said until the user has answered");
    client.respond(&asked["id"], reply_to(&asked)).await;
    assert!(text_of(&soon("the answer", stream.message()).await.unwrap()).contains("Ann"));
}

/// A client would be asked what it cannot answer, and its call wait for ever.
#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_what_it_lacks() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let answer = client.call("test_input_required_result_elicitation", json!({})).await;
        assert_eq!(code(&answer), -32603, "{name}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("elicitation"), "{answer}");
    }
}

/// A refusal would be taken for silence.
#[tokio::test]
async fn a_client_that_answers_with_an_error_ends_the_call() {
    let world = World::start("").await;
    for name in WAYS {
        let client = able(&world.service, name).await;
        let (call, mut stream) = start(&client, "test_input_required_result_sampling", json!({})).await;
        let asked = stream.message().await.unwrap();
        let error = json!({ "code": -1, "message": "User rejected" });
        let refusal = json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
        assert_eq!(client.post(&refusal).await.status, 202);
        let answer = soon("the answer", stream.message()).await.unwrap();
        assert_eq!((&answer["id"], code(&answer)), (&call["id"], -32603), "{name}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("User rejected"));
    }
}

/// A form would stay open for a call that nobody waits for.
#[tokio::test]
async fn a_call_that_is_cancelled_while_its_client_is_asked_takes_the_question_back() {
    let world = World::start("").await;
    for name in WAYS {
        let client = able(&world.service, name).await;
        let (call, mut stream) = start(&client, "test_input_required_result_elicitation", json!({})).await;
        let asked = stream.message().await.unwrap();
        client.notify("notifications/cancelled", json!({ "requestId": call["id"] })).await;
        let taken_back = soon("the question is taken back", stream.message()).await.unwrap();
        assert_eq!(taken_back["method"], "notifications/cancelled", "{name}");
        assert_eq!(taken_back["params"]["requestId"], asked["id"]);
        assert_eq!(soon("the end", stream.message()).await, None);
        client.respond(&asked["id"], reply_to(&asked)).await;
        client.text("test_simple_text", json!({})).await;
    }
}
