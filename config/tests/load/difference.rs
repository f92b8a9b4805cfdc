use std::collections::BTreeSet;

use mcpvisor_config::{Change, Config, DEFAULT_TOML, Difference};

use crate::support::{loaded, request, toml};

const BEFORE: &str = r#"
[backends.stdio]
command = "/bin/a"
[backends.http]
url = "http://a"
"#;

fn between(before: &str, after: &str) -> Difference {
    Difference::between(&toml(before), &toml(after))
}

/// `keys` of a backend, and what they take.
fn changed<'a>(difference: &'a Difference, name: &str) -> (Vec<&'a str>, Change) {
    let changed = difference.changed.get(name).unwrap_or_else(|| panic!("{name} in {difference:?}"));
    (changed.keys.iter().map(String::as_str).collect(), changed.how)
}

#[test]
fn the_same_twice_is_no_difference() {
    let difference = between(BEFORE, BEFORE);
    assert_eq!(difference, Difference::default());
    assert!(difference.is_empty());
}

#[test]
fn backends_come_and_go_and_one_that_is_disabled_is_not_there() {
    let after = "[backends.stdio]\ncommand = \"/bin/a\"\ndisabled = true\n[backends.new]\ncommand = \"x\"\n";
    let difference = between(BEFORE, after);
    assert_eq!(difference.added, ["new"]);
    assert_eq!(difference.removed, ["http", "stdio"]);
    assert!(difference.changed.is_empty());
    assert_eq!(between(after, BEFORE).added, ["http", "stdio"]);
}

/// A process would run on with what was taken from it, or be ended for a number that it never sees.
#[test]
fn only_what_a_process_was_started_with_takes_another_process() {
    let after = |settings: &str| format!("{BEFORE}\n[backends.x]\ncommand = \"/bin/x\"\n{settings}\n");
    let of = |settings: &str| between(&after(""), &after(settings));
    for (settings, key) in [
        ("args = [\"a\"]", "args"),
        ("env = { A = \"1\" }", "env.A"),
        ("cwd = \"/tmp\"", "cwd"),
        ("env_pass = [\"A\"]", "env_pass"),
        ("protocol = \"legacy\"", "protocol"),
        ("client_profile.name = \"me\"", "client_profile"),
        ("sandbox.memory = \"1GiB\"", "sandbox"),
    ] {
        assert_eq!(changed(&of(settings), "x"), (vec![key], Change::Relaunch));
    }
    for (settings, key) in [
        ("isolation = \"shared\"", "isolation"),
        ("retry = \"never\"", "retry"),
        ("liveness = \"off\"", "liveness"),
        ("on_restart = \"end_session\"", "on_restart"),
        ("idle = \"keep\"", "idle"),
        ("keep_while_streaming = true", "keep_while_streaming"),
        ("warm = 1", "warm"),
        ("warm_max_age = \"1m\"", "warm_max_age"),
        ("pool.idle_timeout = \"1m\"", "pool.idle_timeout"),
        ("backoff.min = \"1s\"", "backoff.min"),
        ("timeouts.request = \"1s\"", "timeouts.request"),
        ("limits.max_in_flight = 1", "limits.max_in_flight"),
    ] {
        assert_eq!(changed(&of(settings), "x"), (vec![key], Change::InPlace));
    }
    let other = of("").changed;
    assert!(other.is_empty(), "{other:?}");
    let both = of("args = [\"a\"]\nretry = \"never\"");
    assert_eq!(changed(&both, "x"), (vec!["args", "retry"], Change::Relaunch));
}

/// A container would run on with another image, or be ended for nothing.
#[test]
fn a_container_is_another_one_with_other_options() {
    let of = |settings: &str| format!("[backends.c]\n{settings}\n");
    let before = of("container = \"i:1\"");
    for (after, keys) in [
        ("container = \"i:2\"", vec!["container"]),
        ("container = \"i:1\"\nengine = \"podman\"", vec!["engine"]),
        ("container = \"i:1\"\nentrypoint = \"/x\"\nmounts = [\"/a:/b\"]", vec!["entrypoint", "mounts"]),
        ("container = \"i:1\"\nrun_args = [\"--privileged\"]", vec!["run_args"]),
        ("command = \"docker\"", vec!["container"]),
    ] {
        assert_eq!(changed(&between(&before, &of(after)), "c"), (keys, Change::Relaunch), "{after}");
    }
    assert!(between(&before, &before).changed.is_empty());
}

#[test]
fn an_upstream_is_another_one_with_another_url_or_other_headers() {
    let after = |url: &str, headers: &str| format!("[backends.h]\nurl = \"{url}\"\nheaders = {headers}\n");
    let before = after("http://a", r#"{ Old = "1", Same = "2" }"#);
    let difference = between(&before, &after("http://a", r#"{ New = "1", Same = "3" }"#));
    assert_eq!(
        changed(&difference, "h"),
        (vec!["headers.Old", "headers.Same", "headers.New"], Change::Relaunch)
    );
    let difference = between(&before, &after("http://b", r#"{ Old = "1", Same = "2" }"#));
    assert_eq!(changed(&difference, "h"), (vec!["url"], Change::Relaunch));
    let oauth = |secret: &str| {
        let oauth = format!(
            "oauth = {{ token_url = \"https://t\", client_id = \"i\", client_secret = \"{secret}\" }}"
        );
        format!("[backends.h]\nurl = \"http://a\"\n{oauth}\n")
    };
    let difference = between(&oauth("hunter-22"), &oauth("hunter-33"));
    assert_eq!(changed(&difference, "h"), (vec!["oauth"], Change::Relaunch));
    let difference = between(&before, "[backends.h]\ncommand = \"/bin/h\"\n");
    assert_eq!(changed(&difference, "h"), (vec!["command", "url"], Change::Relaunch));
}

/// A listener would speak TLS to those who know it without, or keep a certificate that was replaced.
#[test]
fn other_files_of_a_certificate_hold_at_once_and_tls_itself_after_a_restart() {
    let with = |tls: &str| toml(&format!("[gateway.tls]\n{tls}\n{BEFORE}"));
    let (one, other) = (with("cert = \"/c\"\nkey = \"/k\""), with("cert = \"/d\"\nkey = \"/k\""));
    let difference = Difference::between(&one, &other);
    assert_eq!((difference.settings, difference.needs_restart), (vec!["gateway.tls".to_owned()], vec![]));
    let off = Difference::between(&one, &toml(BEFORE));
    assert_eq!((off.settings, off.needs_restart), (vec![], vec!["gateway.tls".to_owned()]));
    assert_eq!(toml(BEFORE).until_restart(&one).gateway.tls, one.gateway.tls);
}

/// One general setting would look like a change of every backend, and take back every operator's stop.
#[test]
fn what_only_follows_a_general_setting_is_no_change_of_a_backend() {
    let own = "[backends.own]\ncommand = \"x\"\npool.idle_timeout = \"9m\"\n";
    let difference =
        between(&format!("{BEFORE}{own}"), &format!("[pool]\nidle_timeout = \"7m\"\n{BEFORE}{own}"));
    assert_eq!(difference.settings, ["pool.idle_timeout"]);
    assert!(difference.changed.is_empty(), "{difference:?}");
    // It follows no longer.
    let freed = "[pool]\nidle_timeout = \"7m\"\n[backends.own]\ncommand = \"x\"\n";
    let difference = between(&format!("{BEFORE}{own}"), &format!("{freed}{BEFORE}"));
    assert_eq!(changed(&difference, "own"), (vec!["pool.idle_timeout"], Change::InPlace));
}

#[test]
fn groups_are_told_by_name() {
    let grouped = |members: &str| format!("[groups]\nall = {members}\n{BEFORE}");
    assert_eq!(between(BEFORE, &grouped("[\"http\"]")).settings, ["groups.all"]);
    assert_eq!(between(&grouped("[\"http\"]"), &grouped("[\"stdio\"]")).settings, ["groups.all"]);
}

/// A secret that was rotated would be ignored, or be told to whoever asks what has changed.
#[test]
fn a_secret_that_has_changed_is_found_and_not_told() {
    let text = "[backends.a]\ncommand = \"x\"\nargs = [\"${TOKEN}\"]\nenv = { TOKEN = \"${TOKEN}\" }\n\
                [session]\nstate_key = \"${TOKEN}\"\n[[auth.keys]]\nid = \"ci\"\nenv = \"TOKEN\"\n";
    let with = |token: &str| loaded(request("mcpvisor.toml", text, &[("TOKEN", token)])).config;
    let difference = Difference::between(&with("hunter-22"), &with("hunter-33"));
    assert_eq!(changed(&difference, "a"), (vec!["args", "env.TOKEN"], Change::Relaunch));
    assert_eq!(difference.settings, ["auth.keys"]);
    assert_eq!(difference.needs_restart, ["session.state_key"]);
    assert!(!format!("{difference:?}").contains("hunter"), "{difference:?}");
}

/// A value of another kind than the default, that is valid together with all other defaults.
fn another(section: &str, key: &str, default: &toml_edit::Value) -> String {
    match (section, key) {
        ("gateway", "listen") => "\"127.0.0.1:1\"".into(),
        ("gateway", "busy_poll") => "\"5ms\"".into(),
        ("gateway", "admin_listen") => "\"127.0.0.1:2\"".into(),
        ("auth", "keys" | "admin_keys") => format!("[{{ id = \"a\", sha256 = \"{}\" }}]", "0".repeat(64)),
        ("auth", "rules") => "[{ principals = [\"a\"], backends = [\"b\"] }]".into(),
        ("auth", "allowed_origins") => "[\"https://a.example\"]".into(),
        ("pool", "cooldown_max") | ("timeouts", "request_max") => "\"77m\"".into(),
        ("pool", "cooldown") | ("timeouts", "request") => "\"77s\"".into(),
        ("telemetry", "log_format") => "\"json\"".into(),
        ("telemetry", "otlp_endpoint") => "\"http://a:4318\"".into(),
        ("session", "header") => "\"X-A\"".into(),
        _ => match default {
            toml_edit::Value::Boolean(flag) => (!flag.value()).to_string(),
            toml_edit::Value::Integer(number) => (number.value() + 7).to_string(),
            toml_edit::Value::Float(_) => "0.25".into(),
            toml_edit::Value::Array(_) => "[\"a\"]".into(),
            toml_edit::Value::String(text) if text.value().ends_with("iB") => "\"77KiB\"".into(),
            toml_edit::Value::String(text) if text.value().starts_with(|c: char| c.is_ascii_digit()) => {
                "\"777ms\"".into()
            }
            _ => "\"a\"".into(),
        },
    }
}

/// A change of a key that was forgotten here would be answered with "unchanged", and ignored.
#[test]
fn a_change_of_any_key_is_found_under_its_name_and_ends_in_what_is_in_effect() {
    let shipped: toml_edit::DocumentMut = DEFAULT_TOML.parse().unwrap();
    let running = toml(BEFORE);
    let mut seen = BTreeSet::new();
    for (section, table) in shipped.as_table() {
        if matches!(section, "backend_defaults" | "slow_starters" | "groups" | "backends") {
            continue;
        }
        for (key, default) in table.as_table().unwrap() {
            // These mean nothing without each other, and have a test of their own.
            if ["issuer", "jwks_url", "public_url", "algorithms", "scopes"].contains(&key) {
                continue;
            }
            let value = match default.as_value() {
                Some(default) => another(section, key, default),
                None => "{ cert = \"/c\", key = \"/k\" }".to_owned(),
            };
            let wanted = toml(&format!("[{section}]\n{key} = {value}\n{BEFORE}"));
            let difference = Difference::between(&running, &wanted);
            let found: Vec<&String> = difference.settings.iter().chain(&difference.needs_restart).collect();
            assert_eq!(found, [&format!("{section}.{key}")], "{section}.{key} = {value}: {difference:?}");
            seen.insert(section.to_owned());
            after_a_reload(&running, wanted, &difference);
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
}

/// A second reload of the same file would do something again.
fn after_a_reload(running: &Config, wanted: Config, difference: &Difference) {
    let again = Difference::between(&wanted.clone().until_restart(running), &wanted);
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(again.needs_restart, difference.needs_restart);
}
