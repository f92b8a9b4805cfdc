//! A bug of ours, as the log tells it. Each test starts this very program once more, as the one that has it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mcpvisor::telemetry::log;
use mcpvisor_config::{LoadRequest, LogFormat, load};

const PANICS: &str = "MCPVISOR_TEST_PANICS";
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts it; what it writes to standard error goes to `stderr`.
fn start(stderr: impl Into<Stdio>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_one_that_panics", "--nocapture"]).env(PANICS, "1").env_remove("RUST_LOG");
    command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
}

fn ends(child: &mut Child) {
    let from = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if from.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_one_that_panics() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let mut telemetry = load(LoadRequest::default()).unwrap().config.telemetry;
    telemetry.log_format = LogFormat::Json;
    let log = log::install(&telemetry).unwrap_or_else(|failure| panic!("{failure}"));
    let worker = std::thread::Builder::new().name("worker".into()).spawn(|| panic!("the number is {}", 7));
    assert!(worker.unwrap().join().is_err());
    drop(log);
}

/// A collector that takes JSON would not see the bugs, which are what one has it for.
#[test]
fn a_panic_is_a_line_of_the_log() {
    let mut child = start(Stdio::piped());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    ends(&mut child);
    let line = said.lines().find(|line| line.contains("\"panic\"")).unwrap_or_else(|| panic!("{said}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["event"], &line["thread"], &line["level"]),
        (&"panic".into(), &"worker".into(), &"ERROR".into())
    );
    assert!(line["message"].as_str().unwrap().contains("the number is 7"), "{line}");
    assert!(line["at"].as_str().unwrap().contains("panic_log.rs"), "{line}");
}

/// One bug, and a collector that hangs, would stop the thread that serves everybody.
#[test]
fn a_panic_waits_for_nobody_who_reads() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // As much as fits: from there on every write waits.
    rustix::io::ioctl_fionbio(&filler, true).unwrap();
    while filler.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filler, false).unwrap();
    let mut child = start(writer);
    ends(&mut child);
}
