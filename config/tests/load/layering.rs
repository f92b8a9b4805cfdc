use std::time::Duration;

use mcpvisor_config::{LoadRequest, Source};

use crate::support::{backend, loaded, problems, request, stdio, text};

fn idle_secs(request: LoadRequest) -> u64 {
    loaded(request).config.pool.idle_timeout.as_secs()
}

#[test]
fn later_places_win_over_earlier_ones() {
    let mut all = LoadRequest {
        files: vec![
            text("a.toml", "[pool]\nidle_timeout = \"1s\"\ncooldown = \"5s\""),
            text("b.yaml", "pool:\n  idle_timeout: 2s\n"),
        ],
        ..LoadRequest::default()
    };
    assert_eq!(idle_secs(all.clone()), 2);
    all.env = vec![("MCPVISOR_POOL__IDLE_TIMEOUT".into(), "3s".into())];
    assert_eq!(idle_secs(all.clone()), 3);
    all.sets = vec!["pool.idle_timeout=4s".into()];
    assert_eq!(idle_secs(all.clone()), 4);
    let cooldown = loaded(all).config.pool.cooldown;
    assert_eq!(cooldown, Duration::from_secs(5), "what a later file does not mention stays");
}

#[test]
fn the_listen_flags_win_over_everything() {
    let mut request = request(
        "a.toml",
        "[gateway]\nlisten = \"127.0.0.1:1\"",
        &[("MCPVISOR_GATEWAY__LISTEN", "127.0.0.1:2")],
    );
    request.sets = vec!["gateway.listen=127.0.0.1:3".into()];
    request.listen = Some("[::1]:4".into());
    request.admin_listen = Some("127.0.0.1:0".into());
    let gateway = loaded(request).config.gateway;
    assert_eq!((gateway.listen.as_str(), gateway.admin_listen.as_str()), ("[::1]:4", "127.0.0.1:0"));
}

#[test]
fn backends_of_several_files_come_together_key_by_key() {
    let files = vec![
        text("mcp.json", r#"{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}"#),
        text("more.toml", "[backends.time]\npool.max_error_count = 3\n[backends.other]\ncommand = \"x\""),
    ];
    let config = loaded(LoadRequest { files, ..LoadRequest::default() }).config;
    assert_eq!(stdio(&config, "time").0, "uvx");
    assert_eq!(backend(&config, "time").pool.max_error_count, 3);
    assert_eq!(backend(&config, "other").pool.max_error_count, 10);
}

#[test]
fn only_variables_with_two_underscores_are_settings() {
    let env =
        [("MCPVISOR_CHILD", "1:2"), ("MCPVISOR_LOG", "x"), ("POOL__IDLE_TIMEOUT", "1s"), ("PATH", "/bin")];
    assert_eq!(idle_secs(request("a.toml", "", &env)), 30 * 60);
}

#[test]
fn variables_reach_every_kind_of_setting() {
    let env = [
        ("MCPVISOR_LIMITS__MAX_SESSIONS", "7"),
        ("MCPVISOR_LIMITS__MAX_BODY_BYTES", "1MiB"),
        ("MCPVISOR_GATEWAY__UNIFIED", "false"),
        ("MCPVISOR_BACKOFF__JITTER", "0.25"),
        ("MCPVISOR_AUTH__ALLOWED_HOSTS", r#"["a.example"]"#),
        ("MCPVISOR_BACKENDS__MY_TIME__ENV__API_KEY", "007"),
        ("MCPVISOR_BACKENDS__MY_TIME__POOL__MAX_ERROR_COUNT", "0"),
        ("RUST_LOG", "debug"),
    ];
    let config = loaded(request("a.toml", "[backends.my-time]\ncommand = \"x\"", &env)).config;
    assert_eq!((config.limits.max_sessions, config.limits.max_body_bytes), (7, 1 << 20));
    assert!(!config.gateway.unified);
    assert_eq!(config.backoff.jitter, 0.25);
    assert_eq!(config.auth.allowed_hosts, ["a.example"]);
    assert_eq!(stdio(&config, "my-time").2, [("API_KEY", "007")]);
    assert_eq!(backend(&config, "my-time").pool.max_error_count, 0);
    assert_eq!(config.telemetry.log_level, "debug");
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    let mut request =
        request("a.toml", "", &[("MCPVISOR_POOL__IDLE_TMEOUT", "1s"), ("MCPVISOR_POOL__COOLDOWN", "soon")]);
    request.sets = vec!["limits.max_sessions=many".into(), "nonsense".into()];
    request.listen = Some("8080".into());
    let all: Vec<_> = problems(request).iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for part in [
        "pool.idle_tmeout: unknown key (from MCPVISOR_POOL__IDLE_TMEOUT)",
        "did you mean `idle_timeout`?",
        "(from MCPVISOR_POOL__COOLDOWN)",
        "limits.max_sessions: a text where a whole number belongs (from --set)",
        "--set nonsense",
        "gateway.listen: not an address (from --listen)",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
}

#[test]
fn the_usual_places_are_searched_and_a_given_file_ends_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("xdg/mcpvisor/config.toml");
    std::fs::create_dir_all(user.parent().unwrap()).unwrap();
    std::fs::write(&user, "[pool]\nidle_timeout = \"1s\"").unwrap();
    let xdg = folder.path().join("xdg").display().to_string();
    let search = LoadRequest {
        search: true,
        folder: folder.path().into(),
        env: vec![("XDG_CONFIG_HOME".into(), xdg)],
        ..LoadRequest::default()
    };
    assert_eq!(loaded(search.clone()).sources, [user]);

    let near = folder.path().join("mcpvisor.toml");
    std::fs::write(&near, "[pool]\nidle_timeout = \"2s\"").unwrap();
    let found = loaded(search.clone());
    assert_eq!((found.sources, found.config.pool.idle_timeout.as_secs()), (vec![near], 2));

    let given = LoadRequest { files: vec![text("-", "[pool]\nidle_timeout = \"3s\"")], ..search };
    assert_eq!(idle_secs(given), 3);
}

#[test]
fn a_file_that_is_not_there_is_a_problem_not_a_default() {
    let missing = Source::Path("/nonexistent/mcpvisor.toml".into());
    let problems = problems(LoadRequest { files: vec![missing], ..LoadRequest::default() });
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().starts_with("/nonexistent/mcpvisor.toml: cannot be read"),
        "{}",
        problems[0]
    );
}
