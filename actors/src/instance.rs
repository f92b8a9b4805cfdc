//! Tells this start of the service from every other, and ends what an earlier one has left behind.

use std::sync::Arc;
use std::time::Duration;

use crate::guard::is_instance;
use crate::process;

/// Longer than any honest sweep: a process that is stuck in the kernel must not keep the service from starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of a start: 64 random bits as hex. The marker of every child begins with it.
pub fn random_instance() -> Arc<str> {
    let bits = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("{bits:016x}").into()
}

/// Ends every process of our user that carries the marker of one of these starts, counts them, and returns how many there
/// were; `None` if it could not be finished within 5 s. What is no name of a start is passed over.
///
/// Only for starts that are known to have ended: hold the lock of the folder that names them.
pub async fn sweep_instances(instances: Vec<String>) -> Option<usize> {
    let instances: Vec<_> = instances.into_iter().filter(|id| is_instance(id)).collect();
    let sweep = tokio::task::spawn_blocking(move || process::end_instances(&instances));
    let swept = tokio::time::timeout(PATIENCE, sweep).await.ok()?.ok()?;
    crate::metrics::orphans_reaped(swept);
    Some(swept)
}
