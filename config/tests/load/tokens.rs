//! `auth.issuer` and what goes with it.

use mcpvisor_config::{Algorithm, Difference, to_toml_redacted};

use crate::support::{problem, problems, request, toml};

/// Complete, with one key changed or added.
fn with(section: &str, line: &str) -> String {
    let mut text = String::new();
    let key = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
    for (name, lines) in [
        ("gateway", vec!["public_url = \"https://mcp.example/\""]),
        ("auth", vec!["issuer = \"https://login.example\"", "jwks_url = \"https://login.example/jwks\""]),
    ] {
        text += &format!("[{name}]\n");
        let of_section = lines.iter().filter(|known| name != section || key(known) != key(line));
        of_section.for_each(|line| text += &format!("{line}\n"));
        if name == section {
            text += &format!("{line}\n");
        }
    }
    text
}

#[test]
fn an_issuer_has_keys_and_the_service_a_name() {
    let config = toml(&with("", ""));
    let tokens = &config.auth.tokens;
    assert!(tokens.are_taken() && !config.auth.is_open());
    assert_eq!(tokens.public_url, "https://mcp.example", "without a slash at its end");
    assert!(tokens.algorithms.contains(&Algorithm::Es256) && tokens.leeway.as_secs() == 30);
    assert!(toml("").auth.is_open() && !toml("").auth.tokens.are_taken());
    for (section, line, key, what) in [
        ("gateway", "public_url = \"\"", "gateway.public_url", "auth.issuer is set"),
        ("gateway", "public_url = \"http://mcp.example\"", "gateway.public_url", "https only"),
        ("gateway", "public_url = \"https://a@mcp.example\"", "gateway.public_url", "without user"),
        ("auth", "jwks_url = \"\"", "auth.jwks_url", "auth.issuer is set"),
        ("auth", "jwks_url = \"http://login.example/jwks\"", "auth.jwks_url", "https only"),
        ("auth", "jwks_url = \"http://127.0.0.1@evil.example/jwks\"", "auth.jwks_url", "https only"),
        ("auth", "issuer = \"login\"", "auth.issuer", "not an https URL"),
        ("auth", "issuer = \"https://login.example#x\"", "auth.issuer", "not an https URL"),
        ("auth", "issuer = \"\"", "auth.jwks_url", "no effect without auth.issuer"),
        ("auth", "algorithms = []", "auth.algorithms", "no token"),
        ("auth", "leeway = \"6m\"", "auth.leeway", "outlive"),
        ("auth", "jwks_refresh = \"1s\"", "auth.jwks_refresh", "all the time"),
        ("auth", "scopes = [\"a b\"]", "auth.scopes[0]", "not a scope"),
    ] {
        let problem = problem(&with(section, line));
        assert!(problem.key == key && problem.what.contains(what), "{line}: {problem}");
    }
    toml(&with("auth", "jwks_url = \"http://127.0.0.1:8000/jwks\""));
    let problem = problem(&format!("{}[backends.a]\ncommand = \"x\"\nscopes = [\"\"]", with("", "")));
    assert_eq!(problem.key, "backends.a.scopes[0]");
}

/// Whoever knows the public key, or nothing at all, could make tokens.
#[test]
fn nothing_symmetric_and_nothing_unsigned_can_be_configured() {
    for name in ["HS256", "HS384", "HS512", "none", "None", "", "RS1", "dir"] {
        let problems =
            problems(request("a.toml", &with("auth", &format!("algorithms = [\"RS256\", {name:?}]")), &[]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, "auth.algorithms[1]", "{name}");
    }
    let named = toml(&with("auth", "algorithms = [\"Ed25519\", \"RS512\"]"));
    assert_eq!(named.auth.tokens.algorithms, [Algorithm::EdDsa, Algorithm::Rs512]);
}

/// Somebody with a key could be taken for somebody with a token.
#[test]
fn a_key_cannot_be_called_as_a_token_s_principal_is() {
    let id = "keys = [{ id = \"https://login.example#alice\", sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\" }]";
    let problem = problem(&with("auth", id));
    assert_eq!(problem.key, "auth.keys[0].id");
}

/// A token that was made for the service would be given to somebody else's (MCP, "Token Passthrough").
#[test]
fn what_opens_the_service_is_shown_to_no_server() {
    let forward = "[backends.a]\nurl = \"https://a.example/mcp\"\nforward_authorization = true\n";
    toml(forward);
    let problem = problem(&(with("", "") + forward));
    assert_eq!(problem.key, "backends.a.forward_authorization");
    assert!(problem.what.contains("auth.issuer"), "{problem}");
}

/// Tokens let in whom keys would.
#[test]
fn an_issuer_is_enough_to_listen_beyond_loopback() {
    toml(&with("gateway", "listen = \"0.0.0.0:8080\""));
    let open = problem("[gateway]\nlisten = \"0.0.0.0:8080\"\npublic_url = \"https://mcp.example\"");
    assert!(open.what.contains("auth.issuer"), "{open}");
}

#[test]
fn what_the_key_url_carries_is_not_shown() {
    let config = toml(&with("auth", "jwks_url = \"https://user:hunter22@login.example/jwks?code=hunter33\""));
    let printed = to_toml_redacted(&config);
    assert!(printed.contains("login.example") && !printed.contains("hunter"), "{printed}");
}

#[test]
fn every_change_of_them_is_found() {
    let before = toml(&with("", ""));
    for (section, line) in [
        ("gateway", "public_url = \"https://other.example\""),
        ("auth", "issuer = \"https://other.example\""),
        ("auth", "jwks_url = \"https://other.example/jwks\""),
        ("auth", "audiences = [\"api://x\"]"),
        ("auth", "algorithms = [\"ES256\"]"),
        ("auth", "scopes = [\"mcp\"]"),
        ("auth", "leeway = \"1s\""),
        ("auth", "jwks_refresh = \"1h\""),
    ] {
        let after = toml(&with(section, line));
        let key = format!("{section}.{}", line.split(" = ").next().unwrap());
        assert_eq!(Difference::between(&before, &after).settings, [key], "{line}");
        let printed = to_toml_redacted(&after);
        assert!(printed.contains(line) || line.contains("public_url"), "{line} in {printed}");
        let again = toml(&printed);
        assert!(Difference::between(&after, &again).is_empty(), "{line}");
    }
}
