//! The one place where children are started.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Pid;
use tokio::net::unix::pipe;

use super::container::{Contained, Engine, Named};
use super::environment::{environment_of, inherited};
use super::group::Group;
use super::{Process, Spawned, Spec, limits, lookup, waitable};
use crate::confine::{Refusal, Report};

/// Why a process could not be started. The message holds the whole cause: it is shown to users as it is.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such command.
    #[error("command '{command}' not found (looked in {looked_in})")]
    NotFound {
        /// As configured.
        command: String,
        /// The file, or the `PATH` that was searched.
        looked_in: String,
    },
    /// There is such a file, but the system will not run it.
    #[error("command '{command}' is not executable ({}: {reason})", path.display())]
    NotExecutable {
        /// As configured.
        command: String,
        /// The file that was found.
        path: PathBuf,
        /// What stands against it.
        reason: String,
    },
    /// The working directory cannot be entered.
    #[error("cannot start in directory '{}': {reason}", path.display())]
    Cwd {
        /// As configured.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// What it was to be kept from, it cannot be kept from.
    #[error("cannot start '{command}' confined: {key}: {reason}")]
    Sandbox {
        /// As configured.
        command: String,
        /// The key of the backend that asks for it, such as `sandbox.user`.
        key: String,
        /// Why not.
        reason: String,
    },
    /// The system refused, for a reason that may pass: too many processes, open files, no memory.
    #[error("cannot start '{command}': {reason}")]
    Other {
        /// As configured.
        command: String,
        /// Why.
        reason: io::Error,
    },
}

impl SpawnError {
    /// Whether trying again is pointless until somebody changes the configuration or the system.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NotExecutable { .. } | Self::Sandbox { .. })
    }
}

/// Starts a process in its own group. Blocks until it has called `exec` (about a millisecond), so call it off the
/// runtime's workers but inside its context (`spawn_blocking`): the pipes and the pidfd register with it.
///
/// # Errors
/// See [`SpawnError`]; nothing is left running then.
pub fn spawn(spec: &Spec) -> Result<Spawned, SpawnError> {
    let other = |reason| SpawnError::Other { command: spec.command.clone(), reason };
    tokio::runtime::Handle::try_current().map_err(|error| other(io::Error::other(error)))?;
    waitable::ensure().map_err(other)?;
    // Looked at before, so that nothing is started in vain, and after, since others start at the same time.
    let probe = fcntl_dupfd_cloexec(std::io::stderr(), 0).map_err(|errno| other(errno.into()))?;
    limits::room_for_a_server(&[probe.as_fd()]).map_err(other)?;
    drop(probe);
    let cwd = lookup::working_directory(spec.cwd.as_deref())?;
    let confined = spec.confinement.as_ref().map(|wanted| wanted.prepare(&spec.command)).transpose()?;
    let mut environment = environment_of(spec, std::env::vars_os());
    if let Some(confined) = &confined {
        confined.complete(&mut environment, &spec.env);
    }
    let path = environment.get("PATH".as_ref() as &std::ffi::OsStr);
    let program = lookup::resolve(&spec.command, &cwd, path.map(|path| path.as_os_str()))?;

    // No `pre_exec` and no user or group here: either would cost the posix_spawn path. What confines itself goes without it.
    let (mut command, report) = match &confined {
        None => (Command::new(&program), None),
        Some(confined) => {
            let (command, report) = confined.command(&program).map_err(other)?;
            (command, Some(report))
        }
    };
    let child = command
        .args(&spec.args)
        .env_clear()
        .envs(&environment)
        .current_dir(&cwd)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| explain(spec, &program, error))?;
    // Its end of the report's pipe is in there.
    drop(command);
    if let Some(refusal) = report.and_then(Report::read) {
        return Err(refused(spec, &program, refusal, child));
    }
    let engine = |named: &Named| Contained::new(engine(spec, program), named.clone());
    adopt(child, spec, spec.container.as_ref().map(engine)).map_err(other)
}

/// To end a container takes none of its secrets, and no marker: no sweep of ours may end what ends it.
fn engine(spec: &Spec, program: PathBuf) -> Engine {
    Engine::new(program, inherited(&spec.env_pass, std::env::vars_os()))
}

/// It has not become what was asked for: what was started is gone before that is said.
fn refused(spec: &Spec, program: &Path, refusal: Refusal, mut child: Child) -> SpawnError {
    let _ = child.kill();
    let _ = child.wait();
    match refusal {
        Refusal::Exec(code) => explain_confined(spec, program, io::Error::from_raw_os_error(code)),
        Refusal::Sandbox { key, reason } => {
            SpawnError::Sandbox { command: spec.command.clone(), key, reason }
        }
    }
}

/// Who it runs as may not run the program, or what it may open has not all that the program needs.
fn explain_confined(spec: &Spec, program: &Path, error: io::Error) -> SpawnError {
    let limited = spec.confinement.as_ref().is_some_and(|wanted| wanted.sandbox.has_files_of_its_own());
    match error.kind() {
        io::ErrorKind::PermissionDenied if limited => SpawnError::NotExecutable {
            command: spec.command.clone(),
            path: program.to_path_buf(),
            reason:
                "permission denied; sandbox.read_only needs the program, what interprets it and its libraries"
                    .into(),
        },
        _ => explain(spec, program, error),
    }
}

/// Takes over a child that runs: an error must not leave it behind.
fn adopt(child: Child, spec: &Spec, container: Option<Contained>) -> io::Result<Spawned> {
    let group = Group::adopt(Pid::from_child(&child))?;
    let pid = group.pid();
    if spec.confinement.as_ref().is_none_or(|wanted| wanted.sandbox.files == 0) {
        limits::give_ordinary(Pid::from_child(&child));
    }
    // From here on its `Drop` sees to the child.
    let process = Process::new(group, spec.marker.clone(), container);
    let stdin = pipe::Sender::from_owned_fd(taken(child.stdin)?)?;
    let stdout = pipe::Receiver::from_owned_fd(taken(child.stdout)?)?;
    let stderr = pipe::Receiver::from_owned_fd(taken(child.stderr)?)?;
    limits::room_for_a_server(&[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])?;
    Ok(Spawned { pid, stdin, stdout, stderr, process })
}

fn taken(end: Option<impl Into<OwnedFd>>) -> io::Result<OwnedFd> {
    end.map(Into::into).ok_or_else(|| io::Error::other("the child has no such pipe"))
}

fn explain(spec: &Spec, program: &Path, error: io::Error) -> SpawnError {
    let command = spec.command.clone();
    let path = program.to_path_buf();
    // The file was there and the directory too a moment ago, so these speak of what should run the file.
    match error.kind() {
        io::ErrorKind::NotFound => {
            let reason = lookup::missing_interpreter(program);
            SpawnError::NotExecutable { command, path, reason }
        }
        io::ErrorKind::PermissionDenied => {
            SpawnError::NotExecutable { command, path, reason: "permission denied".into() }
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            SpawnError::NotExecutable {
                command,
                path,
                reason: "neither a program nor a script with a #! line".into(),
            }
        }
        _ => SpawnError::Other { command, reason: error },
    }
}
