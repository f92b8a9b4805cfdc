//! The one subscription.

use super::*;

fn listener() -> World {
    let told = json!({ "listChanged": true });
    World::greeted(
        false,
        json!({}),
        json!({ "tools": told, "prompts": {}, "resources": { "subscribe": true } }),
    )
}

fn initialized(world: &mut World) -> Value {
    let said = world.client(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    only(said).for_backend()
}

fn acknowledge(world: &mut World, listen: &Value) -> Vec<Said> {
    let params = json!({
        "_meta": { "io.modelcontextprotocol/subscriptionId": listen["id"] },
        "notifications": listen["params"]["notifications"],
    });
    let method = "notifications/subscriptions/acknowledged";
    world.backend(json!({ "jsonrpc": "2.0", "method": method, "params": params }), None)
}

fn subscription(id: u64, what: &str, uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": format!("resources/{what}"), "params": { "uri": uri } })
}

fn updated(listen: &Value, uri: &str) -> Value {
    let params = json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": listen["id"] }, "uri": uri });
    json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params })
}

fn id(message: &Value) -> u64 {
    message["id"].as_u64().unwrap()
}

#[test]
fn nobody_listens_to_a_server_that_tells_of_nothing() {
    let mut world = World::greeted(false, json!({}), json!({ "tools": {}, "resources": {} }));
    assert!(world.client(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).is_empty());
    let told = only(world.client(subscription(2, "subscribe", "x://a"))).for_client();
    assert_eq!(told["error"]["code"], -32601);
}

#[test]
fn one_subscription_stands_for_the_stream_and_every_resource() {
    let mut world = listener();
    let first = initialized(&mut world);
    assert_eq!(first["params"]["notifications"], json!({ "toolsListChanged": true }));
    assert_eq!(meta(&first, "protocolVersion"), "2026-07-28");
    assert!(acknowledge(&mut world, &first).is_empty());
    let second = only(world.client(subscription(2, "subscribe", "x://a"))).for_backend();
    let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["x://a"] });
    assert_eq!(second["params"]["notifications"], wanted);
    let said = acknowledge(&mut world, &second);
    let answer = json!({ "jsonrpc": "2.0", "id": 2, "result": {} });
    assert_eq!(said, [Said::Client(answer, None), Said::Withdrawn(id(&first))]);
    let told = only(world.backend(updated(&second, "x://a"), None)).for_client();
    assert_eq!(told["params"], json!({ "uri": "x://a" }));
    assert!(world.backend(updated(&first, "x://a"), None).is_empty(), "it would be told twice");
}

/// Each change would be one more stream at the server.
#[test]
fn changes_that_come_while_one_is_asked_for_are_asked_for_together() {
    let mut world = listener();
    let first = initialized(&mut world);
    for (wire, uri) in [(2, "x://a"), (3, "x://b")] {
        assert!(world.client(subscription(wire, "subscribe", uri)).is_empty());
    }
    let second = only(acknowledge(&mut world, &first)).for_backend();
    let wanted = &second["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(wanted, &json!(["x://a", "x://b"]));
    let said = acknowledge(&mut world, &second);
    assert_eq!(said.len(), 3, "{said:?}");
}

#[test]
fn a_resource_that_is_not_granted_is_not_subscribed_to() {
    let mut world = listener();
    let first = initialized(&mut world);
    acknowledge(&mut world, &first);
    let mut second = only(world.client(subscription(2, "subscribe", "x://a"))).for_backend();
    second["params"]["notifications"] = json!({ "toolsListChanged": true });
    let mut said = acknowledge(&mut world, &second);
    let told = said.remove(0).for_client();
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(2), &json!(-32602)));
    assert_eq!(said, [Said::Withdrawn(id(&first))]);
}

#[test]
fn an_unsubscribe_is_heeded_at_once() {
    let mut world = listener();
    let first = initialized(&mut world);
    acknowledge(&mut world, &first);
    let second = only(world.client(subscription(2, "subscribe", "x://a"))).for_backend();
    acknowledge(&mut world, &second);
    let mut said = world.client(subscription(3, "unsubscribe", "x://a"));
    let third = said.pop().unwrap().for_backend();
    assert_eq!(third["params"]["notifications"], json!({ "toolsListChanged": true }));
    assert_eq!(only(said).for_client(), json!({ "jsonrpc": "2.0", "id": 3, "result": {} }));
    assert!(world.backend(updated(&second, "x://a"), None).is_empty());
    assert_eq!(acknowledge(&mut world, &third), [Said::Withdrawn(id(&second))]);
}

/// A client would believe its list for ever.
#[test]
fn a_subscription_that_is_lost_is_had_again_and_what_was_missed_is_told() {
    let mut world = listener();
    let first = initialized(&mut world);
    acknowledge(&mut world, &first);
    let ended = json!({ "jsonrpc": "2.0", "id": first["id"], "result": { "resultType": "complete" } });
    assert!(matches!(only(world.backend(ended, None)), Said::Later(_)));
    let outs = world.translator.again();
    let second = only(world.said(outs)).for_backend();
    assert_ne!(second["id"], first["id"]);
    let told = only(acknowledge(&mut world, &second)).for_client();
    assert_eq!(told["method"], "notifications/tools/list_changed");
}

/// A server that is gone would be asked many times a second.
#[test]
fn the_pause_grows_while_nothing_comes_of_it() {
    let mut world = listener();
    let mut listen = initialized(&mut world);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let (_, outs) = world.translator.listening_failed(id(&listen), world.now);
        let Said::Later(pause) = only(world.said(outs)) else { panic!() };
        pauses.push(pause);
        let outs = world.translator.again();
        listen = only(world.said(outs)).for_backend();
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[3], "{pauses:?}");
    assert!(pauses[11] <= Duration::from_secs(60));
}

#[test]
fn a_server_without_subscriptions_is_not_asked_again() {
    let mut world = listener();
    let listen = initialized(&mut world);
    let error = json!({ "code": -32601, "message": "no" });
    let refused = json!({ "jsonrpc": "2.0", "id": listen["id"], "error": error });
    assert!(world.backend(refused, None).is_empty());
    let told = only(world.client(subscription(2, "subscribe", "x://a"))).for_client();
    assert_eq!(told["error"]["code"], -32601);
}

#[test]
fn a_subscribe_whose_question_is_refused_is_refused_and_the_rest_stays() {
    let mut world = listener();
    let first = initialized(&mut world);
    acknowledge(&mut world, &first);
    let second = only(world.client(subscription(2, "subscribe", "x://a"))).for_backend();
    let error = json!({ "code": -32602, "message": "no" });
    let refused = json!({ "jsonrpc": "2.0", "id": second["id"], "error": error });
    let told = only(world.backend(refused, None)).for_client();
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(2), &json!(-32602)));
    let changed = json!({
        "jsonrpc": "2.0", "method": "notifications/tools/list_changed",
        "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": first["id"] } },
    });
    assert_eq!(world.backend(changed, None).len(), 1);
}

/// A client would be told of changes, and list everything anew, many times a second.
#[test]
fn a_server_that_acknowledges_and_ends_at_once_is_asked_ever_more_seldom() {
    let mut world = listener();
    let mut listen = initialized(&mut world);
    let mut pauses = Vec::new();
    for seconds in [0, 0, 0, 30] {
        acknowledge(&mut world, &listen);
        world.now += Duration::from_secs(seconds);
        let ended = json!({ "jsonrpc": "2.0", "id": listen["id"], "result": {} });
        let Said::Later(pause) = only(world.backend(ended, None)) else { panic!() };
        pauses.push(pause);
        let outs = world.translator.again();
        listen = only(world.said(outs)).for_backend();
    }
    assert!(pauses[0] < pauses[1] && pauses[1] < pauses[2], "{pauses:?}");
    assert_eq!(pauses[3], pauses[0], "this one had lasted");
}
