//! What the service tells of itself: logs and metrics.

pub mod catalogue;
pub mod log;
pub mod recorder;
