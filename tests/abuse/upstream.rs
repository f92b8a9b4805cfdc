//! A server behind a URL that means harm.

use serde_json::{Value, json};

use crate::common::{Client, soon};
use crate::reply::{Reply, Then};
use crate::scripted::{Seen, Upstream};
use crate::world::{MALLORY, World};

fn bytes(text: impl Into<Vec<u8>>, then: Then) -> Reply {
    Reply { bytes: text.into(), then, when: None }
}

fn hostile(seen: &Seen) -> Option<Reply> {
    let what = seen.body["params"]["arguments"]["what"].as_str()?;
    let answer = seen.text(what);
    let event = format!("data: {answer}\n\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let of = |id: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"a lie"}}]}}}}"#)
    };
    Some(match what {
        "answers of others first" => Reply::events(&format!(
            "{}{event}",
            (0..500)
                .filter(|id| json!(id) != seen.body["id"])
                .map(|id| format!("data: {}\n\n", of(&id.to_string())))
                .collect::<String>()
        )),
        "an event of comments" => Reply::events(&format!("{}{event}", ": x\n".repeat(200_000))),
        "a million empty lines" => Reply::events(&format!("{}{event}", "\n".repeat(1_000_000))),
        "fields nobody knows" => {
            Reply::events(&format!("{}{event}", "x: y\nretry: 99999999999999999999\nid: \0\n".repeat(10_000)))
        }
        "a NUL in an id" => Reply::events(&format!("id: a\0b\n{event}")),
        "an id like a header" => Reply::events(&format!("id: a\rX-Injected: yes\n{event}")),
        "data in small pieces" => Reply::events(&format!("data: {}\n\n", answer.replace(',', ",\ndata: "))),
        "a BOM" => Reply::events(&format!("\u{feff}{event}")),
        "an endless event" => {
            bytes([stream.as_bytes(), b"data: ", &vec![b'x'; 16 << 20]].concat(), Then::Hold)
        }
        "an endless line" => bytes([stream.as_bytes(), &vec![b'x'; 16 << 20]].concat(), Then::Hold),
        "an endless body" => bytes(
            [
                format!("{head}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n").as_bytes(),
                &vec![b'x'; 16 << 20],
            ]
            .concat(),
            Then::Hold,
        ),
        "a length that lies" => bytes(format!("{head}Content-Length: 100000\r\n\r\n{answer}"), Then::Close),
        "two lengths" => bytes(
            format!("{head}Content-Length: {}\r\nContent-Length: 5\r\n\r\n{answer}", answer.len()),
            Then::Close,
        ),
        "a bad chunk" => {
            bytes(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{answer}\r\n0\r\n\r\n"), Then::Close)
        }
        "endless headers" => bytes(
            format!("HTTP/1.1 200 OK\r\n{}\r\n", format!("X: {}\r\n", "y".repeat(1000)).repeat(5000)),
            Then::Close,
        ),
        "no HTTP" => bytes("SSH-2.0-OpenSSH_9.6\r\n", Then::Close),
        "a status beyond reason" => bytes("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", Then::Close),
        "hints without end" => bytes("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000), Then::Close),
        "another protocol" => bytes(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Then::Close,
        ),
        "a redirect to another host" => {
            Reply::status("307 Temporary Redirect", "Location: http://127.0.0.2:1/latest/meta-data\r\n", "")
        }
        "a redirect to a file" => {
            Reply::status("307 Temporary Redirect", "Location: file:///etc/passwd\r\n", "")
        }
        "a redirect to itself" => Reply::status("307 Temporary Redirect", "Location: /mcp\r\n", ""),
        "a redirect to nowhere" => Reply::status("302 Found", "Location: http://[::1\r\n", ""),
        "a packed bomb" => Reply::json("Content-Encoding: gzip\r\n", "\u{1f}\u{8b}"),
        "a page" => {
            Reply::status("200 OK", "Content-Type: text/html\r\n", "<html><script>alert(1)</script></html>")
        }
        "no type" => Reply::status("200 OK", "", &answer),
        "deep JSON" => Reply::json("", &("[".repeat(100_000) + &"]".repeat(100_000))),
        "invalid UTF-8" => {
            bytes([format!("{head}Content-Length: 2\r\n\r\n").as_bytes(), b"\xff\xfe"].concat(), Then::Close)
        }
        "the answer of another" => Reply::json("", &of("999")),
        "an answer without an id" => Reply::json("", &of("null")),
        "a session of 100 KB" => {
            Reply::json(&format!("Mcp-Session-Id: {}\r\n", "s".repeat(100_000)), &answer)
        }
        "a session that is no text" => Reply::json("Mcp-Session-Id: \u{e4}\u{f6}\r\n", &answer),
        "cookies and credentials" => Reply::json(
            "Set-Cookie: a=b\r\nWWW-Authenticate: Basic\r\nAccess-Control-Allow-Origin: *\r\nX-Injected: yes\r\n",
            &answer,
        ),
        _ => return None,
    })
}

/// A server somewhere would read what is in the network of its gateway, or hold or break it.
#[tokio::test]
async fn a_hostile_upstream_harms_nobody_but_its_own_session() {
    let upstream = Upstream::start(hostile).await;
    let settings = "limits.max_message_bytes = \"4MiB\"\nlimits.breaker_threshold = 100000\npool.max_error_count = 1000\nbackoff.min = \"1ms\"\nbackoff.max = \"10ms\"\ntimeouts.request = \"3s\"\n";
    let world = World::new(&upstream.backend("bad", settings)).await;
    let mallory = Client::open_with(&world.service, "bad", MALLORY, json!({})).await;
    let answered = [
        "answers of others first",
        "an event of comments",
        "a million empty lines",
        "fields nobody knows",
        "a NUL in an id",
        "an id like a header",
        "data in small pieces",
        "a BOM",
        "cookies and credentials",
        "a session of 100 KB",
        "a session that is no text",
    ];
    let others = [
        "an endless event",
        "an endless line",
        "an endless body",
        "a length that lies",
        "two lengths",
        "a bad chunk",
        "endless headers",
        "no HTTP",
        "a status beyond reason",
        "hints without end",
        "another protocol",
        "a redirect to another host",
        "a redirect to a file",
        "a redirect to itself",
        "a redirect to nowhere",
        "a packed bomb",
        "a page",
        "no type",
        "deep JSON",
        "invalid UTF-8",
        "the answer of another",
        "an answer without an id",
    ];
    for what in answered.into_iter().chain(others) {
        let reply = world.attack(what, async {
            let call =
                mallory.message("tools/call", json!({ "name": "hostile", "arguments": { "what": what } }));
            let reply = mallory.post(&call).await;
            assert!(reply.header("x-injected").is_none() && reply.header("set-cookie").is_none(), "{what}");
            assert_eq!(reply.status, 200, "{what}");
            let mut messages = soon(what, reply.messages()).await;
            let answer = messages.pop().unwrap_or(Value::Null);
            assert_eq!(answer["id"], call["id"], "{what}: {answer}");
            answer
        });
        let answer = reply.await;
        let text = answer["result"]["content"][0]["text"].as_str();
        if answered.contains(&what) {
            assert_eq!(text, Some(what), "{answer}");
        } else {
            assert!(
                text.is_none_or(|text| text == what) && (text.is_some() || answer["error"]["code"].is_i64()),
                "{what}: {answer}"
            );
        }
        let told = answer.to_string();
        assert!(
            !told.contains("root:") && !told.contains("a lie") && !told.contains("<script>"),
            "{what}: {told}"
        );
        let again = world.attack("the next call", mallory.call("look", json!({}))).await;
        assert_eq!(again["result"]["content"][0]["text"], "look", "after {what}: {again}");
    }
    mallory.delete().await;
    world.ends("backend, over HTTP").await;
}
