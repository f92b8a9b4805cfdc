//! Names of hosts and origins that are not ours, and the listener that is not for everybody.

use serde_json::Value;

use crate::common::{Ask, Service, backend};
use crate::wire::Then::Waits;
use crate::world::{MALLORY, World, keys};

/// A page in the browser of a user would speak to the service in his name.
#[tokio::test]
async fn hosts_and_origins_that_are_not_ours_stay_out() {
    let settings = "allowed_hosts = [\"mcp.example\"]\nallowed_origins = [\"https://app.example\"]\n";
    let config = [&keys(), settings, &backend("alpha", &[], "")].concat();
    let world = World::of(Service::start(&config).await).await;
    let ping = || world.mallory.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned());
    let (refused, ok) = ((403, -32600), (200, 0));
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:8080",
        "evil.example#localhost",
        "evil.example,localhost",
        "mcp.example.evil",
        "evil-mcp.example",
        "xmcp.example",
        "mcp.example@evil.example",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "127.0.0.1:80@evil.example",
        "localhost:evil.example",
        "localhost:80:80",
        "127.0.0.1:",
        "0.0.0.0",
        "0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "10.0.0.1",
        "169.254.169.254",
        "[::2]",
        "[::ffff:10.0.0.1]",
        "::",
        "rebind.network",
        "local\u{212a}ost",
        "localhost ",
        "null",
        "localhost/",
        "localhost\\evil",
        "localhost?x",
        "http://localhost",
        "localhost%00",
        ".localhost",
        "localhost..",
    ] {
        let bytes = format!(
            "POST /mcp/alpha HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {MALLORY}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {}\r\nContent-Length: 40\r\n\r\n{}",
            world.mallory.session, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
        );
        // A port that is left out and a space at the end are the same host; a name below localhost is this machine.
        let accepted: &[&[u16]] = match host {
            "127.0.0.1:" | "localhost " => &[&[200], &[403]],
            ".localhost" | "localhost.." => &[&[403], &[200]],
            _ => &[&[403], &[400]],
        };
        world.sends(&format!("the host {host}"), bytes.as_bytes(), Waits, true, accepted).await;
    }
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "127.8.9.10",
        "mcp.example",
        "MCP.example:443",
        "mcp.example.",
        "app.localhost",
    ] {
        world.asks(&format!("our own host {host}"), ping().header("host", host), ok).await;
    }
    for origin in [
        "https://evil.example",
        "http://evil.example:80",
        "null",
        "https://app.example.evil",
        "https://evilapp.example",
        "https://app.example@evil.example",
        "https://app.example:8443",
        "http://app.example",
        "https://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://localhost:80@evil.example",
        "file://",
        "chrome-extension://abc",
        "data:,x",
        "*",
        "https://*",
        "localhost",
        "//localhost",
        "https://app.example https://evil.example",
        "https://app.example,https://evil.example",
        "http://0.0.0.0",
        "http://[::2]",
        "http://2130706433",
    ] {
        world.asks(&format!("the origin {origin}"), ping().header("origin", origin), refused).await;
        let preflight = Ask::new("OPTIONS", "/mcp/alpha")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let reply = world.attack(origin, preflight.send(&world.service.main)).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None), "{origin}");
    }
    for origin in [
        "https://app.example",
        "HTTPS://APP.EXAMPLE",
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://[::1]:80",
        "https://mcp.example",
    ] {
        world.asks(&format!("our own origin {origin}"), ping().header("origin", origin), ok).await;
    }
    for path in ["/health", "/close", "/mcp", "/mcp/alpha", "/sse/alpha", "/"] {
        let ask = Ask::new("GET", path).header("host", "evil.example");
        world.asks(&format!("another host at {path}"), ask, refused).await;
    }
    world.ends("hosts and origins").await;
}

/// The admin listener is for the operator; a page in his browser, or a trick with a path, would make orders in his name.
#[tokio::test]
async fn the_admin_listener_is_no_way_in() {
    let world = World::new("").await;
    let session = "0123456789ab";
    let admin = &world.service.admin;
    let rows: Vec<(String, &str, &[u16])> = [
        ("GET", "/api/v1/backends/..", &[404][..]),
        ("GET", "/api/v1/backends/%2e%2e", &[404]),
        ("GET", "/api/v1/backends/%2e%2e%2f%2e%2e%2fetc%2fpasswd", &[404]),
        ("GET", "/api/v1/backends/alpha%00", &[404]),
        ("GET", "/api/v1/backends/%ff%fe", &[404, 400]),
        ("GET", "/api/v1/backends/%c0%ae", &[404, 400]),
        ("GET", "/api/v1/backends/%0d%0aX-Injected:%20y", &[404]),
        ("POST", "/api/v1/backends/*/stop", &[404]),
        ("POST", "/api/v1/backends/../stop", &[404]),
        ("POST", "/api/v1/connections/alpha/../restart", &[404, 405]),
        ("DELETE", "/api/v1/connections/alpha/*", &[404, 400]),
        ("DELETE", "/api/v1/connections/alpha/%2e%2e", &[404, 400]),
        ("DELETE", "/api/v1/connections/%2e%2e/%2e%2e", &[404, 400]),
        ("GET", "/api/v1/connections/alpha/%2e%2e/stderr", &[404, 400]),
        ("GET", "/api/v1/connections/alpha/0123456789ab0/stderr", &[404, 400]),
        ("GET", "/api/v1/stderr/../../etc/passwd", &[404]),
        ("PUT", "/api/v1/log-level", &[400, 415, 422]),
        ("POST", "/api/v1/reload?dry_run=maybe", &[400, 422]),
        ("GET", "/metrics/..", &[404]),
        ("GET", "//metrics", &[404]),
        ("TRACE", "/metrics", &[405]),
        ("GET", "/api/v1/events?since=%00", &[400, 422, 200]),
    ]
    .into_iter()
    .map(|(method, path, accepted)| (path.replace("SESSION", session), method, accepted))
    .collect();
    for (path, method, accepted) in rows {
        let reply = world.attack(&path, Ask::new(method, &path).send(admin)).await;
        assert!(accepted.contains(&reply.status), "{method} {path}: {}", reply.status);
        assert!(reply.header("x-injected").is_none());
    }
    for (name, header, value) in [
        ("another host", "host", "evil.example"),
        ("another origin", "origin", "https://evil.example"),
        ("a rebound host", "host", "127.0.0.1.evil.example"),
    ] {
        for (method, path) in [
            ("GET", "/metrics"),
            ("POST", "/api/v1/backends/alpha/stop"),
            ("POST", "/api/v1/reload"),
            ("GET", "/api/v1/connections"),
        ] {
            let reply = world.attack(name, Ask::new(method, path).header(header, value).send(admin)).await;
            assert_eq!(reply.status, 403, "{name}: {method} {path}");
        }
    }
    let body: Value = Ask::new("GET", "/api/v1/backends/alpha").send(admin).await.json().await;
    assert_ne!(body["status"], "stopped", "{body}");
    world.ends("the admin listener").await;
}
