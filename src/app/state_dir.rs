//! The folder in which a running service says that it runs, and where.
//!
//! One per configuration, held by a lock for as long as the service lives; `run.json` in it tells `mcpvisor
//! status` whom to ask. The lock decides; a `run.json` without one is what a killed service left behind. `instances` says by
//! what marker to find the processes that such a one has left.

mod folder;
mod instances;
mod lock;
mod run_file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::Failure;
use super::listeners::Addresses;
use super::settings::Settings;
use lock::{Lock, Locked};
use mcpvisor_config::Config;
pub use run_file::RunFile;

/// A folder in which a service runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// What the service says of itself.
    pub run: RunFile,
}

/// The folder held by this service. Dropping it removes `run.json` and gives the lock back.
pub(super) struct StateDir {
    folder: PathBuf,
    _lock: Lock,
}

impl StateDir {
    /// Takes the folder of this configuration. `None` where it cannot be written: a service that serves is better
    /// than one that does not.
    ///
    /// # Errors
    /// Another service holds it.
    pub(super) fn take(settings: &Settings) -> Result<Option<Self>, Failure> {
        let folder = match &settings.config.gateway.state_dir {
            Some(folder) => folder.clone(),
            None => folder::default_for(&settings.sources, &settings.config.gateway.listen),
        };
        match Self::take_folder(&folder) {
            Ok(taken) => Ok(Some(taken)),
            Err(Taking::Held) => Err(held(&folder)),
            Err(Taking::Unwritable(error)) => {
                unusable(&folder, &error);
                Ok(None)
            }
        }
    }

    /// Writes down the name of this start, before its first child, and ends what earlier ones have left: while we hold the
    /// lock none of them runs.
    pub(super) async fn begin(&self, instance: &str, config: &Config) {
        let earlier = match instances::begin(&self.folder, instance) {
            Ok(earlier) => earlier,
            Err(error) => return unusable(&self.folder, &error),
        };
        if earlier.is_empty() {
            return;
        }
        let starts = earlier.len();
        // The processes first: an engine's command among them would go on with its container.
        let processes = mcpvisor_actors::sweep_instances(earlier.clone()).await;
        let containers = mcpvisor_actors::sweep_containers(config, &earlier, &self.folder).await;
        match processes.zip(containers) {
            Some((processes, containers)) => {
                tracing::info!(
                    event = "service.swept",
                    processes,
                    containers,
                    starts,
                    "an earlier start was killed; what it had left is ended"
                );
                if let Err(error) = instances::keep_only(&self.folder, instance) {
                    unusable(&self.folder, &error);
                }
            }
            // They stay on the list for the next start.
            None => tracing::warn!(starts, "what an earlier start has left could not be ended in time"),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Nothing of this start is left: the next has nothing to look for.
    pub(super) fn finish(&self) {
        instances::remove(&self.folder);
    }

    /// Writes `run.json`. Before the first child is launched, so that `instance` is known whatever happens then.
    pub(super) fn announce(&self, addresses: &Addresses, instance: &str) {
        if let Err(error) = RunFile::of_this_process(addresses, instance).write(&self.folder) {
            unusable(&self.folder, &error);
        }
    }

    fn take_folder(folder: &Path) -> Result<Self, Taking> {
        folder::create_private(folder).map_err(Taking::Unwritable)?;
        match Lock::take(&folder.join("lock")).map_err(Taking::Unwritable)? {
            Locked::Ours(lock) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Locked::ByAnother => Err(Taking::Held),
        }
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        RunFile::remove(&self.folder);
        // Only empties of ours go: the lock file stays in a folder the user has named.
        folder::remove_if_default(&self.folder);
    }
}

/// Every service of this user that runs in a default folder.
pub fn running() -> Vec<Place> {
    let mut places: Vec<_> = folder::bases()
        .iter()
        .flat_map(|base| folder::children(base))
        .filter_map(|folder| at(&folder))
        .collect();
    places.sort_by_key(|place| place.run.pid);
    places
}

/// The service that runs in `folder`, if one does.
pub fn at(folder: &Path) -> Option<Place> {
    let run = RunFile::read(folder)?;
    run.is_alive().then(|| Place { folder: folder.to_owned(), run })
}

/// The process of ours that listens on `address`.
pub(super) fn holder_of(address: SocketAddr, places: &[Place]) -> Option<u32> {
    let address = address.to_string();
    let found = places.iter().find(|place| place.run.listen == address || place.run.admin_listen == address);
    found.map(|place| place.run.pid)
}

enum Taking {
    Held,
    Unwritable(std::io::Error),
}

fn unusable(folder: &Path, error: &std::io::Error) {
    let folder = folder.display();
    tracing::warn!(%folder, %error, "gateway.state_dir cannot be used: `mcpvisor status` will need --admin, and what a SIGKILL leaves cannot be found at the next start");
}

fn held(folder: &Path) -> Failure {
    let by = match RunFile::read(folder) {
        Some(run) => format!("by mcpvisor with pid {}, which serves at {}", run.pid, run.url()),
        None => "by another mcpvisor that is just starting".to_owned(),
    };
    Failure::Runtime(anyhow!(
        "{} is held {by}\n    stop that one, or give this one a folder of its own with --set gateway.state_dir=DIR",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        let (main, admin) = (([127, 0, 0, 1], 18080).into(), ([127, 0, 0, 1], 19464).into());
        Addresses { main, admin, tls: [false; 2] }
    }

    #[test]
    fn two_services_cannot_share_a_folder_and_the_second_learns_who_has_it() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("state");
        let first = StateDir::take_folder(&folder).ok().unwrap();
        first.announce(&addresses(), "i");
        assert!(matches!(StateDir::take_folder(&folder), Err(Taking::Held)));
        let said = held(&folder).to_string();
        assert!(said.contains(&std::process::id().to_string()) && said.contains("127.0.0.1:18080"), "{said}");
        drop(first);
        assert!(at(&folder).is_none(), "a service that ended is not found any more");
        assert!(StateDir::take_folder(&folder).is_ok());
    }

    #[test]
    fn status_finds_the_service_that_runs() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("state");
        let state = StateDir::take_folder(&folder).ok().unwrap();
        state.announce(&addresses(), "i");
        let place = at(&folder).unwrap();
        assert_eq!(place.run.admin_listen, "127.0.0.1:19464");
        assert_eq!(holder_of(addresses().main, &[place]), Some(std::process::id()));
    }
}
