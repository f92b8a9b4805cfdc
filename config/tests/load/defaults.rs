use std::time::Duration;

use mcpvisor_config::{DEFAULT_TOML, Isolation, LoadRequest, LogFormat, load, to_toml_redacted};

use crate::support::{backend, loaded, stdio, toml};

#[test]
fn nothing_configured_gives_the_documented_defaults() {
    let loaded = loaded(LoadRequest::default());
    let config = loaded.config;
    assert!(loaded.sources.is_empty() && loaded.notes.is_empty());
    assert_eq!(config.gateway.listen, "127.0.0.1:8080");
    assert_eq!(config.gateway.admin_listen, "127.0.0.1:9464");
    assert_eq!(config.gateway.drain_timeout, Duration::from_secs(25));
    assert!(config.gateway.unified && config.gateway.state_dir.is_none());
    assert_eq!(config.pool.idle_timeout, Duration::from_secs(30 * 60));
    assert_eq!(config.pool.cleanup_interval, Duration::from_secs(5 * 60));
    assert_eq!(config.pool.max_error_count, 10);
    assert_eq!(config.backoff.min, Duration::from_millis(250));
    assert_eq!(config.timeouts.missed_pings, 3);
    assert_eq!(config.limits.max_message_bytes, 16 << 20);
    assert_eq!(config.limits.max_body_bytes, 4 << 20);
    assert_eq!(config.telemetry.log_format, LogFormat::Text);
    assert!(config.backends.is_empty() && config.auth.keys.is_empty());
}

#[test]
fn every_key_has_a_comment_of_its_own() {
    let mut comment_above = false;
    for (number, line) in DEFAULT_TOML.lines().enumerate() {
        let is_setting = line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        assert!(!is_setting || comment_above, "line {} has no comment: {line}", number + 1);
        comment_above = line.starts_with('#');
    }
}

/// `check` prints the types, so what it prints and `default.toml` lacks has its default in the code.
#[test]
fn every_key_of_the_types_has_its_default_in_the_file() {
    let config = toml("[backends.a]\ncommand = \"a\"\n[backends.b]\nurl = \"http://b\"");
    let printed: toml_edit::DocumentMut = to_toml_redacted(&config).parse().unwrap();
    let shipped: toml_edit::DocumentMut = DEFAULT_TOML.parse().unwrap();
    for (section, table) in printed.as_table() {
        if section == "backends" {
            for (_, backend) in table.as_table().unwrap() {
                for (key, _) in backend.as_table().unwrap() {
                    let has_default = shipped["backend_defaults"].get(key).is_some();
                    assert!(has_default || ["command", "url"].contains(&key), "backend_defaults.{key}");
                }
            }
            continue;
        }
        for (key, _) in table.as_table().unwrap() {
            assert!(shipped[section].get(key).is_some(), "{section}.{key}");
        }
        for (key, _) in shipped[section].as_table().unwrap() {
            assert!(table.get(key).is_some(), "{section}.{key} is in default.toml, but in no type");
        }
    }
}

#[test]
fn a_backend_starts_from_the_defaults_and_sees_a_bounded_environment() {
    let config = toml("[backends.a]\ncommand = \"server\"");
    assert_eq!(stdio(&config, "a"), ("server", vec![], vec![]));
    let backend = backend(&config, "a");
    assert_eq!(backend.isolation, Isolation::Session);
    assert_eq!(backend.client_profile.name, "mcpvisor");
    assert!(!backend.client_profile.version.is_empty());
    assert_eq!(backend.client_profile.capabilities, serde_json::json!({}));
    let mcpvisor_config::Transport::Stdio { env_pass, cwd, .. } = &backend.transport else { panic!("stdio") };
    assert!(env_pass.iter().any(|glob| glob == "PATH") && !env_pass.iter().any(|glob| glob == "*"));
    assert_eq!(*cwd, None);
}

#[test]
fn what_may_download_gets_longer_to_launch_unless_the_user_says_otherwise() {
    let launch = |text: &str| backend(&toml(text), "a").timeouts.launch.as_secs();
    assert_eq!(launch("[backends.a]\ncommand = \"node\""), 30);
    for command in ["npx", "/usr/bin/uvx", "bunx", "docker", "podman"] {
        assert_eq!(launch(&format!("[backends.a]\ncommand = \"{command}\"")), 120, "{command}");
    }
    assert_eq!(launch("[timeouts]\nlaunch = \"10s\"\n[backends.a]\ncommand = \"npx\""), 10);
    assert_eq!(launch("[backends.a]\ncommand = \"npx\"\ntimeouts.launch = \"7s\""), 7);
    assert_eq!(launch("[backends.a]\ncommand = \"npx\"\ntimeouts.request = \"7s\""), 120);
}

#[test]
fn the_internal_section_is_no_setting() {
    let errors =
        load(crate::support::request("a.toml", "[slow_starters]\nlaunch = \"1s\"", &[])).unwrap_err();
    assert!(errors.to_string().contains("slow_starters: unknown key"), "{errors}");
}
