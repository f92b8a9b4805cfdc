//! Who is measured.

use std::path::PathBuf;

use anyhow::ensure;

use crate::common::binaries::Binaries;
use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::common::served::Served;
use crate::figures::Figures;
use crate::one_core::OneCore;
use crate::options::Options;
use crate::scenario::RoundTrip;
use crate::{backends, load, pipe};

/// F: rmcp's own server.
pub(crate) const FLOOR: &str = "floor";
/// The backend itself.
pub(crate) const PIPE: &str = "pipe";
/// A handler that answers itself.
pub(crate) const BARE: &str = "bare";
/// What this is all about.
pub(crate) const MCPVISOR: &str = "mcpvisor";
/// The same with two worker threads.
pub(crate) const WORKERS_2: &str = "workers-2";

/// The order of the tables: limit, floors, ours, others.
pub(crate) const ORDER: [&str; 5] = [PIPE, BARE, FLOOR, MCPVISOR, WORKERS_2];

/// One of them, running.
pub(crate) struct Contestant {
    pub(crate) name: String,
    reached: Reached,
}

enum Reached {
    Pipe(PathBuf),
    Server(Target, Served),
    Gateway(Box<Gateway>),
    /// It is somebody else's, who may have told its process.
    Elsewhere(Target, Option<u32>),
}

impl Contestant {
    /// All that the options admit and one of the scenarios wants.
    pub(crate) async fn start(
        options: &Options,
        scenarios: &[&RoundTrip],
        binaries: &Binaries,
    ) -> anyhow::Result<Vec<Self>> {
        let mut contestants = Vec::new();
        let wanted = |name| scenarios.iter().any(|scenario| scenario.contestants.contains(&name));
        for name in ORDER.into_iter().filter(|name| options.admits(name) && wanted(name)) {
            let reached = match name {
                PIPE => Reached::Pipe(binaries.fixture.clone()),
                BARE => Reached::served(Served::start(binaries, &["bare", "127.0.0.1:0"])?)?,
                FLOOR => Reached::served(Served::start(binaries, &["rmcp-http", "127.0.0.1:0"])?)?,
                WORKERS_2 => Reached::gateway(options, binaries, &["gateway.workers=2"]).await?,
                _ => Reached::gateway(options, binaries, &[]).await?,
            };
            contestants.push(Self { name: name.to_owned(), reached });
        }
        for (name, url, pid) in options.others() {
            let reached = Reached::Elsewhere(Target::parse(url)?, pid);
            contestants.push(Self { name: name.to_owned(), reached });
        }
        ensure!(!contestants.is_empty(), "nobody is left to be measured");
        Ok(contestants)
    }

    /// Others are measured at everything.
    pub(crate) fn takes_part(&self, scenario: &RoundTrip) -> bool {
        matches!(self.reached, Reached::Elsewhere(..)) || scenario.contestants.contains(&&*self.name)
    }

    pub(crate) async fn measure(&self, scenario: &RoundTrip, options: &Options) -> anyhow::Result<Figures> {
        let (target, pid) = match &self.reached {
            Reached::Pipe(fixture) => {
                let _held = scenario.one_core.then(|| OneCore::hold(None)).transpose()?;
                return pipe::measure(fixture, scenario, options);
            }
            Reached::Server(target, served) => (target.clone(), Some(served.pid())),
            Reached::Gateway(gateway) => {
                (Target::parse(&gateway.url(backends::of(scenario.eras.1)))?, Some(gateway.pid()))
            }
            Reached::Elsewhere(target, pid) => (target.clone(), *pid),
        };
        let _held = scenario.one_core.then(|| OneCore::hold(pid)).transpose()?;
        load::measure(&target, pid, scenario, options).await
    }
}

impl Reached {
    fn served(served: Served) -> anyhow::Result<Self> {
        Ok(Self::Server(Target::parse(&served.url)?, served))
    }

    async fn gateway(options: &Options, binaries: &Binaries, settings: &[&str]) -> anyhow::Result<Self> {
        Ok(Self::Gateway(Box::new(backends::start(options, binaries, settings).await?)))
    }
}
