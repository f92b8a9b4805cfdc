use mcpvisor_config::{ConfigErrors, load};

use crate::support::{problem, problems, request, try_load};

#[test]
fn five_mistakes_in_one_file_are_five_problems_with_their_lines() {
    let text = "[gateway]\nlisten = \"8080\"\n\n[pool]\nidle_tmeout = \"10m\"\ncleanup_interval = \"often\"\n\n\
                [backends.a]\ncommand = \"x\"\nurl = \"http://x\"\n\n[groups]\nall = [\"b\"]\n";
    let problems = problems(request("mcpvisor.toml", text, &[]));
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(
        found,
        [
            (Some(2), "gateway.listen"),
            (Some(5), "pool.idle_tmeout"),
            (Some(6), "pool.cleanup_interval"),
            (Some(8), "backends.a"),
            (Some(13), "groups.all[0]"),
        ]
    );
    assert!(problems.iter().all(|problem| !problem.hint.is_empty()));
    let text = ConfigErrors(problems).to_string();
    assert!(
        text.starts_with(
            "5 problems in the configuration\n  mcpvisor.toml:2: gateway.listen: not an address\n"
        ),
        "{text}"
    );
}

#[test]
fn an_unknown_key_is_refused_at_every_level_with_the_nearest() {
    for (text, key, hint) in [
        ("[gatway]\nlisten = \"x\"", "gatway", "did you mean `gateway`?"),
        ("[pool]\nmaxErrorCount = 1", "pool.maxErrorCount", "did you mean `max_error_count`?"),
        ("[backends.a]\ncommand = \"x\"\nargz = []", "backends.a.argz", "did you mean `args`?"),
        (
            "[backends.a]\ncommand = \"x\"\npool.cooldwn = \"1s\"",
            "backends.a.pool.cooldwn",
            "did you mean `cooldown`?",
        ),
        (
            "[backends.a]\ncommand = \"x\"\ntools = { alow = [] }",
            "backends.a.tools.alow",
            "did you mean `allow`?",
        ),
        (
            "[backends.a]\ncommand = \"x\"\nmax_error_count = 1",
            "backends.a.max_error_count",
            "in a backend, write pool.max_error_count = …",
        ),
        ("[gateway]\nidle_timeout = \"1s\"", "gateway.idle_timeout", "it belongs in [pool]"),
        ("[gateway]\ncommand_line = \"x\"", "gateway.command_line", "known here: `admin_listen`"),
        ("[backend_defaults]\ncommand = \"x\"", "backend_defaults.command", "known here"),
    ] {
        let problem = problem(text);
        assert_eq!((problem.key.as_str(), problem.what.as_str()), (key, "unknown key"), "{text}");
        assert!(problem.hint.contains(hint), "{}", problem.hint);
        assert!(problem.line.is_some());
    }
}

#[test]
fn a_wrong_value_shows_a_right_one() {
    for (text, what, hint) in [
        ("[pool]\nidle_timeout = 30", "a number without a unit", "\"10s\""),
        ("[pool]\nidle_timeout = \"30 minutes\"", "not a duration", "\"5m\""),
        ("[pool]\nmax_error_count = -1", "a number where a whole number belongs", "0 or more"),
        ("[pool]\nmax_error_count = 1.5", "a number where a whole number belongs", "0 or more"),
        ("[limits]\nmax_body_bytes = \"4 megs\"", "not a size", "16MiB"),
        ("[backoff]\njitter = 1.5", "outside 0 to 1", "0.5"),
        ("[gateway]\nunified = \"yes\"", "a text where true or false belongs", "true or false"),
        ("[telemetry]\nlog_format = \"jsn\"", "not one of the possible values", "did you mean \"json\"?"),
        (
            "[backends.a]\ncommand = \"x\"\nisolation = \"private\"",
            "not one of the possible values",
            "\"principal\"",
        ),
        ("[backends.a]\ncommand = \"x\"\nargs = \"-y\"", "a text where a list belongs", "[\"…\", \"…\"]"),
        ("[backends.a]\ncommand = \"x\"\nargs = [8080]", "a number where a text belongs", "in quotes"),
        ("pool = 5", "this is a table of settings", "[pool]"),
        ("[auth]\nkeys = \"secret\"", "this is a list", "[{ … }"),
    ] {
        let problem = problem(text);
        assert!(problem.what.contains(what), "{text}: {problem}");
        assert!(problem.hint.contains(hint), "{text}: {problem}");
    }
}

#[test]
fn a_mistake_in_a_section_is_told_once_however_many_backends_there_are() {
    let text = "[pool]\nidle_timeout = \"x\"\n[backend_defaults]\nretry = \"x\"\n[backends.a]\ncommand = \"x\"\npool.cooldown = \"1s\"\n\
                [backends.b]\ncommand = \"x\"\npool.cooldown = \"1s\"";
    assert_eq!(problems(request("a.toml", text, &[])).len(), 2);
}

#[test]
fn broken_text_is_told_with_its_line_beside_the_problems_of_other_files() {
    let mut request = request("a.toml", "[pool]\nidle_timeout = \n", &[]);
    request.files.push(crate::support::text("b.json", "{\n\"pool\": {\n}"));
    request.files.push(crate::support::text("c.yaml", "pool:\n  x: 1\n"));
    let errors = load(request).unwrap_err();
    let places: Vec<_> = errors
        .0
        .iter()
        .map(|problem| (problem.file.clone().unwrap().display().to_string(), problem.line))
        .collect();
    assert_eq!(
        places,
        [("a.toml".to_owned(), Some(2)), ("b.json".to_owned(), Some(3)), ("c.yaml".to_owned(), Some(2))]
    );
}

#[test]
fn nonsense_is_refused_and_never_a_panic() {
    for text in [
        "",
        "{",
        "[",
        "null",
        "[]",
        "\u{0}",
        "a: b: c",
        "{\"mcpServers\": 5}",
        "{\"mcpServers\": {\"a\": 5}}",
        "[[backends]]",
        "backends = []",
    ] {
        for name in ["a.toml", "a.json", "a.yaml", "-"] {
            let _ = try_load(name, text, &[]);
        }
    }
    assert!(try_load("a.json", "{\"mcpServers\": {\"a\": 5}}", &[]).is_err());
    assert!(try_load("a.json", "[]", &[]).is_err());
}
