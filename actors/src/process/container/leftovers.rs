//! Containers that outlived the service that had started them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mcpvisor_config::Config;

use super::{Engine, INSTANCE_LABEL, prefix};
use crate::guard::is_instance;
use crate::metrics;

/// Removes the containers of these starts by the engines that the configuration names, and what is left of their ids in `folder`.
/// Counts them, and returns how many there were; `None` if an engine did not answer. What is no name of a start is passed over.
///
/// Only for starts that are known to have ended: hold the lock of the folder that names them.
pub async fn sweep_containers(config: &Config, instances: &[String], folder: &Path) -> Option<usize> {
    let instances: Vec<_> = instances.iter().filter(|id| is_instance(id)).collect();
    let mut engines = BTreeMap::new();
    // One that is not there was refused, or is of a backend that is not served.
    for engine in config.backends.values().filter_map(|backend| Engine::of(backend)?.ok()) {
        engines.entry(engine.program().to_owned()).or_insert(engine);
    }
    let mut removed = Some(0);
    for engine in engines.values() {
        for instance in &instances {
            match remove_all(engine, instance).await {
                Ok(count) => removed = removed.map(|before| before + count),
                Err(error) => {
                    let engine = engine.program().display();
                    tracing::warn!(%engine, %error, "cannot look for containers that an earlier start has left");
                    removed = None;
                    break;
                }
            }
        }
    }
    instances.iter().for_each(|instance| forget_ids(instance, folder));
    metrics::orphans_reaped(removed.unwrap_or(0));
    removed
}

async fn remove_all(engine: &Engine, instance: &str) -> Result<usize, String> {
    let found = engine.call(listing(instance), Duration::ZERO).await?;
    if let Some(removal) = removal(&found) {
        engine.call(removal, Duration::ZERO).await?;
    }
    Ok(found.split_whitespace().count())
}

/// Removes the containers of a start. Blocks; needs no runtime.
pub(crate) fn remove_of(instance: &str, engine: &Engine) -> Result<(), String> {
    let found = engine.call_blocking(&listing(instance))?;
    removal(&found).map_or(Ok(()), |removal| engine.call_blocking(&removal).map(drop))
}

fn listing(instance: &str) -> Vec<String> {
    let filter = format!("--filter=label={INSTANCE_LABEL}={instance}");
    ["ps", "--all", "--quiet", &filter].map(str::to_owned).into()
}

/// `None`: there is nothing to remove.
fn removal(found: &str) -> Option<Vec<String>> {
    let ids: Vec<&str> = found.split_whitespace().collect();
    let words = ["rm", "--force", "--volumes"].into_iter().chain(ids.iter().copied());
    (!ids.is_empty()).then(|| words.map(str::to_owned).collect())
}

fn forget_ids(instance: &str, folder: &Path) {
    let prefix = prefix(instance);
    let is_of_it = |name: &str| name.starts_with(&prefix) && name.ends_with(".cid");
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_of_it) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
