//! The program as its users and their scripts see it: what it prints, what it exits with, what it leaves behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "cli/service.rs"]
mod service;

use std::process::Output;

use rustix::process::Signal;
use service::{World, eventually, exists, http};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Somebody with a wrong file would have to run `check` five times to find out what is wrong with it.
#[test]
fn check_shows_all_five_mistakes_of_a_file_at_once_and_exits_64() {
    let world = World::new();
    let file = world.write(
        "bad.toml",
        "[pool]\nidle_timeuot = \"30m\"\nmax_error_count = \"many\"\n[timeouts]\nlaunch = \"10 parsecs\"\n\
         [backends.both]\ncommand = \"a\"\nurl = \"http://h/mcp\"\n[groups]\nall = [\"bot\"]\n",
    );
    let checked = world.run(&["check", "--config", &file]);
    assert_eq!(checked.status.code(), Some(64));
    let said = err(&checked);
    for part in ["idle_timeuot", "idle_timeout", "max_error_count", "launch", "both", "bot", "bad.toml:2"] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(out(&checked).is_empty(), "nothing that a script could take for a configuration");
}

/// A secret in a ticket or a CI log is a secret lost.
#[test]
fn check_prints_what_is_in_effect_without_secrets() {
    let world = World::new();
    let file =
        world.write("mcp.json", r#"{"mcpServers":{"a":{"command":"npx","env":{"TOKEN":"s3cret-value"}}}}"#);
    let checked = world.run(&["check", "--config", &file, "--set", "pool.idle_timeout=7m"]);
    assert_eq!(checked.status.code(), Some(0), "{}", err(&checked));
    assert!(out(&checked).contains("idle_timeout = \"7m\""), "{}", out(&checked));
    assert!(!out(&checked).contains("s3cret-value") && !err(&checked).contains("s3cret-value"));
    // What it prints is a configuration, with what its limits come to in the worst case beside it.
    let again = world.write("again.toml", &out(&checked).replace("[redacted]", "x"));
    let smaller = [
        "limits.max_sessions=10",
        "limits.max_connections=10",
        "http.max_tcp_connections=100",
        "limits.max_in_flight=4",
    ];
    let set = smaller.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["check", "--config", &again].into_iter().chain(set).collect();
    let sum = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("# At most ")).unwrap().to_owned();
        line.split(" of buffers").next().unwrap().to_owned()
    };
    let (whole, less) = (sum(&out(&checked)), sum(&out(&world.run(&arguments))));
    assert!(whole.ends_with("TiB") && less.ends_with("GiB"), "{whole} and {less}");
}

/// Scripts tell a typo from a failure by the exit code.
#[test]
fn a_wrong_command_line_exits_64_and_says_what_would_be_right() {
    let world = World::new();
    for arguments in
        [&["serve", "--lissten", "x"][..], &["call"], &["no-such-command"], &["tools", "not a url"]]
    {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", err(&output));
        assert!(!err(&output).is_empty());
    }
    assert!(err(&world.run(&["serve", "--lissten", "x"])).contains("--listen"));
}

#[test]
fn completions_exist_for_the_usual_shells() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = world.run(&["completions", shell]);
        assert!(output.status.success() && out(&output).contains("demo-server"), "{shell}");
    }
}

/// Without this a newcomer sees nothing work in the first minute.
#[test]
fn without_a_configuration_the_demo_works_with_the_commands_it_prints() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = service.endpoint("demo");
    assert!(service.said.contains(&format!("call {url} echo message=hi")), "{}", service.said);
    let tools = world.run(&["tools", &url]);
    assert!(out(&tools).contains("echo message=STRING"), "{}{}", out(&tools), err(&tools));
    let echo = world.run(&["call", &url, "echo", "message=hi"]);
    assert_eq!((out(&echo).as_str(), echo.status.code()), ("hi\n", Some(0)), "{}", err(&echo));
    let add = world.run(&["call", &url, "add", "a=-1", "b=2.5"]);
    assert_eq!(out(&add), "1.5\n", "{}", err(&add));
}

/// The promise of the whole program, as a newcomer tries it.
#[test]
fn a_crash_in_the_middle_of_a_session_is_an_error_of_one_call_and_seen_in_status_and_metrics() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = service.endpoint("demo");
    let calls = world.run(&["call", &url, "counter", "+", "counter", "+", "crash", "+", "counter"]);
    assert_eq!(out(&calls), "1\n2\n1\n", "{}", err(&calls));
    assert!(err(&calls).contains("-31001") && err(&calls).contains("exit"), "{}", err(&calls));
    assert_eq!(calls.status.code(), Some(1));
    assert!(
        service.metrics().contains("mcpvisor_restarts_total{backend=\"demo\",reason=\"exit\"} 1"),
        "{}",
        world.logged()
    );
    let status = world.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["backends"][0]["restarts"], 1, "{status:#}");
}

/// A tool's own failure must not look like success to a script.
#[test]
fn a_call_that_cannot_work_exits_1_or_64_and_says_why() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = service.endpoint("demo");
    let unknown = world.run(&["call", &url, "ehco", "message=hi"]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(err(&unknown).contains("did you mean 'echo'"), "{}", err(&unknown));
    let wrong = world.run(&["call", &url, "add", "a=1"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", err(&wrong));
    let nobody = world.run(&["tools", &service.endpoint("dem")]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(err(&nobody).contains("404") || err(&nobody).contains("demo"), "{}", err(&nobody));
    drop(service);
    let gone = world.run(&["tools", &url]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(err(&gone).contains("nothing answers"), "{}", err(&gone));
}

/// Who starts it twice wants to know that it runs, and where.
#[test]
fn an_address_in_use_exits_98_and_names_the_holder() {
    let world = World::new();
    let service = world.serve(&[]);
    let second = world.run(&["serve", "--listen", &service.main, "--admin-listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(98), "{}", err(&second));
    let said = err(&second);
    assert!(said.contains(&service.main) && said.contains("--listen"), "{said}");
    assert!(said.contains(&service.pid().to_string()), "{said}");
}

/// Two services over one state folder would sweep each other's children.
#[test]
fn a_state_folder_that_is_held_exits_1_and_names_the_holder() {
    let world = World::new();
    let folder = format!("gateway.state_dir={}", world.path().join("state").display());
    let service = world.serve(&["--set", &folder]);
    let second =
        world.run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--set", &folder]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        err(&second).contains(&service.pid().to_string()) && err(&second).contains(&service.main),
        "{}",
        err(&second)
    );
}

/// An orderly stop must not cut what is being answered, nor leave a server behind.
#[test]
fn sigterm_lets_the_call_in_flight_finish_and_leaves_no_child() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = service.endpoint("demo");
    let mut call = world.command(&["call", &url, "sleep", "ms=1500"]);
    let call = std::thread::spawn(move || call.output().unwrap());
    let children = service.children();
    service.is_calling();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().code(), Some(0));
    let call = call.join().unwrap();
    assert_eq!(out(&call), "slept 1500 ms\n", "{}", err(&call));
    assert!(!children.iter().any(|pid| exists(*pid)), "{children:?}");
    assert_eq!(world.run(&["status"]).status.code(), Some(1), "nothing is left that says it runs");
}

/// Who presses Ctrl-C twice wants it gone now, and its servers with it.
#[test]
fn a_second_signal_ends_everything_at_once() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = service.endpoint("demo");
    let mut call = world.command(&["call", &url, "sleep", "ms=60000"]);
    let call = std::thread::spawn(move || call.output().unwrap());
    let children = service.children();
    service.is_calling();
    service.signal(Signal::INT);
    let draining = || (http(&service.main, "GET", "/readyz").0 == 503).then_some(());
    eventually("it drains", draining);
    service.signal(Signal::INT);
    assert_eq!(service.ended().code(), Some(1));
    eventually("its children are gone", || (!children.iter().any(|pid| exists(*pid))).then_some(()));
    assert_eq!(call.join().unwrap().status.code(), Some(1));
}

/// The GitHub gateway's clients end it so.
#[test]
fn post_close_ends_the_service_in_order() {
    let world = World::new();
    let service = world.serve(&[]);
    assert_eq!(http(&service.main, "POST", "/close").0, 200);
    assert_eq!(service.ended().code(), Some(0));
}

/// Pipelines that generate their configuration have no file to name.
#[test]
fn a_configuration_comes_from_standard_input_too() {
    let world = World::new();
    let demo = env!("CARGO_BIN_EXE_mcpvisor");
    let config = format!(r#"{{"mcpServers":{{"mine":{{"command":"{demo}","args":["demo-server"]}}}}}}"#);
    let service = world.serve_with(&["--config", "-"], &[], &config);
    let echo = world.run(&["call", &service.endpoint("mine"), "echo", "message=hi"]);
    assert_eq!(out(&echo), "hi\n", "{}", err(&echo));
}

/// Whoever tries the demo would have to stop it to see his own servers, and could not say where it is by then.
#[test]
fn the_demo_gives_way_to_a_configuration_that_appears() {
    let world = World::new();
    let service = world.serve(&[]);
    let same = world.run(&["reload", "--admin", &service.admin_url()]);
    assert!(out(&same).contains("unchanged"), "{}{}", out(&same), err(&same));
    let program = env!("CARGO_BIN_EXE_mcpvisor");
    let mine = format!("[backends.mine]\ncommand = {program:?}\nargs = [\"demo-server\"]\n");
    let file = world.write("mcpvisor.toml", &mine);
    let found = world.run(&["reload", "--admin", &service.admin_url()]);
    assert!(out(&found).contains("1 added, 1 removed"), "{}{}", out(&found), err(&found));
    let echo = world.run(&["call", &service.endpoint("mine"), "echo", "message=hi"]);
    assert_eq!(out(&echo), "hi\n", "{}", err(&echo));
    std::fs::remove_file(file).unwrap();
    let gone = world.run(&["reload", "--admin", &service.admin_url()]);
    assert_eq!(gone.status.code(), Some(64));
    assert!(err(&gone).contains("is gone"), "{}", err(&gone));
}

/// What came once through a pipe would be taken for empty.
#[test]
fn standard_input_is_not_read_again_and_the_answer_says_so() {
    let world = World::new();
    let config = r#"{"mcpServers":{"mine":{"command":"mine"}}}"#;
    let service = world.serve_with(&["--config", "-"], &[], config);
    let reloaded = world.run(&["reload", "--admin", &service.admin_url()]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", err(&reloaded));
    assert!(
        out(&reloaded).contains("unchanged") && out(&reloaded).contains("standard input"),
        "{}",
        out(&reloaded)
    );
}

/// A page in a browser must not read what runs here, and a key must be asked for where one is set.
#[test]
fn the_admin_listener_is_guarded() {
    let world = World::new();
    let file = world.write("k.toml", "[auth]\nadmin_keys = [{ id = \"ops\", env = \"OPS_KEY\" }]\n");
    let service = world.serve_with(&["--config", &file], &[("OPS_KEY", "k3y")], "");
    assert_eq!(http(&service.admin, "GET", "/metrics").0, 401);
    let refused = world.run(&["status", "--admin", &service.admin_url()]);
    assert!(err(&refused).contains("--bearer"), "{}", err(&refused));
    let shown = world.run(&["status", "--admin", &service.admin_url(), "--bearer", "k3y"]);
    assert_eq!(shown.status.code(), Some(0), "{}", err(&shown));
}
