//! `run.json`: what a running service says of itself.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::app::listeners::{Addresses, url};

const NAME: &str = "run.json";

/// The contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The process.
    pub pid: u32,
    /// Where MCP is served, `host:port`.
    pub listen: String,
    /// Where metrics and the admin API are, `host:port`.
    pub admin_listen: String,
    /// Whether the first of them speaks TLS …
    #[serde(default)]
    pub tls: bool,
    /// … and the second.
    #[serde(default)]
    pub admin_tls: bool,
    /// Of mcpvisor.
    pub version: String,
    /// Marks every child of this start: the part before the colon of its `MCPVISOR_CHILD`.
    pub instance: String,
}

impl RunFile {
    /// The beginning of a URL of the MCP endpoints.
    pub fn url(&self) -> String {
        url(self.tls, &self.listen)
    }

    /// The same for the admin listener.
    pub fn admin_url(&self) -> String {
        url(self.admin_tls, &self.admin_listen)
    }

    pub(super) fn of_this_process(addresses: &Addresses, instance: &str) -> Self {
        Self {
            pid: std::process::id(),
            listen: addresses.main.to_string(),
            admin_listen: addresses.admin.to_string(),
            tls: addresses.tls[0],
            admin_tls: addresses.tls[1],
            version: crate::VERSION.to_owned(),
            instance: instance.to_owned(),
        }
    }

    /// Written beside and renamed, so that nobody reads half of it.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let beside = folder.join(format!("{NAME}.{}", self.pid));
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&beside, folder.join(NAME))
    }

    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(NAME)).ok()?).ok()
    }

    pub(super) fn remove(folder: &Path) {
        let _ = fs::remove_file(folder.join(NAME));
    }

    /// Whether its process lives. Asking the lock instead would make a service that starts just now fail.
    pub(super) fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
    }
}
