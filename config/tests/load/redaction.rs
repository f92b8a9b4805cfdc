use mcpvisor_config::to_toml_redacted;

use crate::support::{loaded, problems, request, toml};

const SECRETS: [&str; 8] =
    ["tok-111", "tok-222", "tok-333", "tok-444", "tok-555", "tok-666", "tok-777", "tok-888"];

#[test]
fn no_secret_is_ever_printed() {
    let text = r#"
        [session]
        state_key = "tok-111"
        [auth]
        keys = [{ id = "ci", env = "CI_KEY" }]
        [backends.a]
        command = "x"
        args = ["--header", "X: ${A}", "--token", "tok-444", "-e", "PW=tok-555", "${A}"]
        env = { K = "tok-666" }
        [backends.b]
        url = "https://me:tok-777@host/${A}/mcp?key=tok-888"
        headers = { Authorization = "Bearer tok-222" }
    "#;
    let loaded = loaded(request("a.toml", text, &[("A", "tok-333"), ("CI_KEY", "tok-999")]));
    let shown = to_toml_redacted(&loaded.config);
    let debug = format!("{:?}", loaded.config);
    let digest: String = loaded.config.auth.keys[0].sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in SECRETS.iter().chain(&["tok-999", digest.as_str()]) {
        assert!(!shown.contains(secret), "{secret} is in\n{shown}");
        assert!(!debug.contains(secret), "{secret} is in\n{debug}");
    }
    for kept in
        ["id = \"ci\"", "K = \"[redacted]\"", "Authorization = \"[redacted]\"", "\"--header\"", "@host/"]
    {
        assert!(shown.contains(kept), "{kept} is not in\n{shown}");
    }
}

#[test]
fn no_secret_is_in_a_problem() {
    let text = r#"
        [session]
        state_key = ["tok-111"]
        [auth]
        keys = [{ id = "ci", sha256 = "tok-222" }]
        [backends.a]
        url = "tok-333://${A}"
        headers = { X = "tok-555\n" }
        retry = "${A}"
        [backends.b]
        command = "x"
        env = { K = ["tok-666"] }
    "#;
    let mut request = request("a.toml", text, &[("A", "tok-444"), ("MCPVISOR_POOL__COOLDOWN", "tok-777")]);
    request.sets = vec!["pool.idle_timeout=tok-888".into()];
    let problems = problems(request);
    let all: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    assert_eq!(problems.len(), 8, "{all}");
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} is in\n{all}");
    }
}

#[test]
fn what_check_prints_is_a_configuration_again() {
    let text = r#"
        [pool]
        idle_timeout = "90m"
        [limits]
        max_body_bytes = "1MiB"
        [backends."a.b"]
        command = "npx"
        args = ["-y", "it's \"x\""]
        pool.max_error_count = 3
        client_profile.capabilities = { roots = { listChanged = true } }
        [backends.c]
        url = "https://x.example/mcp"
        disabled = true
        [backends.d]
        container = "ghcr.io/x/y:1"
        mounts = ["/a:/b:ro"]
        run_args = ["--cpus=1"]
        sandbox.memory = "1GiB"
    "#;
    let printed = to_toml_redacted(&toml(text));
    assert_eq!(to_toml_redacted(&toml(&printed)), printed);
    for part in ["env_pass = [\"PATH\"", "pool = { max_error_count = 3 }", "timeouts = { launch = \"2m\" }"] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
}
