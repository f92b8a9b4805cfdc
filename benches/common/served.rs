//! A server of the fixture that serves over HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::binaries::Binaries;
use super::server::Server;

/// It runs, and is ended when this is dropped.
pub(crate) struct Served {
    server: Server,
    pub(crate) url: String,
}

impl Served {
    /// The fixture with these arguments, which says where it is in its first line.
    pub(crate) fn start(binaries: &Binaries, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(&binaries.fixture);
        let mut server = Server::start(command.args(arguments).stdout(Stdio::piped()))?;
        let output = server.child().stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line.trim().to_owned();
        ensure!(url.starts_with("http://"), "{} did not say where it is: {line:?}", arguments.join(" "));
        Ok(Self { server, url })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }
}
