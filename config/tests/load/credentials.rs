//! Whose credentials go to which server.

use crate::support::{loaded, problem, request};

/// One user's requests would go out with the credentials of another, or the key to mcpvisor itself would leave it.
#[test]
fn credentials_of_clients_are_passed_on_where_each_has_a_connection_of_its_own() {
    let forwarding = "[backends.a]\nurl = \"http://x\"\nforward_authorization = true\n";
    for isolation in ["session", "request"] {
        loaded(request("a.toml", &format!("{forwarding}isolation = \"{isolation}\""), &[]));
    }
    for isolation in ["shared", "principal"] {
        let refused = problem(&format!("{forwarding}isolation = \"{isolation}\""));
        assert_eq!(refused.key, "backends.a.isolation", "{refused}");
    }
    let keys = format!("{forwarding}[auth]\nkeys = [{{ id = \"a\", sha256 = \"{}\" }}]", "0".repeat(64));
    for (text, what) in [
        (keys.as_str(), "auth.keys"),
        (&format!("{forwarding}headers = {{ authorization = \"x\" }}"), "headers.authorization"),
        (
            &format!(
                "{forwarding}oauth = {{ token_url = \"https://t\", client_id = \"i\", client_secret = \"s\" }}"
            ),
            "oauth",
        ),
    ] {
        let refused = problem(text);
        assert!(
            refused.key == "backends.a.forward_authorization" && refused.what.contains(what),
            "{refused}"
        );
    }
}

#[test]
fn a_token_needs_to_be_asked_for_somewhere_and_by_somebody() {
    let of = |oauth: &str| format!("[backends.a]\nurl = \"https://x/mcp?k=1\"\noauth = {{ {oauth} }}");
    let whole = "token_url = \"https://t/token\", client_id = \"i\", client_secret = \"s3cret\"";
    let config = loaded(request("a.toml", &of(whole), &[])).config;
    let mcpvisor_config::Transport::Http { oauth: Some(oauth), .. } = &config.backends["a"].transport else {
        panic!()
    };
    assert_eq!(oauth.resource, "https://x/mcp");
    let shown = mcpvisor_config::to_toml_redacted(&config);
    assert!(
        shown.contains("client_id = \"i\"") && !format!("{shown}{config:?}").contains("s3cret"),
        "{shown}"
    );
    for (oauth, key) in [
        ("token_url = \"t\", client_id = \"i\", client_secret = \"s\"", "token_url"),
        ("token_url = \"https://t\", client_secret = \"s\"", "client_id"),
        ("token_url = \"https://t\", client_id = \"i\"", "client_secret"),
    ] {
        assert_eq!(problem(&of(oauth)).key, format!("backends.a.oauth.{key}"));
    }
    let stdio = problem("[backends.a]\ncommand = \"x\"\noauth = { token_url = \"https://t\" }");
    assert_eq!(stdio.key, "backends.a.oauth");
}
