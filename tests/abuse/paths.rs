//! Paths that lead somewhere else than they should.

use crate::wire::Then::Waits;
use crate::world::{MALLORY, World};

/// A path would reach what is not meant for it.
#[tokio::test]
async fn a_path_is_one_of_those_that_are_there_or_none() {
    let world = World::new("").await;
    let names = [
        "..",
        ".",
        "../health",
        "%2e%2e",
        "%2e%2e/health",
        "%2e%2e%2fhealth",
        "..%2f..%2fetc%2fpasswd",
        "..%5c..%5cetc",
        "..;/health",
        "alpha/..",
        "alpha/../alpha",
        "alpha/%2e%2e/beta",
        "alpha%00",
        "%00",
        "alpha%0d%0aX-Injected:%20y",
        "alpha%20",
        "alpha%09",
        "%61lpha",
        "alpha%2f",
        "alpha;x=1",
        "alpha,beta",
        "alpha//",
        "alpha\\",
        "alpha\\..",
        "ALPHA",
        "Alpha",
        "alpha.",
        "alpha:80",
        "alpha@evil",
        "*",
        "alph?",
        "{alpha}",
        "$alpha",
        "~",
        "~root",
        "%c0%ae%c0%ae%2f",
        "%e2%80%ae",
        "%ef%bc%8e%ef%bc%8e",
        "%25%32%65",
        "%252e%252e",
        "%u002e",
        "%",
        "%zz",
        "%2",
        "-alpha",
        "_alpha",
        "__proto__",
        "constructor",
        "con",
        "nul",
        "alpha__echo",
        "group/..",
        "group/%2e%2e",
        "group/alpha/..",
        "group/*",
        "group/__proto__",
        "'%20OR%201=1--",
        "<script>",
        "${jndi:ldap:x}",
        "`id`",
        "|id",
        "alpha%23",
    ];
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\nAccept: */*\r\nConnection: close\r\n\r\n").into_bytes()
    };
    for name in names {
        for before in ["/mcp/", "/sse/", "/message/"] {
            let path = format!("{before}{name}");
            // `?` begins a query, with which nothing is wrong.
            let accepted: &[&[u16]] = &[&[404], &[400], &[405]];
            let answer = world.sends(&path, &request(&path), Waits, true, accepted).await;
            assert!(answer.text.len() < 3000, "{path}: {} bytes", answer.text.len());
            assert!(
                !answer.text.contains("\nX-Injected") && !answer.text.contains("root:"),
                "{path}: {}",
                answer.text
            );
        }
    }
    let others: &[(&str, &[&[u16]])] = &[
        ("//mcp/alpha", &[&[404], &[400], &[403]]),
        ("/mcp//alpha", &[&[404]]),
        ("/./mcp/alpha", &[&[404]]),
        ("/health/..", &[&[404]]),
        ("/metrics", &[&[404]]),
        ("/api/v1/backends", &[&[404]]),
        ("/mcp/alpha/../../api/v1/backends", &[&[404]]),
        ("/%6dcp/alpha", &[&[404]]),
        ("/MCP/alpha", &[&[404]]),
        ("/close", &[&[405]]),
        ("*", &[&[404], &[400], &[405]]),
        ("livez", &[&[400], &[403]]),
        ("livez/", &[&[400], &[403]]),
        ("?", &[&[400], &[404]]),
        ("#", &[&[400], &[404]]),
        ("/livez#x", &[&[200], &[400], &[404]]),
        ("/livez?x=%00", &[&[200]]),
        ("\\livez", &[&[400]]),
        ("/\\livez", &[&[404], &[400]]),
        ("/caf\u{e9}", &[&[404], &[400]]),
        ("/mcp/\u{202e}alpha", &[&[404], &[400]]),
        ("/mcp/\u{0}", &[&[400]]),
        ("/mcp/\u{7f}", &[&[400], &[404]]),
        ("/mcp/\u{1b}[2J", &[&[400]]),
        ("http://localhost/livez", &[&[200]]),
        ("http://localhost/mcp/alpha", &[&[400]]),
        ("http://evil.example/mcp/alpha", &[&[403]]),
        ("http://localhost@evil.example/mcp/alpha", &[&[403]]),
        ("http://localhost:80@evil.example/mcp/alpha", &[&[403]]),
        ("http://evil.example@localhost/mcp/alpha", &[&[403], &[400]]),
        ("https://localhost.evil.example/mcp/alpha", &[&[403]]),
        ("http:///livez", &[&[400]]),
        ("http://[::1/mcp/alpha", &[&[400]]),
        ("file:///etc/passwd", &[&[400]]),
        ("gopher://localhost/mcp/alpha", &[&[400], &[200], &[403]]),
        ("javascript:alert(1)", &[&[400], &[403], &[404]]),
    ];
    for (path, accepted) in others {
        world.sends(path, &request(path), Waits, true, accepted).await;
    }
    for target in ["127.0.0.1:22", "localhost:9464", "evil.example:443", "/mcp/alpha", "*"] {
        let bytes = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let answer = world
            .sends(
                &format!("CONNECT {target}"),
                bytes.as_bytes(),
                Waits,
                false,
                &[&[400], &[403], &[404], &[405], &[405, 404], &[404, 404], &[403, 404]],
            )
            .await;
        assert!(!answer.text.contains("mcpvisor_") && !answer.text.contains("SSH"), "{}", answer.text);
    }
    let page = world.service.metrics().await;
    for strange in ["passwd", "%2e", "proto__", "<script", "Injected"] {
        assert!(!page.contains(strange), "a label says {strange}, and everybody can make more of them");
    }
    world.ends("paths").await;
}
