use crate::support::{loaded, problems, request, stdio};

#[test]
fn variables_are_filled_in_in_every_string_of_every_format() {
    let env = [("A", "one"), ("N", "5"), ("D", "7s")];
    for (name, text) in [
        (
            "a.toml",
            "[backends.x]\ncommand = \"${A}\"\nargs = [\"-${B:-two}\"]\nenv = { K = \"$${A}\" }\n[pool]\nmax_error_count = \"${N}\"\ncooldown = \"${D}\"",
        ),
        (
            "a.yaml",
            "backends:\n  x:\n    command: ${A}\n    args: [\"-${B:-two}\"]\n    env: {K: '$${A}'}\npool:\n  max_error_count: ${N}\n  cooldown: ${D}\n",
        ),
        (
            "a.json",
            r#"{"backends": {"x": {"command": "${A}", "args": ["-${B:-two}"], "env": {"K": "$${A}"}}}, "pool": {"max_error_count": "${N}", "cooldown": "${D}"}}"#,
        ),
    ] {
        let config = loaded(request(name, text, &env)).config;
        assert_eq!(stdio(&config, "x"), ("one", vec!["-two"], vec![("K", "${A}")]), "{name}");
        assert_eq!((config.pool.max_error_count, config.pool.cooldown.as_secs()), (5, 7), "{name}");
    }
}

#[test]
fn an_undefined_variable_is_named_with_its_place() {
    let text = "[backends.x]\ncommand = \"x\"\nargs = [\n  \"ok\",\n  \"${NOPE}\",\n]\nenv = { K = \"${ALSO}\" }\n[pool]\ncooldown = \"${D}\"";
    let problems = problems(request("mcpvisor.toml", text, &[]));
    assert_eq!(problems.len(), 3, "and nothing that only follows from them");
    assert_eq!(
        problems[0].to_string(),
        "mcpvisor.toml:5: backends.x.args[1]: the environment variable NOPE is not set\n    set NOPE, or give a default: ${NOPE:-…}"
    );
    assert_eq!((problems[1].line, problems[1].key.as_str()), (Some(7), "backends.x.env.K"));
}

#[test]
fn what_an_editor_would_ask_for_is_explained() {
    let text = r#"{"servers": {"x": {"command": "x", "env": {"K": "${input:key}"}}}}"#;
    let problems = problems(request("mcp.json", text, &[]));
    assert!(problems[0].hint.contains("an editor asks for this value"), "{}", problems[0]);
}

#[test]
fn a_value_can_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret-of-file\n").unwrap();
    let (path, dir) = (path.to_str().unwrap(), folder.path().to_str().unwrap());
    let toml = format!(
        "[backends.x]\ncommand = \"npx\"\nargs = [\"@/etc/hostname\", \"${{file:{path}}}\"]\n[backends.x.env]\n\
         A = \"@{path}\"\nB = \"@${{DIR}}/token\"\nC = \"@@{path}\"\nD = \"@handle\"\nE = \"${{AT}}\"\nF = \"x-${{file:{path}}}\"\n"
    );
    let env = [("DIR", dir), ("AT", "@/etc/hostname"), ("MCPVISOR_BACKENDS__X__ENV__G", &format!("@{path}"))];
    let loaded = loaded(request("a.toml", &toml, &env));
    let (_, args, env) = stdio(&loaded.config, "x");
    let literal = format!("@{path}");
    assert_eq!(
        args,
        ["@/etc/hostname", "s3cret-of-file"],
        "no argument is a file by its @: npm packages begin so"
    );
    let expected = [
        ("A", "s3cret-of-file"),
        ("B", "s3cret-of-file"),
        ("C", literal.as_str()),
        ("D", "@handle"),
        ("E", "@/etc/hostname"),
        ("F", "x-s3cret-of-file"),
        ("G", "s3cret-of-file"),
    ];
    assert_eq!(env, expected);
    assert_eq!(loaded.value_files.into_iter().collect::<Vec<_>>(), [std::path::PathBuf::from(path)]);
    let shown = mcpvisor_config::to_toml_redacted(&loaded.config);
    assert!(!shown.contains("s3cret"), "{shown}");

    let json =
        format!(r#"{{"mcpServers": {{"x": {{"url": "http://x/mcp", "headers": {{"X-Key": "@{path}"}}}}}}}}"#);
    let config = self::loaded(request("mcp.json", &json, &[])).config;
    let mcpvisor_config::Transport::Http { headers, .. } = &config.backends["x"].transport else { panic!() };
    assert_eq!(headers["X-Key"], "s3cret-of-file");
}

#[test]
fn a_file_that_is_no_value_is_named_with_its_key_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, b"s3cret\xff").unwrap();
    let path = path.to_str().unwrap();
    let text = format!(
        "[backends.x]\nurl = \"http://x/mcp\"\nheaders = {{ A = \"@/no/such/file\", B = \"@{path}\" }}\n[session]\nstate_key = \"${{file:relative}}\"\n"
    );
    let problems = problems(request("mcpvisor.toml", &text, &[]));
    assert_eq!(
        problems[0].to_string(),
        "mcpvisor.toml:3: backends.x.headers.A: the file /no/such/file cannot be read: entity not found\n    put the file there; in a container, mount it; `@@/` is a literal `@/`"
    );
    assert!(problems[1].what.contains(path) && problems[1].key == "backends.x.headers.B");
    assert!(problems[2].what.contains("`relative` is not an absolute path"));
    assert!(problems.iter().all(|problem| !problem.to_string().contains("s3cret")));
}
