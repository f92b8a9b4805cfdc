//! Who is measured.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::common::binaries::Binaries;
use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::common::server::Server;
use crate::figures::Figures;
use crate::one_core::OneCore;
use crate::options::Options;
use crate::scenario::RoundTrip;
use crate::{backends, load, pipe};

/// F: rmcp's own server.
pub(crate) const FLOOR: &str = "floor";
/// The backend itself.
pub(crate) const PIPE: &str = "pipe";
/// What this is all about.
pub(crate) const MCPVISOR: &str = "mcpvisor";

/// One of them, running.
pub(crate) struct Contestant {
    pub(crate) name: String,
    reached: Reached,
}

enum Reached {
    Pipe(PathBuf),
    Http { target: Target, running: Running },
}

/// What is ended when the contestant goes.
enum Running {
    Floor(Server),
    Gateway(Gateway),
    /// It is somebody else's, who may have told its process.
    Elsewhere(Option<u32>),
}

impl Contestant {
    /// All that the options admit.
    pub(crate) async fn start(options: &Options, binaries: &Binaries) -> anyhow::Result<Vec<Self>> {
        let mut contestants = Vec::new();
        if options.admits(PIPE) {
            contestants.push(Self { name: PIPE.into(), reached: Reached::Pipe(binaries.fixture.clone()) });
        }
        if options.admits(FLOOR) {
            contestants.push(floor(binaries)?);
        }
        if options.admits(MCPVISOR) {
            let gateway = backends::start(options, binaries).await?;
            let target = Target::parse(&gateway.url(backends::ECHO))?;
            contestants.push(Self::http(MCPVISOR, target, Running::Gateway(gateway)));
        }
        for (name, url, pid) in options.others() {
            contestants.push(Self::http(name, Target::parse(url)?, Running::Elsewhere(pid)));
        }
        ensure!(!contestants.is_empty(), "nobody is left to be measured");
        Ok(contestants)
    }

    fn http(name: &str, target: Target, running: Running) -> Self {
        Self { name: name.to_owned(), reached: Reached::Http { target, running } }
    }

    pub(crate) async fn measure(&self, scenario: &RoundTrip, options: &Options) -> anyhow::Result<Figures> {
        match &self.reached {
            Reached::Pipe(fixture) => {
                let _held = scenario.one_core.then(|| OneCore::hold(None)).transpose()?;
                pipe::measure(fixture, scenario, options)
            }
            Reached::Http { target, running } => {
                let pid = match running {
                    Running::Floor(server) => Some(server.pid()),
                    Running::Gateway(gateway) => Some(gateway.pid()),
                    Running::Elsewhere(pid) => *pid,
                };
                let _held = scenario.one_core.then(|| OneCore::hold(pid)).transpose()?;
                load::measure(target, pid, scenario, options).await
            }
        }
    }
}

fn floor(binaries: &Binaries) -> anyhow::Result<Contestant> {
    let mut command = Command::new(&binaries.fixture);
    let mut server = Server::start(command.args(["rmcp-http", "127.0.0.1:0"]).stdout(Stdio::piped()))?;
    let mut url = String::new();
    let output = server.child().stdout.take().context("no standard output")?;
    BufReader::new(output).read_line(&mut url)?;
    let target = Target::parse(url.trim()).context("rmcp's server did not say where it is")?;
    Ok(Contestant::http(FLOOR, target, Running::Floor(server)))
}
