//! Servers in containers.
//!
//! ```text
//! start          ENGINE run --rm -i --init --name=N --cidfile=F --label=mcpvisor.instance=I … IMAGE
//! SIGTERM's turn ENGINE stop --time=S ID
//! any end        ENGINE rm --force ID, before the incarnation counts as gone
//! the next start ENGINE ps --filter=label=mcpvisor.instance=I, then rm --force: what a killed service has left
//! ```
//!
//! The engine's `run` is our child: its pipes are those of the server, and its exit is the server's. But it is only a client: if it
//! is killed, the container runs on. So a container is ended as one, by the id that the engine has written down.

use std::path::{Path, PathBuf};

mod contained;
mod engine;
mod leftovers;
mod run;

pub(super) use contained::Contained;
pub(crate) use engine::Engine;
pub(crate) use leftovers::remove_of;
pub use leftovers::sweep_containers;
pub(crate) use run::{Run, env_pass};

/// How a container is called. No two starts share a name, so that one that is still being removed is in nobody's way.
#[derive(Clone, Debug)]
pub struct Named {
    /// `mcpvisor-INSTANCE-INCARNATION`
    name: String,
    /// Where the engine writes its id.
    cid_file: PathBuf,
}

/// The label by which the containers of one start of the service are found.
const INSTANCE_LABEL: &str = "mcpvisor.instance";
/// For whoever looks at a list of containers.
const BACKEND_LABEL: &str = "mcpvisor.backend";

impl Named {
    /// The container of an incarnation; the file lies in `folder`.
    pub(crate) fn of(instance: &str, incarnation: u64, folder: &Path) -> Self {
        let name = format!("{}{incarnation}", prefix(instance));
        let cid_file = folder.join(format!("{name}.cid"));
        Self { name, cid_file }
    }
}

/// What the names of all containers of a start begin with.
fn prefix(instance: &str) -> String {
    format!("mcpvisor-{instance}-")
}
