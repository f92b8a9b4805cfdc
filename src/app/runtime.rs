//! The runtime's shape.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

use super::Failure;

/// The runtime of the service, with `workers` threads; 0 = chosen from the cores.
///
/// # Errors
/// The system refuses threads.
pub(super) fn build(workers: usize) -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if workers == 0 { automatic(cores) } else { workers };
    let runtime =
        Builder::new_multi_thread().worker_threads(workers).thread_name("mcpvisor").enable_all().build();
    Ok(runtime.context("cannot start the runtime's threads")?)
}

/// A runtime for a command that talks to one peer.
///
/// # Errors
/// The system refuses what a runtime needs.
pub(super) fn small() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?)
}

/// Half of the cores: the other half belongs to the children. A second worker on two cores made every request
/// slower (cross-thread wake-ups: 22 us more a call, and twice the CPU).
fn automatic(cores: usize) -> usize {
    if cores <= 2 { 1 } else { cores / 2 }
}

#[cfg(test)]
mod tests {
    use super::automatic;

    #[test]
    fn few_cores_get_one_worker_so_that_a_call_is_not_slowed_by_wake_ups() {
        assert_eq!([1, 2, 3, 4, 16].map(automatic), [1, 1, 1, 2, 8]);
    }
}
