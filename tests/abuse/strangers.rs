//! What belongs to somebody else: sessions, streams, calls, states, cursors. Mallory has a key, and knows the names of what is
//! Alice's.

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::{Ask, Client, backend, code, text_of};
use crate::world::{ALICE, MALLORY, World};

/// Whoever learns the id of a session would be its user.
#[tokio::test]
async fn a_session_is_of_use_to_its_owner_only() {
    let world = World::new(&backend("beta", &[], "")).await;
    let alice = world.alice().session.clone();
    let ping = || r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    let (unknown, none) = ((404, -32001), (401, -32600));
    let by = |ask: Ask, key: &str| {
        ask.header("authorization", &format!("Bearer {key}")).header("mcp-session-id", &alice)
    };
    let mut told = Vec::new();
    for path in ["/mcp/alpha", "/mcp/beta", "/mcp"] {
        for (what, ask) in [
            ("a request", Ask::mcp(path, ping())),
            ("a notification", Ask::mcp(path, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)),
            ("an answer", Ask::mcp(path, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)),
            ("a stream", Ask::new("GET", path).header("accept", "text/event-stream")),
            (
                "an old stream",
                Ask::new("GET", path).header("accept", "text/event-stream").header("last-event-id", "0_0"),
            ),
            ("an end", Ask::new("DELETE", path)),
        ] {
            let told_here =
                world.asks(&format!("{what} of Alice's at {path}"), by(ask.clone(), MALLORY), unknown).await;
            told.push(told_here["error"]["message"].clone());
            world
                .asks(
                    &format!("{what} without a key at {path}"),
                    ask.clone().header("mcp-session-id", &alice),
                    none,
                )
                .await;
            for key in [
                "",
                "key",
                "key-of-alic",
                "key-of-alicee",
                "Key-of-alice",
                "key-of-alice\u{e4}",
                "anonymous",
                "null",
            ] {
                let keyed = ask
                    .clone()
                    .header("mcp-session-id", &alice)
                    .header("authorization", &format!("Bearer {key}"));
                world.asks(&format!("{what} with the key {key:?} at {path}"), keyed, none).await;
            }
        }
    }
    let nobodys = Ask::mcp("/mcp/alpha", ping())
        .header("authorization", &format!("Bearer {MALLORY}"))
        .header("mcp-session-id", "there-is-no-such-session");
    let of_nobody = world.asks("a session that is not there", nobodys, unknown).await;
    assert!(
        told.iter().all(|told| *told == of_nobody["error"]["message"]),
        "it can be told whether a session is there: {told:?}"
    );
    let own = &world.mallory.session;
    for (what, session) in [
        ("in capitals", own.to_uppercase()),
        ("cut", own[..own.len() - 1].to_owned()),
        ("with more", format!("{own}0")),
        ("two", format!("{own},{alice}")),
        ("two with a space", format!("{own} {alice}")),
        ("as a pattern", "*".into()),
        ("as a path", format!("../{alice}")),
        ("as a digest", "0".repeat(64)),
        ("not of ASCII", "\u{e4}\u{f6}".into()),
        ("of 60 KB", "s".repeat(60_000)),
    ] {
        let ask = Ask::mcp("/mcp/alpha", ping())
            .header("authorization", &format!("Bearer {MALLORY}"))
            .header("mcp-session-id", &session);
        world.asks(&format!("a session {what}"), ask, unknown).await;
    }
    let at_another = world.mallory.ask(ping());
    let beta = Client::open_with(&world.service, "beta", MALLORY, json!({})).await;
    world
        .asks("her own session at another backend", beta.credentials(Ask::mcp("/mcp/alpha", ping())), unknown)
        .await;
    world.asks("her own session", at_another, (200, 0)).await;
    for scheme in [
        "Basic a2V5LW9mLWFsaWNlOg==",
        "bearer",
        "Bearer",
        "Bearer  ",
        "Token key-of-alice",
        "Bearer key-of-alice key-of-mallory",
        "Digest username=\"alice\"",
        "Bearer key-of-alice,",
    ] {
        let ask =
            Ask::mcp("/mcp/alpha", ping()).header("mcp-session-id", &alice).header("authorization", scheme);
        world.asks(&format!("credentials {scheme:?}"), ask, none).await;
    }
    beta.delete().await;
    world.ends("strangers, sessions").await;
}

/// One user would read what another is told, or stop, hurry and answer what another has asked.
#[tokio::test]
async fn ids_of_calls_events_and_questions_reach_nobody_else() {
    let world = World::new("").await;
    let mallory = &world.mallory;
    for (what, id) in [
        ("an event of nobody", "0_0"),
        ("an event to come", "0_99999"),
        ("of a stream to come", "999_0"),
        ("below zero", "-1_-1"),
        ("beyond reason", "18446744073709551616_0"),
        ("of the largest", "18446744073709551615_18446744073709551615"),
        ("of letters", "a_b"),
        ("three", "0_0_0"),
        ("nothing but the line", "_"),
        ("with a sign", "+0_+1"),
        ("with spaces", "0 _ 1"),
        ("in hex", "0x0_0x1"),
        ("of Alice's form", "1_1"),
        ("not of ASCII", "\u{e4}"),
        ("a path", "../0_1"),
        ("with a comma", "0_1,0_2"),
    ] {
        let ask = mallory
            .credentials(Ask::new("GET", "/mcp/alpha"))
            .header("accept", "text/event-stream")
            .header("last-event-id", id);
        let reply = world.attack(what, ask.send(&world.service.main)).await;
        let resumed = reply.status == 200
            && reply.is_stream()
            && ["an event of nobody", "an event to come"].contains(&what);
        assert!(reply.status == 400 || resumed, "{what}: {}", reply.status);
    }
    let slow = json!({ "jsonrpc": "2.0", "id": 4711, "method": "tools/call", "params": { "name": "sleep", "arguments": { "ms": 1500 }, "_meta": { "progressToken": 4711 } } });
    let (answer, ()) = tokio::join!(async { world.alice().post(&slow).await.messages().await }, async {
        world.service.in_flight(1).await;
        for id in (0..50).map(|id| json!(id)).chain([
            json!(4711),
            json!("4711"),
            json!(4711.0),
            json!([4711]),
            Value::Null,
            json!({}),
        ]) {
            world.attack("a cancel of somebody else's call", async {
                let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
                assert_eq!(mallory.post(&message).await.status, 202);
            }).await;
        }
        for id in (0..50).map(|id| json!(id)).chain([json!(4711), json!("4711"), Value::Null]) {
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": "a lie" }] } });
            world
                .attack("an answer to what nobody asked", async {
                    assert_eq!(mallory.post(&answer).await.status, 202, "{id}")
                })
                .await;
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": id, "progress": 1 } });
            world
                .attack("progress of somebody else's call", async {
                    assert_eq!(mallory.post(&progress).await.status, 202)
                })
                .await;
        }
    });
    assert_eq!(
        answer.iter().filter(|message| message["result"].is_object()).map(text_of).collect::<Vec<_>>(),
        ["slept 1500 ms"],
        "{answer:?}"
    );
    world.ends("strangers, ids").await;
}

/// A user would answer, see or change what was asked of another.
#[tokio::test]
async fn states_and_cursors_are_worth_nothing_to_others() {
    let more =
        [backend("beta", &["--page-size", "2"], ""), backend("gamma", &["--page-size", "2"], "")].concat();
    let world = World::new(&more).await;
    let alice = Modern::new(&world.service, "alpha").by(ALICE);
    let mallory = Modern::new(&world.service, "alpha").by(MALLORY);
    let (_, of_alice) = alice.asked("elicit", json!({ "message": "m" })).await;
    let (_, own) = mallory.asked("elicit", json!({ "message": "m" })).await;
    let (text, own) = (of_alice.as_str().unwrap().to_owned(), own.as_str().unwrap().to_owned());
    let mut states = vec![
        ("Alice's", json!(text)),
        ("a mixture", json!(format!("{}{}", &own[..40], &text[40..]))),
        ("another mixture", json!(format!("{}{}", &text[..40], &own[40..]))),
        ("Alice's with padding", json!(format!("{text}=="))),
        ("Alice's in quotes", json!(format!("\"{text}\""))),
        ("with a space", json!(format!(" {own}"))),
        ("with a line end", json!(format!("{own}\n"))),
        ("twice her own", json!(format!("{own}{own}"))),
        ("cut", json!(own[..own.len() - 1])),
        ("cut to the nonce", json!(own[..16])),
        ("one letter", json!("A")),
        ("nothing", json!("")),
        ("a number", json!(0)),
        ("a list", json!([own])),
        ("an object", json!({ "state": own })),
        ("true", json!(true)),
        ("1 MB", json!("A".repeat(1 << 20))),
        ("of other letters", json!("\u{e4}".repeat(100))),
        ("NUL", json!("\0")),
        ("plain JSON", json!(r#"{"parked":null,"key":"alpha/x","principal":"alice","request":""}"#)),
        ("the plain one in base64", json!("eyJwYXJrZWQiOm51bGx9")),
    ];
    for at in (0..own.len()).step_by(7) {
        let mut changed = own.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        states.push(("her own, changed", json!(String::from_utf8(changed).unwrap())));
    }
    for (what, state) in states {
        let accept = json!({ "r1": { "action": "accept", "content": { "name": "Mallory" } } });
        let (status, answer) =
            world.attack(what, mallory.answer("elicit", json!({ "message": "m" }), accept, &state)).await;
        assert_eq!((status, code(&answer)), (200, -32602), "{what}: {answer}");
    }
    let (_, done) = alice
        .answer("elicit", json!({ "message": "m" }), json!({ "r1": { "action": "decline" } }), &of_alice)
        .await;
    assert_eq!(text_of(&done), r#"{"action":"decline"}"#, "Alice's call has waited for Alice");
    let replayed = world
        .attack(
            "Alice's own, once more",
            alice.answer("elicit", json!({ "message": "m" }), json!({}), &of_alice),
        )
        .await;
    assert_eq!((replayed.0, code(&replayed.1)), (200, -32602), "{}", replayed.1);

    let (alice, mallory) = (
        Client::open_with(&world.service, "", ALICE, json!({})).await,
        Client::open_with(&world.service, "", MALLORY, json!({})).await,
    );
    let page = alice.request("tools/list", json!({})).await;
    let cursor =
        page["result"]["nextCursor"].as_str().unwrap_or_else(|| panic!("one page: {page}")).to_owned();
    for (what, cursor) in [
        ("Alice's cursor", cursor.clone()),
        ("a cursor of a backend", "2".into()),
        ("a state for a cursor", own.clone()),
        ("nothing", String::new()),
        ("her own, cut", cursor[..cursor.len() - 2].to_owned()),
        ("a path", "../../x".into()),
        ("1 MB", "A".repeat(1 << 20)),
        ("NUL", "\0".into()),
    ] {
        let answer = world.attack(what, mallory.request("tools/list", json!({ "cursor": cursor }))).await;
        assert_eq!(code(&answer), -32602, "{what}: {answer}");
    }
    for method in ["prompts/list", "resources/list"] {
        let answer = world.attack(method, alice.request(method, json!({ "cursor": cursor }))).await;
        assert_eq!(code(&answer), -32602, "a cursor of another list: {answer}");
    }
    assert!(alice.request("tools/list", json!({ "cursor": cursor })).await["result"]["tools"].is_array());
    for client in [alice, mallory] {
        client.delete().await;
    }
    end_sessionless(&world).await;
    world.ends("strangers, states").await;
}

/// Connections of clients without sessions stay until they are idle.
async fn end_sessionless(world: &World) {
    for shown in world.service.connections().await {
        let (name, session) = (shown["backend"].as_str().unwrap(), shown["session"].as_str().unwrap());
        if shown["last_used_at"].is_string() && !world.is_a_session(session) {
            let path = format!("/api/v1/connections/{name}/{session}");
            Ask::new("DELETE", &path).send(&world.service.admin).await;
        }
    }
}
