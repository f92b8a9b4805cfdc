//! Whether this machine can do what is asked for, found out by doing it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Stdio;

use mcpvisor_config::{Config, Sandbox};

use super::report::{Refusal, Report};
use super::{Confinement, Confiner};
use crate::process::container::Engine;

/// A part of a sandbox that cannot be had here, or the engine of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfinable {
    /// The backend that asks for it.
    pub backend: String,
    /// By which of its keys, such as `sandbox.user`.
    pub key: String,
    /// Why not, and what would be right.
    pub reason: String,
}

/// What of the sandboxes and containers of a configuration cannot be had by this process, on this machine, at this time: of each backend the
/// first such part. `confine` are the arguments of `LauncherOptions::confine`. Blocks for a few milliseconds per kind of sandbox.
pub fn unconfinable(config: &Config, confine: &[OsString]) -> Vec<Unconfinable> {
    let confiner = Confiner::new(Some(confine.to_vec()), None);
    let mut tried: Vec<(&Sandbox, Option<Refusal>)> = Vec::new();
    let mut refused = Vec::new();
    for backend in config.backends.values().filter(|backend| !backend.disabled) {
        if let Some(Err(error)) = Engine::of(backend) {
            let (key, reason) = ("engine".to_owned(), error.to_string());
            refused.push(Unconfinable { backend: backend.name.clone(), key, reason });
        }
        let Some(wanted) = Confinement::of(backend, &confiner) else { continue };
        let known = tried.iter().find(|(sandbox, _)| **sandbox == backend.sandbox);
        let refusal = match known {
            Some((_, refusal)) => refusal.clone(),
            None => {
                let refusal = wanted.try_on().err();
                tried.push((&backend.sandbox, refusal.clone()));
                refusal
            }
        };
        if let Some(Refusal::Sandbox { key, reason }) = refusal {
            refused.push(Unconfinable { backend: backend.name.clone(), key, reason });
        }
    }
    refused
}

impl Confinement {
    /// Has a process put it on and end.
    fn try_on(&self) -> Result<(), Refusal> {
        let failed = |error: io::Error| Refusal::of("sandbox", format!("it cannot be tried: {error}"));
        let (mut command, report) = self.try_prepare()?.start(OsStr::new("")).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        drop(command);
        let refusal = Report::read(report);
        if refusal.is_some() {
            // One that does not answer does not end either.
            let _ = child.kill();
        }
        let ended = child.wait();
        match (refusal, ended) {
            (Some(refusal), _) => Err(refusal),
            (None, Ok(status)) if !status.success() => {
                Err(Refusal::of("sandbox", format!("the process that tried it ended with {status}")))
            }
            // Nobody can wait where SIGCHLD is ignored, as some daemons start everything; it has said nothing against it.
            (None, Ok(_) | Err(_)) => Ok(()),
        }
    }
}
