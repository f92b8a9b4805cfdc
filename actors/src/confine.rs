//! Keeping a server from what it has no business with.
//!
//! ```text
//! spawn ──fork, exec──> this program as `confine ORDER PROGRAM ARGS…`
//!   │                     network, niceness, limits, user, Landlock, memory, in this order; then exec
//!   └── pipe ──────────── a word if one of them cannot be had; its end by the exec itself: all is well
//! ```
//!
//! A program of its own between fork and exec, not a hook: in a hook of a process with threads nothing may allocate or lock, and
//! every line of it would be unsafe code. Here all of it is ordinary code with one thread. The pid, the group, the marker and the
//! pipes stay the child's own, so that everything that watches and ends children works as ever. Without a `sandbox` none of this runs.

mod apply;
mod identity;
mod namespace;
mod report;
mod rules;
mod trial;
mod verdict;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use command_fds::{CommandFdExt, FdMapping};
use mcpvisor_config::{Backend, Sandbox};
use serde::{Deserialize, Serialize};

use crate::process::SpawnError;
pub use apply::run_confined;
use identity::Identity;
pub(crate) use report::{Refusal, Report};
pub use trial::{Unconfinable, unconfinable};
pub(crate) use verdict::likely_cause;

pub(crate) use apply::CPU_GRACE;

/// Where the child finds its end of the report's pipe.
const REPORT_DESCRIPTOR: i32 = 3;

/// How servers are kept apart from the rest: by what this very program is started with so that it confines itself, and where the
/// engines of containers write down what they have started.
#[derive(Clone, Debug)]
pub(crate) struct Confiner {
    arguments: Option<Arc<[OsString]>>,
    folder: Arc<Path>,
}

/// What a child is kept from.
#[derive(Clone, Debug)]
pub struct Confinement {
    pub(crate) sandbox: Sandbox,
    confiner: Confiner,
}

/// The same with everything looked up that has to be looked up out here.
pub(crate) struct Prepared<'a> {
    order: String,
    identity: Option<Identity>,
    arguments: &'a [OsString],
}

/// What the process that confines itself is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    sandbox: Sandbox,
    identity: Option<Identity>,
}

impl Confiner {
    /// There is no way.
    pub(crate) fn none() -> Self {
        Self::new(None, None)
    }

    /// By these arguments, and in this folder; else in the one for what is temporary.
    pub(crate) fn new(arguments: Option<Vec<OsString>>, folder: Option<PathBuf>) -> Self {
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        Self { arguments: arguments.map(Into::into), folder: folder.into() }
    }

    /// Where engines write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Confinement {
    /// `None` where nothing is asked for, and for a container: its engine is told what of it is to hold there.
    pub(crate) fn of(backend: &Backend, confiner: &Confiner) -> Option<Self> {
        let Backend { sandbox, container, .. } = backend;
        let asked = !sandbox.is_open() && container.is_none();
        asked.then(|| Self { sandbox: sandbox.clone(), confiner: confiner.clone() })
    }

    /// # Errors
    /// There is no such user, we may not choose, or there is no way to confine at all.
    pub(crate) fn prepare(&self, command: &str) -> Result<Prepared<'_>, SpawnError> {
        let refused = |refusal| match refusal {
            Refusal::Sandbox { key, reason } => {
                SpawnError::Sandbox { command: command.to_owned(), key, reason }
            }
            Refusal::Exec(code) => {
                SpawnError::Other { command: command.to_owned(), reason: io::Error::from_raw_os_error(code) }
            }
        };
        self.try_prepare().map_err(refused)
    }

    fn try_prepare(&self) -> Result<Prepared<'_>, Refusal> {
        let Some(arguments) = &self.confiner.arguments else {
            return Err(Refusal::of("sandbox", "this program was built without a way to confine a server"));
        };
        let identity = Identity::of(&self.sandbox)?;
        let order = Order { sandbox: self.sandbox.clone(), identity: identity.clone() };
        let order = serde_json::to_string(&order).map_err(|error| Refusal::of("sandbox", error))?;
        Ok(Prepared { order, identity, arguments })
    }
}

impl Prepared<'_> {
    /// What a program expects of a user's environment is that user's, unless the backend says otherwise.
    pub(crate) fn complete(
        &self,
        environment: &mut BTreeMap<OsString, OsString>,
        own: &BTreeMap<String, String>,
    ) {
        for (name, value) in self.identity.iter().flat_map(Identity::variables) {
            if !own.contains_key(name) {
                environment.insert(name.into(), value);
            }
        }
    }

    /// The command up to the arguments of `program`, and where to hear what comes of it.
    pub(crate) fn command(&self, program: &Path) -> io::Result<(Command, Report)> {
        self.start(program.as_os_str())
    }

    fn start(&self, program: &OsStr) -> io::Result<(Command, Report)> {
        let (report, told) = Report::pipe()?;
        let mut command = Command::new(this_program()?);
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.args(self.arguments).arg(&self.order).arg(program);
        let mapping = FdMapping { parent_fd: told, child_fd: REPORT_DESCRIPTOR };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        Ok((command, report))
    }
}

/// The program that runs here, even if another has been put in its place since: both must speak the same.
fn this_program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}
