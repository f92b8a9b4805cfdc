//! Introductions and lists of several backends, as one.

use super::*;

/// A client would see one server where there are two, or not know whose instructions it reads.
#[tokio::test]
async fn backends_introduce_themselves_as_one() {
    let config = two("") + &backend("c", &["--drop-capability", "prompts"], "");
    let service = Service::start(&config).await;
    let initialize = Client::initialize("2025-06-18", json!({})).to_string();
    let reply = Ask::mcp("/mcp", initialize).send(&service.main).await;
    assert!(reply.header("mcp-session-id").is_some());
    let answer = reply.json().await;
    let result = &answer["result"];
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert_eq!(result["serverInfo"]["name"], "mcpvisor");
    let capabilities = &result["capabilities"];
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(capabilities[list]["listChanged"], true, "{capabilities}");
    }
    assert!(capabilities["completions"].is_object() && capabilities["logging"].is_object());
    assert_eq!(capabilities["resources"]["subscribe"], true);
    let instructions = result["instructions"].as_str().unwrap();
    for name in ["## a\n", "## b\n", "## c\n"] {
        assert!(instructions.contains(name), "{instructions}");
    }
}

/// A client would have tools of the same name and no way to say which it means.
#[tokio::test]
async fn lists_hold_everything_under_the_name_of_its_backend() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let tools = tools(&client).await;
    for tool in ["a__echo", "b__echo", "a__add", "b__link"] {
        assert!(tools.iter().any(|name| name == tool), "{tool}: {tools:?}");
    }
    let first_of_b = tools.iter().position(|name| name.starts_with("b__")).unwrap();
    assert!(tools[first_of_b..].iter().all(|name| name.starts_with("b__")), "in the order of names");
    let prompts = listed(&client, "prompts/list", "prompts", "name").await;
    assert_eq!(prompts, [["a__greet", "b__greet"]]);
    let resources = listed(&client, "resources/list", "resources", "uri").await.concat();
    assert_eq!(resources, ["a://one", "a://two", "a://three", "b://one", "b://two", "b://three"]);
    let templates = listed(&client, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
    assert_eq!(templates, [["a://item/{id}", "b://item/{id}"]]);
}

/// A long list would be cut, or the cursor of one server given to another.
#[tokio::test]
async fn backends_that_page_are_paged_through_together() {
    let config = backend("a", &["--scheme", "a", "--page-size", "1"], "")
        + &backend("b", &["--scheme", "b", "--page-size", "2"], "")
        + &backend("c", &["--scheme", "c"], "");
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let pages = listed(&client, "resources/list", "resources", "uri").await;
    let expected = [
        vec!["a://one", "b://one", "b://two", "c://one", "c://two", "c://three"],
        vec!["a://two", "b://three"],
        vec!["a://three"],
    ];
    assert_eq!(pages, expected);
    let direct = open(&service, "a").await;
    assert_eq!(
        tools(&client).await.iter().filter(|name| name.starts_with("a__")).count(),
        tools(&direct).await.len()
    );
}

/// A client could make a server read what another one's cursor says, or anything at all.
#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let config = backend("a", &["--page-size", "1"], "") + &backend("b", &["--page-size", "1"], "");
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let answer = client.request("tools/list", json!({})).await;
    let cursor = answer["result"]["nextCursor"].as_str().unwrap().to_owned();
    assert!(!cursor.contains('a') || cursor.len() > 40, "it shows nothing of what is in it");
    for (method, cursor) in [
        ("tools/list", json!("1")),
        ("tools/list", json!("")),
        ("prompts/list", json!(cursor)),
        ("tools/list", json!(7)),
    ] {
        let answer = client.request(method, json!({ "cursor": cursor })).await;
        assert_eq!(common::code(&answer), -32602, "{method} {cursor}: {answer}");
    }
    let answer = client.request("tools/list", json!({ "cursor": cursor })).await;
    assert_eq!(names(&answer["result"]["tools"], "name"), ["a__add", "b__add"]);
}

/// A client would ask one server and get another's, and nobody would know.
#[tokio::test]
async fn a_resource_of_two_backends_is_the_first_ones_and_that_is_said() {
    let service = Service::start(&(backend("a", &[], "") + &backend("b", &[], ""))).await;
    let client = open(&service, ALL).await;
    let answer = client.request("resources/list", json!({})).await;
    let result = &answer["result"];
    assert_eq!(names(&result["resources"], "uri"), ["fixture://one", "fixture://two", "fixture://three"]);
    let conflict = json!({ "uri": "fixture://one", "backend": "a", "hidden": "b" });
    assert_eq!(result["_meta"]["mcpvisor/conflicts"][0], conflict);
    eventually("the log says so too", async || service.log().contains("unified.conflict").then_some(()))
        .await;
    let read = client.request("resources/read", json!({ "uri": "fixture://one" })).await;
    let pid: Value = serde_json::from_str(&client.text("a__pid", json!({})).await).unwrap();
    assert!(read.to_string().contains(&format!("process {} ", pid["pid"])), "{read}");
}

/// A user with twenty servers would start twenty processes to use one.
#[tokio::test]
async fn a_backend_whose_introduction_is_known_is_launched_when_it_is_used() {
    let service = Service::start(&two("")).await;
    let first = open(&service, ALL).await;
    assert_eq!((connections(&service, "a").await, connections(&service, "b").await), (1, 1));
    let second = open(&service, ALL).await;
    assert_eq!((connections(&service, "a").await, connections(&service, "b").await), (1, 1));
    assert_eq!(second.text("b__echo", json!({ "message": "x" })).await, "x");
    assert_eq!((connections(&service, "a").await, connections(&service, "b").await), (1, 2));
    assert!(has(&tools(&second).await, "a"));
    assert_eq!((connections(&service, "a").await, connections(&service, "b").await), (2, 2));
    drop(first);
}
