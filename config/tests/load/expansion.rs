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
