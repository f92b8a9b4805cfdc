//! Resources, by whose they are.

use super::*;
use common::code;

async fn read(client: &Client, uri: &str) -> Value {
    client.request("resources/read", json!({ "uri": uri })).await
}

/// Whether the process of that backend has answered.
async fn is_of(client: &Client, backend: &str, answer: &Value) -> bool {
    let pid = client.known(&format!("{backend}__pid")).await["pid"].clone();
    answer.to_string().contains(&format!("process {pid} "))
}

/// A client that has kept a URI from yesterday would have to list everything first.
#[tokio::test]
async fn a_resource_is_read_from_its_backend_whether_or_not_it_was_listed() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    for (uri, backend) in [("b://one", "b"), ("a://item/7", "a"), ("b://item/7", "b")] {
        let answer = read(&client, uri).await;
        assert!(is_of(&client, backend, &answer).await, "{uri}: {answer}");
    }
    // No list and no template has it: whoever has it is found.
    let answer = read(&client, "b://nowhere/in/a/list").await;
    assert!(is_of(&client, "b", &answer).await, "{answer}");
    assert_eq!(code(&read(&client, "c://one").await), -32002, "nobody has it");
}

/// A link in a result could not be followed.
#[tokio::test]
async fn a_link_leads_to_the_backend_that_gave_it() {
    let config = backend("a", &["--scheme", "x"], "") + &backend("b", &["--scheme", "x"], "");
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let linked = client.call("b__link", json!({})).await;
    let uri = linked["result"]["content"][0]["uri"].as_str().unwrap();
    assert_eq!(uri, "x://hidden", "it is not rewritten");
    let answer = read(&client, uri).await;
    assert!(is_of(&client, "b", &answer).await, "{answer}");
}

/// What changed would be told of another server, or not at all.
#[tokio::test]
async fn who_subscribes_hears_of_updates_until_it_unsubscribes() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    let subscribed = client.request("resources/subscribe", json!({ "uri": "b://one" })).await;
    assert_eq!(subscribed["result"], json!({}));
    assert_eq!(client.text("a__touch", json!({ "uri": "b://one" })).await, "nobody subscribed");
    assert_eq!(client.text("b__touch", json!({ "uri": "b://one" })).await, "announced");
    let updated = hears(&mut stream, "notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], "b://one");
    client.request("resources/unsubscribe", json!({ "uri": "b://one" })).await;
    assert_eq!(client.text("b__touch", json!({ "uri": "b://one" })).await, "nobody subscribed");
}

/// A user would be offered what another server has.
#[tokio::test]
async fn completion_is_asked_where_the_prompt_or_template_is() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let complete = async |reference: Value| {
        let params = json!({ "ref": reference, "argument": { "name": "id", "value": "x" } });
        client.request("completion/complete", params).await
    };
    let of = |answer: &Value| answer["result"]["completion"]["values"][0].clone();
    let answer = complete(json!({ "type": "ref/prompt", "name": "b__greet" })).await;
    assert_eq!(of(&answer), "x of b", "{answer}");
    let answer = complete(json!({ "type": "ref/resource", "uri": "a://item/{id}" })).await;
    assert_eq!(of(&answer), "x of a", "{answer}");
    for wrong in [
        json!({ "type": "ref/prompt", "name": "greet" }),
        json!({ "type": "ref/resource", "uri": "z://{id}" }),
        json!({ "type": "x" }),
    ] {
        assert_eq!(code(&complete(wrong.clone()).await), -32602, "{wrong}");
    }
}
