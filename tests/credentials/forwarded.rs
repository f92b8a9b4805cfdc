//! `forward_authorization`

use serde_json::json;

use crate::common::{Ask, Service, code, eventually};
use crate::server::Server;
use crate::{User, initialize, shown};

const FORWARDED: &str = "forward_authorization = true";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A server would get the keys of its users to other services.
#[tokio::test]
async fn nothing_of_the_client_reaches_a_server_that_is_not_to_see_it() {
    let server = Server::start().await;
    let own = "headers = { X-Key = \"ours\" }";
    let service =
        Service::start(&(server.backend("a", own) + &server.backend("b", "protocol = \"modern\""))).await;
    for path in ["/mcp/a", "/mcp/b", "/mcp"] {
        let user = User::open(&service, path, "Bearer s3cret").await;
        user.call("Bearer s3cret").await;
        assert_eq!(user.other("DELETE", "Bearer s3cret").await.status, 204);
    }
    modern(&service, "/mcp/b", "Bearer s3cret").await;
    eventually("the sessions end", async || (!server.shown("DELETE").is_empty()).then_some(())).await;
    let seen = server.seen();
    assert!(
        seen.iter().any(|seen| seen.what == "tools/call")
            && seen.iter().any(|seen| seen.what == "tools/list")
    );
    for seen in seen {
        assert!(!seen.whole.contains("s3cret") && !seen.whole.contains("c00kie"), "{seen:?}");
    }
}

/// A user could do what another may, or not what he may himself.
#[tokio::test]
async fn each_request_of_a_session_goes_with_what_it_was_sent_with() {
    let server = Server::start().await;
    let service = Service::start(&server.backend("a", FORWARDED)).await;
    let user = User::open(&service, "/mcp/a", "Bearer one").await;
    eventually("the stream is asked for", async || (!server.shown("GET").is_empty()).then_some(())).await;
    for what in ["initialize", "notifications/initialized", "GET"] {
        assert_eq!(server.shown(what), [some("Bearer one")], "{what}");
    }
    for shows in ["Bearer one", "", "Bearer two"] {
        assert_eq!(user.call(shows).await.status, 200);
    }
    assert_eq!(server.shown("tools/call"), [some("Bearer one"), None, some("Bearer two")]);
    // What is nobody's request goes with the last that was shown.
    let connection = service.connections().await.remove(0);
    let session = connection["session"].as_str().unwrap();
    let restart = format!("/api/v1/connections/a/{session}/restart");
    assert!(Ask::new("POST", &restart).send(&service.admin).await.status < 300);
    eventually("it is replayed", async || (server.shown("initialize").len() == 2).then_some(())).await;
    assert_eq!(server.shown("initialize")[1], some("Bearer two"));
    assert_eq!(user.call("Bearer two").await.status, 200);
    assert_eq!(user.other("DELETE", "Bearer three").await.status, 204);
    eventually("both sessions end", async || (server.shown("DELETE").len() == 2).then_some(())).await;
    assert_eq!(server.shown("DELETE"), [some("Bearer two"), some("Bearer three")]);
    assert!(server.seen().iter().all(|seen| !seen.whole.contains("c00kie")));
    assert!(!service.log().contains("Bearer"), "{}", service.log());
}

/// A client could not know that it has to log in, or where; and a wrong token would count as a fault of the server.
#[tokio::test]
async fn a_refusal_is_the_clients_to_see_and_counts_nothing() {
    let server = Server::start().await;
    server.takes_only("Bearer good");
    let service =
        Service::start(&server.backend("a", &format!("{FORWARDED}\npool.max_error_count = 0"))).await;
    for _ in 0..3 {
        let refused = initialize(&service, "/mcp/a", "Bearer bad").await;
        let challenge = refused.header("www-authenticate").map(str::to_owned);
        assert_eq!((refused.status, refused.header("mcp-session-id")), (401, None));
        assert!(challenge.unwrap().contains("resource_metadata=\"https://upstream/.well-known\""));
        assert_eq!(code(&refused.json().await), -31008);
    }
    let user = User::open(&service, "/mcp/a", "Bearer good").await;
    for (shows, status) in [("Bearer good", 200), ("Bearer bad", 401), ("", 401), ("Bearer good", 200)] {
        let reply = user.call(shows).await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate").is_some()),
            (status, status == 401),
            "{shows}"
        );
    }
    // Also to a client that would rather have a stream.
    let list = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" }).to_string();
    let streams = shown(Ask::mcp("/mcp/a", list), "Bearer bad").header("mcp-session-id", &user.session);
    let streams = streams.header("accept", "text/event-stream, application/json;q=0.1");
    assert_eq!(streams.clone().send(&service.main).await.status, 401);
    let streamed = streams.header("authorization", "Bearer good").send(&service.main).await;
    assert!(streamed.status == 200 && streamed.is_stream());
    let connection = service.connections().await.remove(0);
    assert_eq!((&connection["error_count"], &connection["restarts"]), (&json!(0), &json!(0)), "{connection}");
    // Its token has come to its end, and so has its connection.
    server.takes_only("Bearer new");
    let session = connection["session"].as_str().unwrap();
    let restart = format!("/api/v1/connections/a/{session}/restart");
    assert!(Ask::new("POST", &restart).send(&service.admin).await.status < 300);
    eventually("the replay is tried", async || (server.shown("initialize").len() == 5).then_some(())).await;
    assert_eq!(user.call("Bearer good").await.status, 401);
    assert_eq!(user.call("Bearer new").await.status, 200, "the session goes on");
    let faults = service.metrics().await;
    let counted = |line: &&str| line.starts_with("mcpvisor_faults_total{") && !line.ends_with(" 0");
    assert_eq!(faults.lines().find(counted), None);
}

/// Two users without sessions would share what one of them has shown.
#[tokio::test]
async fn modern_clients_with_other_credentials_have_other_connections() {
    let server = Server::start().await;
    let config = server.backend("a", &format!("{FORWARDED}\nprotocol = \"modern\""))
        + &server.backend("b", &format!("{FORWARDED}\nprotocol = \"legacy\""));
    let service = Service::start(&config).await;
    for path in ["/mcp/a", "/mcp/b"] {
        for shows in ["Bearer one", "Bearer two", "Bearer one", ""] {
            assert_eq!(modern(&service, path, shows).await, 200, "{path}");
        }
    }
    let (one, two) = (some("Bearer one"), some("Bearer two"));
    let each = [one.clone(), two.clone(), one.clone(), None];
    assert_eq!(server.shown("tools/list"), [each.clone(), each].concat());
    for greeting in ["server/discover", "initialize"] {
        let shown = server.shown(greeting);
        assert_eq!(shown, [one.clone(), two.clone(), None], "{greeting}");
    }
    server.takes_only("Bearer good");
    for path in ["/mcp/a", "/mcp/b"] {
        assert_eq!(modern(&service, path, "Bearer bad").await, 401, "{path}");
        assert_eq!(modern(&service, path, "Bearer good").await, 200, "{path}");
    }
}

/// Behind one endpoint a server would see what is meant for another.
#[tokio::test]
async fn of_several_servers_only_those_see_it_that_are_to() {
    let (sees, blind) = (Server::start().await, Server::start().await);
    let service = Service::start(&(sees.backend("a", FORWARDED) + &blind.backend("b", ""))).await;
    let user = User::open(&service, "/mcp", "Bearer one").await;
    for tool in ["a__t", "b__t"] {
        let params = json!({ "name": tool, "arguments": {} });
        let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params });
        assert_eq!(user.post("Bearer two", &call).await.status, 200);
    }
    assert_eq!(sees.shown("initialize"), [some("Bearer one")]);
    assert_eq!(sees.shown("tools/call"), [some("Bearer two")]);
    assert_eq!(blind.shown("tools/call"), [None]);
    assert!(blind.seen().iter().all(|seen| seen.authorization.is_none()));
}

/// The status of a `tools/list` of a client of 2026-07-28.
async fn modern(service: &Service, path: &str, shows: &str) -> u16 {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } });
    let ask = shown(Ask::mcp(path, list.to_string()), shows).header("mcp-method", "tools/list");
    ask.header("mcp-protocol-version", "2026-07-28").send(&service.main).await.status
}
