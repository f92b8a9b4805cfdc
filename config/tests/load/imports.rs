use mcpvisor_config::{Note, NoteKind, Transport};

use crate::support::{backend, json, loaded, problems, request, stdio};

fn said(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("{note}\n")).collect()
}

#[test]
fn a_claude_desktop_file_is_taken_as_it_is() {
    let loaded = json(
        r#"{
          "globalShortcut": "Ctrl+Space",
          "mcpServers": {
            "memory": {"command": "npx", "args": ["-y", "x"], "env": {"A": "b", "PORT": 8080}, "cwd": "/srv", "autoApprove": ["*"]},
            "remote": {"type": "http", "url": "https://x.example/mcp", "headers": {"X-Key": "k"}},
            "off": {"command": "x", "disabled": true}
          }
        }"#,
    );
    let config = &loaded.config;
    assert_eq!(stdio(config, "memory"), ("npx", vec!["-y", "x"], vec![("A", "b"), ("PORT", "8080")]));
    let Transport::Http { url, headers, .. } = &backend(config, "remote").transport else { panic!("http") };
    assert_eq!((url.as_str(), headers["X-Key"].as_str()), ("https://x.example/mcp", "k"));
    assert!(backend(config, "off").disabled);
    let notes = said(&loaded.notes);
    assert!(notes.contains("`globalShortcut`") && notes.contains("`autoApprove`"), "{notes}");
}

#[test]
fn a_vs_code_file_with_comments_is_taken_as_it_is() {
    let loaded = json(
        "{\n // mine\n \"inputs\": [],\n \"servers\": { \"a\": { \"type\": \"stdio\", \"command\": \"x\", }, },\n}",
    );
    assert_eq!(stdio(&loaded.config, "a").0, "x");
    assert!(said(&loaded.notes).contains("`inputs`"));
    let nested = json(r#"{"editor.tabSize": 2, "mcp": {"servers": {"a": {"command": "x"}}}}"#);
    assert_eq!(stdio(&nested.config, "a").0, "x");
}

#[test]
fn a_bare_list_of_servers_is_taken_as_it_is() {
    assert_eq!(stdio(&json(r#"{"a": {"command": "x"}, "b": {"url": "http://b"}}"#).config, "a").0, "x");
}

#[test]
fn names_that_cannot_be_served_are_mapped_and_said() {
    let loaded = json(r#"{"mcpServers": {"My Server__x": {"command": "x"}, "fine": {"command": "y"}}}"#);
    assert_eq!(stdio(&loaded.config, "My-Server_x").0, "x");
    assert_eq!(loaded.notes.len(), 1);
    assert_eq!(loaded.notes[0].kind, NoteKind::Mapped);
    assert!(loaded.notes[0].what.contains("`My Server__x` is served as `My-Server_x`"), "{:?}", loaded.notes);
}

#[test]
fn other_words_for_the_same_are_understood() {
    let loaded = json(
        r#"{"mcpServers": {
            "windsurf": {"serverUrl": "https://a.example/mcp"},
            "off": {"command": "x", "enabled": false},
            "local": {"type": "local", "command": "x", "tools": ["*"]},
            "streamable": {"type": "streamable-http", "url": "https://b.example/mcp", "disabledTools": []}
        }}"#,
    );
    assert!(matches!(backend(&loaded.config, "windsurf").transport, Transport::Http { .. }));
    assert!(backend(&loaded.config, "off").disabled);
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn a_github_gateway_file_runs_its_containers() {
    let text = r#"{
      "mcpServers": {
        "github": {
          "type": "stdio", "container": "ghcr.io/x/y:1", "entrypoint": "/bin/s", "entrypointArgs": ["stdio", "-v"],
          "mounts": ["/a:/b:ro"], "args": ["--network", "host"],
          "env": {"TOKEN": "${GH}", "PASSED": "", "ABSENT": "", "HOME": "/root"}
        }
      },
      "gateway": {"port": 9000, "domain": "localhost", "apiKey": "${KEY}", "startupTimeout": 60, "toolTimeout": 90,
                  "payloadDir": "/tmp/x"}
    }"#;
    let env = [("GH", "gh-token"), ("PASSED", "host-value"), ("KEY", "gateway-key")];
    let loaded = loaded(request("-", text, &env));
    let config = &loaded.config;
    let (command, args, variables) = stdio(config, "github");
    assert_eq!((command, args.join(" ")), ("docker", "stdio -v".to_owned()));
    let container = backend(config, "github").container.as_ref().unwrap();
    assert_eq!((container.image.as_str(), container.entrypoint.as_str()), ("ghcr.io/x/y:1", "/bin/s"));
    assert_eq!(
        (container.mounts.join(" "), container.run_args.join(" ")),
        ("/a:/b:ro".into(), "--network host".into())
    );
    let expected =
        [("HOME", "/root"), ("NO_COLOR", "1"), ("PASSED", "host-value"), ("PYTHONUNBUFFERED", "1")];
    assert_eq!(variables, [&expected[..], &[("TERM", "dumb"), ("TOKEN", "gh-token")]].concat());
    assert_eq!(config.gateway.listen, "127.0.0.1:9000");
    assert_eq!(config.timeouts.request.as_secs(), 90);
    assert_eq!(backend(config, "github").timeouts.launch.as_secs(), 60);
    assert_eq!(config.auth.keys.len(), 1);
    assert_eq!(config.auth.keys[0].id, "gateway");
    let digest: String = config.auth.keys[0].sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        digest, "8cb1c6bc8952bb3def9c7ff05b13fafc2b333d962b7c9aff0292302072937345",
        "sha256 of the key"
    );
    let notes = said(&loaded.notes);
    for part in ["listens on 127.0.0.1:9000", "ABSENT is to come from the environment", "gateway.payloadDir"]
    {
        assert!(notes.contains(part), "{part} is not in\n{notes}");
    }
}

#[test]
fn a_gateway_for_other_hosts_needs_its_key() {
    let text = |key: &str| {
        format!(r#"{{"mcpServers": {{}}, "gateway": {{"port": 80, "domain": "host.docker.internal"{key}}}}}"#)
    };
    let config = loaded(request("-", &text(r#", "apiKey": "k""#), &[])).config;
    assert_eq!(
        (config.gateway.listen.as_str(), config.auth.allowed_hosts),
        ("0.0.0.0:80", vec!["host.docker.internal".to_owned()])
    );
    let problems = problems(request("-", &text(""), &[]));
    assert!(
        problems[0]
            .to_string()
            .starts_with("standard input:1: gateway.port: beyond loopback without auth.keys"),
        "{}",
        problems[0]
    );
}

#[test]
fn what_is_wrong_in_a_foreign_file_has_the_place_as_written_there() {
    let text = r#"{
      "mcpServers": {
        "a b": {"type": "stdio", "url": "https://x"},
        "c": {"args": ["x"]},
        "d": {"container": "x", "mounts": ["relative:/x"]},
        "e": {"type": "carrier-pigeon", "command": "x"},
        "f": {"command": "x", "args": [1]}
      },
      "gateway": {"prot": 80, "apiKey": ""}
    }"#;
    let all: Vec<_> = problems(request("mcp.json", text, &[])).iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for part in [
        r#"mcp.json:3: mcpServers."a b".type: a server with a url is no stdio server"#,
        "mcp.json:4: mcpServers.c: neither command nor url is given",
        "mcp.json:5: mcpServers.d.mounts[0]: not a mount",
        "mcp.json:6: mcpServers.e.type: not a way to reach a server",
        "mcp.json:7: mcpServers.f.args[0]: a number where a text belongs",
        "mcp.json:9: gateway.prot: unknown key",
        "did you mean `port`?",
        "mcp.json:9: gateway.apiKey: an empty key would let everyone in",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
}

#[test]
fn access_rules_that_would_be_lifted_are_refused() {
    let text =
        r#"{"mcpServers": {"a": {"command": "x", "guard-policies": {"allow-only": {"repos": ["a/b"]}}}}}"#;
    let problems = problems(request("mcp.json", text, &[]));
    assert!(problems[0].key.contains("guard-policies"), "{}", problems[0]);
}

/// Every tool would be callable that the file has hidden.
#[test]
fn tools_that_a_file_hides_stay_hidden() {
    let names = |server: &str| {
        let loaded = json(&format!(r#"{{"mcpServers": {{"a": {{"command": "x", {server}}}}}}}"#));
        backend(&loaded.config, "a").tools.names.clone()
    };
    let only = names(r#""tools": ["read_file"]"#);
    assert_eq!((only.allow, only.deny), (vec!["read_file".to_owned()], vec![]));
    let without = names(r#""disabledTools": ["rm"]"#);
    assert_eq!((without.allow, without.deny), (vec!["*".to_owned()], vec!["rm".to_owned()]));
}

#[test]
fn the_same_server_twice_is_refused() {
    let text = "{\"mcpServers\": {\n\"a\": {\"command\": \"x\"},\n\"a\": {\"command\": \"y\"}}}";
    assert!(problems(request("mcp.json", text, &[]))[0].what.contains("given twice"));
}

#[test]
fn own_settings_in_a_foreign_file_are_not_dropped_in_silence() {
    let loaded = json(r#"{"mcpServers": {"a": {"command": "x", "comand": "y"}}, "auth": {"keys": []}}"#);
    let notes = said(&loaded.notes);
    assert!(notes.contains("mcp.json:1: auth: not read"), "{notes}");
    assert!(notes.contains("did you mean `command`?"), "{notes}");
    assert!(loaded.notes.iter().all(|note| note.kind == NoteKind::Warning));
}
