//! Clients of 2026-07-28 on several backends.

use super::*;
use common::text_of;
use modern::Modern;

/// A backend that speaks both eras.
fn demo(name: &str) -> String {
    let command = env!("CARGO_BIN_EXE_mcpvisor");
    format!("[backends.{name}]\ncommand = {command:?}\nargs = [\"demo-server\"]\n")
}

/// One that speaks as the client does, and two that do not.
fn mixed() -> String {
    two("") + &demo("demo")
}

/// A client would see one server where there are three.
#[tokio::test]
async fn backends_of_either_era_introduce_themselves_as_one() {
    let service = Service::start(&mixed()).await;
    let client = Modern::new(&service, ALL);
    let result = client.result("server/discover", json!({})).await;
    assert_eq!(result["supportedVersions"][0], modern::VERSION);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcpvisor");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "{result}");
    assert!(result["instructions"].as_str().unwrap().contains("## a\n"), "{result}");
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("private")));
}

/// A client would call what is not there, or keep a list for too long.
#[tokio::test]
async fn lists_hold_everything_and_say_how_long_they_last() {
    let service = Service::start(&mixed()).await;
    let client = Modern::new(&service, ALL);
    let result = client.result("tools/list", json!({})).await;
    let tools = names(&result["tools"], "name");
    assert!(["a", "b", "demo"].iter().all(|name| has(&tools, name)), "{tools:?}");
    let expected = (&json!("complete"), &json!(0), &json!("private"));
    assert_eq!((&result["resultType"], &result["ttlMs"], &result["cacheScope"]), expected);
    let prompts = client.result("prompts/list", json!({})).await;
    assert!(names(&prompts["prompts"], "name").contains(&"b__greet".to_owned()), "{prompts}");
    let resources = client.result("resources/list", json!({})).await;
    assert!(names(&resources["resources"], "uri").contains(&"b://two".to_owned()));
}

#[tokio::test]
async fn a_call_goes_where_its_name_says_in_the_era_of_the_backend() {
    let service = Service::start(&mixed()).await;
    let client = Modern::new(&service, ALL);
    assert_eq!(client.text("a__echo", json!({ "message": "x" })).await, "x");
    assert_eq!(client.text("demo__echo", json!({ "message": "y" })).await, "y");
    assert_eq!(client.text("b__counter", json!({})).await, "1");
    let alone = Modern::new(&service, "b");
    assert_eq!(alone.text("counter", json!({})).await, "2", "the same process as on its own endpoint");
    let (_, wrong) = client.call("bb__counter", json!({})).await;
    assert_eq!(common::code(&wrong), -32602, "{wrong}");
    assert!(wrong["error"]["message"].as_str().unwrap().contains("b__counter"), "{wrong}");
    let (status, wrong) = client.request("tasks/list", json!({})).await;
    assert_eq!((status, common::code(&wrong)), (404, -32601));
    let message = client.message("tools/call", json!({ "name": "a__echo", "arguments": {} }));
    let mismatch = client.ask(&message).header("mcp-name", "echo").send(&service.main).await;
    assert_eq!(mismatch.status, 400, "the header repeats the name that the client uses");
}

/// A cursor would be good for one server only.
#[tokio::test]
async fn backends_that_page_are_paged_through_together() {
    let config = backend("a", &["--scheme", "a", "--page-size", "2"], "")
        + &backend("b", &["--scheme", "b", "--page-size", "1"], "");
    let service = Service::start(&config).await;
    let client = Modern::new(&service, ALL);
    let (mut all, mut params) = (Vec::new(), json!({}));
    loop {
        let result = client.result("resources/list", params).await;
        assert_eq!(result["cacheScope"], "private");
        all.push(names(&result["resources"], "uri"));
        let Some(next) = result["nextCursor"].as_str() else { break };
        params = json!({ "cursor": next });
    }
    let expected = [vec!["a://one", "a://two", "b://one"], vec!["a://three", "b://two"], vec!["b://three"]];
    assert_eq!(all, expected);
    let (_, wrong) = client.request("resources/list", json!({ "cursor": "x" })).await;
    assert_eq!(common::code(&wrong), -32602);
}

#[tokio::test]
async fn resources_are_read_and_completed_where_they_are() {
    let service = Service::start(&mixed()).await;
    let client = Modern::new(&service, ALL);
    for uri in ["b://one", "a://item/1", "b://nowhere/in/a/list"] {
        let result = client.result("resources/read", json!({ "uri": uri })).await;
        assert_eq!(result["contents"][0]["uri"], uri);
    }
    let (_, wrong) = client.request("resources/read", json!({ "uri": "nobody://has/it" })).await;
    assert_eq!(common::code(&wrong), -32602, "{wrong}");
    let params = json!({
        "ref": { "type": "ref/resource", "uri": "b://item/{id}" }, "argument": { "name": "id", "value": "x" },
    });
    let result = client.result("completion/complete", params).await;
    assert_eq!(result["completion"]["values"][0], "x of b");
}

/// A question would be answered to the wrong server, or its answer be refused.
#[tokio::test]
async fn what_a_backend_asks_is_answered_by_the_next_request() {
    let service = Service::start(&two("")).await;
    let client = Modern::new(&service, ALL);
    let arguments = json!({ "message": "Who?" });
    let (of_a, state_a) = client.asked("a__elicit", arguments.clone()).await;
    let (of_b, state_b) = client.asked("b__elicit", arguments.clone()).await;
    let answers = |asked: &Value, name: &str| {
        let key = asked.as_object().unwrap().keys().next().unwrap().clone();
        json!({ key: { "action": "accept", "content": { "name": name } } })
    };
    let (_, foreign) = client.answer("b__elicit", arguments.clone(), answers(&of_a, "x"), &state_a).await;
    assert_eq!(common::code(&foreign), -32602, "the state is of another backend: {foreign}");
    let (_, answer) = client.answer("b__elicit", arguments.clone(), answers(&of_b, "Bo"), &state_b).await;
    assert!(text_of(&answer).contains("Bo"), "{answer}");
    let (_, answer) = client.answer("a__elicit", arguments, answers(&of_a, "Al"), &state_a).await;
    assert!(text_of(&answer).contains("Al"), "{answer}");
}

/// A client that counts its requests beyond what a double holds would not know its own subscription.
#[tokio::test]
async fn a_subscription_is_named_by_its_id_whatever_its_size() {
    let service = Service::start(&(two("") + &demo("demo"))).await;
    let client = Modern::new(&service, ALL);
    let message =
        client.message("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let id = "123456789012345678901234567890";
    let text = message.to_string().replace(&format!(r#""id":{},"#, message["id"]), &format!(r#""id":{id},"#));
    let ask = Ask::mcp(&client.path, text).header("mcp-protocol-version", modern::VERSION);
    let mut stream = ask.header("mcp-method", "subscriptions/listen").send(&service.main).await;
    let named = format!(r#""io.modelcontextprotocol/subscriptionId":{id}"#);
    assert!(stream.raw_event().await.unwrap().contains(&named), "the acknowledgement");
    client.text("a__change_tools", json!({})).await;
    assert!(stream.raw_event().await.unwrap().contains(&named), "what follows");
}

/// A client would have to listen to every server on its own.
#[tokio::test]
async fn who_listens_hears_every_backend_and_of_those_that_come_and_go() {
    let config = two("") + "[backends.dead]\ncommand = \"/no/such/program\"\n";
    let service = Service::start(&config).await;
    let client = Modern::new(&service, ALL);
    let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["b://one", "z://none"] });
    let (id, mut stream) = client.listen(wanted).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    let granted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["b://one"] });
    assert_eq!(first["params"]["notifications"], granted);
    for tool in ["a__change_tools", "b__change_tools"] {
        client.text(tool, json!({})).await;
        let told = hears(&mut stream, "notifications/tools/list_changed").await;
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
    }
    client.text("b__touch", json!({ "uri": "b://one" })).await;
    let told = hears(&mut stream, "notifications/resources/updated").await;
    assert_eq!(told["params"]["uri"], "b://one");
    service.reload(&(two("") + &backend("c", &[], ""))).await;
    hears(&mut stream, "notifications/tools/list_changed").await;
    let tools = names(&client.result("tools/list", json!({})).await["tools"], "name");
    assert!(has(&tools, "c"), "{tools:?}");
}

#[tokio::test]
async fn a_backend_that_is_not_there_hides_nobody() {
    let config = mixed() + "[backends.dead]\ncommand = \"/no/such/program\"\n";
    let service = Service::start(&config).await;
    let client = Modern::new(&service, ALL);
    let result = client.result("tools/list", json!({})).await;
    assert!(has(&names(&result["tools"], "name"), "demo"));
    let missing = &result["_meta"]["mcpvisor/unavailable"];
    assert_eq!((missing.as_array().unwrap().len(), &missing[0]["backend"]), (1, &json!("dead")), "{missing}");
    let (_, call) = client.call("dead__echo", json!({})).await;
    assert!(matches!(common::code(&call), -31006 | -31002), "{call}");
    let result = client.result("server/discover", json!({})).await;
    assert_eq!(result["_meta"]["mcpvisor/unavailable"][0]["backend"], "dead");
}

/// An upstream that reads the header would refuse every call, since it names what only we know.
#[tokio::test]
async fn headers_to_an_upstream_name_what_the_upstream_calls_it() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let mut command = Command::new(common::fixture());
    command.args(["conformance", "--http", "127.0.0.1:0", "--era", "modern"]);
    struct Upstream(std::process::Child);
    impl Drop for Upstream {
        fn drop(&mut self) {
            let _ = (self.0.kill(), self.0.wait());
        }
    }
    let mut upstream = Upstream(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(upstream.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let config = format!("[backends.u]\nurl = {:?}\n", url.trim()) + &two("");
    let service = Service::start(&config).await;
    let client = Modern::new(&service, ALL);
    let tools = names(&client.result("tools/list", json!({})).await["tools"], "name");
    assert!(has(&tools, "a") && tools.contains(&"u__test_simple_text".to_owned()), "{tools:?}");
    let answer = client.call("u__test_simple_text", json!({})).await;
    assert!(answer.0 == 200 && !text_of(&answer.1).is_empty(), "{answer:?}");
}

/// Log lines of two servers could not be told apart.
#[tokio::test]
async fn log_lines_say_whose_they_are() {
    let service = Service::start(&two("")).await;
    let client = Modern::new(&service, ALL).with_meta("io.modelcontextprotocol/logLevel", json!("info"));
    let message = client
        .message("tools/call", json!({ "name": "b__log", "arguments": { "level": "info", "text": "x" } }));
    let messages = client.post(&message).await.messages().await;
    assert_eq!(messages[0]["params"]["logger"], "b/fixture", "{messages:?}");
}
