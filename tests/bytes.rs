//! Params and results pass as they came, whatever is in them: through the whole service, in both directions, in both eras.
//!
//! What is spliced is the id, and between client and backend it is the client's own again. A line of standard input ends at
//! its first line end, so those between the tokens of a message become spaces on the way to a backend; nothing else changes.
//!
//! `MCPVISOR_CASES` says how many cases are made of each seed, `MCPVISOR_SEED` which seed is used besides the fixed ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "bytes/tasks.rs"]
mod tasks;
#[path = "bytes/text.rs"]
mod text;

use common::{Ask, Client, Reply, Service, fixture};
use serde_json::json;
use text::Text;

const SEEDS: [u64; 2] = [1, 20_251_125];

fn seeds() -> Vec<u64> {
    let more = std::env::var("MCPVISOR_SEED").ok().map(|seed| seed.parse().expect("a number"));
    SEEDS.into_iter().chain(more).collect()
}

fn cases() -> usize {
    std::env::var("MCPVISOR_CASES").map_or(60, |cases| cases.parse().expect("a number"))
}

fn mirror(settings: &str) -> String {
    let command = fixture();
    format!("[backends.m]\ncommand = {:?}\nargs = [\"mirror\"]\n{settings}\n", command.to_str().unwrap())
}

/// What the backend gets of it.
fn in_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// The data of the next event.
async fn event(reply: &mut Reply) -> String {
    loop {
        let event = reply.raw_event().await.expect("one more event");
        let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        if !data.is_empty() {
            return data.join("\n");
        }
    }
}

/// The whole answer, as it came.
async fn answer(ask: Ask, service: &Service) -> String {
    let reply = ask.send(&service.main).await;
    assert!(!reply.is_stream() && reply.status == 200, "{}", reply.status);
    reply.text().await
}

/// A client would calculate with another number, or show another text, than the server has sent, or the other way round.
#[tokio::test]
async fn in_a_session_every_byte_comes_through_both_ways() {
    let service = Service::start(&mirror("")).await;
    let client = Client::open_with(&service, "m", "", json!({ "sampling": {} })).await;
    for seed in seeds() {
        let mut text = Text::new(seed);
        for case in 0..cases() {
            let (id, params, space) = (text.id(), text.object(&[]), text.space());
            let told = format!("seed {seed}, case {case}: id {id}, params {params}");
            let request = |method: &str, params: &str| {
                format!(
                    r#"{{"jsonrpc":"2.0",{space}"id":{id},"method":"{method}","params":{params},"more":[1.0]}}"#
                )
            };
            let said = answer(client.ask(request("x/echo", &params)), &service).await;
            let result = in_one_line(&params);
            assert_eq!(said, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#), "{told}");

            let said = answer(client.ask(request("x/line", &params)), &service).await;
            let line: serde_json::Value = serde_json::from_str(&said).unwrap();
            let line = line["result"].as_str().unwrap();
            let (head, tail) = line.split_once("\"id\":").unwrap();
            let (_, tail) = tail.split_once(",\"method\"").unwrap();
            let seen = format!("{head}\"id\":{id},\"method\"{tail}");
            assert_eq!(seen, in_one_line(&request("x/line", &params)), "{told}");

            let error = text.object(&[r#""code":7"#, r#""message":"no""#]);
            let said = answer(client.ask(request("x/fail", &error)), &service).await;
            let error = in_one_line(&error);
            assert_eq!(said, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#), "{told}: {error}");

            let mut reply = client.ask(request("x/tell", &params)).send(&service.main).await;
            let said = event(&mut reply).await;
            assert_eq!(
                said,
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{result}}}"#),
                "{told}"
            );
            // Until it is answered, its id is not free for the next.
            assert!(event(&mut reply).await.contains("\"result\""), "{told}");

            let mut reply = client.ask(request("x/ask", &params)).send(&service.main).await;
            let question = event(&mut reply).await;
            let (head, rest) = question.split_once("\"id\":").unwrap();
            let (own, rest) = rest.split_once(",\"method\"").unwrap();
            assert_eq!(head, r#"{"jsonrpc":"2.0","#);
            assert_eq!(rest, format!(r#":"sampling/createMessage","params":{result}}}"#), "{told}");
            let answered = text.object(&[]);
            let response = format!(r#"{{"result":{answered},"id":{own},{space}"jsonrpc":"2.0"}}"#);
            assert_eq!(client.ask(response).send(&service.main).await.status, 202, "{told}: {answered}");
            let said = event(&mut reply).await;
            let answered = in_one_line(&answered);
            assert_eq!(said, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{answered}}}"#), "{told}");
        }
    }
}

/// The same for clients and servers without sessions.
#[tokio::test]
async fn without_a_session_every_byte_comes_through_both_ways() {
    let service = Service::start(&mirror("protocol = \"modern\"\n")).await;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"n":1.0}"#;
    for seed in seeds() {
        let mut text = Text::new(seed);
        for case in 0..cases() {
            let (id, params) = (text.id(), text.object(&[meta]));
            let told = format!("seed {seed}, case {case}: id {id}, params {params}");
            let ask = |method: &str, params: &str| {
                let request =
                    format!(r#"{{"params":{params},"jsonrpc":"2.0","method":"{method}","id":{id}}}"#);
                let ask = Ask::mcp("/mcp/m", request).header("mcp-protocol-version", "2026-07-28");
                ask.header("mcp-method", method)
            };
            let said = answer(ask("x/echo", &params), &service).await;
            let result = in_one_line(&params);
            assert_eq!(said, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#), "{told}");
            let error = text.object(&[meta, r#""code":7"#, r#""message":"no""#]);
            let said = answer(ask("x/fail", &error), &service).await;
            let error = in_one_line(&error);
            assert_eq!(said, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#), "{told}: {error}");
        }
    }
}
