//! What a backend wants to know before it answers.

use super::*;

fn form(message: &str) -> Value {
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message } })
}

fn wants(id: u64, requests: Value, state: Option<&str>) -> Value {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn able() -> World {
    World::greeted(false, json!({ "elicitation": {}, "sampling": {}, "roots": {} }), json!({}))
}

fn answer(question: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
}

#[test]
fn questions_are_asked_and_the_request_sent_again_with_all_answers() {
    let mut world = able();
    world.call(2);
    let requests = json!({ "b": form("who?"), "a": { "method": "roots/list" } });
    let asked = world.backend(wants(2, requests, Some("s")), None);
    let [Said::Client(one, Some(2)), Said::Client(other, Some(2))] = &asked[..] else { panic!("{asked:?}") };
    let mut by_method = [one, other];
    by_method.sort_by_key(|question| question["method"].to_string());
    let [form, roots] = by_method;
    assert_eq!(form["params"], json!({ "mode": "form", "message": "who?" }));
    assert_eq!(roots["method"], "roots/list");
    assert!(world.client(answer(roots, json!({ "roots": [] }))).is_empty());
    let again = only(world.client(answer(form, json!({ "action": "accept" })))).for_backend();
    assert!(again["id"].as_u64().unwrap() > OWN_IDS, "another id: {again}");
    assert_eq!(again["params"]["name"], "t");
    assert_eq!(again["params"]["_meta"]["progressToken"], "p");
    assert_eq!(again["params"]["requestState"], "s");
    let expected = json!({ "a": { "roots": [] }, "b": { "action": "accept" } });
    assert_eq!(again["params"]["inputResponses"], expected);
    let id = again["id"].as_u64().unwrap();
    assert_eq!(
        world.translator.owner(id),
        Some(Owner::Request(2)),
        "what it says on the way is the client's"
    );
    let done = json!({ "jsonrpc": "2.0", "id": id, "result": { "resultType": "complete", "content": [] } });
    let told = only(world.backend(done, Some(id))).for_client();
    assert_eq!(told, json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [] } }));
}

/// The answers of one round would be given to the next.
#[test]
fn a_second_round_has_its_own_answers_and_state() {
    let mut world = able();
    world.call(2);
    let asked = only(world.backend(wants(2, json!({ "k": form("1") }), Some("s")), None)).for_client();
    let again = only(world.client(answer(&asked, json!({ "action": "decline" })))).for_backend();
    let id = again["id"].as_u64().unwrap();
    let asked = only(world.backend(wants(id, json!({ "l": form("2") }), None), None)).for_client();
    let again = only(world.client(answer(&asked, json!({ "action": "accept" })))).for_backend();
    assert_eq!(again["params"]["inputResponses"], json!({ "l": { "action": "accept" } }));
    assert!(again["params"].get("requestState").is_none());
}

#[test]
fn a_server_that_only_gives_a_state_is_asked_again_at_once() {
    let mut world = able();
    world.call(2);
    let result = json!({ "resultType": "input_required", "requestState": "later" });
    let again =
        only(world.backend(json!({ "jsonrpc": "2.0", "id": 2, "result": result }), None)).for_backend();
    assert_eq!(again["params"]["requestState"], "later");
    assert!(again["params"].get("inputResponses").is_none());
}

/// A server that never has enough would keep its client busy for ever.
#[test]
fn ten_rounds_are_the_most() {
    let mut world = able();
    let mut id = world.call(2)["id"].as_u64().unwrap();
    for _ in 0..10 {
        let asked = only(world.backend(wants(id, json!({ "k": form("?") }), None), None)).for_client();
        let again = only(world.client(answer(&asked, json!({ "action": "accept" })))).for_backend();
        id = again["id"].as_u64().unwrap();
    }
    let told = only(world.backend(wants(id, json!({ "k": form("?") }), None), None)).for_client();
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(2), &json!(-32603)));
}

#[test]
fn what_the_client_has_not_declared_is_not_asked_and_the_request_fails_in_words() {
    let mut world = World::greeted(false, json!({}), json!({}));
    world.call(2);
    let told = only(world.backend(wants(2, json!({ "k": form("?") }), None), None)).for_client();
    assert_eq!(told["error"]["code"], -32603);
    assert!(told["error"]["message"].as_str().unwrap().contains("not declared: elicitation"), "{told}");
}

#[test]
fn a_page_to_open_has_a_name_that_is_its_own() {
    let mut world = World::greeted(false, json!({ "elicitation": { "url": {} } }), json!({}));
    world.call(2);
    let params = json!({ "mode": "url", "message": "log in", "url": "https://a.example" });
    let requests = json!({ "k": { "method": "elicitation/create", "params": params } });
    let asked = only(world.backend(wants(2, requests, None), None)).for_client();
    assert!(asked["params"]["elicitationId"].as_str().unwrap().starts_with("nonce-"), "{asked}");
}

/// The client would go on showing a form for a call that is over.
#[test]
fn one_refused_answer_ends_the_request_and_takes_the_other_questions_back() {
    let mut world = able();
    world.call(2);
    let requests = json!({ "a": form("1"), "b": form("2") });
    let asked: Vec<Value> =
        world.backend(wants(2, requests, None), None).into_iter().map(Said::for_client).collect();
    let error = json!({ "jsonrpc": "2.0", "id": asked[0]["id"], "error": { "code": -1, "message": "no" } });
    let told: Vec<Value> = world.client(error).into_iter().map(Said::for_client).collect();
    assert_eq!(told[0]["method"], "notifications/cancelled");
    assert_eq!(told[0]["params"]["requestId"], asked[1]["id"]);
    assert_eq!((&told[1]["id"], &told[1]["error"]["code"]), (&json!(2), &json!(-32603)));
    assert!(world.client(answer(&asked[1], json!({}))).is_empty(), "too late");
}

#[test]
fn a_request_that_is_taken_back_while_its_client_is_asked_is_over() {
    let mut world = able();
    world.call(2);
    let asked = only(world.backend(wants(2, json!({ "a": form("1") }), None), None)).for_client();
    let params = json!({ "requestId": 2 });
    let said =
        world.client(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }));
    let [Said::Client(taken_back, Some(2)), Said::Gone(2)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    assert!(world.client(answer(&asked, json!({}))).is_empty());
}

#[test]
fn the_second_sending_is_what_is_taken_back_and_what_fails() {
    let mut world = able();
    world.call(2);
    let asked = only(world.backend(wants(2, json!({ "a": form("1") }), None), None)).for_client();
    let again = only(world.client(answer(&asked, json!({})))).for_backend();
    let id = again["id"].as_u64().unwrap();
    let params = json!({ "requestId": 2 });
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    assert_eq!(world.client(cancel), [Said::Withdrawn(id)]);
    assert_eq!(world.translator.abort(2), Some(id));
    let late = json!({ "jsonrpc": "2.0", "id": id, "result": {} });
    assert!(world.backend(late, None).is_empty(), "nobody waits for it");
}
