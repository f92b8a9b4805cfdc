//! Headers that repeat arguments: a server that finds them wrong, and one whose tools ask for impossible ones.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::*;
use crate::era::Era;
use crate::mirrored::{Dropped, KnownTools, Mirrored, MirroredTools};

/// What the link has found out; nothing was known before.
#[derive(Default)]
struct Known {
    tools: ArcSwap<MirroredTools>,
    dropped: ArcSwap<Vec<Dropped>>,
}

impl KnownTools for Known {
    fn mirrored(&self, tool: &str) -> Option<Arc<[Mirrored]>> {
        self.tools.load().of(tool)
    }

    fn renew(&self, tools: MirroredTools) {
        self.tools.store(tools.into());
    }

    fn dropped(&self, tools: &[Dropped]) {
        self.dropped.store(tools.to_vec().into());
    }
}

async fn modern(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (World, Arc<Known>) {
    let (url, requests) = serve(reply).await;
    let (sender, events) = mpsc::unbounded_channel();
    let known = Arc::<Known>::default();
    let spec = HttpSpec { era: Era::Modern, known: Some(known.clone()), ..spec(&url) };
    let link = HttpLink::new(spec, move |event| drop(sender.send(event))).unwrap();
    (World { link, events, requests }, known)
}

fn call(wire: u64) -> Bytes {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "roots": {} },
        "progressToken": 9,
    });
    let params = json!({ "name": "sql", "arguments": { "region": "north" }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": wire, "method": "tools/call", "params": params }).to_string().into()
}

fn mismatch(wire: u64) -> Reply {
    let error = json!({ "code": -32020, "message": "Mcp-Param-Region is missing" });
    refuse(&json!({ "jsonrpc": "2.0", "id": wire, "error": error }))
}

fn refuse(answer: &Value) -> Reply {
    Reply::status("400 Bad Request", "Content-Type: application/json\r\n", &answer.to_string())
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// Two pages; the tool stands on the second.
fn page(request: &Value) -> Value {
    let region = json!({ "type": "string", "x-mcp-header": "Region" });
    let sql =
        json!({ "name": "sql", "inputSchema": { "type": "object", "properties": { "region": region } } });
    let result = match request["params"]["cursor"].as_str() {
        Some(_) => json!({ "tools": [sql] }),
        None => json!({ "tools": [], "nextCursor": "" }),
    };
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })
}

/// A call would fail for good when its server has come to want a header, since nobody looks at the list again.
#[tokio::test]
async fn a_call_with_the_wrong_headers_is_sent_once_more_after_a_look_at_the_tools() {
    for streams in [false, true] {
        let (mut world, _) = modern(move |seen| {
            let request = body(seen);
            match request["method"].as_str() {
                Some("tools/list") if streams => {
                    Reply::events(&format!("data: {}\n\ndata: {}\n\n", notice(), page(&request)))
                }
                Some("tools/list") => Reply::json("", &page(&request).to_string()),
                _ if seen.header("mcp-param-region") == Some("north") => {
                    Reply::json("", &answer(wire_of(seen)))
                }
                _ => mismatch(wire_of(seen)),
            }
        })
        .await;
        world.link.post(call(4), Some(4));
        assert_eq!(world.outcome().await, frame(4, &answer(4)));
        let first = world.seen().await;
        assert_eq!(first.header("mcp-param-region"), None);
        let list = world.seen().await;
        assert_eq!(list.header("mcp-method"), Some("tools/list"));
        let list = body(&list);
        assert!(list["id"].is_string(), "{list}");
        let expected: HashMap<&str, Value> = [
            ("io.modelcontextprotocol/protocolVersion", json!("2026-07-28")),
            ("io.modelcontextprotocol/clientCapabilities", json!({ "roots": {} })),
        ]
        .into();
        assert_eq!(list["params"]["_meta"], json!(expected), "who asks, but no progress token");
        assert_eq!(body(&world.seen().await)["params"]["cursor"], "", "an empty cursor is one");
        assert_eq!(world.seen().await.body, first.body, "the same call");
        // What was found out holds for the next.
        world.link.post(call(5), Some(5));
        assert_eq!(world.outcome().await, frame(5, &answer(5)));
        assert_eq!(wire_of(&world.seen().await), 5);
    }
}

/// A server that always refuses would be asked for ever.
#[tokio::test]
async fn a_call_that_is_refused_twice_is_refused() {
    let (mut world, _) = modern(|seen| {
        let request = body(seen);
        if request["method"] == "tools/list" {
            return Reply::json("", &page(&request).to_string());
        }
        mismatch(wire_of(seen))
    })
    .await;
    world.link.post(call(1), Some(1));
    let Upstream::Frame { bytes, .. } = world.outcome().await else { panic!("no answer") };
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["error"]["code"], -32020);
    let mut calls = 0;
    while let Ok(seen) = world.requests.try_recv() {
        calls += usize::from(body(&seen)["method"] == "tools/call");
    }
    assert_eq!(calls, 2);
}

/// The reason why would be lost, or the call made although its headers are still the wrong ones.
#[tokio::test]
async fn the_refusal_stands_where_the_tools_cannot_be_read() {
    let (mut world, _) = modern(|seen| {
        let request = body(seen);
        if request["method"] == "tools/list" {
            let error = json!({ "code": -32603, "message": "not now" });
            return Reply::json(
                "",
                &json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string(),
            );
        }
        mismatch(wire_of(seen))
    })
    .await;
    world.link.post(call(1), Some(1));
    let Upstream::Frame { bytes, .. } = world.outcome().await else { panic!("no answer") };
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["error"]["code"], -32020);
    world.seen().await;
    assert_eq!(body(&world.seen().await)["method"], "tools/list");
    assert!(world.requests.try_recv().is_err(), "not sent again");
}

/// A call that is refused for something else would be made twice.
#[tokio::test]
async fn other_refusals_are_not_tried_again() {
    let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32602, "message": "no" } });
    let text = error.to_string();
    let (mut world, _) = modern(move |_| refuse(&error)).await;
    world.link.post(call(1), Some(1));
    assert_eq!(world.outcome().await, frame(1, &text));
    world.seen().await;
    assert!(world.requests.try_recv().is_err());
}

/// A client would be shown a tool that the specification keeps from it.
#[tokio::test]
async fn tools_with_impossible_headers_are_not_in_the_list() {
    for streams in [false, true] {
        let (mut world, known) = modern(move |seen| {
            let bad = json!({ "type": "number", "x-mcp-header": "Bad" });
            let bad =
                json!({ "name": "bad", "inputSchema": { "type": "object", "properties": { "n": bad } } });
            let result = json!({ "tools": [{ "name": "good" }, bad] });
            let page = json!({ "jsonrpc": "2.0", "id": wire_of(seen), "result": result }).to_string();
            if streams { Reply::events(&format!("data: {page}\n\n")) } else { Reply::json("", &page) }
        })
        .await;
        world.request(1);
        let Upstream::Frame { bytes, .. } = world.outcome().await else { panic!("no answer") };
        let page: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(page["result"]["tools"], json!([{ "name": "good" }]));
        let dropped = known.dropped.load();
        assert!(
            dropped.len() == 1 && dropped[0].tool == "bad" && dropped[0].why.contains("Bad"),
            "{dropped:?}"
        );
    }
}
