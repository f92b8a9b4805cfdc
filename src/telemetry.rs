//! What the service tells of itself: logs, metrics, traces.

pub mod catalogue;
pub(crate) mod limits;
pub mod log;
pub(crate) mod own_process;
pub(crate) mod page;
pub mod recorder;
pub mod reloads;
pub mod traces;
