//! What a command may do to the machine, besides what its user may.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[backends.NAME.sandbox]`. Nothing is asked for unless a key says so. Serialised, it is what the process that confines itself is
/// told; it holds no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Who runs it: a name or a number; empty = whoever runs mcpvisor. Only root can choose.
    pub user: String,
    /// Its group: a name or a number; empty = that of `user`. Only root can choose.
    pub group: String,
    /// Added to the niceness of mcpvisor, -20 to 19; 0 = the same.
    pub nice: i32,
    /// Memory of its own that each of its processes may have, in bytes; 0 = no limit.
    pub memory: usize,
    /// Files that each of its processes may have open; 0 = the ordinary limit.
    pub files: usize,
    /// Processes and threads that its user may have, all of them; 0 = no limit.
    pub processes: usize,
    /// Processor time that each of its processes may use in all, in whole seconds; zero = no limit.
    pub cpu_time: Duration,
    /// Files and folders it may read and execute.
    pub read_only: Vec<PathBuf>,
    /// Files and folders it may do anything with that its user may. With this or `read_only` nothing else can be opened.
    pub read_write: Vec<PathBuf>,
    /// What it may reach.
    pub network: Network,
}

/// What a command may reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Everything.
    #[default]
    Open,
    /// Everything but TCP: neither connecting nor listening (Landlock).
    NoTcp,
    /// Nothing but what has a path, such as Unix sockets: a network of its own with nothing in it.
    None,
}

impl Sandbox {
    /// Whether nothing is asked for.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether files are asked about.
    pub fn has_files_of_its_own(&self) -> bool {
        !self.read_only.is_empty() || !self.read_write.is_empty()
    }
}
