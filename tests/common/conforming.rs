//! The server that the official conformance suite is content with.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::fixture;

/// The conformance fixture, listening.
pub struct Conforming {
    child: Child,
    url: String,
}

impl Conforming {
    /// At this address, in the eras of that name.
    pub fn start(address: &str, era: &str) -> Self {
        let mut command = Command::new(fixture());
        command
            .args(["conformance", "--http", address, "--era", era])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    /// As the backend `u`.
    pub fn backend(&self, settings: &str) -> String {
        format!("[backends.u]\nurl = {:?}\n{settings}\n", self.url)
    }

    /// `host:port`
    pub fn address(&self) -> String {
        self.url.trim_start_matches("http://").split('/').next().unwrap().to_owned()
    }

    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Conforming {
    fn drop(&mut self) {
        self.end();
    }
}

/// A backend with a process of it, in the eras of that name.
pub fn conforming(name: &str, era: &str, settings: &str) -> String {
    let command = fixture();
    let args = format!("[\"conformance\", \"--stdio\", \"--era\", {era:?}]");
    format!("[backends.{name}]\ncommand = {:?}\nargs = {args}\n{settings}\n", command.to_str().unwrap())
}
