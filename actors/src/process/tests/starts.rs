//! What a process is started with, and what is said when it cannot be.

use std::io::Read;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;

use super::*;
use crate::process::SpawnError;

/// If this failed, mcpvisor's own secrets would reach every server, or a server would lack its own variables.
#[tokio::test]
async fn the_environment_is_an_allow_list() {
    let marker = fresh_marker();
    let mut spec = shell("env", &marker);
    spec.env.insert("API_KEY".into(), "of this backend".into());
    let mut spawned = spawn(spec).await;
    let mut text = String::new();
    timeout(SOON, spawned.stdout.read_to_string(&mut text)).await.unwrap().unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // What the shell itself adds.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["API_KEY", "MCPVISOR_CHILD", "PATH"]);
    assert!(text.contains(&format!("MCPVISOR_CHILD={marker}\n")));
}

/// If this failed, relative paths in a backend's configuration would point elsewhere.
#[tokio::test]
async fn starts_where_it_is_told_and_finds_its_command_there() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "server", "#!/bin/sh\npwd\n");
    let mut spec = shell("", &fresh_marker());
    spec.cwd = Some(folder.path().into());
    spec.args = Vec::new();
    spec.command = "./server".into();
    spec.env.insert("PATH".into(), "nowhere:.".into());
    for command in ["./server", "server"] {
        spec.command = command.into();
        spec.marker = fresh_marker();
        let mut spawned = spawn(spec.clone()).await;
        let mut text = String::new();
        timeout(SOON, spawned.stdout.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(Path::new(text.trim()).canonicalize().unwrap(), folder.path().canonicalize().unwrap());
    }
}

/// If this failed, a typing error in the configuration would be retried for ever or explained by "os error 2".
#[tokio::test]
async fn what_cannot_be_started_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    script(folder.path(), "lost", "#!/no/such/interpreter -x\n");
    script(folder.path(), "text", "just text\n");
    std::fs::write(folder.path().join("data"), "").unwrap();
    for (command, fatal, message) in [
        (
            "no-such-command",
            true,
            "command 'no-such-command' not found (looked in PATH=/bin:/usr/bin)".to_owned(),
        ),
        ("", true, "command '' not found (looked in PATH=/bin:/usr/bin)".to_owned()),
        (&at("none"), true, format!("command '{0}' not found (looked in {0})", at("none"))),
        (
            &at("data"),
            true,
            format!("command '{0}' is not executable ({0}: Permission denied (os error 13))", at("data")),
        ),
        (&at("."), true, format!("command '{0}' is not executable ({0}: it is a directory)", at("."))),
        (
            &at("lost"),
            true,
            format!(
                "command '{0}' is not executable ({0}: its interpreter '/no/such/interpreter' is missing)",
                at("lost")
            ),
        ),
        (
            &at("text"),
            true,
            format!(
                "command '{0}' is not executable ({0}: neither a program nor a script with a #! line)",
                at("text")
            ),
        ),
    ] {
        let mut spec = shell("", &fresh_marker());
        spec.command = command.into();
        spec.env.insert("PATH".into(), "/bin:/usr/bin".into());
        let error = process::spawn(&spec).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.is_fatal(), fatal);
    }
    let mut spec = shell("", &fresh_marker());
    spec.cwd = Some("/no/such/directory".into());
    let error = process::spawn(&spec).unwrap_err();
    assert!(matches!(error, SpawnError::Cwd { .. }) && !error.is_fatal());
    assert_eq!(
        error.to_string(),
        "cannot start in directory '/no/such/directory': No such file or directory (os error 2)"
    );
}

/// If this failed, servers that look at every possible descriptor when they start would take minutes.
#[tokio::test]
async fn a_child_gets_the_ordinary_limit_of_open_files() {
    let ordinary = Rlimit { current: Some(1024), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, ordinary).unwrap();
    let limits = process::raise_own_limits();
    assert_eq!(limits.ordinary, Some(1024));
    assert!(limits.raised > limits.ordinary);
    assert_eq!(process::raise_own_limits(), limits);
    let mut child = Child::start("read line; ulimit -n").await;
    // The limit is set from outside right after the start; by now it is.
    child.stdin = None;
    assert_eq!(child.line().await, "1024");
    assert_eq!(getrlimit(Resource::Nofile).current, limits.raised);
}

/// If this failed, a server would keep a pipe or socket open that mcpvisor was started with, and its other end would wait.
#[tokio::test]
async fn inherited_descriptors_are_not_passed_on() {
    let (kept, _other) = rustix::pipe::pipe().unwrap();
    // Not close-on-exec, like what a shell leaves open.
    let number = std::os::fd::AsRawFd::as_raw_fd(&kept);
    assert!(process::close_inherited_fds().unwrap() >= 1);
    let mut child =
        Child::start(&format!("test -e /proc/self/fd/{number} && echo open || echo closed")).await;
    assert_eq!(child.line().await, "closed");
}

fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    // Written by another process: a descriptor of ours open for writing, inherited by a child that is just being started
    // by another test, would make this one "busy".
    let mut writer = std::process::Command::new("sh")
        .args(["-c", "cat > \"$0\""])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut writer.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut read = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut read).unwrap();
    assert_eq!(read, text);
}
