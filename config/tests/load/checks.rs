use mcpvisor_config::LoadRequest;

use crate::support::{loaded, problem, problems, refused_backends, request};

const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn listening_beyond_loopback_needs_keys_or_an_explicit_word() {
    let open = "[gateway]\nlisten = \"0.0.0.0:8080\"\n";
    assert!(problem(open).what.contains("beyond loopback without auth.keys"));
    for allowed in [
        format!("{open}[auth]\nkeys = [{{ id = \"a\", sha256 = \"{SHA}\" }}]"),
        format!("{open}[auth]\nallow_unauthenticated = true"),
    ] {
        loaded(request("a.toml", &allowed, &[]));
    }
    let admin = "[gateway]\nadmin_listen = \"[::]:9464\"\n[auth]\nallow_unauthenticated = true";
    assert!(problem(admin).what.contains("beyond loopback without auth.admin_keys"));
}

#[test]
fn two_listeners_on_one_port_are_refused_before_anything_binds() {
    assert!(problem("[gateway]\nlisten = \"127.0.0.1:9464\"").what.contains("the same port"));
    loaded(request("a.toml", "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"", &[]));
}

#[test]
fn a_backend_is_a_command_or_a_url_and_says_nothing_of_the_other() {
    refused_backends(&[
        ("command = \"x\"\nurl = \"http://x\"", "", "both command and url"),
        ("args = []", "", "neither command nor url"),
        ("command = \"x\"\nheaders = {}", "headers", "only means something together with url"),
        ("url = \"http://x\"\nargs = []", "args", "only means something together with command"),
        ("command = \"\"", "command", "not a program"),
        ("url = \"ftp://x\"", "url", "not an http or https URL"),
        ("url = \"https://\"", "url", "not an http or https URL"),
        ("url = \"http://x\"\nheaders = { \"X Y\" = \"z\" }", "headers.\"X Y\"", "not the name of a header"),
        ("url = \"http://x\"\nheaders = { X = \"z\\n\" }", "headers.X", "a control character"),
        ("command = \"x\"\nenv = { \"A=B\" = \"z\" }", "env.\"A=B\"", "not a variable"),
        ("command = \"x\"\nenv = { MCPVISOR_CHILD = \"z\" }", "env.MCPVISOR_CHILD", "reserved"),
    ]);
}

#[test]
fn a_name_that_cannot_be_served_is_refused_with_one_that_can() {
    let problem = problem("[backends.\"my server\"]\ncommand = \"x\"");
    assert!(problem.hint.contains("`my-server`"), "{problem}");
}

#[test]
fn a_group_names_backends_that_exist() {
    let problem = problem("[groups]\nall = [\"tiem\"]\n[backends.time]\ncommand = \"x\"");
    assert_eq!(
        (problem.what.as_str(), problem.hint.as_str()),
        ("there is no backend `tiem`", "did you mean `time`?")
    );
    let of = |members: &str| format!("[groups]\nall = {members}\n[backends.time]\ncommand = \"x\"");
    assert!(self::problem(&of("[]")).what.contains("empty group"));
    assert!(self::problem(&of("[\"time\", \"time\"]")).what.contains("twice"));
    let broken = "[groups]\nall = [\"time\"]\n[backends.time]\nargs = []";
    assert_eq!(problems(request("a.toml", broken, &[])).len(), 1, "a broken backend exists all the same");
}

#[test]
fn numbers_fit_together() {
    for (text, key, what) in [
        ("[backoff]\nmin = \"1m\"", "backoff.min", "min (1m) is longer than max (30s)"),
        ("[backoff]\nmax = \"1ms\"", "backoff.max", "min (250ms) is longer than max (1ms)"),
        ("[backoff]\nmin = 0", "backoff.min", "must not be zero"),
        ("[timeouts]\nrequest = \"2h\"", "timeouts.request", "longer than request_max"),
        ("[limits]\nmax_sessions = 0", "limits.max_sessions", "must not be zero"),
        ("[pool]\ncleanup_interval = \"0s\"", "pool.cleanup_interval", "must not be zero"),
        ("[gateway]\nworkers = 100000", "gateway.workers", "more threads"),
        ("[gateway]\nbusy_poll = \"1s\"", "gateway.busy_poll", "never sleeps"),
        ("[session]\nttl = 0", "session.ttl", "must not be zero"),
        ("[http]\nmax_headers = 0", "http.max_headers", "must not be zero"),
        ("[http]\nmax_header_bytes = \"1MiB\"", "http.max_header_bytes", "more than is read of a head"),
        (
            "[limits]\nmax_sessions = 10\n[backends.a]\ncommand = \"x\"\nlimits.max_sessions = 11",
            "backends.a.limits.max_sessions",
            "all together may have 10",
        ),
        ("[backends.a]\ncommand = \"x\"\nbackoff.min = \"1m\"", "backends.a.backoff.min", "longer than max"),
        (
            "[backends.a]\ncommand = \"x\"\ntimeouts.launch = 0",
            "backends.a.timeouts.launch",
            "must not be zero",
        ),
    ] {
        let problem = problem(text);
        assert_eq!(problem.key, key, "{problem}");
        assert!(problem.what.contains(what), "{problem}");
    }
    let zero_is_fine = "[pool]\nmax_error_count = 0\nreset_after = 0\n[limits]\nmax_queued = 0\n[gateway]\ndrain_timeout = 0";
    loaded(request("a.toml", zero_is_fine, &[]));
    assert!(problem("[pool]\ncleanup_interval = 0").hint.contains("\"5m\""), "the default is shown");
}

#[test]
fn a_burst_without_a_rate_is_said_to_be_nothing() {
    let text = "[principal_limits]\nburst = 5\n[limits]\nburst = 5\nrequests_per_second = 1";
    let notes: Vec<_> = loaded(request("a.toml", text, &[])).notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("principal_limits.burst") && notes[0].contains("no effect"), "{notes:?}");
}

#[test]
fn keys_are_whole_and_tell_their_owners_apart() {
    for (keys, key, what) in [
        ("{ id = \"a\", sha256 = \"abc\" }".to_owned(), "auth.keys[0].sha256", "not the 64 hex digits"),
        ("{ id = \"a\" }".to_owned(), "auth.keys[0]", "neither sha256 nor env"),
        (format!("{{ id = \"a\", env = \"X\", sha256 = \"{SHA}\" }}"), "auth.keys[0]", "both sha256 and env"),
        ("{ id = \"a\", env = \"MISSING\" }".to_owned(), "auth.keys[0].env", "MISSING is not set"),
        (format!("{{ sha256 = \"{SHA}\" }}"), "auth.keys[0].id", "needs a name"),
        (
            format!("{{ id = \"a\", sha256 = \"{SHA}\" }}, {{ id = \"b\", sha256 = \"{SHA}\" }}"),
            "auth.keys[1].id",
            "the same key as `a`",
        ),
    ] {
        let problem = problem(&format!("[auth]\nkeys = [{keys}]"));
        assert_eq!(problem.key, key);
        assert!(problem.what.contains(what), "{problem}");
    }
    let twice =
        format!("[auth]\nkeys = [{{ id = \"a\", sha256 = \"{SHA}\" }}, {{ id = \"a\", env = \"K\" }}]");
    let problems = problems(request("a.toml", &twice, &[("K", "other")]));
    assert!(problems[0].what.contains("`a` names two keys"), "{}", problems[0]);
}

#[test]
fn a_key_from_the_environment_is_kept_as_its_digest() {
    let config =
        loaded(request("a.toml", "[auth]\nkeys = [{ id = \"ci\", env = \"K\" }]", &[("K", "test")])).config;
    let hex: String = config.auth.keys[0].sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, SHA);
}

/// Users who are meant to be apart would share a process without a word.
#[test]
fn principals_without_keys_are_said_to_be_one() {
    let text = "[backends.a]\ncommand = \"x\"\nisolation = \"principal\"";
    let notes = |text: &str| loaded(request("a.toml", text, &[])).notes;
    assert!(notes(text)[0].to_string().contains("share one connection"));
    let keys = format!("[auth]\nkeys = [{{ id = \"a\", sha256 = \"{SHA}\" }}]\n{text}");
    assert!(notes(&keys).is_empty());
}

#[test]
fn spares_of_an_upstream_are_said_to_be_none() {
    let text = "[backend_defaults]\nwarm = 1\n[backends.a]\nurl = \"http://x\"\n\
                [backends.b]\nurl = \"http://x\"\nwarm = 2\n[backends.c]\ncommand = \"x\"";
    let notes: Vec<_> = loaded(request("a.toml", text, &[])).notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "a default is not meant for it: {notes:?}");
    assert!(notes[0].starts_with("a.toml:7: backends.b.warm") && notes[0].contains("no effect"), "{notes:?}");
}

#[test]
fn spares_have_bounds() {
    let too_many = problem("[limits]\nmax_connections = 2\n[backends.a]\ncommand = \"x\"\nwarm = 3");
    assert_eq!(too_many.key, "backends.a.warm");
    assert!(too_many.what.contains("max_connections (2)"), "{too_many}");
    let too_short = problem("[backends.a]\ncommand = \"x\"\nwarm = 1\nwarm_max_age = \"20ms\"");
    assert_eq!(too_short.key, "backends.a.warm_max_age");
    loaded(request("a.toml", "[backends.a]\ncommand = \"x\"\nwarm = 1\nwarm_max_age = \"0s\"", &[]));
}

/// A server would be asked in words that its transport never had.
#[test]
fn the_older_transport_has_one_era() {
    let sse = "[backends.a]\nurl = \"http://x\"\ntransport = \"sse\"";
    let config = loaded(request("a.toml", sse, &[])).config;
    assert_eq!(config.backends["a"].protocol, mcpvisor_config::Protocol::Legacy);
    let problem = problem(&format!("{sse}\nprotocol = \"modern\""));
    assert!(problem.key == "backends.a.protocol" && problem.what.contains("sse"), "{problem}");
}

#[test]
fn a_backend_that_is_switched_off_stops_nobody() {
    loaded(request(
        "a.toml",
        "[backends.a]\nurl = \"http://x\"\nforward_authorization = true\nisolation = \"shared\"\ndisabled = true",
        &[],
    ));
}

#[test]
fn a_default_of_all_backends_can_be_changed_and_a_backend_has_the_last_word() {
    let text = "[backend_defaults]\nretry = \"never\"\nenv = { A = \"1\", B = \"1\" }\n\
                [backends.a]\ncommand = \"x\"\nenv = { B = \"2\" }\n[backends.b]\nurl = \"http://x\"\nretry = \"safe\"";
    let config = loaded(LoadRequest { ..request("a.toml", text, &[]) }).config;
    assert_eq!(crate::support::stdio(&config, "a").2, [("A", "1"), ("B", "2")]);
    assert_eq!(config.backends["a"].retry, mcpvisor_config::Retry::Never);
    assert_eq!(config.backends["b"].retry, mcpvisor_config::Retry::Safe);
}
