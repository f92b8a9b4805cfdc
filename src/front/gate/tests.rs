use http::Request;

use super::*;

fn gate(listen: &str, hosts: &[&str], origins: &[&str]) -> Gate {
    let own = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
    let auth = Auth { allowed_hosts: own(hosts), allowed_origins: own(origins), ..Auth::default() };
    Gate::new(listen, "https://mcp.example:8443/gw", &auth)
}

fn ask(gate: &Gate, host: &str, origin: Option<&str>) -> Result<(), Refused> {
    let mut request = Request::get("/mcp/demo").header("host", host);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    gate.check(&request.body(()).unwrap().into_parts().0)
}

#[test]
fn local_clients_are_let_in_by_every_loopback_name() {
    let gate = gate("127.0.0.1:8080", &[], &[]);
    for host in
        ["127.0.0.1:8080", "localhost", "LOCALHOST:9", "localhost.", "[::1]:8080", "127.0.0.2", "a.localhost"]
    {
        assert_eq!(ask(&gate, host, None), Ok(()), "{host}");
    }
}

/// A proxy that leaves the name would be refused, although that is what the service is called.
#[test]
fn the_public_name_is_one_of_its_own() {
    let gate = gate("127.0.0.1:8080", &[], &[]);
    for host in ["mcp.example", "MCP.example:8443", "mcp.example:1"] {
        assert_eq!(ask(&gate, host, Some("https://mcp.example:8443")), Ok(()), "{host}");
    }
    assert!(ask(&gate, "x.mcp.example", None).is_err());
}

#[test]
fn a_page_that_rebinds_its_name_to_this_machine_is_kept_out() {
    let gate = gate("127.0.0.1:8080", &[], &[]);
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "x@localhost",
        "",
        "192.168.1.1",
        "localhost:80@evil.example",
        "127.0.0.1:@evil.example",
        "localhost:evil.example",
        "localhost:80:80",
    ] {
        assert_eq!(ask(&gate, host, None), Err(Refused::Host(host.into())), "{host}");
    }
}

#[test]
fn an_origin_needs_a_known_host_or_to_be_listed() {
    let gate = gate("127.0.0.1:8080", &[], &["https://app.example"]);
    for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173", "https://APP.example"] {
        assert_eq!(ask(&gate, "localhost", Some(origin)), Ok(()), "{origin}");
    }
    for origin in [
        "null",
        "http://evil.example",
        "https://app.example:444",
        "https://app.example.evil",
        "localhost",
        "",
    ] {
        assert_eq!(ask(&gate, "localhost", Some(origin)), Err(Refused::Origin(origin.into())), "{origin}");
    }
}

#[test]
fn a_public_service_goes_by_its_given_names_only() {
    let gate = gate("0.0.0.0:8080", &["mcp.example:443"], &[]);
    assert_eq!(ask(&gate, "mcp.example", Some("https://mcp.example")), Ok(()));
    assert!(ask(&gate, "other.example", None).is_err());
}

#[test]
fn a_public_service_without_names_goes_by_any_but_trusts_no_strange_origin() {
    let gate = gate("0.0.0.0:8080", &[], &[]);
    assert_eq!(ask(&gate, "whatever.example", None), Ok(()));
    assert!(ask(&gate, "evil.example", Some("http://evil.example")).is_err());
}

#[test]
fn only_http_1_0_may_come_without_a_host() {
    let gate = gate("127.0.0.1:8080", &[], &[]);
    let request = |version| Request::get("/livez").version(version).body(()).unwrap().into_parts().0;
    assert_eq!(gate.check(&request(Version::HTTP_10)), Ok(()));
    assert_eq!(gate.check(&request(Version::HTTP_11)), Err(Refused::NoHost));
}

#[test]
fn every_origin_is_let_in_when_told_so() {
    assert_eq!(ask(&gate("127.0.0.1:1", &[], &["*"]), "localhost", Some("https://x.example")), Ok(()));
}

/// What stands before the service would go by the one, and the service by the other.
#[test]
fn what_says_one_thing_is_there_once() {
    let gate = gate("127.0.0.1:8080", &[], &[]);
    let ask = |name: &str| {
        let request = Request::get("/mcp/demo").header("host", "localhost").header(name, "localhost");
        gate.check(&request.header(name, "x").body(()).unwrap().into_parts().0)
    };
    for name in
        ["host", "origin", "authorization", "content-type", "mcp-session-id", "mcp-param-x", "last-event-id"]
    {
        assert_eq!(ask(name), Err(Refused::Repeated(name.parse().unwrap())), "{name}");
    }
    for name in ["accept", "cookie", "x-forwarded-for"] {
        assert_eq!(ask(name), Ok(()), "{name}");
    }
}
