//! The engine's command, for everything but `run`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcpvisor_config::{Backend, Transport};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::run::env_pass;
use crate::process::environment::inherited;
use crate::process::{ExitStatus, Group, SpawnError, lookup, waitable};

/// Longer than any honest engine takes to stop or remove a container, but for the time that the container itself is given.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether it is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Where it is, and what it sees of the environment.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    program: String,
    environment: BTreeMap<String, String>,
}

impl Engine {
    pub(crate) fn new(program: PathBuf, environment: BTreeMap<OsString, OsString>) -> Self {
        Self { program, environment }
    }

    /// That of a backend with a container; `None` where it has none.
    ///
    /// # Errors
    /// There is no such program.
    pub(crate) fn of(backend: &Backend) -> Option<Result<Self, SpawnError>> {
        let (Some(_), Transport::Stdio { command, env_pass: globs, cwd, .. }) =
            (&backend.container, &backend.transport)
        else {
            return None;
        };
        let environment = inherited(&env_pass(globs), std::env::vars_os());
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let found =
            lookup::working_directory(cwd.as_deref()).and_then(|cwd| lookup::resolve(command, &cwd, path));
        Some(found.map(|program| Self { program, environment }))
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end and gives what it prints, at most what a pipe holds. It has 20 s, and what the container may take besides.
    ///
    /// # Errors
    /// It fails, or is not done in time and killed: what it says of it.
    pub(super) async fn call(&self, arguments: Vec<String>, besides: Duration) -> Result<String, String> {
        let mut command = self.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let runtime = tokio::runtime::Handle::current();
        let started = tokio::task::spawn_blocking(move || {
            // The pidfd registers with the reactor of this runtime.
            let _context = runtime.enter();
            waitable::ensure()?;
            let child = command.spawn()?;
            let group = Group::adopt(Pid::from_child(&child))?;
            Ok::<_, io::Error>((group, child.stdout, child.stderr))
        });
        let (group, said, complained) = match started.await {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        };
        let patience = PATIENCE + besides;
        let ended = tokio::time::timeout(patience, group.ended()).await;
        group.kill();
        let status = group.ended().await;
        group.reap();
        match (ended, status) {
            (Err(_), _) => Err(format!("no answer within {} s", patience.as_secs())),
            (Ok(_), ExitStatus::Code(0)) => Ok(read(said)),
            (Ok(_), status) => Err(format!("{status}: {}", read(complained).trim())),
        }
    }

    /// The same, as long as it takes but no longer, where there is no runtime.
    pub(super) fn call_blocking(&self, arguments: &[String]) -> Result<String, String> {
        let said = |error: io::Error| error.to_string();
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(said)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match child.try_wait().map_err(said)? {
                Some(status) if status.success() => return Ok(read(child.stdout)),
                Some(status) => return Err(status.to_string()),
                None if Instant::now() > deadline => {
                    let _ = child.kill();
                    return Err(format!("no answer within {} s", PATIENCE.as_secs()));
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    /// For the guard, which has neither our environment nor our configuration. `None` if it cannot be written down as text.
    pub(crate) fn written(&self) -> Option<String> {
        let text = |text: &OsStr| text.to_str().map(str::to_owned);
        let variable = |(name, value): (&OsString, &OsString)| Some((text(name)?, text(value)?));
        let environment = self.environment.iter().filter_map(variable).collect();
        serde_json::to_string(&Written { program: text(self.program.as_os_str())?, environment }).ok()
    }

    /// What [`written`](Self::written) has made of one.
    pub(crate) fn read(written: &str) -> Option<Self> {
        let Written { program, environment } = serde_json::from_str(written).ok()?;
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Some(Self { program: program.into(), environment })
    }

    /// Starts it and lets it be: for when nobody is left who could wait.
    pub(super) fn start(&self, arguments: &[String]) -> io::Result<()> {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // Reaps it, if we live on.
        std::thread::Builder::new().name("engine".into()).spawn(move || child.wait())?;
        Ok(())
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().envs(&self.environment);
        // A terminal's Ctrl-C is for us.
        command.process_group(0).stdin(Stdio::null());
        command
    }
}

/// What is in a pipe whose writer has ended. It does not wait: what the writer has started may hold the pipe still.
fn read(pipe: Option<impl Read + AsFd>) -> String {
    let mut text = Vec::new();
    if let Some(mut pipe) = pipe
        && fcntl_setfl(&pipe, OFlags::NONBLOCK).is_ok()
    {
        // The end, or nothing more for now.
        let _ = pipe.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
