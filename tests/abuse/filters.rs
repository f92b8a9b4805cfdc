//! Ways to a tool that is hidden.

use serde_json::json;

use crate::common::{Client, backend};
use crate::world::{MALLORY, World};

/// What the operator has hidden would be used by whoever writes its name in another way.
#[tokio::test]
async fn a_hidden_tool_is_reached_in_no_way() {
    let hidden = backend(
        "filtered",
        &[],
        "tools.deny = [\"env\", \"c*\"]\ntools.rename = { echo = \"say\" }\nprompts.deny = [\"*\"]\nresources.deny = [\"fixture://t*\"]",
    );
    let world = World::new(&hidden).await;
    let mallory = Client::open_with(&world.service, "filtered", MALLORY, json!({})).await;
    let arguments = r#""arguments":{"name":"HOME","message":"m"}"#;
    let rows = [
        ("its name", r#""name":"env""#),
        ("its name with escapes", r#""name":"\u0065nv""#),
        ("the field with escapes", r#""n\u0061me":"env""#),
        ("twice, the hidden one last", r#""name":"say","name":"env""#),
        ("twice, the hidden one first", r#""name":"env","name":"say""#),
        ("twice, once with escapes", r#""name":"say","n\u0061me":"env""#),
        ("in an array", r#""name":["env"]"#),
        ("in an object", r#""name":{"name":"env"}"#),
        ("no name", r#""x":1"#),
        ("null", r#""name":null"#),
        ("with a space", r#""name":"env ""#),
        ("with a NUL", r#""name":"env\u0000""#),
        ("in capitals", r#""name":"ENV""#),
        ("in wide letters", r#""name":"ｅｎｖ""#),
        ("the prefix of the unified endpoint", r#""name":"filtered__env""#),
        ("a path", r#""name":"./env""#),
        ("the pattern itself", r#""name":"c*""#),
        ("covered by a pattern", r#""name":"counter""#),
        ("the name it had before", r#""name":"echo""#),
    ];
    for (name, field) in rows {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{field},{arguments}}}}}"#);
        world.asks(name, mallory.ask(body), (200, -32602)).await;
    }
    for (name, method, params) in [
        ("a prompt", "prompts/get", r#"{"name":"greet"}"#),
        ("a prompt twice", "prompts/get", r#"{"name":"x","name":"greet"}"#),
        (
            "a prompt by completion",
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"a","value":""}}"#,
        ),
        ("params in an array", "tools/call", r#"["env",{}]"#),
        ("params that are text", "tools/call", r#""env""#),
        ("params that are null", "tools/call", "null"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        world.asks(name, mallory.ask(body), (200, -32602)).await;
    }
    for (name, uri) in [
        ("a resource", "fixture://two"),
        ("one by escapes", "fixture:\\u002f/two"),
        ("one that is not there", "fixture://t"),
    ] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"{uri}"}}}}"#);
        world.asks(name, mallory.ask(body), (200, -32002)).await;
    }
    let slash = r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"env","arguments":{"name":"HOME"}}}"#;
    world.asks("the method with escapes", mallory.ask(slash.to_owned()), (200, -32602)).await;
    let unified = Client::open_with(&world.service, "", MALLORY, json!({})).await;
    for tool in [
        "filtered__env",
        "filtered__counter",
        "filtered__echo",
        "filtered__filtered__env",
        "filtered____env",
        "__env",
        "env",
    ] {
        let answer = world.attack(tool, unified.call(tool, json!({ "name": "HOME" }))).await;
        assert_eq!(answer["error"]["code"], -32602, "{tool}: {answer}");
    }
    assert_eq!(mallory.text("say", json!({ "message": "m" })).await, "m", "what is not hidden works");
    assert_eq!(
        mallory.known("handshake").await["calls"],
        8,
        "what only looks like it is the server's to refuse"
    );
    unified.delete().await;
    mallory.delete().await;
    world.ends("filters").await;
}
