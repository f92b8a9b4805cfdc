//! Bodies that are bombs, lies, or something else for the next who reads them.

use serde_json::{Value, json};

use crate::common::{Ask, Client, fixture, text_of};
use crate::world::{MALLORY, World};

/// A backend that says back what it was told.
fn mirror() -> String {
    format!("[backends.mirror]\ncommand = {:?}\nargs = [\"mirror\"]\n", fixture().to_str().unwrap())
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

/// A message that nobody can make sense of would stop a server, or be understood by it in its own way.
#[tokio::test]
async fn what_is_no_message_is_refused() {
    let world = World::new("").await;
    let with = |field: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping",{field}}}"#);
    let (parse, shape) = ((400, -32700), (400, -32600));
    let rows: Vec<(&str, Vec<u8>, (u16, i64))> = [
        ("a BOM", format!("\u{feff}{}", with("\"x\":1")), parse),
        ("NUL first", format!("\0{}", with("\"x\":1")), parse),
        ("NUL last", format!("{}\0", with("\"x\":1")), parse),
        ("only NUL", "\0".repeat(1000), parse),
        ("only spaces", " ".repeat(1 << 20), parse),
        ("text behind", with("\"x\":1") + "x", parse),
        ("another message behind", with("\"x\":1") + &with("\"x\":1"), parse),
        ("comments", with("\"x\":1/*y*/"), parse),
        ("single quotes", with("'x':1"), parse),
        ("a number that is none", with("\"x\":NaN"), parse),
        ("infinity", with("\"x\":-Infinity"), parse),
        ("a number in hex", with("\"x\":0x10"), parse),
        ("zeros before a number", with("\"x\":0123"), parse),
        ("a number that ends in a point", with("\"x\":1."), parse),
        ("a raw line end in a text", with("\"x\":\"a\nb\""), parse),
        ("a raw control character in a text", with("\"x\":\"a\x01b\""), parse),
        ("half an escape", with(r#""x":"\u12""#), parse),
        ("an unknown escape", with(r#""x":"\q""#), parse),
        ("100,000 open brackets", with(&format!("\"x\":{}", "[".repeat(100_000))), parse),
        ("100,000 open braces", "{\"a\":".repeat(100_000), parse),
        ("the id twice", with("\"id\":2"), shape),
        ("the id twice, once with escapes", with(r#""\u0069d":2"#), shape),
        ("the method twice", with("\"method\":\"tools/list\""), shape),
        ("the version twice", with("\"jsonrpc\":\"2.0\""), shape),
        ("params twice", with("\"params\":{},\"params\":{}"), shape),
        ("a method of half a pair", r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#.into(), parse),
        (
            "an id of 400 digits and a fraction",
            format!(r#"{{"jsonrpc":"2.0","id":{}.5,"method":"ping"}}"#, "9".repeat(400)),
            shape,
        ),
        (
            "an id that is deep",
            format!(r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#, nested("[", "]", 50_000)),
            shape,
        ),
        ("an id that is an object", r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#.into(), shape),
        (
            "a method that is deep",
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":{}}}"#, nested("[", "]", 50_000)),
            shape,
        ),
        ("a batch", format!("[{}]", with("\"x\":1")), shape),
        ("a batch of nothing, a million times", format!("[{}[]]", "[],".repeat(1_000_000)), shape),
        ("a deep batch", nested("[", "]", 1_000_000), shape),
        ("a fake pollution", r#"{"__proto__":{"jsonrpc":"2.0","id":1,"method":"ping"}}"#.into(), shape),
    ]
    .into_iter()
    .map(|(name, body, expected)| (name, body.into_bytes(), expected))
    .collect();
    let bytes: [(&str, Vec<u8>); 6] = [
        ("UTF-16", with("\"x\":1").encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 with a BOM", b"\xff\xfe{\0}\0".to_vec()),
        ("an overlong slash", [with("\"x\":\"").trim_end_matches('}').as_bytes(), b"\xc0\xaf\"}"].concat()),
        (
            "a surrogate in UTF-8",
            [with("\"x\":\"").trim_end_matches('}').as_bytes(), b"\xed\xa0\x80\"}"].concat(),
        ),
        ("half a character", [with("\"x\":\"").trim_end_matches('}').as_bytes(), b"\xe2\x82"].concat()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec()),
    ];
    for (name, body, expected) in rows.into_iter().chain(bytes.map(|(name, body)| (name, body, parse))) {
        world.asks(name, world.mallory.ask(String::new()).body(body.clone()), expected).await;
        let nobody = Ask::mcp("/mcp/alpha", body).header("authorization", &format!("Bearer {MALLORY}"));
        world.asks(name, nobody, expected).await;
    }
    let gzip = world.mallory.ask(with("\"x\":1")).header("content-encoding", "gzip");
    world.asks("a body that is said to be packed", gzip, (200, 0)).await;
    assert_eq!(world.service.connections().await.len(), 2, "nothing was launched for any of it");
    world.ends("JSON, malformed").await;
}

/// What is only large, deep or odd is the server's business; on the way it may cost nobody anything.
#[tokio::test]
async fn what_is_a_message_passes_however_odd() {
    let world = World::new(&mirror()).await;
    let mallory = Client::open_with(&world.service, "mirror", MALLORY, json!({})).await;
    let rows = [
        ("arrays, 100,000 deep", nested("[", "]", 100_000)),
        ("objects, 100,000 deep", nested("{\"a\":", "}", 100_000).replace(":}", ":1}")),
        (
            "100,000 fields",
            (0..100_000).map(|field| format!("\"k{field}\":{field}")).collect::<Vec<_>>().join(","),
        ),
        ("the same field 100,000 times", "\"a\":1,".repeat(100_000) + "\"a\":1"),
        ("a million zeros", "0,".repeat(1_000_000) + "0"),
        ("a number of a million digits", "9".repeat(1_000_000)),
        ("an exponent beyond reason", "1e999999999".into()),
        ("a very small number", "-1e-999999999".into()),
        ("text of 2 MB", format!("\"{}\"", "x".repeat(2_000_000))),
        ("200,000 escapes", format!("\"{}\"", r"\u0000".repeat(200_000))),
        ("half a pair of surrogates", r#""\ud800""#.into()),
        ("the other half", r#""\udc00""#.into()),
        ("marks that turn the text around", "\"\u{202e}\u{2066}\"".into()),
        ("a megabyte of spaces", format!("{}1", " ".repeat(1_000_000))),
        (
            "fields that mean something elsewhere",
            r#"{"__proto__":{"admin":true},"constructor":{"prototype":{}}}"#.into(),
        ),
    ];
    for (name, value) in rows {
        let params = match name {
            _ if name.contains("fields") && !name.contains("mean") || name.contains("the same field") => {
                format!("{{{value}}}")
            }
            "a million zeros" => format!("{{\"x\":[{value}]}}"),
            _ => format!("{{\"x\":{value}}}"),
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":"{name}","method":"x/y","params":{params}}}"#);
        let reply = world
            .attack(name, async { mallory.ask(body).send(&world.service.main).await.text().await })
            .await;
        let expected = format!(r#"{{"jsonrpc":"2.0","id":"{name}","result":{params}}}"#);
        assert!(reply == expected, "{name}: {}", reply.get(..300).unwrap_or(&reply));
    }
    for (name, id) in [
        ("an id of a megabyte", format!("\"{}\"", "i".repeat(1 << 20))),
        ("an id of 300,000 digits", "7".repeat(300_000)),
        ("an id of NUL", r#""\u0000""#.into()),
        ("an id of half a pair", r#""\ud800""#.into()),
        ("an id below zero", "-0".into()),
        ("an id like JSON", r#""\"},\"id\":1,\"x\":{\"""#.into()),
        ("an id like an event", r#""\n\ndata: {}\n\n""#.into()),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x/y","params":{{}}}}"#);
        let reply = world
            .attack(name, async { mallory.ask(body).send(&world.service.main).await.text().await })
            .await;
        assert!(
            reply == format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
            "{name}: {}",
            reply.get(..300).unwrap_or(&reply)
        );
    }
    for (name, field) in [
        ("_meta of a number", r#""_meta":7"#.to_owned()),
        ("_meta of an array", r#""_meta":[1]"#.into()),
        ("_meta twice", r#""_meta":{"progressToken":1},"_meta":{"progressToken":2}"#.into()),
        ("a deep _meta", format!(r#""_meta":{{"progressToken":{}}}"#, nested("[", "]", 50_000))),
        ("a token that is an object", r#""_meta":{"progressToken":{"a":1}}"#.into()),
        ("a token twice", r#""_meta":{"progressToken":1,"progressToken":2}"#.into()),
        ("a trace that is none", r#""_meta":{"traceparent":"00-\u0000","tracestate":7}"#.into()),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"x/y","params":{{{field}}}}}"#);
        let reply = world
            .attack(name, async { mallory.ask(body).send(&world.service.main).await.text().await })
            .await;
        assert!(
            reply == format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{{field}}}}}"#),
            "{name}: {}",
            reply.get(..300).unwrap_or(&reply)
        );
    }
    mallory.delete().await;
    world.ends("JSON, odd").await;
}

/// One body would become as much work as its sender likes.
#[tokio::test]
async fn batches_are_no_way_around_a_limit() {
    let world = World::new("").await;
    let initialize = Client::initialize("2025-03-26", json!({})).to_string();
    let old = Client::open_by(&world.service, "alpha", MALLORY, &initialize).await;
    let ping = |id: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let refused = (400, -32600);
    for (name, body) in [
        ("a batch of nothing", "[]".to_owned()),
        ("a batch of batches", list(vec![list(vec![ping(1)])])),
        ("a batch of a million zeros", format!("[{}0]", "0,".repeat(1_000_000))),
        ("a batch of braces", format!("[{}{{}}]", "{},".repeat(500_000))),
        ("a batch of two handshakes", list(vec![initialize.clone(), initialize.clone()])),
    ] {
        world.asks(name, old.ask(body), refused).await;
    }
    let call = |id: usize, ms: u64| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "sleep", "arguments": { "ms": ms } } }).to_string()
    };
    let sent = async |name: &str, items: Vec<String>| -> Vec<Value> {
        let reply = world.attack(name, async {
            let reply = old.ask(list(items)).send(&world.service.main).await;
            assert_eq!(reply.status, 200, "{name}");
            if reply.is_stream() {
                reply.messages().await
            } else {
                serde_json::from_value(reply.json().await).unwrap()
            }
        });
        reply.await
    };
    let answers = sent("a batch of 5000 calls", (0..5000).map(|id| call(id, 100)).collect()).await;
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == -31004).count();
    assert_eq!(answers.len(), 5000, "each is answered");
    assert!(refused >= 4000, "limits.max_in_flight and max_queued hold in a batch too: {refused} refused");
    let peak = old.text("peak", json!({})).await;
    assert!(peak.parse::<u32>().unwrap() <= 64, "{peak} at once");
    let same = sent("a batch of one id", (0..100).map(|_| call(1, 100)).collect()).await;
    assert_eq!(same.iter().filter(|answer| answer["error"]["code"] == -32600).count(), 99, "{same:?}");
    assert_eq!(
        same.iter().filter(|answer| answer["result"].is_object()).map(text_of).collect::<Vec<_>>(),
        ["slept 100 ms"]
    );
    old.delete().await;
    world.ends("JSON, batches").await;
}
